"""A result in words: in three lines, and all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from amorsize.domain.wording import seconds, size, workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.domain.overheads import Overheads
    from amorsize.domain.planner import Profile
    from amorsize.domain.values import Machine, Sample
    from amorsize.result import OptimizationResult
    from amorsize.verification import Verification

_SHOWN_CANDIDATES: Final = 8


def summary(result: OptimizationResult) -> Iterator[str]:
    """Yield three lines: the plan, the reason, the cache."""
    plan = result.plan
    gain = f", {plan.speedup:.2f}x ({plan.speedup_low:.2f} to {plan.speedup_high:.2f})" if plan.n_jobs > 1 else ""
    yield f"{workers(plan)}: {seconds(plan.predicted_seconds)} predicted{gain}"
    yield f"why: {plan.reason}"
    yield f"cache: {result.cache} ({result.cache_reason})"


def explanation(result: OptimizationResult) -> Iterator[str]:
    """Yield all lines there are to say of a result."""
    yield from summary(result)
    plan = result.plan
    yield f"serial would take: {seconds(plan.serial_seconds)}"
    yield f"between (90 %): {seconds(plan.seconds_low)} and {seconds(plan.seconds_high)}"
    advice = result.advice() if result.advice is not None else None
    if advice is not None:
        yield f"held back by {advice.constraint}: {advice.change} (up to {advice.gain:.1f}x faster)"
    for warning in result.warnings:
        yield f"warning: {warning}"
    if result.profile is not None:
        yield from _profile(result.profile)


def comparison(verification: Verification) -> Iterator[str]:
    """Yield a table of what was predicted and measured for each way, and how the plan did against the best."""
    yield f"{'':2}{'way':<34}{'predicted':>12}{'measured':>12}{'predicted/measured':>20}"
    for trial in verification.trials:
        way = trial.way
        mark = "* " if trial is verification.chosen else ""
        predicted, ratio = "unknown", ""
        if way.predicted_seconds is not None:
            predicted, ratio = seconds(way.predicted_seconds), f"{way.predicted_seconds / trial.seconds:.2f}"
        yield f"{mark:2}{workers(way):<34}{predicted:>12}{seconds(trial.seconds):>12}{ratio:>20}"
    best = verification.best
    verdict = "it is the best of these" if best is verification.chosen else f"the best of these is {workers(best.way)}"
    yield f"the plan (*) took {verification.regret:.2f} times the least; {verdict}"


def _profile(profile: Profile) -> Iterator[str]:
    if profile.sample is not None:
        yield from _sample(profile.sample)
    yield from _machine(profile.machine)
    if profile.overheads is not None:
        yield from _overheads(profile.overheads)
    if profile.candidates:
        yield "weighed:"
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
        f"sampled {sample.count} items: {seconds(sample.seconds_per_item)} each, spread "
        f"{seconds(sample.spread_seconds)}, first call {seconds(sample.first_call_seconds)}"
    )
    held = "not measured" if sample.gil_fraction is None else f"{sample.gil_fraction:.0%}"
    yield f"  computing {sample.cpu_fraction:.0%} of the time, interpreter lock held: {held}"
    yield (
        f"  an item is {size(sample.item_bytes)}, pickled in {seconds(sample.pickle_item_seconds)}; a result is "
        f"{size(sample.result_bytes)}, pickled in {seconds(sample.pickle_result_seconds)}; "
        f"memory grew by {size(sample.peak_bytes)}"
    )
    if sample.worker_import_seconds:
        yield f"  a fresh worker spends {seconds(sample.worker_import_seconds)} importing"


def _machine(machine: Machine) -> Iterator[str]:
    yield (
        f"machine: {machine.cpu_model or machine.architecture}, {machine.usable_cpus:g} usable CPUs of "
        f"{machine.logical_cores} ({machine.physical_cores} cores), {size(machine.available_memory_bytes)} free of "
        f"{size(machine.total_memory_bytes)}, {machine.python_version}, start method {machine.start_method}"
    )
    if machine.blas_threads:
        yield f"  threads set: {machine.blas_threads}"


def _overheads(overheads: Overheads) -> Iterator[str]:
    yield (
        f"overheads: a pool of p processes starts in {seconds(overheads.start_seconds)} + p x "
        f"{seconds(overheads.start_worker_seconds)}, is ready {seconds(overheads.boot_seconds)} later and ends in "
        f"{seconds(overheads.end_seconds)}"
    )
    yield (
        f"  a chunk costs {seconds(overheads.chunk_parent_seconds)} here and {seconds(overheads.chunk_worker_seconds)} "
        f"in a worker, a MiB {seconds(overheads.byte_seconds * 2**20)}, a thread "
        f"{seconds(overheads.thread_start_seconds)}; all CPUs busy: {overheads.slowdown:.2f}x slower each"
    )
