"""Runs a function over data without end: results come as they are asked for, and no more is taken than is allowed."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any

import attrs

from amorsize.execution.job import pull
from amorsize.execution.parallel import MOST_AHEAD, Dispatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.execution.feed import Chunk


@attrs.define(eq=False)
class Slot:
    """A stretch of the data: its results as far as they are there, and how many are not."""

    positions: range
    values: list[Any]
    missing: int


class Stream(Dispatch):
    """Results of one job on one crew, as they are asked for; takes what Dispatch takes."""

    def results(self, in_flight: int, *, ordered: bool) -> Iterator[Any]:
        """Yield results; at most in_flight items are taken from the data and not yet given out.

        Args:
            in_flight: 1 or more.
            ordered: False gives out what is there first.
        """
        self._slots: deque[Slot] = deque()
        self._by_place: dict[int, Slot] = {}
        self._at = 0
        self._ended: Exception | bool = False
        try:
            self._begin()
            while True:
                self._fill(in_flight)
                slot = self._ready(ordered=ordered)
                if slot is not None:
                    yield from slot.values
                elif self._flying:
                    self._settle()
                elif not self._slots:
                    break
        except BaseException:
            self._abandon()
            raise
        if isinstance(self._ended, Exception):
            raise self._ended

    def _fill(self, in_flight: int) -> None:
        """Take items and send them off, as many as are allowed."""
        workers = self.crew.workers
        held = sum(len(slot.values) for slot in self._slots)
        share = max(1, in_flight // (workers + min(workers, MOST_AHEAD)))
        while not self._ended and held < in_flight:
            most = self._limits.most if self._seen else self._limits.least
            size = min(share, most, in_flight - held)
            if held and size < min(share, most):
                return  # a whole chunk soon is better than a part of one now
            block: list[Any] = []
            self._ended = pull(islice(self._job.items, size), block) or len(block) < size
            held += len(block)
            if block:
                self._send(block)
        while self._again:
            self._submit(self._again.pop())

    def _send(self, block: list[Any]) -> None:
        job = self._job
        positions = range(self._at, self._at + len(block))
        self._at += len(block)
        todo = [(at, item) for at, item in zip(positions, block, strict=True) if not job.is_settled(at)]
        slot = Slot(positions, [job.kept.pop(at, None) for at in positions], len(todo))
        self._slots.append(slot)
        if todo:
            self._by_place[todo[0][0]] = slot
            self._submit(([at for at, _ in todo], [item for _, item in todo]))

    def _ready(self, *, ordered: bool) -> Slot | None:
        """Return the next slot that is complete, if there is one, and let go of it."""
        for index, slot in enumerate(self._slots):
            if not slot.missing:
                del self._slots[index]
                return slot
            if ordered:
                break
        return None

    def _put(self, chunk: Chunk, results: list[Any], failures: list[tuple[int, BaseException]], seconds: float) -> None:
        positions, items = chunk
        for index, error in failures:
            self._job.fail(positions[index], error, items[index])
        slot = self._by_place.pop(positions[0])
        for position, result in zip(positions, results, strict=True):
            slot.values[position - slot.positions.start] = result
        slot.missing = 0
        self._job.done += len(results)
        self._measure(len(results), seconds)
