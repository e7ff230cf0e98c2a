"""Execution of one call: decide, run serially or on a crew, change course, tell the cache."""

from __future__ import annotations

import sys
import warnings
from math import ceil
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from amorsize.domain.situation import Situation
from amorsize.domain.source import Source
from amorsize.domain.values import EXECUTORS, OWN_THREADS
from amorsize.domain.wording import workers
from amorsize.errors import AmorsizeWarning
from amorsize.execution.feedback import ratio, tell
from amorsize.execution.job import Job, Manner, Terms
from amorsize.execution.pace import TRUSTED_ITEMS, WORTH_MOVING_SECONDS
from amorsize.execution.parcel import pickled
from amorsize.execution.serial import run_serially, serial_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from amorsize.domain.values import Constraints, Plan, Sample
    from amorsize.execution.crew import Crew
    from amorsize.execution.crews import Crews
    from amorsize.execution.parallel import Dispatch
    from amorsize.optimizer import Optimizer
    from amorsize.ports import Executors
    from amorsize.question import Chosen

D = TypeVar("D", bound="Dispatch")

_CHUNK_SECONDS: Final = {"process": 250e-6, "thread": 50e-6}
"""What a chunk costs beside its items through the standard's executors, at least."""

_UNKNOWN_SECONDS: Final = 1e-3
_LEAST_SECONDS: Final = 1e-9
_WARM_GAIN: Final = 0.85
_OFF: Final = 1.5
_START_SECONDS: Final = 0.02
_WORTH_ASKING_SECONDS: Final = 0.5
_WARM_WORTH_SECONDS: Final = 0.004


@attrs.frozen
class Means:
    """What a run may use: the executors by kind of worker, the crews kept warm, and for how long."""

    executors: Callable[[str], Executors]
    crews: Crews
    keep_seconds: float
    monotonic: Callable[[], float]


