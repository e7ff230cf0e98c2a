"""The joblib backend ``amorsize``: importing this module registers it.

Example::

    import amorsize.integrations.joblib
    from joblib import Parallel, delayed, parallel_config

    with parallel_config(backend="amorsize"):
        results = Parallel()(delayed(func)(item) for item in items)
"""

from __future__ import annotations

import io
import pickle
import sys
import threading
from contextlib import contextmanager
from operator import length_hint
from time import perf_counter
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Final

import cloudpickle
from joblib import cpu_count, register_parallel_backend
from joblib._parallel_backends import (
    FallbackToBackend,
    LokyBackend,
    ParallelBackendBase,
    SequentialBackend,
)
from joblib.externals.loky import process_executor, reusable_executor

from amorsize.domain.wording import counted
from amorsize.integrations.tasks import busy, here, is_alone, is_inside
from amorsize.processes.explaining import explain, is_explaining

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from amorsize.integrations.choosing import Chooser
    from amorsize.integrations.crew import Crew
    from amorsize.integrations.judging import Judge
    from amorsize.integrations.tasks import Forks, Job

__all__ = ["AmorsizeBackend"]

_WORDS: Final = {"thread": "threads", "process": "processes, forked", "pool": "processes"}
"""Who runs tasks beside the caller, in words."""

_MOST_WAITING: Final = 64
"""Threads for tasks that wait, where the user has set no number."""

_MOST_LAYERS: Final = 8
"""Generators around a generator that are looked into for what the innermost runs over."""

