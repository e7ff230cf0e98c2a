"""What is asked in one call, and what is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import attrs

from amorsize.domain.values import OWN_THREADS, Plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.domain.advice import Advice
    from amorsize.domain.fingerprint import Fingerprint
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.planner import Candidate
    from amorsize.domain.source import Source
    from amorsize.domain.values import Constraints, Entry, Machine, Sample
    from amorsize.errors import SamplingError
    from amorsize.ports import Executors

    Near = tuple[str, str, int, Constraints]

_COROUTINE_FLAGS: Final = 0x80 | 0x200  # CO_COROUTINE and CO_ASYNC_GENERATOR of the inspect module
_REASON_LENGTH: Final = 300

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


class Question(NamedTuple):
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


class Answer(NamedTuple):
    """A plan with what it came from and what the cache did.

    ``advice`` finds what holds the plan back, when asked; ``doubts`` is how often running contradicted the entry.
    """

    plan: Plan
    cache: str
    cache_reason: str
    warnings: tuple[str, ...] = ()
    advice: Callable[[], Advice | None] | None = None
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
    if sample.cpu_fraction > OWN_THREADS and not question.machine.blas_threads:
        variable = f"{sample.threads_variable or 'OMP_NUM_THREADS'}=1"
        which = variable if sample.threads_variable else f"{variable} (or its library's variable)"
        said.append(
            f"the function keeps {sample.cpu_fraction:.1f} CPUs busy by itself, so fewer workers fit; set {which} "
            "to let workers share them"
        )
    return tuple(said)


def unmeasured(question: Question, error: SamplingError, cache: str, cache_reason: str) -> Answer:
    """Return the answer when a sampled item ended its worker: serial, predicting no more than is known.

    That is nothing, or that one item takes longer than it was allowed to: a lower bound.
    """
    from amorsize.domain.wording import seconds as in_words  # noqa: PLC0415  an answer that was found needs no words

    items = question.source.known_items() or question.source.hint or 1
    reason = f"the function could not be measured: {error}"
    if error.seconds:
        reason += f"; all of it takes at least {in_words(error.seconds)}"
    plan = attrs.evolve(
        EMPTY_PLAN,
        chunksize=items,
        predicted_seconds=error.seconds,
        seconds_low=error.seconds,
        seconds_high=error.seconds * items,
        serial_seconds=error.seconds,
        reason=reason[:_REASON_LENGTH],
    )
    return Answer(plan, cache, cache_reason, (f"{error} while it was sampled; nothing was kept",))


def advice_on(  # noqa: PLR0913, PLR0917  what a situation is made of, and the overheads when they are asked for
    charges: Callable[[], Overheads | None],
    items: int,
    sample: Sample,
    machine: Machine,
    constraints: Constraints,
    obstacle: str | None,
) -> Advice | None:
    """Return what holds a plan back, None when nothing does or what workers cost here is not known."""
    from amorsize.domain.advice import advise  # noqa: PLC0415  only explain() asks
    from amorsize.domain.situation import Situation  # noqa: PLC0415  likewise

    overheads = charges()
    return None if overheads is None else advise(Situation(items, sample, machine, constraints, obstacle), overheads)
