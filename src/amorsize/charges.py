"""What this machine charges for workers: remembered, from the cache, or measured."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from amorsize.domain.rules import has_lapsed
from amorsize.errors import MeasurementError

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.domain.overheads import Overheads
    from amorsize.domain.values import Limits, Machine
    from amorsize.entries import Entries
    from amorsize.ports import Probe


_POOL_MODULES: Final = ("multiprocessing.pool", "concurrent.futures.process")
"""What a process has imported that has started a pool, or is about to."""

WORTH_MEASURING_SECONDS: Final = 0.05
"""A job predicted shorter than this does not make anybody wait for this machine's overheads to be measured."""

_SURELY_WORTH_MEASURING_SECONDS: Final = 0.5
"""Nor does a job that runs already, or is alone in using them since no cache keeps them, with less than this ahead."""


class Charges:
    """The overheads of each start method, asked of the cache once and of the probe when somebody says so.

    Args:
        probe: measures them.
        entries: the cache, which keeps them for each kind of machine.
        now: Unix seconds.
        limits: how long they are believed.
    """

    def __init__(self, probe: Probe, entries: Entries, now: Callable[[], float], limits: Limits) -> None:
        self._probe = probe
        self._entries = entries
        self._now = now
        self._limits = limits
        self._known: dict[str, Overheads] = {}

    def known(self, machine: Machine, machine_id: str, *, keep: bool = True) -> Overheads | None:
        """Return them if they are known; without ``keep`` the cache is not asked."""
        method = machine.start_method
        if method not in self._known and keep:
            stored = self._entries.overheads(machine_id, method)
            if stored is not None and stored.start_method == method:
                self._known[method] = stored
        known = self._known.get(method)
        return None if known is None else _as_here(known)

    def measure(self, machine: Machine, machine_id: str, *, keep: bool = True) -> Overheads:
        """Measure them, and keep them in the cache with ``keep``; MeasurementError when that fails."""
        overheads = self._probe.overheads().dated(self._now())
        self._known[machine.start_method] = overheads
        if keep:
            self._entries.keep_overheads(machine_id, overheads)
        return _as_here(overheads)

    def to_decide(
        self, machine: Machine, machine_id: str, serial_seconds: float, *, keep: bool, renew: bool
    ) -> tuple[Overheads | None, str]:
        """Return them for a job of so many seconds, measured if that is worth it, and why that failed.

        They are measured when they are not known and, with ``renew``, when they are too old; when that fails, these do.
        """
        known = self.known(machine, machine_id, keep=keep)
        due = known is None or (renew and has_lapsed(known.measured_at, self._now(), self._limits))
        if not due or serial_seconds < (WORTH_MEASURING_SECONDS if keep else _SURELY_WORTH_MEASURING_SECONDS):
            return known, ""
        try:
            return self.measure(machine, machine_id, keep=keep), ""
        except MeasurementError as error:
            return known, f"what workers cost here could not be measured: {error}"

    def worth_having(self, machine: Machine, machine_id: str, ahead_seconds: float) -> Overheads | None:
        """Return them if they are known, or can be measured and that is worth it for the seconds ahead; else None."""
        known = self.known(machine, machine_id)
        if known is None and ahead_seconds >= _SURELY_WORTH_MEASURING_SECONDS:
            try:
                return self.measure(machine, machine_id)
            except MeasurementError:
                return None
        return known


def _as_here(overheads: Overheads) -> Overheads:
    """Return overheads as this very process pays them."""
    return overheads if any(name in sys.modules for name in _POOL_MODULES) else overheads.with_first_pool()
