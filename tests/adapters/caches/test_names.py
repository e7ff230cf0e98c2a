"""Names and texts: what a store takes, and file names that are legal everywhere."""

from __future__ import annotations

import re
from string import printable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from amorsize.adapters.caches.names import check_name, file_name, is_name, name_of, text_bytes

PRINTABLE = "".join(character for character in printable if character.isprintable())
NAMES = st.text(PRINTABLE, min_size=1, max_size=80)
DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@given(NAMES)
@example("con")
@example("LPT1")
@example("nul.json")
@example("..")
@example("%" * 80)
def test_a_file_name_is_legal_on_every_system_and_leads_back_to_its_name(name):
    file = file_name(name)
    assert name_of(file) == name
    assert re.fullmatch("[a-z0-9_%-]{1,240}", file)
    assert not DEVICES.fullmatch(file)
    assert not DEVICES.fullmatch(file + ".json")


@given(NAMES, NAMES)
@example("a", "A")
@example("con", "%63on")
def test_names_that_differ_have_file_names_that_differ_where_case_does_not_count(one, other):
    assert (file_name(one).casefold() == file_name(other).casefold()) == (one == other)


@given(st.text(PRINTABLE, max_size=20))
@example("%61")
@example("%3A")
@example("con")
@example("")
@example("%0a")
@example("%80")
def test_a_file_name_that_no_name_has_stands_for_none(file):
    name = name_of(file)
    assert name is None or file_name(name) == file


@pytest.mark.parametrize("file", ["%61", "%3A", "con", "", "%0a", "%e9", "a.b", "A", "é", "a" * 81, ".new"])
def test_foreign_file_names_stand_for_none(file):
    assert name_of(file) is None


@pytest.mark.parametrize("name", ["", "x" * 81, "é", "a\n", "\x7f", "a\x00"])
def test_an_impossible_name_is_refused_by_what_it_is(name):
    assert not is_name(name)
    with pytest.raises(ValueError, match="variant must be 1 to 80 printable ASCII characters, got"):
        check_name("variant", name)


def test_a_text_may_have_64_kib_and_not_a_byte_more():
    assert len(text_bytes("é" * 32768)) == 65536
    with pytest.raises(ValueError, match="text must be at most 65536 bytes as UTF-8, got 65537"):
        text_bytes("é" * 32768 + "x")


def test_half_a_surrogate_pair_is_refused():
    with pytest.raises(ValueError, match="text must be encodable as UTF-8"):
        text_bytes("\ud800")
