"""The result of optimize(): the plan, the data to run it on, the reasons, and all of it in words."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, TextIO

import attrs

from amorsize.domain.source import is_begun
from amorsize.domain.wording import counted, printable, seconds, size, workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from amorsize.domain.overheads import Overheads
    from amorsize.domain.planning.advice import Advice
    from amorsize.domain.planning.planner import Profile
    from amorsize.domain.planning.situation import Situation
    from amorsize.domain.values import Machine, Plan, Sample
    from amorsize.domain.wording import Way
    from amorsize.pictures.chart import Chart, FilePath

_SHOWN_CANDIDATES: Final = 8
"""Candidates that an explanation lists; the others only count."""
_SOURCES: Final = {
    "prior": "assumed of this machine",
    "calibrated": "assumed, and calibrated by what ran",
    "measured": "measured on this machine",
}
"""Where overheads come from, in words."""


@attrs.frozen(repr=False, eq=False)
class OptimizationResult:
    """How to run a function over data here, and why.

    Attributes:
        plan: how to run the items.
        data: what to run over: the data given, or for an iterator another one that yields all items, once.
        cache: ``hit``, ``replanned``, ``miss`` or ``bypassed``.
        cache_reason: why, in words.
        warnings: what the user should know.
        profile: what the plan was made from, when that was asked for.
        basis: finds the situation and the overheads for advice and pictures.
        sampled_in: where items ran during this call: ``worker`` (a child process), ``caller`` (this process) or empty.
        sampled_why: why items ran in this process.
    """

    plan: Plan
    data: Iterable[Any]
    cache: str
    cache_reason: str
    warnings: tuple[str, ...] = ()
    profile: Profile | None = None
    _func: Callable[[Any], Any] | None = None
    _runner: Callable[..., Any] | None = None
    basis: Callable[[], tuple[Situation, Overheads]] | None = None
    sampled_in: str = ""
    sampled_why: str = ""

    @property
    def n_jobs(self) -> int:
        """Number of workers; 1 means serial."""
        return self.plan.n_jobs

    @property
    def chunksize(self) -> int:
        """Items a worker takes at a time, 1 or more."""
        return self.plan.chunksize

    @property
    def executor(self) -> str:
        """Kind of worker: ``serial``, ``thread`` or ``process``."""
        return self.plan.executor

    @property
    def estimated_speedup(self) -> float:
        """Predicted serial seconds over predicted seconds; 1.0 for serial."""
        return self.plan.speedup

    @property
    def speedup_interval(self) -> tuple[float, float]:
        """Bounds of a 90 % interval around the speedup."""
        return self.plan.speedup_low, self.plan.speedup_high

    @property
    def predicted_seconds(self) -> float:
        """Predicted wall seconds of the plan over all items."""
        return self.plan.predicted_seconds

    @property
    def serial_seconds(self) -> float:
        """Predicted wall seconds of running all items one after another."""
        return self.plan.serial_seconds

    @property
    def reason(self) -> str:
        """Why this plan, in a sentence."""
        return self.plan.reason

    @property
    def cache_hit(self) -> bool:
        """True when a fresh entry answered and nothing was measured or replanned."""
        return self.cache == "hit"

    def run(self, *, progress: bool | Callable[[int, int | None], None] = False) -> list[Any]:
        """Run the function over all of ``data`` as planned, each item once, and return the results in order.

        Items that optimize sampled run again; ``execute`` keeps their results. An iterator can be run over once.

        Args:
            progress: as for execute.

        Raises:
            TypeError: the result does not come from optimize.
            ValueError: ``data`` is an iterator whose items have been taken, by an earlier run or otherwise.
            Exception: as execute.
        """
        if self._runner is None or self._func is None:
            raise TypeError("run: the result must come from optimize, got one made by hand")
        if is_begun(self.data):
            raise ValueError(
                "run: the items of an iterator can be taken once, and some or all of them have been: "
                "keep the results of the first run, or pass a list to optimize"
            )
        return self._runner(self._func, self.data, self.plan, progress)  # type: ignore[no-any-return]  # as execute

    def advice(self) -> Advice | None:
        """Return what limits the plan and what would change that; None when nothing does or nothing was measured."""
        found = self._found_basis()
        if found is None:
            return None
        from amorsize.domain.planning.advice import advise

        return advise(*found)

    def plot(self, path: str | FilePath | None = None) -> Any:
        """Draw the predicted seconds over the number of workers with matplotlib (extra ``plot``).

        Each bar is divided into start-up, moving data, computing and the tail, and has its 90 % interval. The plan is
        marked.

        Args:
            path: a file to write the picture to; its ending, such as ``.svg`` or ``.png``, says the format. None: the
                picture belongs to ``matplotlib.pyplot``, which shows it.

        Returns:
            The axes of matplotlib.

        Raises:
            ImportError: matplotlib is not there.
            ValueError: nothing is predicted: the function could not be measured, there is nothing to run, or the result
                was pickled or made by hand without a profile. Or matplotlib does not know the ending of the path.
        """
        from amorsize.pictures.figure import drawn

        return drawn(self.chart("plot"), path, "plot")

    def chart(self, where: str, trials: Iterable[tuple[Way, float]] = ()) -> Chart:
        """Return what a picture of the decision shows; ``trials`` are plans that ran, with their measured seconds.

        Raises ValueError, which begins with ``where``, when nothing is predicted.
        """
        from amorsize.domain.planning.breakdown import breakdowns
        from amorsize.pictures.chart import Chart

        trials = tuple(trials)
        found = self._found_basis()
        if found is None:
            raise ValueError(f"{where}: nothing is predicted that a picture could show: {self.reason}")
        bars = breakdowns(self.plan, *found, [way for way, _ in trials])
        return Chart(self.plan, found[0].items, tuple(bars), trials)

    def _found_basis(self) -> tuple[Situation, Overheads] | None:
        """Return the situation and the overheads of the profile, or those that are known now; None where nothing is."""
        profile = self.profile
        if profile is not None and profile.situation is not None and profile.overheads is not None:
            return profile.situation, profile.overheads
        return None if self.basis is None else self.basis()

    def explain(self, file: TextIO | None = None) -> None:
        """Print everything about the result: plan, reasons, cache, advice, warnings, and the profile if there is one.

        Args:
            file: where to print; standard output when None.
        """
        print("\n".join(explanation(self)), file=file or sys.stdout)

    def __reduce__(self) -> tuple[object, ...]:  # the basis refers to a store, which cannot be pickled
        fields = (self.plan, self.data, self.cache, self.cache_reason, self.warnings, self.profile)
        return OptimizationResult, (*fields, None, None, None, self.sampled_in, self.sampled_why)

    def __str__(self) -> str:
        return "\n".join(summary(self))

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the lines of ``str()`` and the warnings as HTML, all of it escaped."""
        from amorsize.pictures.notebook import of_result

        return of_result(self.plan, list(summary(self)), self.warnings)

    def __repr__(self) -> str:
        plan = self.plan
        return (
            f"OptimizationResult(executor={plan.executor!r}, n_jobs={plan.n_jobs}, chunksize={plan.chunksize}, "
            f"estimated_speedup={plan.speedup:.2f}, cache={self.cache!r})"
        )


