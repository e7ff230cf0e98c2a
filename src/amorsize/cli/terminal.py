"""The only module of the command that writes to the terminal: nothing gets there that could steer it."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final

import click

from amorsize.domain.wording import printable, seconds
from amorsize.errors import AmorsizeError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN_SECONDS: Final = 0.1
"""Seconds between two states of progress."""

_KNOWN_SECONDS: Final = 1.0
"""Seconds after which progress says how quick the run is."""


class OutputClosedError(AmorsizeError):
    """Who reads the output reads no more of it: ``amorsize ... | head -1``."""


@contextmanager
def output() -> Iterator[None]:
    """Raise OutputClosedError where what is written inside finds no reader any more."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EPIPE, errno.EINVAL):  # the second on Windows
            raise OutputClosedError("nobody reads the output") from error
        raise


def say(*fields: object, err: bool = False) -> None:
    """Write a line of fields with tabs between, each made printable, to standard output or standard error."""
    with output():
        click.echo("\t".join(printable(str(field)) for field in fields), err=err)


def say_lines(text: str, *, err: bool = False) -> None:
    """Write a text of several lines, each made printable."""
    for line in text.split("\n"):
        say(line, err=err)


def close_output() -> None:
    """Let nothing more be written to standard output, where nobody reads it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.__stdout__.fileno() if sys.__stdout__ is not None else 1)
    os.close(nowhere)


def own_output() -> int:
    """Return a descriptor of standard output; what anybody else writes there goes to standard error from now on."""
    if sys.stdout is None:
        raise AmorsizeError("standard output is closed: there is nowhere to write")
    sys.stdout.flush()
    descriptor = os.dup(1)
    try:
        os.dup2(2, 1)
    except OSError:  # it is closed
        close_output()
    return descriptor


def say_to(descriptor: int, text: str) -> None:
    """Write a text of printable ASCII to what ``own_output`` has returned, and close that."""
    with output(), os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(f"{text}\n")


class Progress:
    """Shows on standard error, if that is a terminal, how many items are done.

    Args:
        done: items that were done before.
        total: the number of all items, None where that is not known.
        quiet: show nothing.

    Attributes:
        done: items that are done by now.
    """

    def __init__(self, done: int, total: int | None, *, quiet: bool = False) -> None:
        self._before = self.done = done
        self._total = total
        self._began = monotonic()
        self._next = 0.0 if not quiet and sys.stderr is not None and sys.stderr.isatty() else float("inf")
        self._width = 0

    def step(self) -> None:
        """Count an item."""
        self.done += 1
        if self._next < float("inf") and (now := monotonic()) >= self._next:
            self._next = now + _SHOWN_SECONDS
            self._show(self._line(now - self._began))

    def end(self) -> None:
        """Remove the line."""
        if self._width:
            self._show("")

    def _line(self, passed: float) -> str:
        of = "" if self._total is None else f" of {self._total:,}"
        last = self.done if self._total is None else self._total
        line = f"{self.done:,}{of} item{'' if last == 1 else 's'}"
        if passed < _KNOWN_SECONDS:
            return line
        rate = (self.done - self._before) / passed
        line += f", {rate:,.1f} a second"
        return line if self._total is None else f"{line}, {seconds((self._total - self.done) / rate)} left"

    def _show(self, line: str) -> None:
        click.echo(f"\r{line.ljust(self._width)}" if line else f"\r{'':{self._width}}\r", err=True, nl=False)
        self._width = len(line)
