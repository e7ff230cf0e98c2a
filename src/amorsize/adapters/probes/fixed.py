"""A probe that returns stated overheads, and stated seconds of items if they are set: for reproducible advice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from amorsize.adapters.probes.start_method import ProbeOptions, StartMethodProbe
from amorsize.domain.overheads import Overheads
from amorsize.domain.values import BYTES, SECONDS, START_METHODS, Sample, number, one_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.domain.planning.sampling import Budget
    from amorsize.domain.source import Source

_ITEMS: Final = 2
"""Items that run where their seconds are stated: our choice, the first call and another, for what they return."""

_MOST_START_SECONDS: Final = 3600.0
"""Seconds of starting a worker that no item takes: our choice of an hour, so that sampling does not end early."""


@attrs.frozen
class FixedOptions:
    """What workers cost, in seconds and bytes; the defaults are those of fresh interpreters on a desktop computer.

    ``seconds_per_item`` is what every item takes; None: items are timed here. ``cpu_fraction`` is the share
    of that time in which it computes, holding the GIL.
    """

    start_method: str = attrs.field(default="spawn", validator=one_of(*START_METHODS))
    seconds_per_item: float | None = attrs.field(default=None, validator=attrs.validators.optional(SECONDS))
    cpu_fraction: float = attrs.field(default=1.0, validator=number(0, 65536))
    start_seconds: float = attrs.field(default=0.0, validator=SECONDS)
    start_worker_seconds: float = attrs.field(default=0.01, validator=SECONDS)
    boot_seconds: float = attrs.field(default=0.04, validator=SECONDS)
    end_seconds: float = attrs.field(default=0.005, validator=SECONDS)
    chunk_seconds: float = attrs.field(default=50e-6, validator=SECONDS)
    byte_seconds: float = attrs.field(default=2.5e-9, validator=number(0, 1))
    thread_start_seconds: float = attrs.field(default=200e-6, validator=SECONDS)
    worker_bytes: float = attrs.field(default=16.0 * 2**20, validator=BYTES)


class FixedProbe(StartMethodProbe):
    """States what its options say, and leaves the rest to the probe of its start method.

    Args:
        options: what is stated.
    """

    def __init__(self, options: FixedOptions) -> None:
        super().__init__(ProbeOptions(), options.start_method)
        self._stated = options

    @property
    def stated(self) -> str:
        """All that is stated: what is kept for one statement does not answer for another."""
        return repr(self._stated)

    def sample(self, func: Callable[[Any], Any], source: Source, budget: Budget) -> Sample:
        """Run func on a few items of source; see the port. If an item's seconds are stated, run at most two."""
        stated = self._stated
        if stated.seconds_per_item is None:
            return super().sample(func, source, budget)
        most = _ITEMS if budget.most_items is None else min(budget.most_items, _ITEMS)
        budget = attrs.evolve(budget, most_items=most, worker_start_seconds=_MOST_START_SECONDS)
        return attrs.evolve(
            super().sample(func, source, budget),
            seconds_per_item=stated.seconds_per_item,
            spread_seconds=0.0,
            first_call_seconds=stated.seconds_per_item,
            cpu_fraction=stated.cpu_fraction,
            gil_fraction=min(1.0, stated.cpu_fraction),
            pickle_item_seconds=0.0,
            unpickle_item_seconds=0.0,
            pickle_result_seconds=0.0,
            unpickle_result_seconds=0.0,
            peak_bytes=0.0,
            worker_import_seconds=0.0,
            threads_variable=None,
            parent_bytes=0.0,
        )

    def overheads(self) -> Overheads:
        """Return the stated overheads; see the port."""
        stated = self._stated
        return Overheads(
            start_method=stated.start_method,
            start_seconds=stated.start_seconds,
            start_worker_seconds=stated.start_worker_seconds,
            boot_seconds=stated.boot_seconds,
            end_seconds=stated.end_seconds,
            chunk_parent_seconds=stated.chunk_seconds / 2,
            chunk_worker_seconds=stated.chunk_seconds / 2,
            item_seconds=0.0,
            byte_seconds=stated.byte_seconds,
            thread_start_seconds=stated.thread_start_seconds,
            thread_chunk_seconds=stated.chunk_seconds / 2,
            worker_bytes=stated.worker_bytes,
        )
