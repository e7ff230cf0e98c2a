"""Functions that the command run is tried on."""

from __future__ import annotations

import os
import signal
import sys
import time
from functools import cache
from pathlib import Path

Path("CALLER").write_text(str(os.getpid()))


@cache
def said(name):
    """Return the number in a file, -1 where there is none: variables and globals are part of a fingerprint."""
    return int(Path(name).read_text()) if Path(name).exists() else -1


def twice(x):
    """Return what is easily checked."""
    return 2 * x


def same(x):
    """Return the item."""
    return x


def killing(x):
    """End the caller at the item that a file names, without a chance to clean up."""
    if x == said("STOP_AT"):
        os.kill(said("CALLER"), signal.SIGKILL)
        time.sleep(60)
    return 2 * x


def logged(x):
    """Leave a trace of each call, and stop at the item that a file names."""
    with open("LOG", "a", encoding="ascii") as file:  # noqa: PTH123  appended to by several processes
        file.write(f"{x}\n")
    if x == said("STOP_AT"):
        print("there", flush=True)  # noqa: T201  what the test waits for
        time.sleep(60)
    return x


def odd_fails(x):
    """Raise for odd numbers, unless a file says that all is well."""
    if x % 2 and not Path("ALL_IS_WELL").exists():
        raise ValueError(f"{x} is odd")
    return x


def no_json(x):
    """Return what JSON cannot say, once."""
    return {1: float("nan"), 2: {1, 2}, 3: b"x"}.get(x, x)


def ends(x):
    """End the program."""
    sys.exit(x)


def talks(x):
    """Print beside returning something."""
    print("printed", x)  # noqa: T201  what the test looks for
    return x


def adds_to(item):
    """Change the item that it is given."""
    item["seen"] = True
    return len(item)


def long(x):
    """Return a long text."""
    return "x" * 1000


def steers(x):
    """Return what would steer a terminal."""
    return "\x1b[2J\x7f\x9b31m\u202e" * x


def crashes(x):
    """End the process at some items, which may be lines of text."""
    if int(x) in {7, 8, 1500}:
        os._exit(3)
    return x


def unspeakable(x):
    """Raise an error that has no text."""

    class NoTextError(Exception):
        def __str__(self):
            raise LookupError("no text")

    raise NoTextError


async def waits(x):
    """Return a coroutine."""
    return x
