"""What is known of one ``Parallel`` call: how many tasks are left, and whether they can go to other processes."""

from __future__ import annotations

import io
import pickle
from contextlib import suppress
from operator import length_hint
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Final

import cloudpickle

from amorsize.domain.wording import brief

if TYPE_CHECKING:
    from amorsize.integrations.joblib.loky import Loky

_MOST_LAYERS: Final = 8
"""Generators around a generator that are looked into for what the innermost runs over."""

_MOST_NAMES: Final = 1 << 16
"""Bytes at the beginning of a pickle in which the name of the main module is looked for."""

_GUESSED: Final = 4
"""Tasks for each worker that are assumed to be left of an iterator of unknown length, at least."""


class Call:
    """One ``Parallel`` call.

    Args:
        parallel: joblib's ``Parallel`` object.
        loky: joblib's own pool of processes.
        threads: threads that numerical libraries may use in a worker process; None: amorsize decides.
    """

    def __init__(self, parallel: Any, loky: Loky, threads: int | None) -> None:
        self._parallel = parallel
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
    """A file that counts bytes and keeps none, to see whether something pickles and how large it is."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.names_main = False

    def write(self, data: Any) -> int:
        """Return the length of the data."""
        length = memoryview(data).nbytes
        self.count += length
        self.names_main = self.names_main or b"__main__" in bytes(data[:_MOST_NAMES])
        return length

    def write_buffer(self, buffer: pickle.PickleBuffer) -> None:
        """Count the bytes of an array, which is not copied."""
        self.count += buffer.raw().nbytes


def pickled_bytes(calls: Any, results: Any) -> tuple[int, str]:
    """Return how many bytes a batch with its results takes when it is pickled, and why it does not pickle, or ""."""
    try:
        return _pickled_bytes((calls.items, results)), ""
    except Exception as error:  # noqa: BLE001  __reduce__ of the user's may raise anything
        return 0, f"a task or its result does not pickle ({brief(error)})"


def _pickled_bytes(thing: object) -> int:
    """Pickle as loky does: by value what the main module defines or pickle refuses; raise what pickling raises."""
    file = _Nowhere()
    with suppress(Exception):  # __reduce__ of the user's may raise anything
        pickle.Pickler(file, 5, buffer_callback=file.write_buffer).dump(thing)
        if not file.names_main:
            return file.count
    file = _Nowhere()
    cloudpickle.Pickler(file, 5, buffer_callback=file.write_buffer).dump(thing)
    return file.count


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