_GUESSED: Final = 4
"""Times what is seen that is assumed to be left of an iterator of unknown length."""


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
        self._workers: Crew | None = None
        self._n_jobs = 1
        self._began = 0.0
        self._asked: int | None = None
        self._hint = "auto"
        self._options: dict[str, Any] = {}

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
        workers = self.effective_n_jobs(n_jobs)
        if workers == 1 or (self.nesting_level or 0) > 1 or not _may_have_workers():
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        self.parallel = parallel
        self._n_jobs, self._asked = workers, n_jobs
        hints = {"threads": "thread", "processes": "process", None: "auto"}
        self._hint = "thread" if require == "sharedmem" else hints[prefer]
        self._options = {**self.backend_kwargs, **options}
        self._workers = self._crew()
        return workers

    def start_call(self) -> None:
        """Begin a call, in which one decision is made; see joblib.

        joblib keeps the batches that a call which failed had cut and not submitted: the next call of the same object
        would return their results too.
        """
        self._began = perf_counter()
        self.parallel._ready_batches.queue.clear()  # noqa: SLF001  joblib offers no other way
        if self._workers is None or not self._workers.is_fresh:
            self._workers = self._crew()

    def stop_call(self) -> None:
        """Keep what the call has shown; see joblib."""
        crew, parallel = self._workers, self.parallel
        if crew is not None:
            if not parallel._exception:  # noqa: SLF001  joblib tells backends in no other way
                crew.chooser.learn()
                if here.inner is not None and crew.chooser.choice.kind in {"serial", "trial"}:
                    here.inner.note(crew.chooser.measure.seconds)
            crew.stop()
            if is_explaining() and crew.chooser.func is not None:
                self._explain(crew.chooser)

    def _explain(self, chooser: Chooser) -> None:
        kind, workers = chooser.choice
        who = f"{workers} {_WORDS[kind]}" if kind in _WORDS else "serial"
        cache = "cache hit" if chooser.is_recalled else "cache miss"
        tasks = counted(self.parallel.n_completed_tasks, "task")
        explain("joblib", chooser.func, tasks, f"{who}; {cache}", perf_counter() - self._began)

    def terminate(self) -> None:
        """End all workers of the call; see joblib."""
        self._end(now=False)

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """End all workers whatever they are at, and be ready for the next call if asked to; see joblib."""
        self._end(now=True)
        if ensure_ready:
            self._workers = self._crew()

    def _end(self, *, now: bool) -> None:
        crew, self._workers = self._workers, None
        if crew is not None:
            crew.stop(now=now)

    def submit(self, func: Any, callback: Callable[[Any], Any] | None = None) -> Job:
        """Take a batch of tasks, which is run later and never in here; see joblib."""
        assert self._workers is not None  # noqa: S101  joblib has configured this before
        return self._workers.submit(func, callback or _ignored)

    def retrieve_result_callback(self, out: Any) -> Any:
        """Return the results of a batch or raise what it has raised; see joblib."""
        return out.result()

    def compute_batch_size(self) -> int:
        """Return how many tasks the next batch should have; see joblib."""
        return 1 if self._workers is None else self._workers.chooser.batch_size()

    def get_nested_backend(self) -> tuple[ParallelBackendBase, int | None]:
        """Return the backend of calls inside tasks, which share the CPUs with this one; see joblib."""
        return _nested((self.nesting_level or 0) + 1, self.inner_max_num_threads), None

    @contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Have the caller, who waits for results here, run tasks meanwhile; see joblib."""
        crew = self._workers
        if crew is not None and crew.in_caller:
            crew.run()
        yield

    # What a call is made of

    def _crew(self) -> Crew:
        from amorsize.integrations.crew import Crew
        from amorsize.integrations.judging import Choice, Judge

        is_cap = self._asked not in {None, -1}
        judge = Judge(self._n_jobs, is_cap=is_cap, executor=self._hint, is_warm=_is_warm, is_alone=is_alone)
        helpers = self._n_jobs - 1 if is_cap else _MOST_WAITING - 1
        if is_inside():
            helpers = max(0, min(self._n_jobs - 1, cpu_count() - busy()))
        choice = Choice("pool", self._n_jobs) if self._options.get("initializer") else None
        waits = not self.parallel.return_generator and self.parallel.timeout is None
        return Crew(_Call(self, judge), helpers, in_caller=waits, choice=choice)


class _Call:
    """What a crew may use in one call, and what it must know of it; see Team."""

    def __init__(self, backend: AmorsizeBackend, judge: Judge) -> None:
        self.judge = judge
        self._parallel = backend.parallel
        self._threads = backend.inner_max_num_threads
        self.external = _Loky(backend)

    @property
    def slices(self) -> int:
        """How many batches are cut from the iterator at a time."""
        return int(self._parallel._cached_effective_n_jobs)  # noqa: SLF001  as in stop_call, as are all below

    def left(self, waiting: int) -> tuple[int, bool]:
        """Return how many tasks nobody has begun, and whether that is a guess."""
        parallel = self._parallel
        iterator = parallel._original_iterator  # noqa: SLF001  as in stop_call, as are all below
        if parallel.n_tasks is not None:
            return max(0, parallel.n_tasks - parallel.n_dispatched_tasks) + waiting, False
        waiting += sum(len(batch) for batch in list(parallel._ready_batches.queue))  # noqa: SLF001
        if iterator is None:
            return waiting, False
        hint = _length_hint(iterator)
        if hint is not None:
            return hint + waiting, False
        return max(_GUESSED * self._parallel._cached_effective_n_jobs, parallel.n_completed_tasks), True  # noqa: SLF001

    def is_over(self) -> bool:
        """Return whether nobody wants results any more."""
        return bool(self._parallel._aborting)  # noqa: SLF001  as above

    def check(self, task: Any, result: Any) -> str:
        """Say why tasks cannot go to other processes, empty where they can."""
        try:
            _check_pickles((task.items, result))
        except Exception as error:  # noqa: BLE001  __reduce__ of the user's may raise anything
            return f"a task or its result does not pickle ({type(error).__name__}: {error})"
        return ""

    def forks(self, workers: int, threads: int) -> Forks:
        """Return what forks workers."""
        if sys.platform != "linux":
            raise OSError("workers are forked on Linux only")
        from amorsize.integrations import forked
        from amorsize.integrations.judging import becoming_worker

        become = becoming_worker()

        def settle() -> None:
            become()
            # The pool of the parent has neither threads nor workers here: a caller of it would wait forever.
            _inherited.append(reusable_executor._executor)  # noqa: SLF001  joblib has no other way
            reusable_executor._executor = None  # noqa: SLF001  likewise
            reusable_executor._executor_lock = threading.RLock()  # noqa: SLF001  another thread may have held it

        return forked.Forks(workers, self._threads or threads, cloudpickle.dumps, settle, _end_pool)


class _Loky:
    """joblib's own pool of processes, which start empty and are kept; see External."""

    def __init__(self, backend: AmorsizeBackend) -> None:
        self._backend = backend
        self._loky: Any = None

    def start(self, workers: int) -> None:
        """Have so many workers ready."""
        backend = self._backend
        loky = LokyBackend(nesting_level=0, inner_max_num_threads=backend.inner_max_num_threads)
        loky.configure(n_jobs=workers, parallel=backend.parallel, **backend._options)  # noqa: SLF001  of this module
        self._loky = loky

    def submit(self, task: Any, landed: Callable[[Any], None]) -> None:
        """Run a batch there; joblib finds the folder of its memory maps by the call's own number."""
        pool, number = self._loky._workers, self._backend.parallel._id  # noqa: SLF001  what joblib does for its own
        task._reducer_callback = lambda: pool._temp_folder_manager.set_current_context(number)  # noqa: SLF001  likewise
        self._loky.submit(task, callback=landed)

    def end(self, *, now: bool) -> None:
        """End the call's part of the pool; with ``now`` whatever its workers are at."""
        loky, self._loky = self._loky, None
        if loky is None:
            return
        if now:
            loky.abort_everything(ensure_ready=False)
        else:
            loky.terminate()


