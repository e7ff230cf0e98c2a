"""Words for a person: seconds, bytes, workers, errors."""

from __future__ import annotations

from typing import Final, Protocol

from amorsize.domain.values import LONG_TEXT

_KIBI: Final = 1024
"""Bytes from which on the next larger unit is used."""
_THOUSAND: Final = 999.5
"""The least number that three digits round to a thousand."""
_KINDS: Final = {"process": "processes", "thread": "threads"}


class Way(Protocol):
    """A plan or a candidate."""

    @property
    def executor(self) -> str:
        """The kind of worker."""

    @property
    def n_jobs(self) -> int:
        """How many."""

    @property
    def chunksize(self) -> int:
        """Items of a chunk."""


def _figure(value: float) -> str:
    return f"{value:.3g}" if value < _THOUSAND else f"{value:,.0f}"  # from there on the former has an exponent


def seconds(value: float) -> str:
    """Return seconds in words, in a readable unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= size:
            return f"{_figure(value / size)} {unit}"
    return f"{_figure(value * 1e9)} ns"


def counted(number: int | None, name: str) -> str:
    """Return a number of things in words; of None, only what they are."""
    several = f"{name}es" if name.endswith("s") else f"{name}s"
    return several if number is None else f"{number} {name if number == 1 else several}"


def size(value: float) -> str:
    """Return a size in words, in binary units."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < _KIBI:
            return f"{_figure(value)} {unit}"
        value /= _KIBI
    return f"{_figure(value)} TiB"


def workers(plan: Way) -> str:
    """Return the workers and chunks of a plan in words."""
    if plan.n_jobs == 1:
        return "serial"
    return f"{how_many(plan)}, chunks of {plan.chunksize}"


def how_many(plan: Way) -> str:
    """Return the number and kind of the workers of a plan in words."""
    return f"{plan.n_jobs} {_KINDS.get(plan.executor) or f'workers of {plan.executor}'}"


def printable(text: str) -> str:
    """Return a text that is safe to print: each character that is not printable becomes its escape, as in Python.

    These are control and escape characters, line ends, characters that reverse the direction, and surrogates.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def brief(error: BaseException) -> str:
    """Return the kind of an error and the beginning of what it says."""
    try:
        return f"{type(error).__name__}: {error}"[:LONG_TEXT]
    except Exception:  # noqa: BLE001  a hostile __str__ must not hide the error
        return type(error).__name__
