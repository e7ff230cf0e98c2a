"""The backend class: all that joblib asks of a backend, for one ``Parallel`` object."""

from __future__ import annotations

from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from joblib import cpu_count
from joblib._parallel_backends import FallbackToBackend, ParallelBackendBase, SequentialBackend
from joblib.externals.loky import process_executor

from amorsize.domain.wording import counted
from amorsize.integrations.joblib.nesting import busy_workers, here, is_inside_task
from amorsize.processes.explaining import explain, is_explaining

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from amorsize.integrations.joblib.batch import Batch
    from amorsize.integrations.joblib.decision import Decision
    from amorsize.integrations.joblib.worker_pool import WorkerPool

_WORDS: Final = {"thread": "threads", "process": "processes, forked", "loky": "processes"}
"""Who runs tasks beside the caller, in words."""

_MOST_WAITING: Final = 64
"""Threads for tasks that wait, where the user has set no number."""


class AmorsizeBackend(ParallelBackendBase):  # type: ignore[misc]  # joblib comes without types
    """Runs the tasks of a ``Parallel`` call serially, in threads or in processes, whichever takes the least time.

    The first tasks run in the caller, and count. ``n_jobs=None`` and ``-1`` leave the number of workers to amorsize,
    any other number is the most there will be. ``prefer="threads"`` and ``require="sharedmem"`` rule processes out,
    ``prefer="processes"`` threads. With an ``initializer`` all tasks run in processes that have called it.

    Args:
        nesting_level: how many ``Parallel`` calls this one is inside of.
        inner_max_num_threads: threads that numerical libraries may use in a worker process.
        backend_kwargs: options of joblib's own pool of processes, which is used where no process can be forked.
    """

    supports_retrieve_callback = True
    supports_inner_max_num_threads = True
    supports_sharedmem = True
    uses_threads = True
    default_n_jobs = -1

    def __init__(
        self, nesting_level: int | None = None, inner_max_num_threads: int | None = None, **backend_kwargs: Any
    ) -> None:
        super().__init__(nesting_level, inner_max_num_threads, **backend_kwargs)
        self.parallel: Any = None
        self._pool: WorkerPool | None = None
        self._n_jobs = 1
        self._asked: int | None = None
        self._executor = "auto"
        self._options: dict[str, Any] = {}
        self._began = 0.0

    def __reduce__(self) -> tuple[Any, ...]:
        return AmorsizeBackend, (self.nesting_level, self.inner_max_num_threads)

    # What joblib asks

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return the most workers of a call; see joblib."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs == 1 or process_executor._CURRENT_DEPTH > 0 or _runs_serially():  # noqa: SLF001  a worker of loky's
            return 1
        cpus: int = cpu_count()
        if n_jobs is None:
            return cpus
        return n_jobs if n_jobs > 0 else max(1, cpus + 1 + n_jobs)

    def configure(
        self,
        n_jobs: int | None = 1,
        parallel: Any = None,
        prefer: str | None = None,
        require: str | None = None,
        **options: Any,
    ) -> int:
        """Get ready for calls and return the most workers; see joblib."""
        is_serial = n_jobs == 1 or (self.nesting_level or 0) > 1 or not _may_have_workers()
        workers = 1 if is_serial else self.effective_n_jobs(n_jobs)
        if workers == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        self.parallel = parallel
        self._n_jobs, self._asked = workers, n_jobs
        executors = {"threads": "thread", "processes": "process", None: "auto"}
        self._executor = "thread" if require == "sharedmem" else executors[prefer]
        self._options = {**self.backend_kwargs, **options}
        self._pool = self._new_pool()
        return workers

    def start_call(self) -> None:
        """Begin a call, in which one decision is made; see joblib.

        joblib keeps the batches that a call which failed had cut and not submitted: the next call of the same object
        would return their results too.
        """
        self._began = perf_counter()
        self.parallel._ready_batches.queue.clear()  # noqa: SLF001  joblib offers no other way
        if self._pool is None or not self._pool.is_fresh:
            self._pool = self._new_pool()

    def stop_call(self) -> None:
        """Keep what the call has shown; see joblib."""
        pool = self._pool
        if pool is None:
            return
        decision = pool.decision
        if not self.parallel._exception:  # noqa: SLF001  joblib tells backends in no other way
            decision.learn()
            if here.inner_calls is not None and decision.choice.kind in {"serial", "trial"}:
                here.inner_calls.note(decision.measure.seconds)
        pool.stop()
        if is_explaining() and decision.func is not None:
            self._explain(decision)

    def _explain(self, decision: Decision) -> None:
        kind, workers, _ = decision.choice
        who = f"{workers} {_WORDS[kind]}" if kind in _WORDS else "serial"
        cache = "cache hit" if decision.is_recalled else "cache miss"
        tasks = counted(self.parallel.n_completed_tasks, "task")
        explain("joblib", decision.func, tasks, f"{who}; {cache}", perf_counter() - self._began)

    def terminate(self) -> None:
        """End all workers of the call; see joblib."""
        self._end(now=False)

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """End all workers whatever they run, and be ready for the next call if asked to; see joblib."""
        self._end(now=True)
        if ensure_ready:
            self._pool = self._new_pool()

    def _end(self, *, now: bool) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop(now=now)

    def submit(self, func: Any, callback: Callable[[Any], Any] | None = None) -> Batch:
        """Take a batch of tasks, which is run later and never in here; see joblib."""
        assert self._pool is not None  # noqa: S101  joblib has configured this before
        return self._pool.submit(func, callback or _ignore)

    def retrieve_result_callback(self, out: Any) -> Any:
        """Return the results of a batch or raise what it has raised; see joblib."""
        return out.result()

    def compute_batch_size(self) -> int:
        """Return how many tasks the next batch should have; see joblib."""
        return 1 if self._pool is None else self._pool.decision.batch_size()

    def get_nested_backend(self) -> tuple[ParallelBackendBase, int | None]:
        """Return the backend of calls inside tasks, which share the CPUs with this one; see joblib.

        From the second level on there is nothing left to share.
        """
        level = (self.nesting_level or 0) + 1
        if level > 1:
            return SequentialBackend(nesting_level=level), None
        return AmorsizeBackend(nesting_level=level, inner_max_num_threads=self.inner_max_num_threads), None

    @contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Have the caller, who waits for results here, run tasks meanwhile; see joblib."""
        pool = self._pool
        if pool is not None and pool.in_caller:
            pool.run()
        yield

    def _new_pool(self) -> WorkerPool:
        from amorsize.execution.measure import Measure
        from amorsize.integrations.joblib.call import Call
        from amorsize.integrations.joblib.decision import Decision
        from amorsize.integrations.joblib.loky import Loky
        from amorsize.integrations.joblib.planning import Choice, Planner
        from amorsize.integrations.joblib.restrictions import Restrictions
        from amorsize.integrations.joblib.worker_pool import WorkerPool

        is_cap = self._asked not in {None, -1}
        helpers = self._n_jobs - 1 if is_cap else _MOST_WAITING - 1
        if is_inside_task():
            helpers = max(0, min(self._n_jobs - 1, cpu_count() - busy_workers()))
        choice = Choice("loky", self._n_jobs) if self._options.get("initializer") else None
        in_caller = not self.parallel.return_generator and self.parallel.timeout is None
        restrictions, measure = Restrictions(wants_threads=self._executor == "thread"), Measure()
        planner = Planner(self._n_jobs, restrictions, is_cap=is_cap, executor=self._executor)
        loky = Loky(self.parallel, self.inner_max_num_threads, self._options)
        call = Call(self.parallel, loky, self.inner_max_num_threads)
        decision = Decision(call, planner, restrictions, measure, helpers, choice)
        return WorkerPool(call, decision, planner, restrictions, measure, helpers, in_caller=in_caller)


def _may_have_workers() -> bool:
    """Return whether a call that begins now may have workers: always, but for one inside a task.

    That one needs a CPU which is left for a worker, and calls like it must not be short.
    """
    if here.inner_calls is None:
        return True
    return here.inner_calls.may_have_workers() and busy_workers() < cpu_count()


def _runs_serially() -> bool:
    """Return whether everything runs serially here: in a worker, or while amorsize is disabled."""
    from amorsize.client.client import default_calls
    from amorsize.config.files import is_disabled

    return is_disabled() or default_calls.resources().budget.is_worker


def _ignore(_: Any) -> None:
    """Do nothing with an outcome that nobody asked for."""
