"""What is asked in one call, and what is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import attrs

from amorsize.domain import keys
from amorsize.domain.source import length_of
from amorsize.domain.values import OWN_THREADS, REASON_TEXT, Plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.application.overheads import Chosen, LocalMachine
    from amorsize.domain.fingerprint.fingerprint import Fingerprint
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.planning.planner import Candidate
    from amorsize.domain.planning.situation import Situation
    from amorsize.domain.source import Source
    from amorsize.domain.values import Constraints, Entry, Machine, Sample
    from amorsize.errors import SamplingError

_MOSTLY: Final = 0.5
"""Share of the CPU time of children from which on a warning speaks of processes, not of threads: half of it."""

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


class WorkloadKey(NamedTuple):
    """What a process remembers a workload and its constraints by; where the cache is not asked, hex and kind are empty.

    Attributes:
        hex: the fingerprint of the function.
        kind: the kind of the items.
        items: how many items there are, 0 when that is not known.
        constraints: what the caller allows.
    """

    hex: str
    kind: str
    items: int
    constraints: Constraints

    @property
    def locator(self) -> str:
        """Where the entry is stored."""
        return keys.locator(self.hex, self.kind, self.items)


class Question(NamedTuple):
    """One question: the workload, what the caller allows, and the machine.

    Attributes:
        func: the function.
        source: the items.
        fingerprint: the fingerprint of the function.
        key: what this process remembers the answer by.
        here: the machine.
        blocked_reason: why no process can be started by the caller, None when one can.
        chosen: the executor backend that the caller chose, if any; the answer may use it.
        fork_blocked_reason: why workers should not be forked here; empty when forking is fine.
    """

    func: Callable[[Any], Any]
    source: Source
    fingerprint: Fingerprint
    key: WorkloadKey
    here: LocalMachine
    blocked_reason: str | None
    chosen: Chosen | None = None
    fork_blocked_reason: str = ""

    @property
    def machine(self) -> Machine:
        """The facts about this machine."""
        return self.here.machine

    @property
    def kind(self) -> str:
        """The kind of the items."""
        return self.key.kind

    @property
    def items(self) -> int:
        """How many items there are, 0 when that is not known."""
        return self.key.items

    @property
    def constraints(self) -> Constraints:
        """What the caller allows."""
        return self.key.constraints

    @property
    def locator(self) -> str:
        """Where the entry is stored."""
        return self.key.locator


class Known(NamedTuple):
    """What is known of a workload before it runs.

    Attributes:
        key: what this process remembers the workload by.
        sample: what earlier runs showed, None when nothing is known.
        contradictions: how many of the latest runs in a row contradicted the entry.
    """

    key: WorkloadKey
    sample: Sample | None
    contradictions: int = 0


class Answer(NamedTuple):
    """A plan, what it was made from, and what the cache did.

    Attributes:
        plan: how to run the items.
        cache: ``hit``, ``replanned``, ``miss`` or ``bypassed``.
        cache_reason: why, in words.
        warnings: what the user should know.
        basis: finds the situation and the overheads for advice and pictures, None when these are not known.
        sample: what running a few items showed.
        candidates: the plans that were compared.
        overheads: what workers cost, None when that did not matter.
        contradictions: how many of the latest runs in a row contradicted the entry.
        sampled_in: where this call ran items: ``caller`` or ``worker``, empty when it ran none.
        sampled_why: why items ran in the caller's process.
    """

    plan: Plan
    cache: str
    cache_reason: str
    warnings: tuple[str, ...] = ()
    basis: Callable[[], tuple[Situation, Overheads]] | None = None
    sample: Sample | None = None
    candidates: tuple[Candidate, ...] = ()
    overheads: Overheads | None = None
    contradictions: int = 0
    sampled_in: str = ""
    sampled_why: str = ""

    def after(self, sample: Sample) -> Answer:
        """Return the answer as one for which items were run."""
        return self._replace(sampled_in=sample.sampled_in, sampled_why=sample.sampled_why)


def age(entry: Entry, now: float) -> str:
    """Say how long ago an entry was measured."""
    return f"fresh entry, measured {max(0.0, now - entry.measured_at) / 3600:.1f} hours ago"


def sized(data: object) -> int:
    """Return len(data), and 0 for what has none."""
    return length_of(data) or 0


def warnings_about(question: Question, sample: Sample, failure: str = "") -> tuple[str, ...]:
    """Return what the caller should know besides the plan; ``failure`` says what could not be measured."""
    said = [f"the function could not be looked into entirely: {part}" for part in question.fingerprint.shallow]
    if question.machine.is_busy:
        said.append(f"machine busy: {load(question.machine)}; workers get {question.machine.free_cpus:.2g} CPUs")
    blocked = question.blocked_reason or sample.blocked_reason
    if blocked and question.constraints.executor in {"auto", "process"}:
        said.append(f"no processes: {blocked}")
    if sample.lazy_result:
        said.append(
            f"a call returns {sample.lazy_result}: its work is done later, outside of the call, and is not in these "
            "figures; have the function do the work and return a list or a value"
        )
    if question.fork_blocked_reason and not blocked:
        said.append(f"start processes by {question.machine.start_method}, not by fork: {question.fork_blocked_reason}")
    if failure:
        said.append(failure)
    if question.source.known_items() is None:
        assumed = "guessed by its length hint" if question.source.hint else "assumed for planning"
        said.append(f"the number of items is unknown and was {assumed}: a stream of more takes longer")
    if sample.cpu_fraction > OWN_THREADS:
        busy = f"the function keeps {sample.cpu_fraction:.1f} CPUs busy by itself, so fewer workers fit"
        if sample.children_fraction > _MOSTLY:
            said.append(f"{busy}; have it start fewer processes of its own to let workers share the CPUs")
        elif not question.machine.blas_threads:
            variable = f"{sample.threads_variable or 'OMP_NUM_THREADS'}=1"
            which = variable if sample.threads_variable else f"{variable} (or its library's variable)"
            said.append(f"{busy}; set {which} to let workers share them")
    return tuple(said)


def load(machine: Machine) -> str:
    """Say how much other programs use a machine."""
    cpus = f"{machine.logical_cores} CPU{'s' if machine.logical_cores > 1 else ''}"
    return f"load {machine.load:.3g} on {cpus}"


def unmeasured(question: Question, error: SamplingError, cache: str, cache_reason: str) -> Answer:
    """Return the answer when a sampled item ended its worker: serial, with a lower bound of the time.

    The bound is 0, or the time limit of one item if that item exceeded it.
    """
    from amorsize.domain.wording import seconds as in_words

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
        reason=reason[:REASON_TEXT],
    )
    warned = (f"{error} while it was sampled; nothing was kept",)
    return Answer(plan, cache, cache_reason, warned, sampled_in="worker")
