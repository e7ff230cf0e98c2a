"""What workers cost: assumed at first, calibrated by what runs anyway, measured where that pays, kept in the cache."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from amorsize.domain import keys
from amorsize.domain.rules import has_expired
from amorsize.errors import MeasurementError

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.application.dependencies import Dependencies
    from amorsize.application.ports import Executors
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.planning.external import ExternalWorkers
    from amorsize.domain.values import Machine, Sample

_MEASURING_SECONDS: Final = {"fork": 0.4, "spawn": 1.2, "forkserver": 1.6}
"""What measuring takes by start method, as ``tests/benchmarks/overheads.py`` prints it on 2 CPUs of a server."""

_MEASURING_SHARE: Final = 0.03
"""Share of a job's predicted time that measuring may take within a call: a loss that nobody notices."""

_ASK_AGAIN_SECONDS: Final = 3600.0
"""How long the cache is not asked again for overheads that another process may have measured: our choice."""

_WORTH_WRITING: Final = 1.25
"""Factor by which the cost of starting a worker must change before it is written again: our choice."""


class LocalMachine(NamedTuple):
    """The machine that asks, and the name of its kind of machine."""

    machine: Machine
    machine_id: str


class Chosen(NamedTuple):
    """An executor backend that the caller chose by name.

    Attributes:
        name: its name.
        executors: starts its executors.
        overheads: measures what so many of its workers cost, for a start method.
        takes: tells whether it can be sent a function that plain pickle refuses.
    """

    name: str
    executors: Executors
    overheads: Callable[[int, str], Overheads]
    takes: Callable[[Callable[[Any], Any]], bool]


