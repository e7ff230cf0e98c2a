"""How much of the machine other programs use while something runs."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

_SPARE: Final = 0.25
"""CPUs that other programs may use before a run counts as disturbed: every system uses some."""


@attrs.frozen
class Load:
    """CPUs that other programs used on average, of all there are."""

    others: float
    cpus: int

    def is_busy(self, workers: int) -> bool:
        """Return whether this many workers had no CPU of their own for much of the time."""
        return self.cpus - self.others < min(workers, self.cpus) - _SPARE

    def __str__(self) -> str:
        return f"other programs used {self.others:.1f} of {self.cpus} CPUs"


class Stopwatch:
    """Measures from now on how busy other programs are: all CPU time but that of this process and its ended children.

    Args:
        clocks: returns wall seconds, CPU seconds of our own, and busy seconds of all CPUs.
    """

    def __init__(self, clocks: Callable[[], tuple[float, float, float]] | None = None) -> None:
        self._clocks = clocks or _clocks
        self._began = self._clocks()

    def read(self) -> Load:
        """Return the load since the beginning; none where the system does not say."""
        wall, own, system = (now - then for now, then in zip(self._clocks(), self._began, strict=True))
        return Load(max(0.0, (system - own) / wall) if wall > 0 else 0.0, os.cpu_count() or 1)


def _clocks() -> tuple[float, float, float]:
    """Return wall seconds, CPU seconds of this process and its ended children, and busy seconds of all CPUs."""
    import psutil

    try:
        times = psutil.cpu_times()._asdict()
    except Exception:  # noqa: BLE001  psutil may raise anything on a restricted system
        times = {}
    idle = ("idle", "iowait", "guest", "guest_nice")  # guests are counted as user already
    busy = sum(seconds for name, seconds in times.items() if name not in idle)
    return time.perf_counter(), sum(os.times()[:4]), busy
