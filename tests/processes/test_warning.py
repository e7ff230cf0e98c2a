"""A warning names the line of the program that called amorsize."""

from __future__ import annotations

import pytest

from amorsize import AmorsizeWarning
from amorsize.processes.warning import warn


def test_a_warning_names_the_callers_line():
    with pytest.warns(AmorsizeWarning, match="^careful$") as caught:
        warn("careful")
    assert caught[0].filename == __file__


def test_a_warning_is_printable():
    with pytest.warns(AmorsizeWarning) as caught:
        warn("a\x1b[31mb")
    assert str(caught[0].message).isprintable()
