"""Values refuse what is out of range, not finite or of another type, wherever it comes from."""

from __future__ import annotations

import copy
import pickle
from math import inf, nan

import attrs
import pytest
from fakes import MACHINE, OVERHEADS, SAMPLE
from hypothesis import given
from hypothesis import strategies as st

from amorsize.domain.rules import RuleSettings, Verdict
from amorsize.domain.values import (
    FORMAT,
    Constraints,
    Entry,
    Machine,
    Plan,
    number,
    one_of,
    whole,
)

PLAN = Plan(
    executor="process",
    n_jobs=2,
    chunksize=3,
    predicted_seconds=2.0,
    seconds_low=1.0,
    seconds_high=3.0,
    serial_seconds=4.0,
    speedup_low=1.5,
    speedup_high=2.5,
)
ENTRY = Entry(
    format=FORMAT,
    locator="a",
    variant="b",
    function="c",
    measured_at=1.0,
    confirmed_at=1.0,
    confirmations=0,
    items=5,
    constraints=Constraints(),
    sample=SAMPLE,
    plan=PLAN,
    machine=MACHINE,
)
VALUES = (MACHINE, SAMPLE, OVERHEADS, PLAN, ENTRY, Constraints(), RuleSettings())
NEVER_A_NUMBER = (nan, inf, -inf, True, False, "1", b"1", [1], {}, 1j, 10**400, -(10**400), 10**5000)


def spelled(kind):
    """Return a field's type as it is written: who reads records first has turned the text into the type itself."""
    return kind.__name__ if isinstance(kind, type) else str(kind)


FIELDS = [(value, field.name, spelled(field.type)) for value in VALUES for field in attrs.fields(type(value))]


def of_types(*types):
    return [
        pytest.param(value, name, "None" in kind, id=f"{type(value).__name__}.{name}")
        for value, name, kind in FIELDS
        if kind in types
    ]


NUMBERS = of_types("int", "float", "int | None", "float | None")
TEXTS = of_types("str", "str | None")


def test_every_field_of_a_kind_is_among_those_tested():
    assert len(NUMBERS) > 40
    assert len(TEXTS) > 10


@pytest.mark.parametrize(("value", "field", "optional"), NUMBERS)
def test_a_number_field_refuses_what_is_no_bounded_number(value, field, optional):
    for wrong in NEVER_A_NUMBER if optional else (*NEVER_A_NUMBER, None):
        with pytest.raises(ValueError, match=r"must be|Exceeds the limit"):
            attrs.evolve(value, **{field: wrong})
    with pytest.raises(ValueError, match=rf"^{field} must be .*, got -1"):
        attrs.evolve(value, **{field: -1})


OPTIONAL = [(value, name) for value, name, kind in FIELDS if kind.endswith("| None")]


@pytest.mark.parametrize(("value", "field"), OPTIONAL, ids=[name for _, name in OPTIONAL])
def test_an_optional_field_may_be_none(value, field):
    assert getattr(attrs.evolve(value, **{field: None}), field) is None


WHOLE = of_types("int", "int | None")


@pytest.mark.parametrize(("value", "field", "optional"), WHOLE)
def test_a_whole_number_field_refuses_fractions_and_floats(value, field, optional):
    for wrong in (1.0, 1.5) if optional else (1.0, 1.5, None):
        with pytest.raises(ValueError, match=f"{field} must be a whole number"):
            attrs.evolve(value, **{field: wrong})


@pytest.mark.parametrize(("value", "field", "optional"), TEXTS)
def test_a_text_field_refuses_other_types_and_what_is_too_long(value, field, optional):
    wrongs = (1, b"fork", ["fork"], "x" * 401)
    for wrong in wrongs if optional else (*wrongs, None):
        with pytest.raises(ValueError, match=f"{field} must be"):
            attrs.evolve(value, **{field: wrong})


@pytest.mark.parametrize("wrong", [0, 1, None, "yes"])
def test_a_flag_is_true_or_false_and_nothing_like_it(wrong):
    with pytest.raises(ValueError, match="gil_enabled must be true or false, got"):
        attrs.evolve(MACHINE, gil_enabled=wrong)
    assert attrs.evolve(MACHINE, gil_enabled=False).gil_enabled is False


@pytest.mark.parametrize("wrong", [(-1,), (True,), (1.0,), ("1",), tuple(range(17)), (2**60,)])
def test_positions_are_few_whole_numbers(wrong):
    with pytest.raises(ValueError, match="positions must be at most 16 whole numbers"):
        attrs.evolve(SAMPLE, positions=wrong)


