"""Says each decision in a line on standard error, where AMORSIZE_EXPLAIN asks for it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.wording import printable
from amorsize.domain.wording import seconds as in_words

if TYPE_CHECKING:
    from collections.abc import Callable

EXPLAIN_VARIABLE: Final = "AMORSIZE_EXPLAIN"
_NO: Final = ("", "0", "false", "no", "off")


def is_set(variable: str) -> bool:
    """Return whether an environment variable is set, and to none of the words for no."""
    said = os.environ.get(variable)
    return said is not None and said.strip().lower() not in _NO


def is_explaining() -> bool:
    """Return whether decisions are to be said here; workers say nothing."""
    if not is_set(EXPLAIN_VARIABLE):
        return False
    from amorsize.processes.process_info import is_child

    return not is_child()


def become_silent() -> None:
    """Say nothing in this process, a worker that was forked, nor in programs that it starts."""
    os.environ.pop(EXPLAIN_VARIABLE, None)


def explain(where: str, func: Callable[..., Any], items: str, decided: str, seconds: float) -> None:
    """Say a decision.

    Args:
        where: the public function, or the library that asks.
        func: what runs.
        items: what it runs over, in words.
        decided: the plan, and what the cache did.
        seconds: what the call has taken.
    """
    from amorsize.domain.fingerprint.objects import name_of
    from amorsize.domain.iterables import plain

    line = f"amorsize: {where}, {name_of(plain(func))}, {items}: {decided}; {in_words(seconds)}"
    with suppress(Exception):  # a program may have closed it, or put anything in its place
        sys.stderr.write(f"{printable(line)}\n")
        sys.stderr.flush()
