"""A config in a program that was written for an earlier version still counts, and says what its names are now."""

from __future__ import annotations

import pytest

from amorsize.config import loader
from amorsize.config.renamed import RENAMED, with_new_names
from amorsize.errors import AmorsizeWarning

DOCUMENT = {
    "advice": {"max_workers": 4, "executor": "thread"},
    "keeping": {"max_entries": 9},
    "workers": {"keep_seconds": 5},
}


def test_old_names_in_a_mapping_count_and_a_warning_gives_the_new_ones():
    document = {key: dict(table) for key, table in DOCUMENT.items()}
    with pytest.warns(AmorsizeWarning) as said:
        settings = loader.load(document)
    assert [str(warning.message) for warning in said] == [
        f"config: {old!r} is now called {RENAMED[old]!r}; the old name still counts"
        for old in ("advice.executor", "advice", "keeping", "workers.keep_seconds")
    ]
    assert settings.executor == "thread"
    assert settings.constraints.max_workers == 4
    assert (settings.max_entries, settings.idle_seconds) == (9, 5)
    assert document == DOCUMENT


@pytest.mark.parametrize("document", [{}, {"limits": {"max_workers": 2}}, {"advice": 1, "limits": {}}, {"workers": 3}])
def test_what_has_no_old_name_or_both_names_stays_as_it_is(document):
    assert with_new_names(document, "") is document