class Execution:
    """One call of execute.

    Args:
        optimizer: answers how to run, and keeps the cache.
        means: who runs.
        func: takes one item.
        data: the items.
        constraints: what the caller allows.
        manner: how to go about failures, time and progress.
        use_cache: False neither reads nor writes the cache.
        plan: how to run, if that is settled already.
        live: whose executors to take when workers pay; None: those of the plan's kind.
        chosen: executors that were chosen by name and are in the running.
    """

    def __init__(  # noqa: PLR0913, PLR0917  one argument a concern
        self,
        optimizer: Optimizer,
        means: Means,
        func: Callable[[Any], Any],
        data: Iterable[Any],
        constraints: Constraints,
        manner: Manner,
        *,
        use_cache: bool = True,
        plan: Plan | None = None,
        live: Executors | None = None,
        chosen: Chosen | None = None,
    ) -> None:
        self._optimizer = optimizer
        self._means = means
        self._func = func
        self._data = data
        self._constraints = constraints
        self._use_cache = use_cache
        self._manner = manner
        self._given = plan
        self._live = live
        self._chosen = chosen
        if chosen is not None and manner.item_timeout is not None:
            self._chosen, self._constraints = None, attrs.evolve(constraints, engine="")
        self._sample: Sample | None = None
        self._obstacle: str | None = None
        self._crew: Crew | None = None
        self._doubts = 0
        self._taken: Plan | None = None

    def run(self) -> Any:
        """Run everything and return what execute returns."""
        source = Source(self._data, keep=True, tolerant=self._manner.collect)
        plan = self._given or self._plan(source)
        job = Job(self._func, source, self._manner, self._means.monotonic)
        job.check()
        began = job.monotonic()
        self.carry_out(job, plan)
        if not job.failures:
            self._feed_back(job, plan, job.monotonic() - began)
        return job.outcome()

    def _feed_back(self, job: Job, plan: Plan | None, seconds: float) -> None:
        """Tell the cache how right its entry was, if there is one."""
        sample = self._sample
        if plan is None or sample is None or not self._use_cache or self._live is not None or not job.source.total:
            return
        plan = self._taken or plan
        if plan.executor not in EXECUTORS:  # elsewhere an item takes as long as it does there
            return
        overheads = self._optimizer.solver.overheads()
        off = ratio(job, sample, plan, seconds, overheads.slowdown if overheads is not None else 1.0)
        if off is not None:
            near = self._optimizer.near(self._func, self._data, self._constraints)
            tell(self._optimizer, near, sample, off, self._doubts)

    def carry_out(self, job: Job, plan: Plan | None) -> None:
        """Run a job as planned, or better."""
        if self._live is None:
            plan = self._warmer(self._unblocked(plan))
        if plan is not None:
            _say("%s: %s", workers(plan), plan.reason)
        if plan is None or plan.n_jobs == 1:
            course = Course(self, plan, job)
            if run_serially(job, course.reconsider if self._sample is not None else None):
                return
            plan = course.better
            if plan is not None:
                _say("%d items took longer than expected; going on with %s", job.ran, workers(plan))
        if plan is not None:
            self._taken = plan
            self._on_workers(job, plan)

    def _plan(self, source: Source) -> Plan | None:
        """Ask how to run; None when so many items failed that nothing can be said."""
        try:
            answer, question = self._optimizer.answer(
                self._func, self._data, self._constraints, use_cache=self._use_cache, source=source, chosen=self._chosen
            )
        except Exception:
            if not source.tolerant or not source.failures:
                raise
            return None
        self._sample = answer.sample
        self._doubts = answer.doubts
        self._obstacle = None if question is None else question.obstacle
        if self._live is None or answer.sample is None:
            return answer.plan
        return self._plan_on(self._live, answer.plan, answer.sample)

    def _plan_on(self, live: Executors, plan: Plan, sample: Sample) -> Plan:
        """Plan for the caller's own executor, by what it charges."""
        from amorsize.domain.planner import decide  # noqa: PLC0415  a serial run decides nothing

        machine, _ = self._optimizer.solver.machine()
        room = live.room()
        workers = ceil(machine.usable_cpus) if room is None else room.workers
        limits = attrs.evolve(
            self._constraints,
            executor=live.kind,
            max_workers=min(workers, self._constraints.max_workers or workers),
        )
        crew = self._means.crews.hire(live, workers, machine.start_method)
        charge = self._means.crews.charges(crew)
        decided = decide(Situation(_items(plan, sample), sample, machine, limits, None), charge).plan
        if decided.n_jobs == 1:
            self._means.crews.release(crew, self._means.keep_seconds)
        else:
            self._crew = crew
        return decided

    def _situation(self, items: int, sample: Sample) -> Situation:
        machine, _ = self._optimizer.solver.machine()
        return Situation(items, sample, machine, self._constraints, self._obstacle)

    def _unblocked(self, plan: Plan | None) -> Plan | None:
        """Return a plan with processes where only the pickling of the function spoke against them, and it can be done.

        What optimize advises is for pools that know plain pickle only; here cloudpickle helps out.
        """
        sample = self._sample
        if plan is None or sample is None or plan.n_jobs > 1 or not (sample.obstacle or "").startswith("the function"):
            return plan
        try:
            pickled(self._func)
        except Exception:  # noqa: BLE001  __reduce__ of the user's may raise anything
            return plan
        self._sample = attrs.evolve(sample, obstacle=None)
        return self.better(_items(plan, sample), sample.seconds_per_item) or plan

    def _warmer(self, plan: Plan | None) -> Plan | None:
        """Return a better plan when workers that are warm make one.

        They are there, so that little is lost when they do not win after all: the likely gain decides.
        """
        sample = self._sample
        if plan is None or sample is None or plan.executor == "process" or self._means.keep_seconds <= 0:
            return plan
        if self._chosen is not None or plan.executor not in EXECUTORS:
            return plan
        if plan.serial_seconds < _WARM_WORTH_SECONDS or not sample.seconds_per_item or not self._means.crews.is_warm:
            return plan
        machine, _ = self._optimizer.solver.machine()
        workers = self._means.crews.most_warm(self._means.executors("process"), machine.start_method)
        overheads = self._optimizer.solver.overheads()
        if not workers or overheads is None:
            return plan
        from amorsize.domain.planner import decide  # noqa: PLC0415  a serial run decides nothing

        constraints = self._constraints
        if constraints.max_workers is None or constraints.max_workers > workers:
            constraints = attrs.evolve(constraints, max_workers=workers)
        situation = attrs.evolve(self._situation(_items(plan, sample), sample), constraints=constraints)
        weighed = decide(situation, overheads.running()).candidates
        if not weighed or weighed[0].seconds > _WARM_GAIN * plan.predicted_seconds:
            return plan
        best = weighed[0]
        return attrs.evolve(
            plan,
            executor=best.executor,
            n_jobs=best.n_jobs,
            chunksize=best.chunksize,
            predicted_seconds=best.seconds,
            seconds_low=min(plan.seconds_low, best.seconds),
        )

    def better(self, items: int, seconds_per_item: float) -> Plan | None:
        """Return a parallel plan for so many items that take so long, None when serial is best."""
        sample = self._sample
        overheads = self._optimizer.solver.overheads(ahead_seconds=items * seconds_per_item)
        if sample is None or self._live is not None:
            return None
        from amorsize.domain.planner import decide  # noqa: PLC0415  a serial run decides nothing

        sample = attrs.evolve(sample, seconds_per_item=seconds_per_item)
        engine = None
        if self._chosen is not None and items * seconds_per_item >= _WORTH_ASKING_SECONDS:
            engine = self._optimizer.solver.engine(self._chosen, self._func, sample.obstacle, keep=self._use_cache)
            overheads = None if engine.is_here else overheads
        plan = decide(self._situation(items, sample), overheads, engine).plan
        return plan if plan.n_jobs > 1 else None

    def stream(self, in_flight: int, *, ordered: bool) -> Iterator[Any]:
        """Yield what iexecute yields."""
        source = Source(self._data, keep=True, most=in_flight)
        plan = self._plan(source)
        job = Job(self._func, source, self._manner, self._means.monotonic)
        if plan is None or plan.n_jobs == 1:
            yield from serial_stream(job)
            return
        from amorsize.execution.stream import Stream  # noqa: PLC0415  a serial run has no workers

        stream = self._dispatch(Stream, job, plan)
        if stream is None:
            yield from serial_stream(job)
            return
        yield from stream.results(in_flight, ordered=ordered)
        _tell_reruns(stream.crew)
        self._means.crews.release(stream.crew, self._means.keep_seconds)

    def _on_workers(self, job: Job, plan: Plan) -> None:
        from amorsize.execution.parallel import Dispatch  # noqa: PLC0415  a serial run has no workers

        dispatch = self._dispatch(Dispatch, job, plan)
        if dispatch is None:
            run_serially(job)
            return
        dispatch.run()
        _tell_reruns(dispatch.crew)
        self._means.crews.release(dispatch.crew, self._means.keep_seconds)

    def _dispatch(self, kind: type[D], job: Job, plan: Plan) -> D | None:
        """Return what runs a plan; None, with a warning, when the function cannot be sent to workers."""
        crew, terms, fingerprint = self._crewed(job, plan)
        try:
            return kind(job, crew, terms, fingerprint, self._means.crews.renew)
        except Exception as error:  # noqa: BLE001  __reduce__ of the user's may raise anything
            self._means.crews.release(crew, self._means.keep_seconds)
            said = f"execute: the function cannot be pickled ({type(error).__name__}: {error}): everything is run here"
            warnings.warn(said, AmorsizeWarning, stacklevel=2)
            return None

    def _crewed(self, job: Job, plan: Plan) -> tuple[Crew, Terms, str]:
        """Return who runs a plan, what is expected, and what the function must be where it was sent before."""
        means = self._means
        machine, _ = self._optimizer.solver.machine()
        crew = self._crew
        if crew is None:
            most = self._constraints.max_workers
            crew = means.crews.hire(means.executors(plan.executor), plan.n_jobs, machine.start_method, most)
        fingerprint = ""
        if crew.owned and not crew.shares_objects:
            fingerprint = self._optimizer.fingerprint(self._func).hex
        terms = self._terms(job, plan, int(machine.usable_cpus / crew.workers))
        if self._chosen is not None and plan.executor == self._chosen.name:
            engine = self._optimizer.solver.engine(self._chosen, self._func, keep=self._use_cache)
            terms = attrs.evolve(terms, chunk_seconds=engine.overheads.chunk_parent_seconds, threads=0)
            if not engine.is_here:
                crew.move()
        return crew, terms, fingerprint

    def _terms(self, job: Job, plan: Plan, threads: int) -> Terms:
        each = self._sample.seconds_per_item if self._sample is not None else _UNKNOWN_SECONDS
        chunk = _CHUNK_SECONDS.get(plan.executor, _CHUNK_SECONDS["process"])
        threads = max(1, threads) if plan.executor == "process" else 0
        is_threaded = self._sample is None or self._sample.cpu_fraction > OWN_THREADS
        return Terms(each, chunk, threads, is_threaded, self._here_seconds(job, plan))

    def _here_seconds(self, job: Job, plan: Plan) -> float | None:
        """Return what an item takes here: by what has run, else by what is expected; None: not known."""
        if job.ran >= TRUSTED_ITEMS:
            return job.busy_seconds / job.ran
        if self._sample is not None:
            return self._sample.seconds_per_item
        total = job.total
        return plan.serial_seconds / total if total and plan.serial_seconds else None