class KnownOverheads:
    """The overheads of each start method and of each chosen backend, in this process and in its cache.

    Args:
        dependencies: the probe that measures, the cache, the clock and the rules.
    """

    def __init__(self, dependencies: Dependencies) -> None:
        self._given = dependencies
        self._known: dict[str, Overheads] = {}
        self._asked: dict[str, float] = {}
        self._written: dict[str, float] = {}
        self._is_stated = bool(getattr(dependencies.probe, "stated", ""))

    def known(self, here: LocalMachine, *, keep: bool = True) -> Overheads:
        """Return the best overheads that are known of this machine, without measuring.

        Args:
            here: the machine.
            keep: False does not ask the cache.
        """
        return self._as_here(self._best(here, keep=keep))

    def measured_at(self, here: LocalMachine, *, ask: bool) -> float:
        """Return when this machine was measured, 0.0 for never; the cache is read only with ``ask``."""
        known = self._best(here, keep=True) if ask else self._known.get(here.machine.start_method)
        return 0.0 if known is None else known.measured_at

    def measure(self, here: LocalMachine, *, keep: bool = True) -> Overheads:
        """Measure this machine, and write that to the cache with ``keep``; MeasurementError when that fails."""
        measured = self._given.probe.overheads().dated(self._given.now())
        self._known[here.machine.start_method] = measured
        if keep:
            self._given.entries.keep_overheads(here.machine_id, measured)
        return self._as_here(measured)

    def calibrate(self, here: LocalMachine, sample: Sample, *, keep: bool = True) -> None:
        """Move assumed overheads towards what the fork took that a sample was made in.

        With ``keep`` they are written to the cache when the cost of starting a worker has changed by a quarter or more.
        """
        method = here.machine.start_method
        known = self._best(here, keep=keep)
        better = self._known[method] = known.calibrated(sample.fork_seconds, sample.parent_bytes)
        if not keep or better.source == "measured" or better is known:
            return
        written = self._written.get(method, 0.0)
        if not written / _WORTH_WRITING <= better.least_seconds <= written * _WORTH_WRITING:
            self._written[method] = better.least_seconds
            self._given.entries.keep_overheads(here.machine_id, better)

    def is_measured(self, overheads: Overheads) -> bool:
        """Tell whether overheads were measured and are still valid."""
        return overheads.source == "measured" and not self._has_expired(overheads)

    def is_worth_measuring(self, overheads: Overheads, predicted_seconds: float) -> bool:
        """Tell whether a job is long enough to measure this machine first, and no valid measurement exists."""
        affordable = predicted_seconds * _MEASURING_SHARE
        return affordable >= _MEASURING_SECONDS[overheads.start_method] and not self.is_measured(overheads)

    def external(  # noqa: PLR0913  whose, what for, from where, and how
        self,
        chosen: Chosen,
        func: Callable[[Any], Any],
        blocked_reason: str | None,
        here: LocalMachine,
        *,
        keep: bool = True,
        renew: bool = False,
    ) -> ExternalWorkers:
        """Return a chosen backend with its capacity now and its overheads, measured when none are known.

        Args:
            chosen: the backend.
            func: the function to run.
            blocked_reason: why plain pickle cannot send the function or its items, None when it can.
            here: the machine that asks.
            keep: False neither reads nor writes the cache.
            renew: True measures again when the last measurement has expired.

        Raises:
            MeasurementError: nothing is known and measuring failed.
            Exception: what the executors raise when they cannot be reached.
        """
        from amorsize.domain.planning.external import Capacity, ExternalWorkers

        method = here.machine.start_method
        capacity = chosen.executors.capacity() or Capacity(max(1, ceil(here.machine.usable_cpus)))
        where = keys.place_id(here.machine_id, chosen.name, capacity.place)
        keep = keep and bool(capacity.place)
        known = self._known.get(where)
        if known is None and keep:
            known = self._given.entries.overheads(where, method)
        if known is None or (renew and self._has_expired(known)):
            known = self._measured_elsewhere(chosen, capacity.workers, method, known)
            if keep:
                self._given.entries.keep_overheads(where, known)
        self._known[where] = known
        if blocked_reason is not None and blocked_reason.startswith("the function") and chosen.takes(func):
            blocked_reason = None
        return ExternalWorkers(chosen.name, chosen.executors.kind, capacity, known, blocked_reason)

    def _measured_elsewhere(self, chosen: Chosen, workers: int, method: str, old: Overheads | None) -> Overheads:
        """Measure a chosen backend; when that fails, its expired overheads are used."""
        try:
            return chosen.overheads(workers, method).dated(self._given.now())
        except MeasurementError:
            if old is None:
                raise
            return old

    def _best(self, here: LocalMachine, *, keep: bool) -> Overheads:
        method = here.machine.start_method
        known = self._known.get(method)
        if known is None and self._is_stated:
            known = self._given.probe.overheads().dated(self._given.now())
        if keep and (known is None or known.source != "measured") and self._is_due(method):
            self._asked[method] = self._given.now()
            stored = self._given.entries.overheads(here.machine_id, method)
            if stored is not None and stored.start_method == method and _is_better(stored, known):
                known = stored
                self._written[method] = stored.least_seconds
        if known is None:
            from amorsize.domain.overheads import prior

            known = prior(here.machine)
        self._known[method] = known
        return known

    def _as_here(self, overheads: Overheads) -> Overheads:
        """Return overheads as this process pays them: its first worker pool imports what it needs."""
        return overheads if self._given.has_pools() else overheads.with_first_pool()

    def _is_due(self, method: str) -> bool:
        """Tell whether it is time to ask the cache."""
        asked = self._asked.get(method)
        return asked is None or not 0 <= self._given.now() - asked < _ASK_AGAIN_SECONDS

    def _has_expired(self, overheads: Overheads) -> bool:
        return has_expired(overheads.measured_at, self._given.now(), self._given.rules)


def _is_better(stored: Overheads, known: Overheads | None) -> bool:
    """Tell whether stored overheads are more reliable than those that this process has learnt."""
    return known is None or known.source == "prior" or stored.source == "measured"