_inherited: Final[list[Any]] = []
"""Pools of a parent, kept so that nothing finalises them in its child."""


def _end_pool() -> None:
    """End a pool that a task has started in a forked child, which runs no handler of the interpreter's end."""
    pool = reusable_executor._executor  # noqa: SLF001  as above
    if pool is not None:
        pool.shutdown(kill_workers=True)


class _Nowhere(io.RawIOBase):
    """A file that keeps nothing, to see whether something pickles."""

    def write(self, data: Any) -> int:
        """Return the length of the data."""
        return memoryview(data).nbytes


def _check_pickles(thing: object) -> None:
    """Raise what pickling raises, by value too; arrays are not copied for it."""
    try:
        pickle.Pickler(_Nowhere(), 5, buffer_callback=_ignored).dump(thing)
    except Exception:  # noqa: BLE001  __reduce__ of the user's may raise anything
        cloudpickle.Pickler(_Nowhere(), 5, buffer_callback=_ignored).dump(thing)


def _length_hint(iterator: Any) -> int | None:
    """Return how many tasks an iterator has left, as far as what its generator expression runs over tells."""
    for _ in range(_MOST_LAYERS):
        if type(iterator) is GeneratorType:
            frame = iterator.gi_frame
            iterator = None if frame is None else frame.f_locals.get(".0")
        elif type(iterator) is enumerate or type(iterator) is zip:
            parts = iterator.__reduce__()[1]
            if type(iterator) is zip:
                hints = [_length_hint(part) for part in parts]
                return min((hint for hint in hints if hint is not None), default=None)
            iterator = parts[0]
        else:
            break
    hint = -1
    if type(iterator).__module__ == "builtins":  # no code of the user's
        hint = length_hint(iterator, -1)
    return None if hint < 0 else hint


def _nested(level: int | None, threads: int | None) -> ParallelBackendBase:
    """Return the backend of a call inside tasks; from the second level on there is nothing left to share."""
    if level is not None and level > 1:
        return SequentialBackend(nesting_level=level)
    return AmorsizeBackend(nesting_level=level, inner_max_num_threads=threads)


def _may_have_workers() -> bool:
    """Return whether a call that begins now may have workers: always, but for one inside a task.

    That one needs a CPU which is left for a helper, and calls like it must not be short.
    """
    if here.inner is None:
        return True
    return busy() < cpu_count() and here.inner.may_have_workers()


def _runs_serially() -> bool:
    """Return whether everything runs serially here: in a worker, or while amorsize is disabled."""
    from amorsize.integrations.judging import runs_serially

    return runs_serially()


def _is_warm() -> bool:
    pool = reusable_executor._executor  # noqa: SLF001  joblib has no other way to tell
    return pool is not None and not pool._flags.broken and not pool._flags.shutdown  # noqa: SLF001


def _ignored(_: Any) -> None:
    """Do nothing with an outcome that nobody asked for."""


register_parallel_backend("amorsize", AmorsizeBackend)
