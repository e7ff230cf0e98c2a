"""Workers that start empty, through an executor: they get the function and the items pickled, and give results back."""

from __future__ import annotations

import pickle
from math import ceil
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from amorsize.domain.wording import brief
from amorsize.errors import WorkerError
from amorsize.execution.pickling import key_of, pickled
from amorsize.execution.policy import WORKERS_SHARE
from amorsize.execution.team import ChunkResult, end_of
from amorsize.execution.workers.chunk import BY_VALUE, DONE, STALE, Answer, Head, run_chunk, run_items, state
from amorsize.processes import failures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from amorsize.execution.workers.warm import Pool

_MOST_AHEAD: Final = 4
"""Chunks beside one for each worker that are submitted and not back: our choice, so that none waits for the caller."""

_LEAST_SHARE: Final = 0.05
"""Share of a chunk's seconds that submitting takes, at most: our choice; smaller chunks cost more than they gain."""

_MOST_SHARE: Final = 0.01
"""Share of a chunk's seconds that submitting takes, at least: our choice; larger chunks make the end uneven."""

_GRACE_SECONDS: Final = 0.1
"""Seconds in which the exit codes of a broken pool may come: our choice, mostly they come at once."""


OTHER_VERSION: Final = "they know another version of the function, or of what it reads"
"""Why workers refuse a function that they can import."""


class Unsent(NamedTuple):
    """Chunks that no worker has run, and why they cannot be sent; empty where they can be sent again."""

    numbers: range
    why: str = ""


class _Submitted(NamedTuple):
    """Chunks that the executor has, and the time at which it got them."""

    numbers: range
    since: float


