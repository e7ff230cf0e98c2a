"""What optimize() gives back: the plan, the data to run it on, and every reason."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from amorsize.domain.advice import Advice
    from amorsize.domain.planner import Profile
    from amorsize.domain.values import Plan


@attrs.frozen(repr=False, eq=False)
class OptimizationResult:
    """How to run a function over data here, and why.

    ``data`` is what to run over: the data given, or for an iterator one that has lost nothing to sampling.
    ``cache`` is ``hit``, ``replanned``, ``miss`` or ``bypassed``, with ``cache_reason`` in words. ``profile`` is there
    when it was asked for. ``advice`` finds what holds the plan back, for ``explain()``. Everything else comes from
    ``plan``.
    """

    plan: Plan
    data: Iterable[Any]
    cache: str
    cache_reason: str
    warnings: tuple[str, ...] = ()
    profile: Profile | None = None
    _func: Callable[[Any], Any] | None = None
    _runner: Callable[..., Any] | None = None
    advice: Callable[[], Advice | None] | None = None

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
        """Run the function over all of ``data`` as planned and return the results in order; each item runs once.

        What optimize has sampled is run again: ``execute`` keeps those results. An iterator can be run over once.

        Args:
            progress: as for execute.

        Raises:
            TypeError: the result was made by hand and knows no function.
            Exception: as execute.
        """
        if self._runner is None or self._func is None:
            raise TypeError("run: the result must come from optimize, got one made by hand")
        return self._runner(self._func, self.data, self.plan, progress)  # type: ignore[no-any-return]  # as execute

    def explain(self, file: TextIO | None = None) -> None:
        """Print everything for a person: plan, reasons, cache, what to change, warnings, and the profile if any.

        Args:
            file: where to print; standard output when None.
        """
        from amorsize import report  # noqa: PLC0415  most results are never put in words

        print("\n".join(report.explanation(self)), file=file or sys.stdout)

    def __reduce__(self) -> tuple[object, ...]:  # what finds advice holds on to a store, which stays here
        fields = (self.plan, self.data, self.cache, self.cache_reason, self.warnings, self.profile)
        return OptimizationResult, fields

    def __str__(self) -> str:
        from amorsize import report  # noqa: PLC0415  as above

        return "\n".join(report.summary(self))

    def __repr__(self) -> str:
        plan = self.plan
        return (
            f"OptimizationResult(executor={plan.executor!r}, n_jobs={plan.n_jobs}, chunksize={plan.chunksize}, "
            f"estimated_speedup={plan.speedup:.2f}, cache={self.cache!r})"
        )
