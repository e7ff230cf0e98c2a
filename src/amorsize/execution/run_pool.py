"""The worker pool of one run: acquired when it pays, replaced when it is out of date, and released at the end."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.wording import brief
from amorsize.execution.workers.pools import PoolWorkers
from amorsize.processes.descriptor_limit import NO_DESCRIPTOR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.execution.job import Job
    from amorsize.execution.resources import PoolProvider, RunConfig
    from amorsize.execution.run import Run
    from amorsize.execution.team import ChunkResult
    from amorsize.execution.workers.warm import Pool

_NO_RESOURCES: Final = NO_DESCRIPTOR | {errno.EAGAIN, errno.ENOMEM}
"""Errors of a system that cannot start a further worker; no item is to blame."""

_SIGKILL: Final = -9
"""Exit code of a process that SIGKILL ended, the signal 9 of POSIX, as the system does when memory runs out."""


class RunPool:
    """The worker pool of one run.

    Args:
        run: the run.
        job: what it runs.
        config: what it may use.
        source: provides the pool.
    """

    def __init__(self, run: Run, job: Job, config: RunConfig, source: PoolProvider) -> None:
        self._run = run
        self._job = job
        self._config = config
        self._source = source
        self._workers: PoolWorkers | None = None
        self._is_replaced = False
        self._queue: Any = None
        self._ahead = 0.0
        self.blocked_reason = ""

    def __len__(self) -> int:
        return len(self._workers) if self._workers is not None else 0

    def start(self, workers: int, ahead_seconds: float) -> bool:
        """Acquire a pool of workers; return whether there is one, else ``blocked_reason`` says why."""
        if self._queue is None:
            self._queue = self._run.share_here(waits=False)()
        self._ahead = ahead_seconds
        try:
            pool = self._source.acquire(workers)
        except (OSError, RuntimeError, EOFError) as error:
            self.blocked_reason = f"no workers can be started here ({error})"
            return False
        return self._begin(pool)

    def _begin(self, pool: Pool) -> bool:
        options = self._job.options
        try:
            self._workers = PoolWorkers(
                pool,
                self._job.func,
                self._queue,
                self._run.items_of,
                fingerprint=self._source.fingerprint(),
                collect=options.collect,
                chunk_seconds=self._source.submit_seconds(pool, self._ahead),
                threads=max(1, int(self._config.usable_cpus / pool.workers)),
                one_by_one=options.item_timeout is not None,
            )
        except Exception as error:  # noqa: BLE001  __reduce__ of the user's may raise anything
            self.blocked_reason = f"the function cannot be pickled ({brief(error)})"
            self._source.release(pool)
            return False
        return True

    def chunk_results(self) -> Iterator[ChunkResult]:
        """Submit chunks and yield the results of workers; raises WorkerError where an item has ended its process."""
        workers = self._workers
        if workers is None:
            return
        try:
            yield from workers.chunk_results()
        except (OSError, RuntimeError, EOFError) as error:  # a broken pool, or one that is shut down
            self._broken(workers, error)
            return
        self._run_unsent(workers)
        if self._workers is not None:
            try:
                self._workers.submit(self._run.measure.seconds_per_item * self._run.chunk_items)
            except (OSError, RuntimeError, EOFError) as error:
                self._broken(self._workers, error)

    def _run_unsent(self, workers: PoolWorkers) -> None:
        """Put back the chunks that no worker has run, or run them here."""
        unsent = workers.take_unsent()
        if workers.refused:
            self._refuse(workers, [each.numbers for each in unsent])
            return
        for numbers, why in unsent:
            if why:
                self._run.say_unsent(numbers, why)
                self._run.run_again(numbers)
            else:
                self._queue.put_back(numbers)

    def _refuse(self, workers: PoolWorkers, back: list[range]) -> None:
        """Replace workers that are out of date; go on without any where new ones are no better."""
        pool = workers.pool
        workers.stop()
        back += [each.numbers for each in workers.take_unsent()] + workers.flying()
        for numbers in back:
            self._queue.put_back(numbers)
        replaced = None if self._is_replaced else self._source.replace(pool)
        self._is_replaced = True
        self._workers = None
        if replaced is not None and self._begin(replaced):
            return
        self.blocked_reason = f"workers that start empty cannot run the function as it is here: {workers.refused}"

    def _broken(self, workers: PoolWorkers, error: BaseException) -> None:
        """Run again what broken workers had, or raise where an item has ended its process."""
        said = workers.broken(self._job.finished(), error)
        codes = set(workers.pool.exitcodes())
        flying = workers.flying()
        self._workers = None
        workers.pool.kill()
        lacks_resources = isinstance(error, OSError) and error.errno in _NO_RESOURCES
        if not workers.has_begun and (lacks_resources or not codes):
            self.blocked_reason = f"no workers can be started here ({error})"
            for numbers in [*flying, *(each.numbers for each in workers.take_unsent())]:
                self._queue.put_back(numbers)
            return
        if not lacks_resources and (codes != {_SIGKILL} or self._config.isolated):
            raise said from error
        self.blocked_reason = str(said).partition(";")[0].removeprefix("execute: ")
        for numbers in flying:
            self._run.lost(numbers, self.blocked_reason)

    def end_late(self, limit: float) -> None:
        """End the pool where an item takes too long, note that item and go on with new workers."""
        workers = self._workers
        positions = workers.overdue(limit) if workers is not None else []
        if workers is None or not positions:
            return
        flying = workers.flying()
        workers.pool.kill()
        self._workers = None
        for numbers in flying:
            first = self._run.items_of(numbers)[0]
            if first in positions:
                self._run.fail_late(numbers, first)
            else:
                self._queue.put_back(numbers)
        self.start(workers.pool.workers, self._ahead)

    def is_running(self) -> bool:
        """Return whether chunks are with the workers, or could be."""
        return self._workers is not None and (self._workers.is_running() or bool(self._queue.left()))

    def wait(self, seconds: float) -> None:
        """Wait for a result of a worker."""
        if self._workers is not None:
            self._workers.wait(seconds)

    def stop(self) -> None:
        """Submit no more; put back what no worker has begun."""
        if self._workers is not None:
            self._workers.stop()

    def end(self, *, now: bool = False) -> None:
        """Release the pool after a run that went well, else end it."""
        workers, self._workers = self._workers, None
        if workers is not None:
            busy = workers.is_running()
            workers.end(now=now)
            if now and busy:
                workers.pool.end()
            else:
                self._source.release(workers.pool)