def _tell_reruns(crew: Crew) -> None:
    """Warn when chunks were run again, so that items may have been run twice."""
    again = crew.executors.reruns(crew.executor)
    if again:
        chunks = f"{again} chunk{'s' if again > 1 else ''}"
        said = f"execute: {chunks} ran again because a worker was lost: all results are there, items may have run twice"
        warnings.warn(said, AmorsizeWarning, stacklevel=2)


def _items(plan: Plan, sample: Sample) -> int:
    """Return how many items a plan was made for."""
    return max(1, round(plan.serial_seconds / max(sample.seconds_per_item, _LEAST_SECONDS)))


class Course:
    """Whether running serially is still right: asked after each block, answered in next to no time but rarely.

    A job that turns out longer than predicted is planned again, each time that twice as much is spent, and never before
    what starting workers costs is spent: so at most twice that is lost.
    """

    def __init__(self, execution: Execution, plan: Plan | None, job: Job) -> None:
        self._execution = execution
        self._plan = plan
        self._job = job
        self._next = _START_SECONDS
        self.better: Plan | None = None

    def reconsider(self, spent: float, seconds_per_item: float) -> bool:
        """Tell whether workers should go on; ``better`` is then how."""
        if spent < self._next or self._plan is None:
            return False
        self._next = spent * 2
        total = self._job.total
        left = ceil(total - len(self._job.values)) if total is not None else self._job.ran
        ahead = left * seconds_per_item
        if ahead < WORTH_MOVING_SECONDS or spent + ahead < _OFF * self._plan.serial_seconds:
            return False
        self.better = self._execution.better(left, seconds_per_item)
        return self.better is not None


def _say(message: str, *values: object) -> None:
    """Log something for whoever listens; nobody does where logging was never imported."""
    logging = sys.modules.get("logging")
    if logging is not None:
        logging.getLogger("amorsize").debug(message, *values)
