"""A dozen small jobs that ``amorsize bench`` runs; each takes a tenth of a second or two serially."""

from __future__ import annotations

import ast
import json
import time
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@attrs.frozen
class Workload:
    """A function and what builds the items to run it over, the same ones at each call."""

    name: str
    func: Callable[[Any], Any]
    data: Callable[[], Sequence[Any]]


def count(n: int) -> int:
    """Compute for about n times 30 ns, and hold the GIL."""
    total = 0
    for number in range(n):
        total += number & 7
    return total


def double(x: int) -> int:
    """Compute for less than a microsecond."""
    return 2 * x


def bits(data: bytes) -> int:
    """Return something small of a large item in little time."""
    return data.count(1)


def block(n: int) -> bytes:
    """Return a large result in little time."""
    return bytes(range(250)) * n


def digest(n: int) -> str:
    """Compute in C code that lets other threads run."""
    return sha256(bytes(n)).hexdigest()


def wait(seconds: float) -> None:
    """Wait, as for a server."""
    time.sleep(seconds)


def ask_and_parse(seconds: float) -> int:
    """Wait as long as computing takes, about."""
    time.sleep(seconds)
    return count(int(seconds * 3e7))


def parse_python(source: str) -> int:
    """Count the nodes of a program."""
    return sum(1 for _ in ast.walk(ast.parse(source)))


def parse_json(text: str) -> int:
    """Read a document of JSON."""
    return len(json.loads(text))


def _program(n: int) -> str:
    return "\n".join(f"def f{number}(x, y={number}):\n    return [x + y * z for z in range(x)]" for number in range(n))


WORKLOADS: Final = (
    Workload("computing, 1 ms", count, partial(list, [30_000] * 120)),
    Workload("few long items", count, partial(list, [600_000] * 7)),
    Workload("a few much longer", count, partial(list, ([20_000] * 31 + [400_000]) * 3)),
    Workload("longer and longer", count, partial(range, 0, 60_000, 500)),
    Workload("tiny items", double, partial(range, 200_000)),
    Workload("large items", bits, lambda: [bytes(range(256)) * 2000] * 120),
    Workload("large results", block, partial(list, [4000] * 120)),
    Workload("hashes", digest, partial(list, [1_000_000] * 120)),
    Workload("waiting, 4 ms", wait, partial(list, [0.004] * 40)),
    Workload("waiting, computing", ask_and_parse, partial(list, [0.002] * 40)),
    Workload("parsing Python", parse_python, lambda: [_program(60)] * 40),
    Workload("parsing JSON", parse_json, lambda: [json.dumps([[number, str(number)] for number in range(8000)])] * 40),
)
"""The jobs, in the order in which they run."""
