"""What is asked in one call, and what is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import attrs

from amorsize.domain.values import Plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.domain.fingerprint import Fingerprint
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.planner import Candidate
    from amorsize.domain.source import Source
    from amorsize.domain.values import Constraints, Entry, Machine, Sample
    from amorsize.ports import Executors

    Near = tuple[str, str, int, Constraints]

_COROUTINE_FLAGS: Final = 0x80 | 0x200  # CO_COROUTINE and CO_ASYNC_GENERATOR of the inspect module
_OWN_THREADS: Final = 1.25
EMPTY_PLAN: Final = Plan(
    executor="serial",
    n_jobs=1,
    chunksize=1,
    predicted_seconds=0.0,
    seconds_low=0.0,
    seconds_high=0.0,
    serial_seconds=0.0,
    speedup_low=1.0,
    speedup_high=1.0,
    reason="there is nothing to run",
)
"""The answer when there is nothing to run."""


class Chosen(NamedTuple):
    """Executors that were chosen by name.

    ``charges`` measures through so many of them what they charge, for a start method; ``takes`` tells whether a
    function can be sent to them that plain pickle refuses.
    """

    name: str
    executors: Executors
    charges: Callable[[int, str], Overheads]
    takes: Callable[[Callable[[Any], Any]], bool]


@attrs.frozen(eq=False, repr=False)  # never compared or shown: a hit waits for what attrs would write
class Question:
    """The workload, the limits, the machine, and where the entry would lie.

    ``near`` is the key of the near memory: fingerprint, item kind, number of items, constraints. ``obstacle`` says why
    no process can be started from where the caller is. ``chosen`` are executors that are in the running too.
    """

    func: Callable[[Any], Any]
    source: Source
    fingerprint: Fingerprint
    near: Near
    locator: str
    machine: Machine
    machine_id: str
    obstacle: str | None
    chosen: Chosen | None = None

    @property
    def kind(self) -> str:
        """The kind of the items."""
        return self.near[1]

    @property
    def items(self) -> int:
        """How many items there are, 0 when that is not known."""
        return self.near[2]

    @property
    def constraints(self) -> Constraints:
        """What the caller allows."""
        return self.near[3]


@attrs.frozen(eq=False, repr=False)  # likewise
class Answer:
    """A plan with what it came from and what the cache did; ``doubts`` is how often running contradicted the entry."""

    plan: Plan
    cache: str
    cache_reason: str
    warnings: tuple[str, ...] = ()
    sample: Sample | None = None
    candidates: tuple[Candidate, ...] = ()
    overheads: Overheads | None = None
    doubts: int = 0


def age(entry: Entry, now: float) -> str:
    """Say how long ago an entry was measured."""
    return f"fresh entry, measured {max(0.0, now - entry.measured_at) / 3600:.1f} hours ago"


def sized(data: object) -> int:
    """Return len(data), and 0 for what has none."""
    try:
        return len(data)  # type: ignore[arg-type]  # what has no len() is the other case
    except TypeError:
        return 0


def check_arguments(func: object, data: object) -> None:
    """Refuse a function that gives back a coroutine and data that cannot be run over; TypeError."""
    flags = getattr(getattr(func, "__code__", None), "co_flags", 0)
    if type(flags) is int and flags & _COROUTINE_FLAGS:
        raise TypeError("optimize: func must be an ordinary function, got a coroutine function")
    if not hasattr(data, "__iter__") and not hasattr(data, "__getitem__"):
        raise TypeError(f"optimize: data must be iterable, got {type(data).__name__}")


def warnings_about(question: Question, sample: Sample, failure: str = "") -> tuple[str, ...]:
    """Return what the caller should know beside the plan; ``failure`` says what could not be measured."""
    said = [f"the function could not be looked into entirely: {part}" for part in question.fingerprint.shallow]
    blocked = question.obstacle or sample.obstacle
    if blocked and question.constraints.executor in {"auto", "process"}:
        said.append(f"no processes: {blocked}")
    if failure:
        said.append(failure)
    if question.source.known_items() is None:
        assumed = "guessed by its length hint" if question.source.hint else "assumed for planning"
        said.append(f"the number of items is unknown and was {assumed}")
    if sample.cpu_fraction > _OWN_THREADS and not question.machine.blas_threads:
        said.append(
            f"the function keeps {sample.cpu_fraction:.1f} CPUs busy by itself; set OMP_NUM_THREADS=1 "
            "(or its library's variable) to let workers share them"
        )
    return tuple(said)
