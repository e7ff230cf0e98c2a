"""Runs what is left of a job on workers: few chunks in flight, ever smaller ones, results put back in order."""

from __future__ import annotations

import logging
import pickle
import warnings
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.schedule import chunk_limits, chunk_size, grown
from amorsize.domain.wording import brief
from amorsize.errors import AmorsizeWarning
from amorsize.execution.endings import GRACE_SECONDS, broken, is_broken, outdated, unreadable
from amorsize.execution.feed import feed_for
from amorsize.execution.job import unpacked
from amorsize.execution.lending import Lender
from amorsize.execution.pace import TRUSTED_ITEMS, Pace
from amorsize.execution.parcel import head_of, pickled
from amorsize.execution.watch import Watch
from amorsize.execution.work import (
    BY_VALUE,
    DONE,
    OUT_OF_REACH,
    STALE,
    UNKNOWN,
    UNPICKLABLE,
    UNREADABLE,
    run_chunk,
    run_items,
    unpack_error,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from amorsize.execution.crew import Crew
    from amorsize.execution.feed import Chunk
    from amorsize.execution.job import Job, Terms
    from amorsize.execution.work import Head, Lent

_log: Final = logging.getLogger("amorsize")

_LOOK_SECONDS: Final = 0.25
MOST_AHEAD: Final = 4
_HELP_SECONDS: Final = 0.002
_SENT_ONCE_BYTES: Final = 1 << 16


class Dispatch:
    """One job on one crew.

    Args:
        job: what is left of it.
        crew: who runs it.
        terms: what is expected.
        fingerprint: what the function must be in workers that were started before this call; empty: whatever it is.
        renew: ends a crew whose workers know an old version of the function, and returns a new one.
    """

    def __init__(
        self, job: Job, crew: Crew, terms: Terms, fingerprint: str = "", renew: Callable[[Crew], Crew] | None = None
    ) -> None:
        self._job = job
        self.crew = crew
        self._terms = terms
        self._fingerprint = fingerprint
        self._renew = renew
        self._done: SimpleQueue[Future[Any]] = SimpleQueue()
        self._flying: dict[Future[Any], Chunk] = {}
        self._again: list[Chunk] = []
        self._stop: list[bool] = []
        self._watch = Watch(job)
        self._head = None
        if not crew.shares_objects:
            self._head = head_of(job.func, job.manner, terms, elsewhere=crew.elsewhere)
        self._limits = chunk_limits(terms.chunk_seconds, terms.seconds_per_item)
        self._lender = Lender()
        # What runs here is not stopped in time.
        self._stays = job.manner.item_timeout is not None or job.manner.deadline is not None
        self._pace = Pace(None if self._stays else terms.here_seconds, crew.workers)
        self._seen = 0
        self._submitting = self._renewed = False
        self._warned = False

    def run(self) -> None:
        """Run everything that is left; raises what items raise, WorkerError and ExecutionTimeout."""
        try:
            self._begin()
            self._feed = feed_for(self._job, self.crew.workers)
            self._loop()
        except BaseException:
            self._abandon()
            raise

    def _begin(self) -> None:
        if self._head is not None:
            self._expect(self._head[1])

    def _loop(self) -> None:
        more = True
        while more or self._flying:
            raised = None
            most = self.crew.workers + min(self.crew.workers, MOST_AHEAD)
            while more and len(self._flying) < most:
                try:
                    chunk = self._next()
                except Exception as error:  # noqa: BLE001  the data's own; raised once what came before has run
                    raised = error
                    break
                more = chunk is not None
                if chunk is not None:
                    self._submit(chunk)
            if raised is not None:
                while self._flying:
                    self._settle()
                raise raised
            if self._flying:
                self._help()
                self._settle()
                more = more or bool(self._again)
                if more and self._pace.is_behind(self._feed.left):
                    more = self._go_on_here()

    def _next(self) -> Chunk | None:
        if self._again:
            return self._again.pop()
        left = self._feed.left
        size = self._limits.least if left is None else chunk_size(max(1, left), self.crew.workers, self._limits)
        if left is None and self._seen > self._limits.least * self.crew.workers:
            size = self._limits.most
        return self._feed.take(size)

    def _submit(self, chunk: Chunk, *, whole: bool = False) -> None:
        """Send a chunk off; ``whole`` with the function, also when that should be known."""
        positions, items = chunk
        executor, manner = self.crew.executor, self._job.manner
        lent: tuple[Lent, ...] = ()
        work: tuple[Any, ...]
        if self._head is None:
            watch = self._watch.over(positions) if manner.item_timeout is not None else None
            work = (run_items, self._job.func, items, manner.collect, self._stop, watch)
        else:
            try:
                blob, lent = self._packed(items)
            except Exception as error:  # noqa: BLE001  __reduce__ of the user's may raise anything
                self._warn(f"items at {_words(positions)} cannot be pickled ({brief(error)}): they are run here")
                self._run_here(chunk)
                return
            work = (run_chunk, self._head_to_send(self._head, whole=whole), blob, lent)
        self._submitting = True
        try:
            future = executor.submit(*work)
        except RuntimeError as error:  # a broken pool, or one that is shut down
            raise broken(self.crew, self._job, error) from error
        self._flying[future] = chunk
        self._submitting = False
        self._lender.until_done(lent, future)
        future.add_done_callback(self._done.put)

    def _packed(self, items: Any) -> tuple[bytes, tuple[Lent, ...]]:
        if self.crew.can_borrow:
            with suppress(Exception):  # what refuses is looked into below
                return self._lender.pack(items)
        return pickled(items, elsewhere=self.crew.elsewhere), ()

    def _head_to_send(self, head: Head, *, whole: bool) -> Head:
        """Return what a chunk is sent with: a large function as often as there are workers, then by its name alone."""
        sent = self.crew.sent.get(head[0], 0)
        if sent >= self.crew.workers and not whole and len(head[1]) > _SENT_ONCE_BYTES:
            return (head[0], b"", *head[2:])
        self.crew.sent[head[0]] = sent + 1
        return head

    def _settle(self) -> None:
        """Wait for a chunk to come back and take it in."""
        future = self._next_done()
        chunk = self._flying.pop(future, None)
        if chunk is not None:
            before = self._job.done
            self._take_in(future, chunk)
            self._pace.came(self._job.done - before, self._job.monotonic())
            self._job.check()

    def _next_done(self) -> Future[Any]:
        """Wait for a future; look at the clock meanwhile."""
        manner = self._job.manner
        while True:
            wait = _LOOK_SECONDS
            if manner.deadline is not None:
                wait = min(wait, max(0.0, manner.deadline - self._job.monotonic()))
            if manner.item_timeout is not None:
                wait = min(wait, manner.item_timeout / 4)
            try:
                return self._done.get(timeout=wait)
            except Empty:
                self._job.check()
                self._watch.check()

    def _take_in(self, future: Future[Any], chunk: Chunk) -> None:
        error = future.exception()
        if error is not None:
            raise broken(self.crew, self._job, error) from error
        if self._head is None:
            results, failures, seconds = future.result()
            self._put(chunk, results, failures, seconds)
            return
        answer = future.result()
        if answer[0] in (DONE, UNPICKLABLE):
            self._take_results(answer, chunk)
        else:
            self._send_again(answer, chunk)

    def _send_again(self, answer: tuple[Any, ...], chunk: Chunk) -> None:
        """Do what it takes to have a chunk run of which nothing has run; raises WorkerError when there is no way."""
        if answer[0] in (UNKNOWN, OUT_OF_REACH):
            self.crew.can_borrow = self.crew.can_borrow and answer[0] == UNKNOWN
            self._submit(chunk, whole=True)
            return
        if answer[0] == UNREADABLE:  # by workers started before it was defined, perhaps: new ones are asked once
            if self._renew is None or self._renewed or self.crew.fresh:
                raise unreadable(self._job, answer[1])
            self._renewed = True
        elif self.crew.elsewhere:
            raise outdated(self._job)
        self._replace_crew(chunk)

    def _take_results(self, answer: tuple[Any, ...], chunk: Chunk) -> None:
        assert self._head is not None  # noqa: S101  what answers like this was sent with one
        self.crew.fresh = False
        self.crew.known[self._head[0]] = self._fingerprint
        kind, packed, failed, seconds, *why = answer
        told = [(index, unpack_error(one)) for index, one in failed]
        if kind == UNPICKLABLE:
            self._put_some(chunk, packed, told, seconds, *why)
            return
        try:
            results = pickle.loads(packed)  # noqa: S301  from a worker of ours
        except Exception as error:  # noqa: BLE001  what pickles need not come back
            self._put_some(chunk, [None] * len(chunk[1]), told, seconds, brief(error))
            return
        self._put(chunk, results, told, seconds)

    def _put(self, chunk: Chunk, results: list[Any], failures: list[tuple[int, BaseException]], seconds: float) -> None:
        positions, items = chunk
        job = self._job
        job.put(positions, results)
        self._measure(len(results), seconds)
        for index, error in failures:
            job.fail(positions[index], error, items[index])

    def _measure(self, items: int, seconds: float) -> None:
        """Learn from what a chunk took how large the next ones should be."""
        job = self._job
        job.ran += items
        job.busy_seconds += seconds
        self._seen += items
        if self._seen >= TRUSTED_ITEMS:
            self._limits = chunk_limits(self._terms.chunk_seconds, job.busy_seconds / max(1, job.ran))

    def _put_some(
        self,
        chunk: Chunk,
        packed: list[bytes | None],
        told: list[tuple[int, BaseException]],
        seconds: float,
        why: str,
    ) -> None:
        """Take in a chunk of which some results could not be pickled: that is said, and those items run again here."""
        positions, items = chunk
        results: list[Any] = [None] * len(packed)
        for index, result in unpacked(packed):
            results[index] = result
        failed = {index for index, _ in told}
        again = [index for index, one in enumerate(packed) if one is None and index not in failed]
        where = _words([positions[index] for index in again])
        self._warn(f"results of items at {where} cannot be pickled ({why}): they are run again here")
        anew, failures, more = run_items(
            self._job.func, [items[index] for index in again], self._job.manner.collect, self._stop
        )
        for index, result in zip(again, anew, strict=False):
            results[index] = result
        told += [(again[index], error) for index, error in failures]
        self._put(chunk, results, told, seconds + more)

    def _run_here(self, chunk: Chunk) -> None:
        results, failures, seconds = run_items(self._job.func, chunk[1], self._job.manner.collect)
        self._put(chunk, results, failures, seconds)
        self._job.check()

    def _warn(self, why: str) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(f"execute: {why}, in the caller's own process", AmorsizeWarning, stacklevel=2)

    def _help(self) -> None:
        """Run items here while fresh workers that are no forks get ready, a moment at a time."""
        job = self._job
        if not self.crew.fresh or self._head is None or self.crew.start_method == "fork":
            return
        if self._stays:
            return
        size = 1
        while self._done.empty():
            left = self._feed.left
            if left is not None and left <= self.crew.workers * size:
                return
            chunk = self._feed.take(size)
            if chunk is None:
                return
            before = job.busy_seconds
            self._run_here(chunk)
            if job.busy_seconds - before < _HELP_SECONDS / 2:
                size *= 2

    def _go_on_here(self) -> bool:
        """Run items here for as long as that is quicker than the workers were; return whether any are left."""
        job, pace = self._job, self._pace
        while self._flying:
            self._settle()
        seconds, here = pace.workers_seconds, pace.here_seconds
        _log.debug("an item takes %.3g s on all workers and %.3g s here; going on here", seconds, here)
        began, ran, size = job.monotonic(), 0, 1
        while (chunk := self._again.pop() if self._again else self._feed.take(size)) is not None:
            self._run_here(chunk)
            ran += len(chunk[0])
            spent = job.monotonic() - began
            if pace.is_slower_here(ran, spent):
                _log.debug("an item takes %.3g s here; going back to workers", spent / ran)
                return True
            size = grown(size, spent / max(1, ran))
        return False

    def _expect(self, name: bytes) -> None:
        """Have the workers' version of the function looked at, unless they are known to have this one."""
        assert self._head is not None  # noqa: S101  only asked when there is one
        crew, key = self.crew, self._head[0]
        if crew.elsewhere:  # new workers may join at any time
            expected = "" if BY_VALUE in name else self._fingerprint
            self._head = (key, name, expected, *self._head[3:])
            return
        known = crew.known.get(key)
        if self._fingerprint and not crew.fresh and known != self._fingerprint:
            if known is not None and self._renew is not None:
                self.crew = self._renew(crew)
            else:
                self._head = (key, name, self._fingerprint, *self._head[3:])

    def _replace_crew(self, chunk: Chunk) -> None:
        """Go on with new workers: these were started before the function became what it is now; nothing has run."""
        self._again.append(chunk)
        while self._flying:
            future = self._next_done()
            if (other := self._flying.pop(future, None)) is None:
                continue
            if future.exception() is None and future.result()[0] in (STALE, UNREADABLE):
                self._again.append(other)
            else:
                self._take_in(future, other)
        assert self._head is not None  # noqa: S101  as above
        self._head = (*self._head[:2], "", *self._head[3:])
        if self._renew is not None and not self.crew.fresh:
            self.crew = self._renew(self.crew)

    def _abandon(self) -> None:
        """Leave nothing running: give our processes a moment, then end them; cancel what waits for other workers."""
        self._stop.append(True)
        running = list(self._flying)
        self._flying.clear()
        if self.crew.owned and not self.crew.shares_objects:  # cancels itself: it breaks over what others cancel
            until = self._job.monotonic() + GRACE_SECONDS
            while not all(future.done() for future in running) and self._job.monotonic() < until:
                with suppress(Empty):
                    self._done.get(timeout=GRACE_SECONDS / 10)
            if not self._submitting and all(future.done() and not is_broken(future) for future in running):
                self.crew.end(wait=True)
            else:
                self.crew.kill()
        else:
            for future in running:
                future.cancel()
            self.crew.end()
        self._lender.end()


def _words(positions: Sequence[int]) -> str:
    shown = ", ".join(map(str, positions[:3]))
    return f"positions {shown} and {len(positions) - 3} more" if len(positions) > 3 else f"position {shown}"  # noqa: PLR2004  a few
