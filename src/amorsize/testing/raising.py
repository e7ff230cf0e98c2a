"""Checks that an action fails as a contract says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def must_raise(kind: type[BaseException], action: Callable[[], object]) -> BaseException:
    """Return the exception that an action raises, which must be of this kind."""
    try:
        action()
    except kind as error:
        return error
    raise AssertionError(f"must raise {kind.__name__}, got no exception")
