"""Watches over the items that threads are at: these cannot be interrupted, only given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amorsize.errors import ExecutionTimeout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from amorsize.execution.job import Job


class Watch:
    """Knows since when each thread has been at its item."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._running: dict[int, tuple[int, float]] = {}

    def over(self, positions: Sequence[int]) -> Callable[[int | None], None]:
        """Return what the thread that runs a chunk tells of each item: its index there, None after the last."""
        running, monotonic, key = self._running, self._job.monotonic, id(positions)

        def watch(index: int | None) -> None:
            if index is None:
                running.pop(key, None)
            else:
                running[key] = (positions[index], monotonic())

        return watch

    def check(self) -> None:
        """Raise ExecutionTimeout for an item that takes too long; its thread goes on."""
        limit = self._job.manner.item_timeout
        if limit is None:
            return
        for position, since in list(self._running.values()):
            if self._job.monotonic() - since > limit:
                raise ExecutionTimeout(
                    f"execute: item_timeout: an item must take at most {limit:g} s, got no end; position {position}; "
                    "its thread goes on until the item ends",
                    self._job.finished(),
                )