def test_positions_become_a_tuple():
    assert attrs.evolve(SAMPLE, positions=[3, 1, 2]).positions == (3, 1, 2)
    assert len(attrs.evolve(SAMPLE, positions=range(16)).positions) == 16


@pytest.mark.parametrize("part", ["constraints", "sample", "plan", "machine"])
def test_an_entry_refuses_parts_of_another_kind(part):
    with pytest.raises(TypeError, match=part):
        attrs.evolve(ENTRY, **{part: {}})


def test_names_outside_the_list_are_refused_with_the_list():
    with pytest.raises(ValueError, match="start_method must be one of 'fork', 'spawn', 'forkserver', got 'thread'"):
        attrs.evolve(MACHINE, start_method="thread")
    with pytest.raises(ValueError, match="executor must be one of 'auto', 'serial', 'thread', 'process'"):
        Constraints(executor="gpu")


def test_a_fault_shows_no_more_than_a_little_of_what_it_got():
    with pytest.raises(ValueError, match="cpu_model") as caught:
        attrs.evolve(MACHINE, cpu_model="x" * 10**6)
    assert len(str(caught.value)) < 200


@attrs.frozen
class Bounded:
    share: float = attrs.field(default=0.5, validator=number(0.25, 1))
    count: int = attrs.field(default=1, validator=whole(1, 10))
    name: str = attrs.field(default="a", validator=one_of("a", "b"))


@given(st.one_of(st.floats(), st.integers()))
def test_a_number_is_taken_exactly_within_its_bounds(value):
    if 0.25 <= value <= 1:
        assert Bounded(share=value).share == value
    else:
        with pytest.raises(ValueError, match=r"share must be a number from 0\.25 to 1"):
            Bounded(share=value)


@given(st.integers(-20, 20))
def test_a_whole_number_is_taken_exactly_within_its_bounds(value):
    if 1 <= value <= 10:
        assert Bounded(count=value).count == value
    else:
        with pytest.raises(ValueError, match="count must be a whole number from 1 to 10"):
            Bounded(count=value)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_are_frozen_slotted_equal_by_content_and_travel(value):
    assert not hasattr(value, "__dict__")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(value, attrs.fields(type(value))[0].name, 1)
    assert pickle.loads(pickle.dumps(value)) == copy.copy(value) == value
    assert hash(copy.copy(value)) == hash(value)


def test_the_edges_of_a_machine_are_taken():
    edge = attrs.evolve(
        MACHINE, physical_cores=1, logical_cores=65536, usable_cpus=0.01, available_memory_bytes=0, cpu_model="x" * 120
    )
    assert isinstance(edge, Machine)
    with pytest.raises(ValueError, match=r"usable_cpus must be a number from 0.01 to 65536, got 0.009"):
        attrs.evolve(edge, usable_cpus=0.009)


def test_speedup_is_serial_over_predicted_and_one_for_nothing_at_all():
    assert PLAN.speedup == 2.0
    assert attrs.evolve(PLAN, predicted_seconds=0.0, serial_seconds=0.0).speedup == 1.0


def test_defaults_are_those_that_are_written_down():
    assert RuleSettings() == RuleSettings(ttl_seconds=7 * 24 * 3600.0, memory_tolerance=0.2)
    assert ENTRY.format == FORMAT
    assert Verdict("fresh").reason == ""


@pytest.mark.parametrize(
    "value", [MACHINE, SAMPLE, PLAN, ENTRY, RuleSettings()], ids=lambda value: type(value).__name__
)
def test_values_compare_and_show_as_attrs_would_have_them(value):
    fields = {field.name: attrs.field(alias=field.alias) for field in attrs.fields(type(value))}
    twin = attrs.make_class(type(value).__name__, fields, frozen=True)
    assert repr(value) == repr(twin(*attrs.astuple(value, recurse=False)))
    assert value == attrs.evolve(value)
    assert hash(value) == hash(attrs.evolve(value))
    name = attrs.fields(type(value))[-1].name
    other = object.__new__(type(value))
    for field in fields:
        object.__setattr__(other, field, getattr(value, field) if field != name else "another")
    assert value != other
    assert value != attrs.astuple(value, recurse=False)
    assert len({value, attrs.evolve(value), other}) == 2