def summary(result: OptimizationResult) -> Iterator[str]:
    """Yield three lines: the plan, the reason, the cache.

    Names and reasons may come from a cache that others can write to, so all lines are made printable.
    """
    return map(printable, _summary(result))


def explanation(result: OptimizationResult) -> Iterator[str]:
    """Yield all lines of the explanation of a result, made printable."""
    return map(printable, _explanation(result))


def _summary(result: OptimizationResult) -> Iterator[str]:
    plan = result.plan
    gain = f", {plan.speedup:.2f}x ({plan.speedup_low:.2f} to {plan.speedup_high:.2f})" if plan.n_jobs > 1 else ""
    yield f"{workers(plan)}: {seconds(plan.predicted_seconds)} predicted{gain}"
    yield f"why: {plan.reason}"
    yield f"cache: {result.cache} ({result.cache_reason})"


def _explanation(result: OptimizationResult) -> Iterator[str]:
    yield from _summary(result)
    plan = result.plan
    yield f"serial would take: {seconds(plan.serial_seconds)}"
    yield f"between (90 %): {seconds(plan.seconds_low)} and {seconds(plan.seconds_high)}"
    if plan.executor == "thread" and plan.n_jobs > 1:
        yield (
            f"at the same time: {plan.n_jobs} items; a server that they call must cope with so many at once, "
            "and max_workers caps them"
        )
    if result.sampled_in == "caller":
        yield f"items ran in this process to find out: {result.sampled_why or 'the probe runs them here'}"
    elif result.sampled_in:
        yield "items ran in a child process to find out"
    advice = result.advice()
    if advice is not None:
        yield f"held back by {advice.constraint}: {advice.change} (up to {advice.gain:.1f}x faster)"
    for warning in result.warnings:
        yield f"warning: {warning}"
    if result.profile is not None:
        yield from _profile(result.profile)


