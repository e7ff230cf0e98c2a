"""Runs tasks in loky, joblib's own pool of processes, which is used where no process can be forked."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from joblib._parallel_backends import LokyBackend
from joblib.externals.loky import reusable_executor

if TYPE_CHECKING:
    from collections.abc import Callable


class Loky:
    """What one call uses of loky. The worker processes start empty and are kept for later calls.

    Args:
        parallel: joblib's ``Parallel`` object.
        threads: threads that numerical libraries may use in a worker; None: joblib decides.
        options: what the user has passed for loky.
    """

    def __init__(self, parallel: Any, threads: int | None, options: dict[str, Any]) -> None:
        self._parallel = parallel
        self._threads = threads
        self._options = options
        self._backend: Any = None

    @property
    def has_started(self) -> bool:
        """Whether the call uses loky now."""
        return self._backend is not None

    def start(self, workers: int) -> None:
        """Have so many workers ready."""
        backend = LokyBackend(nesting_level=0, inner_max_num_threads=self._threads)
        backend.configure(n_jobs=workers, parallel=self._parallel, **self._options)
        self._backend = backend

    def submit(self, calls: Any, callback: Callable[[Any], Any]) -> None:
        """Run a batch in a worker; joblib finds the folder of its memory maps by the id of the ``Parallel`` object."""
        pool, parallel_id = self._backend._workers, self._parallel._id  # noqa: SLF001  what joblib does for its own
        calls._reducer_callback = lambda: pool._temp_folder_manager.set_current_context(parallel_id)  # noqa: SLF001  likewise
        self._backend.submit(calls, callback=callback)

    def end(self, *, now: bool) -> None:
        """End the call's use of loky; with ``now`` its workers too, whatever they run. Repeated calls do nothing."""
        backend, self._backend = self._backend, None
        if backend is None:
            return
        if now:
            backend.abort_everything(ensure_ready=False)
        else:
            backend.terminate()


def is_warm() -> bool:
    """Return whether workers of loky are there already."""
    pool = reusable_executor._executor  # noqa: SLF001  joblib offers no other way, here and below
    return pool is not None and not pool._flags.broken and not pool._flags.shutdown  # noqa: SLF001


_inherited: Final[list[Any]] = []
"""Pools of a parent process, kept so that nothing finalises them in its child."""


def forget_inherited() -> None:
    """Forget the parent's pool in a forked child, which has neither its threads nor its workers.

    A task that submitted to it would wait forever.
    """
    _inherited.append(reusable_executor._executor)  # noqa: SLF001
    reusable_executor._executor = None  # noqa: SLF001
    reusable_executor._executor_lock = threading.RLock()  # noqa: SLF001  another thread may have held it


def end_own() -> None:
    """End a pool that a task has started in a forked child, which runs no handler of the interpreter's end."""
    pool = reusable_executor._executor  # noqa: SLF001
    if pool is not None:
        pool.shutdown(kill_workers=True)