class PoolWorkers:
    """A pool that works for one run.

    Args:
        pool: the workers.
        func: takes one item.
        queue: hands the chunks out; asked in the caller's thread only.
        items_of: gives the first position and the items of consecutive chunks.
        fingerprint: the version that the function must have in the workers; empty: any.
        collect: whether a failing item is noted and the next one run.
        chunk_seconds: what submitting a chunk costs.
        threads: how many threads numerical libraries may use in a worker.
        one_by_one: whether each chunk is submitted alone, so that it is seen which item takes too long.

    Raises:
        Exception: the function cannot be pickled.
    """

    def __init__(  # noqa: PLR0913  one argument a concern
        self,
        pool: Pool,
        func: Callable[[Any], Any],
        queue: Any,
        items_of: Callable[[range], tuple[int, Any]],
        *,
        fingerprint: str,
        collect: bool,
        chunk_seconds: float,
        threads: int,
        one_by_one: bool,
    ) -> None:
        self.pool = pool
        self._func = func
        self._queue = queue
        self._items_of = items_of
        self._collect = collect
        self._chunk_seconds = chunk_seconds
        self._one_by_one = one_by_one
        self._done: SimpleQueue[Future[Any]] = SimpleQueue()
        self._flying: dict[Future[Any], _Submitted] = {}
        self._seconds = self._chunks = 0.0
        self._stopped = False
        self.has_begun = False
        self._asked: Future[Any] | None = None
        self._head: Head | None = None
        self.refused = ""
        self._unsent: list[Unsent] = []
        if not pool.shares_objects:
            text = pickled(func, elsewhere=pool.elsewhere)
            expected = "" if BY_VALUE in text or pool.is_prepared else fingerprint
            known = b"" if pool.elsewhere or pool.is_prepared else state()
            self._head = Head(key_of(text), text, expected, known, collect=collect, threads=threads)

    def __len__(self) -> int:
        return self.pool.workers

    def is_running(self) -> bool:
        """Return whether chunks are with the workers."""
        return bool(self._flying)

    def submit(self, each_seconds: float) -> None:
        """Submit as many chunks as the workers should have; an item is expected to take so many seconds a chunk.

        ``take_unsent`` returns chunks that cannot be pickled. Raises RuntimeError where the executor is broken.

        Workers of ours get their first chunk once one of them has the function: starting and importing may take longer
        than all items, and the caller would wait for chunks that it could run itself.
        """
        if not self.has_begun and self._head is not None and self.pool.owned and not self.pool.elsewhere:
            self._ask(self._head)
            return
        workers = self.pool.workers
        most = workers if self._one_by_one else workers + min(workers, _MOST_AHEAD)
        while not self._stopped and len(self._flying) < most:
            numbers = self._queue.take(self._count(each_seconds))
            if numbers is None:
                return
            _, items = self._items_of(numbers)
            work: tuple[Any, ...] = (run_items, self._func, items, self._collect)
            if self._head is not None:
                try:
                    work = (run_chunk, self._head, pickled(items, elsewhere=self.pool.elsewhere))
                except Exception as error:  # noqa: BLE001  __reduce__ of the user's may raise anything
                    self._unsent.append(Unsent(numbers, brief(error)))
                    continue
            try:
                future = self.pool.executor.submit(*work)
            except BaseException:
                self._unsent.append(Unsent(numbers))
                raise
            self._flying[future] = _Submitted(numbers, monotonic())
            future.add_done_callback(self._done.put)

    def _ask(self, head: Head) -> None:
        """Submit a chunk without items, once: its answer says that a worker has the function."""
        if self._asked is None and not self._stopped:
            self._asked = self.pool.executor.submit(run_chunk, head, pickled([], elsewhere=False))
            self._asked.add_done_callback(self._done.put)

    def _count(self, each_seconds: float) -> int:
        """Return how many chunk numbers the next submission should have."""
        if self._one_by_one:
            return 1
        each = self._seconds / self._chunks if self._chunks else each_seconds
        share: int = ceil(self._queue.left() / (WORKERS_SHARE * self.pool.workers))
        if not each:
            return 1
        least, most = (max(1, ceil(self._chunk_seconds / of / each)) for of in (_LEAST_SHARE, _MOST_SHARE))
        return max(least, min(most, share))

    def chunk_results(self) -> Iterator[ChunkResult]:
        """Yield the results that workers have sent; see ForkedWorkers. Raises what a broken executor raises."""
        while True:
            try:
                future = self._done.get_nowait()
            except Empty:
                return
            if future is self._asked and not future.cancelled():
                self._begin(future.result())
            found = self._flying.pop(future, None)
            if found is not None and not future.cancelled():
                message = self._message(found.numbers, future)
                if message is not None:
                    yield message

    def _begin(self, answer: Answer) -> None:
        self.has_begun = answer.kind == DONE
        if not self.has_begun:
            self.refused = answer.why or OTHER_VERSION

    def _message(self, numbers: range, future: Future[Any]) -> ChunkResult | None:
        try:
            answer = future.result()
        except Exception:
            self._flying[future] = _Submitted(numbers, 0.0)  # it is lost, as are those still flying
            raise
        if self._head is None:
            self._note(numbers, answer.seconds)
            return ChunkResult(numbers, answer.results, answer.failed)
        if answer.kind != DONE:
            self.refused = answer.why or OTHER_VERSION
            self._unsent.append(Unsent(numbers, "" if answer.kind == STALE else self.refused))
            return None
        self._note(numbers, answer.seconds)
        failed = [(index, failures.unpack(each)) for index, each in answer.failed]
        try:
            results = pickle.loads(answer.results)  # noqa: S301  from a worker of ours
        except Exception as error:  # noqa: BLE001  what pickles need not come back
            return ChunkResult(numbers, None, [], f"they cannot be unpickled: {brief(error)}")
        return ChunkResult(numbers, results, failed, answer.why, answer.lost)

    def _note(self, numbers: range, seconds: float) -> None:
        self.has_begun = True
        self._seconds += seconds
        self._chunks += len(numbers)

    def wait(self, seconds: float) -> None:
        """Wait for a result of a worker; see ForkedWorkers."""
        try:
            self._done.put(self._done.get(timeout=max(0.0, seconds)))
        except Empty:
            return

    def take_unsent(self) -> list[Unsent]:
        """Return the chunks that no worker has run, and keep them no longer."""
        unsent, self._unsent = self._unsent, []
        return unsent

    def flying(self) -> list[range]:
        """Return the chunks that are submitted and not back."""
        return [each.numbers for each in self._flying.values()]

    def overdue(self, seconds: float) -> list[int]:
        """Return the positions of the items that are out for longer than ``seconds``, each in a chunk of its own."""
        now = monotonic()
        return [self._items_of(each.numbers)[0] for each in self._flying.values() if now - each.since > seconds]

    def stop(self) -> None:
        """Submit no more; ``take_unsent`` returns what no worker has begun. See ForkedWorkers."""
        self._stopped = True
        for future, submitted in list(self._flying.items()):
            if future.cancel():
                del self._flying[future]
                self._unsent.append(Unsent(submitted.numbers))

    def end(self, *, now: bool = False) -> None:
        """Cancel what is submitted, and kill the workers with ``now`` if they still run; see ForkedWorkers."""
        self._stopped = True
        for future in list(self._flying):
            future.cancel()
        if now and self._flying:
            self.pool.kill()
        self._flying.clear()

    def broken(self, finished: dict[int, Any], error: BaseException) -> WorkerError:
        """Return what to raise when the executor, and no item, has failed."""
        until = monotonic() + _GRACE_SECONDS
        codes = self.pool.exitcodes()
        while self.pool.owned and not codes and monotonic() < until:
            self.wait(_GRACE_SECONDS / 20)
            codes = self.pool.exitcodes()
        ends = " and ".join(sorted({end_of(code) for code in codes}))
        who = f"a worker process {ends}" if ends else f"the executor failed ({brief(error)})"
        count = f"{len(finished)} results are in this error's `finished`"
        return WorkerError(f"execute: {who} while it ran items; {count}", finished)