def _profile(profile: Profile) -> Iterator[str]:
    if profile.sample is not None:
        yield from _sample(profile.sample)
    yield from _machine(profile.machine)
    if profile.overheads is not None:
        yield from _overheads(profile.overheads)
    if profile.candidates:
        yield "compared:"
        for candidate in profile.candidates[:_SHOWN_CANDIDATES]:
            parts = candidate.parts
            yield (
                f"  {workers(candidate):<32} {seconds(candidate.seconds):>9} = start {seconds(parts.start)}, "
                f"parent {seconds(parts.parent)} | workers {seconds(parts.workers)}, queueing {seconds(parts.queue)} | "
                f"cores {seconds(parts.cores)}, tail {seconds(parts.tail)}, end {seconds(parts.end)}"
            )
        if len(profile.candidates) > _SHOWN_CANDIDATES:
            yield f"  and {len(profile.candidates) - _SHOWN_CANDIDATES} more"


def _sample(sample: Sample) -> Iterator[str]:
    yield (
        f"sampled {counted(sample.count, 'item')}: {seconds(sample.seconds_per_item)} each, spread "
        f"{seconds(sample.spread_seconds)}, first call {seconds(sample.first_call_seconds)}"
    )
    held = "not measured" if sample.gil_fraction is None else f"{sample.gil_fraction:.0%}"
    yield f"  computing {sample.cpu_fraction:.0%} of the time, GIL held: {held}"
    yield (
        f"  an item is {size(sample.item_bytes)}, pickled in {seconds(sample.pickle_item_seconds)}; a result is "
        f"{size(sample.result_bytes)}, pickled in {seconds(sample.pickle_result_seconds)}; "
        f"memory grew by {size(sample.peak_bytes)}"
    )
    if sample.leaves:
        yield f"  items leave behind: {sample.leaves}"
    if sample.worker_import_seconds:
        yield f"  a fresh worker spends {seconds(sample.worker_import_seconds)} importing"


def _machine(machine: Machine) -> Iterator[str]:
    yield (
        f"machine: {machine.cpu_model or machine.architecture}, {machine.usable_cpus:g} usable CPUs of "
        f"{machine.logical_cores} ({machine.physical_cores} cores), {size(machine.available_memory_bytes)} free of "
        f"{size(machine.total_memory_bytes)}, {machine.python_version}, start method {machine.start_method}"
    )
    if machine.load:
        yield f"  other programs: load {machine.load:.3g}, which leaves workers {machine.free_cpus:.2g} CPUs"
    if machine.blas_threads:
        yield f"  threads set: {machine.blas_threads}"


def _overheads(overheads: Overheads) -> Iterator[str]:
    yield (
        f"overheads ({_SOURCES[overheads.source]}): a pool of p processes starts in "
        f"{seconds(overheads.start_seconds)} + p x {seconds(overheads.start_worker_seconds)}, "
        f"is ready {seconds(overheads.boot_seconds)} later and ends in {seconds(overheads.end_seconds)}"
    )
    yield (
        f"  a chunk costs {seconds(overheads.chunk_parent_seconds)} here and {seconds(overheads.chunk_worker_seconds)} "
        f"in a worker, a MiB {seconds(overheads.byte_seconds * 2**20)}, a thread "
        f"{seconds(overheads.thread_start_seconds)}; all CPUs busy: {overheads.slowdown:.2f}x slower each"
    )
