"""Where chunks come from: rows of data that can be indexed, or the next items of an iterator."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from amorsize.domain.schedule import Spread
from amorsize.execution.job import pull

if TYPE_CHECKING:
    from collections.abc import Sequence

    from amorsize.execution.job import Job

    Chunk = tuple[Sequence[int], Any]


class Feed(Protocol):
    """Hands out the items of a job that are still to run."""

    @property
    def left(self) -> int | None:
        """How many items are left at most, None when only running through them would tell."""

    def take(self, size: int) -> Chunk | None:
        """Return the positions and items of the next chunk of about size items, None when there is none left.

        Failing: raises what the data itself raises, after everything that came before it was handed out.
        """


class RowFeed:
    """Chunks of data that can be indexed, spread over all positions."""

    def __init__(self, job: Job, workers: int) -> None:
        total = job.source.total or 0
        first = len(job.values)
        job.open(total)
        self._job = job
        self._spread = Spread(first, total, workers)

    @property
    def left(self) -> int | None:
        """Items left; see Feed."""
        return self._spread.left

    def take(self, size: int) -> Chunk | None:
        """Return the next chunk; see Feed."""
        while (row := self._spread.take(size)) is not None:
            positions, items = self._job.picked(row)
            if len(positions):
                return positions, items
        return None


class StreamFeed:
    """Chunks of an iterator, in order; items that sampling has run are passed over."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._at = len(job.values)
        self._error: Exception | None = None
        if job.settled():
            job.open(max(job.settled()[-1] + 1, self._at))

    @property
    def left(self) -> int | None:
        """Items left; see Feed."""
        total = self._job.total
        return None if total is None else total - self._at

    def take(self, size: int) -> Chunk | None:
        """Return the next chunk; see Feed."""
        job = self._job
        while self._error is None:
            block: list[Any] = []
            self._error = pull(islice(job.items, size), block)
            positions = range(self._at, self._at + len(block))
            self._at += len(block)
            if not block:
                break
            if not any(map(job.is_settled, positions)):
                return positions, block
            new = [(at, item) for at, item in zip(positions, block, strict=True) if not job.is_settled(at)]
            if new:
                return [at for at, _ in new], [item for _, item in new]
        if self._error is not None:
            raise self._error
        return None


def feed_for(job: Job, workers: int) -> Feed:
    """Return where the rest of a job comes from."""
    return StreamFeed(job) if job.source.indexed is None else RowFeed(job, workers)
