"""Keys have the written form, and what differs in any part never shares one."""

from __future__ import annotations

import re

import attrs
from fakes import MACHINE
from hypothesis import given
from hypothesis import strategies as st

from amorsize.domain import keys
from amorsize.domain.buckets import SIZE_NAMES, TIME_NAMES
from amorsize.domain.values import FORMAT

HEX = "0123456789abcdef"


def test_a_key_has_the_written_form():
    where = keys.locator(HEX, "int~16^3", 1000)
    what = keys.variant(0.005, "01234567")
    assert f"{where}_{what}" == f"func:{HEX}_item:int~16^3_size:large_time:moderate_v:{FORMAT}@01234567"


def test_a_thousand_and_fifteen_hundred_items_share_a_locator():
    assert keys.locator(HEX, "str~4", 1000) == keys.locator(HEX, "str~4", 1500)
    assert keys.locator(HEX, "str~4", 1000) != keys.locator(HEX, "str~4", 999)


@given(st.integers(0, 2**63), st.text("abcxyz~^|.0123456789", min_size=32, max_size=32))
def test_the_longest_locator_fits_a_store(items, kind):
    where = keys.locator(HEX, kind, items)
    assert len(where) <= 80
    assert where.rpartition("_size:")[2] in SIZE_NAMES


@given(st.floats(0, 1e9))
def test_a_variant_ends_in_format_and_machine(seconds):
    what = keys.variant(seconds, "01234567")
    assert what.endswith(keys.variant_suffix("01234567"))
    assert what.removeprefix("time:").removesuffix(keys.variant_suffix("01234567")) in TIME_NAMES


@given(st.text(), st.text())
def test_what_is_stated_in_place_of_measurements_tells_machines_apart(one, other):
    assert (keys.machine_id(MACHINE, one) == keys.machine_id(MACHINE, other)) == (one == other)


def test_a_machine_is_distinguished_by_model_architecture_and_python_only():
    own = keys.machine_id(MACHINE)
    assert re.fullmatch("[0-9a-f]{8}", own)
    assert keys.machine_id(attrs.evolve(MACHINE, usable_cpus=1.5, available_memory_bytes=1)) == own
    for change in ({"cpu_model": "other"}, {"architecture": "other"}, {"python_tag": "other"}):
        assert keys.machine_id(attrs.evolve(MACHINE, **change)) != own
    assert keys.machine_locator(own) == f"machine:{own}"


def test_texts_moved_from_one_fact_to_the_next_are_another_machine():
    one = attrs.evolve(MACHINE, cpu_model="ab", architecture="c")
    other = attrs.evolve(MACHINE, cpu_model="a", architecture="bc")
    assert keys.machine_id(one) != keys.machine_id(other)


@given(st.text(st.characters(), max_size=40))
def test_any_text_at_all_has_a_machine_id_and_a_name_locator(text):
    assert re.fullmatch("[0-9a-f]{8}", keys.machine_id(attrs.evolve(MACHINE, cpu_model=text)))
    assert re.fullmatch("name:[0-9a-f]{16}", keys.name_locator(text))


def test_a_lone_surrogate_has_a_machine_id_and_a_name_locator():
    assert len(keys.machine_id(attrs.evolve(MACHINE, cpu_model="\udc80"))) == 8
    assert keys.name_locator("\udc80") != keys.name_locator("\udc81")
