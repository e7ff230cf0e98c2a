"""The run loop over data that is pulled: results come as they are asked for, and no more is pulled than is allowed."""

from __future__ import annotations

from collections import deque
from contextlib import closing
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, Any

import attrs

from amorsize.domain.arrivals import Arrivals
from amorsize.domain.pulling import CHANGING, can_copy
from amorsize.domain.sharing import UNSHAREABLE, is_unshareable
from amorsize.domain.source import is_changing
from amorsize.domain.wording import brief
from amorsize.execution.block_queues import MOST_BLOCKS, LocalBlockQueue, SharedBlockQueue
from amorsize.execution.blocks import AHEAD_BLOCKS, ARRIVAL_SECONDS, UNKNOWN_ITEMS, Block, FirstBlocks
from amorsize.execution.policy import SHARE
from amorsize.execution.run import BLOCK_SECONDS, WAIT_SECONDS, Run
from amorsize.processes.failures import note_item
from amorsize.processes.interrupts import uninterrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from amorsize.execution.job import Job
    from amorsize.execution.resources import RunConfig
    from amorsize.execution.run import MakeTeam
    from amorsize.execution.team import Team


class Stream(Run):
    """Runs a job over data that is pulled as results are asked for.

    Args:
        job: what is run.
        data: the items.
        indexed: the same where they can be read at any position, so that workers read them themselves; else None.
        config: what the run may use.
        make_team: makes the WorkerTeam of a run that may have workers; see Run.
        in_flight: most items that are pulled and not given out.
        ordered: False gives out results in the order in which they come.
    """

    def __init__(  # noqa: PLR0913  one argument a concern
        self,
        job: Job,
        data: Iterable[Any],
        indexed: Any,
        config: RunConfig,
        make_team: MakeTeam,
        *,
        in_flight: int,
        ordered: bool,
    ) -> None:
        total = UNKNOWN_ITEMS if job.total is None else job.total
        super().__init__(job, indexed, total, config, make_team)
        self._items = iter(data if indexed is None else indexed)
        self._arrivals = data if isinstance(data, Arrivals) else None
        self._in_flight = in_flight
        self._ordered = ordered
        self._blocks: deque[Block] = deque()
        self._by_number: dict[int, Block] = {}
        self._number = 0
        self._held = 0
        self._ended: Exception | bool = False
        self._queue: LocalBlockQueue | SharedBlockQueue | None = None
        self._queues: list[LocalBlockQueue | SharedBlockQueue] = []
        self._taken_back: deque[Block] = deque()
        self._first_item: list[Any] = []
        self._firsts = FirstBlocks() if indexed is None else None
        if is_changing(data):
            self._say_changing()
            self.config = attrs.evolve(config, kind="serial", isolated=False)

    cheap_seconds = 3e-6
    """Items are moved too, in blocks."""

    # What it says of itself

    @property
    def left_items(self) -> int:
        """Items that are not taken yet; see Run."""
        return 0 if self._ended else self.items_at_most - self.next_position

    def items_of(self, numbers: range) -> tuple[int, Any]:
        """Return the first position and the items of a block; see Run."""
        block = self._by_number[numbers.start]
        return block.first, block.items

    def item(self, position: int) -> Any:
        """Return an item of a block that is not given out; see Run."""
        block = self._block_at(position)
        return block.items[position - block.first]

    def _block_at(self, position: int) -> Block:
        return next(each for each in self._blocks if each.first <= position < each.first + len(each.items))

    def some_items(self) -> Iterator[Any]:
        """Yield the first items of data that can be indexed; an iterator's are looked at as they are pulled."""
        return iter(self.data[:1]) if self.data is not None else iter(self._first_item)

    def share_out(self) -> tuple[Any, Callable[[range], tuple[int, Any]]]:
        """Return what hands blocks to forked workers; see Run."""
        queue = SharedBlockQueue(self.data)
        self._use(queue)
        return queue, queue.items_of

    def share_here(self, *, waits: bool) -> Callable[[], Any]:
        """Return what hands blocks to threads or an executor; see Run."""
        queue = LocalBlockQueue()
        if not waits:
            queue.stop(0)
        self._use(queue)
        return lambda: queue

    @property
    def chunk_items(self) -> int:
        """Items that a block should have: some milliseconds of work, and a share of those in flight; see Run."""
        sample = self.config.sample
        each = self.measure.seconds_per_item or (sample.seconds_per_item if sample is not None else 0.0)
        if self.team is None or not each:
            return 1
        share = max(1, self._in_flight // (AHEAD_BLOCKS * self.team.takers))
        if self.job.total is not None:
            share = min(share, max(1, (self.job.total - self.next_position) // (SHARE * self.team.takers)))
        return max(1, min(share, int(BLOCK_SECONDS / each)))

    def _use(self, queue: LocalBlockQueue | SharedBlockQueue) -> None:
        self._queue = queue
        self._queues.append(queue)

    def withdraw(self, takers: int) -> None:
        """Take back the blocks that no worker has begun, and let workers end; see Run."""
        queue, self._queue = self._queue, None
        if queue is not None:
            while (number := queue.steal()) is not None:
                if not self.is_done(number):
                    self._taken_back.append(self._by_number[number])
            queue.stop(takers)

    def close_files(self) -> None:
        """Close what hands out blocks; see Run."""
        for queue in self._queues:
            queue.close()

    def is_done(self, number: int) -> bool:
        """Return whether a block's results have come; see Run."""
        block = self._by_number.get(number)
        return block is None or block.is_done

    def settle(self, numbers: range, first: int, results: list[Any]) -> None:  # noqa: ARG002  the block knows
        """Keep the results of a block; see Run."""
        block = self._by_number[numbers.start]
        block.settle(results)
        self.job.count(len(results))

    def raise_failed(self) -> None:
        """Keep what items raised; without collect, it is raised when the results before it are given out."""
        if self.job.options.collect:
            super().raise_failed()
            return
        failed, self._failed = sorted(self._failed, key=lambda pair: pair[0]), []
        for position, error in failed:
            block = self._block_at(position)
            if block.error is None:
                note_item(error, position, block.items[position - block.first])
                block.fail(error)

    # What it does

    def results(self) -> Iterator[Any]:
        """Yield results, with ``collect`` a Failed for each item that fails; raises as ``run`` does."""
        with closing(self._done_blocks()) as blocks:
            for block in blocks:
                results = block.results
                if self.job.failures:
                    self.job.mark_failed(block.first, results)
                results.reverse()
                while results:
                    yield results.pop()  # what was given out is not held here

    def with_positions(self) -> Iterator[tuple[int, Any]]:
        """Yield the position of each item with what ``results`` yields for it."""
        with closing(self._done_blocks()) as blocks:
            for block in blocks:
                if self.job.failures:
                    self.job.mark_failed(block.first, block.results)
                yield from enumerate(block.results, block.first)

    def run(self) -> None:
        """Run everything and keep the results in the job; raises what items raise, WorkerError and ExecutionTimeout."""
        with closing(self._done_blocks()) as blocks:
            for block in blocks:
                self.job.put(block.first, block.results, is_counted=True)

    def _done_blocks(self) -> Generator[Block]:
        """Yield the blocks that are done, and raise what an item of a block raised after it."""
        try:
            self.open_team()
            while (block := self._next_block()) is not None:
                yield block
                if block.error is not None:
                    raise block.error  # noqa: TRY301  the workers end as after any other
            self.close_team()
        except BaseException:
            self.close_team(now=True)
            raise
        if isinstance(self._ended, Exception):
            raise self._ended

    def _next_block(self) -> Block | None:
        """Return the next block that is done, None when all are given out."""
        while True:
            for index, block in enumerate(self._blocks):
                if block.is_done:
                    del self._blocks[index], self._by_number[block.number]
                    self._held -= len(block.items)
                    if self._queues and not index:
                        self._free()
                    return block
                if self._ordered:
                    break
            if not self._step():
                return None

    def _step(self) -> bool:
        """Do one step towards the next result; return whether anything is left to do."""
        team = self.team
        if self._arrivals is not None and not self._blocks and not self._ended:
            self._arrivals.wait()  # apart from the items: what they take is measured
        if self._taken_back:
            block = self._taken_back.popleft()
            if not block.is_done:  # it has run if the last worker ended in the step that took it back
                self._run_block(block)
                self.beat()
            return True
        if team is None or (not self._blocks and not team.is_together):
            return (team is not None and self._prime(team)) or self._run_next()
        if team.is_together:  # with as many blocks as the workers can have ahead of them
            self._fill(team, self.chunk_items, min(MOST_BLOCKS, AHEAD_BLOCKS * team.takers))
        self.beat()
        if not self._blocks or self._blocks[0].is_done:
            return bool(self._blocks) or self._run_next()
        stolen = self._queue.steal() if self._queue is not None and team.caller_works else None
        if stolen is not None:
            self._run_block(self._by_number[stolen])
        elif team.has_workers:
            team.wait(WAIT_SECONDS if self._ended or self._arrivals is None else ARRIVAL_SECONDS)
        else:
            self._run_lost()
        return True

    def _prime(self, team: Team) -> bool:
        """Hand out items, then run the first one: it may take long. Return whether there was one."""
        if self.data is None or self._queue is None or self.next_position or not self.job.total:
            return False
        first = self._pull(1)
        self._fill(team, 1, 1 + team.most_workers)
        self._run_block(first)
        return True

    def _run_lost(self) -> None:
        """Run the blocks here that workers took and sent no result of, once all workers have ended."""
        self.take_in()
        for block in self._blocks:
            if not block.is_done:
                self._run_block(block)

    def _fill(self, team: Team, items: int, most: int) -> None:
        """Hand out blocks of so many items until ``most`` blocks are not done."""
        if self._firsts is not None and self._queue is not None:
            self._fill_first(team, self._queue, self._firsts, most)
            if not self._firsts.watch.is_over:
                return
            self._firsts = None
        queue = self._queue
        while queue is not None and self._may_pull(most):
            block = self._pull(min(items, self._in_flight - self._held) if self.next_position else 1)
            if not block.items:
                return
            if self.data is None and is_unshareable(block.items[0]):  # from now on, each runs before the next is pulled
                team.rule_out_kind(UNSHAREABLE)
                self._run_block(block)
                return
            self._put(queue, block)

    def _fill_first(
        self, team: Team, queue: LocalBlockQueue | SharedBlockQueue, firsts: FirstBlocks, most: int
    ) -> None:
        """Hand out the first items one by one, until it is clear that none changes when the next one is pulled.

        A queue without copies gets an item only after the next ones are pulled.
        """
        has_copies = isinstance(queue, SharedBlockQueue)
        kept_back: list[Block] = []
        while not firsts.watch.is_over and self._may_pull(most) and (has_copies or not firsts.is_any_out(kept_back)):
            firsts.look()
            block = self._pull(1)
            changed = firsts.are_changed_by(block)
            if changed or any(map(is_unshareable, block.items)):  # from now on, each runs before the next is pulled
                if changed:
                    self._say_changing()
                team.rule_out_kind(CHANGING if changed else UNSHAREABLE)
                for each in [*kept_back, block] if block.items else kept_back:
                    self._run_block(each)
                return
            if not block.items:
                break
            firsts.keep(block)
            if has_copies or not can_copy(block.items[0]):
                self._put(queue, block)
            else:
                kept_back.append(block)
        for each in kept_back:
            self._put(queue, each)

    def _say_changing(self) -> None:
        """Warn that no worker runs items, if workers of some kind were asked for."""
        if self.config.kind not in {"auto", "serial"} or self.config.isolated or not self.config.may_thread:
            self._warn(CHANGING, "the items run one by one in the caller's process")

    def _may_pull(self, most: int) -> bool:
        """Return whether one more block may be handed out, of ``most`` that are not done, and there may be one."""
        return (
            self._held < self._in_flight
            and sum(not block.is_done for block in self._blocks) < most
            and self._has_next()
        )

    def _put(self, queue: LocalBlockQueue | SharedBlockQueue, block: Block) -> None:
        """Hand out a block, or run it here if its items cannot be pickled."""
        began = perf_counter()
        failed = ""
        with uninterrupted():  # else what a signal handler raises would count as an error of pickling
            try:
                queue.put(block.number, block.first, block.items)
            except Exception as error:  # noqa: BLE001  __reduce__ of the user's may raise anything
                failed = brief(error)
        if failed:
            where = f"from position {block.first} on"
            self._warn(f"items {where} cannot be pickled ({failed})", "they run in the caller's process")
            self._run_block(block)
        self.taking_in_seconds += perf_counter() - began

    def _has_next(self) -> bool:
        """Return whether there may be a next item which nobody has to wait for."""
        if self._ended or self._arrivals is None:
            return not self._ended
        try:
            return self._arrivals.has_next()
        except Exception as error:  # noqa: BLE001  the data's own; raised when all before it is given out
            self._ended = error
            return False

    def _next_items_of(self, size: int) -> Iterator[Any]:
        """Return an iterator over up to so many of the next items, of which none that has not arrived."""
        return islice(self._items, size) if self._arrivals is None else self._arrivals.take_arrived(size)

    def _is_over(self, size: int, taken: int) -> bool:
        """Return whether the data has ended, where of so many items that could be taken so many were."""
        return taken < size if self._arrivals is None else self._arrivals.is_over()

    def _pull(self, size: int) -> Block:
        """Return a new block of up to so many items."""
        items: list[Any] = []
        try:
            items.extend(self._next_items_of(size))
            self._ended = self._is_over(size, len(items))
        except Exception as error:  # noqa: BLE001  the data's own; raised when all before it is given out
            self._ended = error
        block = Block(self._number, self.next_position, items)
        if items:
            self._add(block)
        return block

    def _add(self, block: Block) -> None:
        self._number += 1
        self.next_position += len(block.items)
        if self.job.total is not None and self.next_position > self.job.total:
            self.job.forget_total()  # the data said a length that was too small
            self.items_at_most = UNKNOWN_ITEMS
        self._held += len(block.items)
        self._blocks.append(block)
        self._by_number[block.number] = block

    def _run_block(self, block: Block) -> None:
        """Run a block here."""
        numbers = range(block.number, block.number + 1)
        try:
            results = self.block(block.first, block.items)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  raised when the results before it are given out
            block.fail(error)
            results = self._begun
        self.settle(numbers, block.first, results)

    def _run_next(self) -> bool:
        """Pull a few items and run them here, each before the next is pulled; return whether there were any."""
        if self._ended:
            return False
        self.keep_out()
        block = Block(self._number, self.next_position, [])
        size = min(self._next_items, self._in_flight)
        try:
            self.measure.block(lambda: self._one_by_one(block, size))
        except BaseException as error:  # noqa: BLE001  raised when the results before it are given out
            self._ended = block.ended_by(error)
        if not block.items:
            return not self._ended
        block.settle(block.results)
        self._add(block)
        self.job.count(len(block.results))
        if block.error is None:
            if block.first == 0:
                self._first_item = block.items[:1]
                if self.team is not None and any(map(is_unshareable, self._first_item)):
                    self.team.rule_out_kind(UNSHAREABLE)
            if self._firsts is not None and self.team is not None:
                self._firsts.has_run(block.items[-1])
            self.size_next()
            self.beat()
        return True

    def _one_by_one(self, block: Block, size: int) -> list[Any]:
        """Pull an item and run it, up to so many times."""
        options, func = self.job.options, self.job.func
        items, results = block.items, block.results
        is_plain = not options.collect and options.item_timeout is None
        if is_plain and (self.team is None or self._changes.left <= 0):
            for item in self._next_items_of(size):
                items.append(item)
                results.append(func(item))
        else:
            for item in self._next_items_of(size):
                items.append(item)
                results += self._watched(block.first + len(results), (item,))
        self._ended = self._is_over(size, len(items))
        return results

    def _free(self) -> None:
        """Give back the memory of blocks that were handed out and are done."""
        oldest = self._blocks[0].number if self._blocks else self._number
        for queue in self._queues:
            queue.free_before(oldest)
