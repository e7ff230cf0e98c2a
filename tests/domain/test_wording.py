"""Seconds, bytes, workers and errors in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amorsize.domain import wording


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0 ns"),
        (2.34e-8, "23.4 ns"),
        (1e-6, "1 us"),
        (0.00015, "150 us"),
        (0.9999, "1,000 ms"),
        (1, "1 s"),
        (90.06, "90.1 s"),
        (5400, "5,400 s"),
        (1234567, "1,234,567 s"),
    ],
)
def test_seconds_come_in_the_unit_that_reads_well(value, said):
    assert wording.seconds(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0 B"),
        (1023, "1,023 B"),
        (1536, "1.5 KiB"),
        (10 << 20, "10 MiB"),
        (3 << 30, "3 GiB"),
        (5 << 40, "5 TiB"),
        (1 << 60, "1,048,576 TiB"),
    ],
)
def test_bytes_come_in_binary_units(value, said):
    assert wording.size(value) == said


@given(value=st.floats(1e-9, 1e15), count=st.floats(1, 1e18))
def test_no_figure_is_written_with_an_exponent_or_without_a_unit(value, count):
    for said in (wording.seconds(value), wording.size(count)):
        figure, unit = said.split(" ")
        assert "e" not in figure
        assert unit


@pytest.mark.parametrize(
    ("number", "name", "said"),
    [(1, "item", "1 item"), (0, "item", "0 items"), (None, "item", "items"), (2, "process", "2 processes")],
)
def test_a_number_of_things_is_said_in_the_plural_unless_it_is_one(number, name, said):
    assert wording.counted(number, name) == said


class HostileError(Exception):
    def __str__(self):
        raise RuntimeError("not even this")


def test_an_error_is_said_briefly_however_hostile_it_is():
    assert wording.brief(KeyError("x")) == "KeyError: 'x'"
    assert len(wording.brief(ValueError("x" * 1000))) == 120
    assert wording.brief(HostileError()) == "HostileError"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain → wörds", "plain → wörds"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb\tc\x00", "a\\nb\\tc\\x00"),
        ("\u202e\u2028\ud800", "\\u202e\\u2028\\ud800"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_what_is_no_printable_character_stands_as_its_escape(text, shown):
    assert wording.printable(text) == shown
    assert wording.printable(text).isprintable()
