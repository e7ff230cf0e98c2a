"""The run loop over data that can be read at any position: the caller works, and workers start where they pay."""

from __future__ import annotations

from array import array
from itertools import islice
from operator import length_hint
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.iterables import IndexedRows, StarFunction
from amorsize.domain.wording import counted
from amorsize.errors import ExecutionError
from amorsize.execution.chunks import LocalChunkQueue, PipeChunkQueue, cut
from amorsize.execution.policy import SHARE
from amorsize.execution.run import BLOCK_SECONDS, LEAST_SECONDS, WAIT_SECONDS, Run
from amorsize.processes.failures import note_item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from amorsize.execution.job import Job
    from amorsize.execution.resources import RunConfig
    from amorsize.execution.run import MakeTeam

REST_SECONDS: Final = 0.25
"""Seconds of work without a look where no workers may join and no time is limited: our choice, a short silence."""


class Loop(Run):
    """Runs a job over data that can be indexed.

    Args:
        job: what is run; takes the results.
        data: the items.
        config: what the run may use.
        make_team: makes the WorkerTeam of a run that may have workers; see Run.
    """

    def __init__(self, job: Job, data: Any, config: RunConfig, make_team: MakeTeam) -> None:
        super().__init__(job, data, len(data), config, make_team)
        self.chunks = cut(self.items_at_most, fine=job.options.has_time_limits)
        self.queue: Any = LocalChunkQueue(0, self.chunks.count)
        self._done = bytearray(self.chunks.count)
        self._errors: dict[int, BaseException] = {}

    def run(self) -> None:
        """Run everything; raises what items raise, WorkerError and ExecutionTimeout."""
        self.job.check()
        try:
            self.open_team()
            self._work()
            self._finish()
            self.close_team()
        except BaseException:
            self.close_team(now=True)
            raise
        first, now = self.items_at_most, len(self.data)
        if now != first:
            why = f"data had {counted(first, 'item')} at first and has {now} now: run what changes its data in a loop"
            raise ExecutionError(f"execute: {why}", self.job.finished())
        if not self.job.is_filled(first):
            raise ExecutionError("execute: a result is missing or came twice; please report this", self.job.finished())

    def close_files(self) -> None:
        """Close the pipe of numbers; see Run."""
        self.queue.close()

    @property
    def left_items(self) -> int:
        """Items that are not taken yet; see Run."""
        return int(self.queue.left()) * self.chunks.size

    def items_of(self, numbers: range) -> tuple[int, Any]:
        """Return the first position and the items of chunks; see Run."""
        first, stop = self.chunks.range_of(numbers.start, numbers.stop)
        return first, self.data[first:stop]

    def item(self, position: int) -> Any:
        """Return an item; see Run."""
        return self.data[position]

    def some_items(self) -> Iterator[Any]:
        """Yield the first, the middle and the last item; see Run."""
        for position in dict.fromkeys((0, self.items_at_most // 2, self.items_at_most - 1)):
            yield self.data[position]

    takes_last = True

    def share_here(self, *, waits: bool) -> Callable[[], Any]:  # noqa: ARG002  all numbers are there
        """Return the queue of the numbers that are left; see Run."""
        return lambda: self.queue

    @property
    def chunk_items(self) -> int:
        """Items of a chunk; see Run."""
        return self.chunks.size

    def share_out(self) -> tuple[Any, Callable[[range], tuple[int, Any]]]:
        """Put the numbers that are left into a pipe; see Run."""
        if isinstance(self.queue, LocalChunkQueue):  # else earlier workers have shared the pipe
            rest = self.queue.rest()
            self.queue = PipeChunkQueue(rest.start, rest.stop)
        return self.queue, self.items_of

    def is_done(self, number: int) -> bool:
        """Return whether a chunk's results have come; see Run."""
        return bool(self._done[number])

    def settle(self, numbers: range, first: int, results: list[Any]) -> None:
        """Keep the results of chunks; see Run."""
        self.job.put(first, results)
        self._done[numbers.start : numbers.stop] = b"\1" * len(numbers)

    def raise_failed(self) -> None:
        """Keep failures, or raise that of the first failing item once all items before it have run."""
        if self.job.options.collect:
            super().raise_failed()
            return
        self._errors.update(self._failed)
        self._failed = []
        if not self._errors:
            return
        position = min(self._errors)
        number = position // self.chunks.size
        self.queue.limit(number)
        if self.team is not None:
            self.team.limit(number)
        if self._done.find(0, 0, number) < 0:
            self.job.fail(position, self._errors[position], self.item(position))

    def _work(self) -> None:
        """Take chunks and run them here until there are none left."""
        while self.team is None or self.team.caller_works:
            numbers = self.queue.take(self._count())
            if numbers is None:
                return
            self._run_here(numbers)

    def _count(self) -> int:
        """Return how many chunks to take."""
        each = self.measure.seconds_per_item * self.chunks.size
        if not self.measure.items or not each:
            return 1
        left = int(self.queue.left())
        if self.team is None or self.is_alone:
            return max(1, left if self._in_one_go(left * each) else min(left, int(self.block_seconds / each)))
        takers = self.team.takers
        share, fair = left // (SHARE * takers), -(-left // takers)
        return max(1, min(fair, int(LEAST_SECONDS / each)), min(share, int(BLOCK_SECONDS / each)))

    def _in_one_go(self, seconds: float) -> bool:
        """Return whether items that take ``seconds`` run without a look at the clock."""
        options = self.job.options
        is_free = self.team is None and not options.has_time_limits and options.on_progress is None
        return is_free and self.measure.items > 1 and seconds < REST_SECONDS

    def _run_here(self, numbers: range) -> None:
        """Run chunks here in blocks, with a look at the clock and the workers after each."""
        first, stop = self.chunks.range_of(numbers.start, numbers.stop)
        while first < stop:
            end = min(stop, first + self._next_items)
            if self._in_one_go((stop - first) * self.measure.seconds_per_item):
                end = stop
            try:
                results = self.block(first, range(first, end))
            except Exception as error:
                if self.is_alone or self._failed_at is None:
                    raise
                self._failed.append((self._failed_at, error))  # a worker may be at an earlier item
                end = stop
            else:
                self.job.put(first, results)
                self.next_position = end
                self.size_next()
            first = end
            if first == stop:
                self._done[numbers.start : numbers.stop] = b"\1" * len(numbers)
            self.beat()

    def _watched(self, first: int, items: Sequence[Any]) -> list[Any]:
        return super()._watched(first, self.data[first : first + len(items)])

    def _plain(self, first: int, items: Sequence[Any]) -> list[Any]:
        """Run items by a list comprehension, the fastest loop in Python; its iterator knows where it stopped."""
        func, stop = self.job.func, first + len(items)
        several = (
            func.func if type(func) is StarFunction and type(self.data) is IndexedRows else None
        )  # needs no tuples
        columns = self.data.columns if several is not None else ()
        rest = self._rest(first) if several is None else None
        left = [rest] if rest is not None else [_counted(each[first:stop]) for each in columns or (self.data,)]
        try:
            if several is not None:
                return list(map(several, *left))
            is_part = rest is not None and stop < self.items_at_most
            return [func(item) for item in (islice(left[0], len(items)) if is_part else left[0])]
        except BaseException as error:
            end = stop if rest is None else len(self.data)  # the function may have changed it
            self._failed_at = position = max(first, end - length_hint(left[0]) - 1)
            note_item(error, position, self.data[position] if position < len(self.data) else None)
            raise

    def _rest(self, first: int) -> Iterator[Any] | None:
        """Return an iterator over the data from a position on, without a copy; None where there is none.

        In a list of a million small items, copies of its parts take a tenth of the time.
        """
        if type(self.data) not in {list, tuple, range}:
            return None
        rest = iter(self.data)
        rest.__setstate__(first)
        return rest  # type: ignore[no-any-return]

    def _finish(self) -> None:
        """Wait until all chunks are done; run here what no worker can have begun."""
        team = self.team
        while team is not None and 0 in self._done:
            self.beat()
            if 0 not in self._done:
                return
            team.wait(WAIT_SECONDS)
            self.beat()
            if team.caller_works and (numbers := self.queue.take(1)) is not None:
                self._run_here(numbers)
            elif 0 in self._done and not team.has_workers:
                self.take_in()  # the last results of workers that have just ended
                last = min(self._errors, default=self.items_at_most) // self.chunks.size
                for number in [number for number, done in enumerate(self._done) if not done and number <= last]:
                    self.run_again(range(number, number + 1))
                    self.raise_failed()


def _counted(chunk: Any) -> Iterator[Any]:
    """Return an iterator over a chunk that knows how many items it has left; those of arrays and views do not."""
    return iter(chunk.tolist() if isinstance(chunk, (array, memoryview)) else chunk)
