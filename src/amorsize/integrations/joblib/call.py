"""What is known of one ``Parallel`` call: how many tasks are left, and whether they can go to other processes."""

from __future__ import annotations

import io
import pickle
from operator import length_hint
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Final

import cloudpickle

if TYPE_CHECKING:
    from amorsize.integrations.joblib.loky import Loky
    from amorsize.integrations.joblib.planning import Planner

_MOST_LAYERS: Final = 8
"""Generators around a generator that are looked into for what the innermost runs over."""

_GUESSED: Final = 4
"""Tasks for each worker that are assumed to be left of an iterator of unknown length, at least."""


class Call:
    """One ``Parallel`` call.

    Args:
        parallel: joblib's ``Parallel`` object.
        planner: decides who runs the tasks.
        loky: joblib's own pool of processes.
        threads: threads that numerical libraries may use in a worker process; None: amorsize decides.
    """

    def __init__(self, parallel: Any, planner: Planner, loky: Loky, threads: int | None) -> None:
        self._parallel = parallel
        self.planner = planner
        self.loky = loky
        self.threads = threads

    @property
    def n_jobs(self) -> int:
        """The number of jobs by which joblib cuts the iterator into batches."""
        return int(self._parallel._cached_effective_n_jobs)  # noqa: SLF001  joblib offers no other way, here and below

    def tasks_left(self, queued: int) -> tuple[int, bool]:
        """Return how many tasks nobody has begun, of which so many are queued here, and whether that is a guess."""
        parallel = self._parallel
        if parallel.n_tasks is not None:
            return max(0, parallel.n_tasks - parallel.n_dispatched_tasks) + queued, False
        iterator = parallel._original_iterator  # noqa: SLF001
        queued += sum(len(batch) for batch in list(parallel._ready_batches.queue))  # noqa: SLF001
        if iterator is None:
            return queued, False
        hint = _length_hint(iterator)
        if hint is not None:
            return hint + queued, False
        return max(_GUESSED * self.n_jobs, parallel.n_completed_tasks), True

    def is_over(self) -> bool:
        """Return whether nobody wants results any more."""
        return bool(self._parallel._aborting)  # noqa: SLF001


class _Nowhere(io.RawIOBase):
    """A file that keeps nothing, to see whether something pickles."""

    def write(self, data: Any) -> int:
        """Return the length of the data."""
        return memoryview(data).nbytes


def why_not_picklable(calls: Any, results: Any) -> str:
    """Say why a batch or its results do not pickle, empty where they do; arrays are not copied for it."""
    try:
        _pickle((calls.items, results))
    except Exception as error:  # noqa: BLE001  __reduce__ of the user's may raise anything
        return f"a task or its result does not pickle ({type(error).__name__}: {error})"
    return ""


def _pickle(thing: object) -> None:
    """Pickle by reference, or by value where that fails; raise what pickling raises."""
    try:
        pickle.Pickler(_Nowhere(), 5, buffer_callback=_ignore).dump(thing)
    except Exception:  # noqa: BLE001  __reduce__ of the user's may raise anything
        cloudpickle.Pickler(_Nowhere(), 5, buffer_callback=_ignore).dump(thing)


def _ignore(_: Any) -> None:
    """Keep nothing of a buffer."""


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
