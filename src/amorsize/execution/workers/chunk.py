"""What a worker that starts empty does with a chunk: it gets the function, the items and the caller's state pickled.

Fresh workers import this module, so it imports next to nothing itself.
"""

from __future__ import annotations

import os
import pickle
import sys
import time

TYPE_CHECKING = False  # typing would cost a fresh worker more than all the rest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final

    Known = tuple[Any, str]

DONE: Final = "done"
"""The chunk was run."""

STALE: Final = "stale"
"""The worker knows another version of the function; nothing was run."""

UNREADABLE: Final = "unreadable"
"""The function or an item cannot be unpickled; nothing was run."""

BY_VALUE: Final = b"cloudpickle"
"""In the pickle of a function that travels with its code."""

_MOST_FUNCTIONS: Final = 16
"""Functions that a worker remembers: our choice, more than a program runs by turns."""


_PRINTING: Final = frozenset(
    ("precision", "threshold", "edgeitems", "linewidth", "suppress", "nanstr", "infstr", "sign")
)
"""Options of numpy's printing that are plain values."""


class Head:
    """What all chunks of a run have in common.

    ``key`` names the function, ``pickled`` is it, ``expected`` the version that it must have in the worker (see
    ``version_of``; empty: any). ``state`` is the pickled state of the caller's process (empty: the worker keeps its
    own). ``threads`` is how many threads numerical libraries may use (0: as they like).
    """

    __slots__ = ("collect", "expected", "key", "pickled", "state", "threads")

    def __init__(  # noqa: PLR0913  one argument a concern
        self, key: bytes, pickled: bytes, expected: str, state: bytes, *, collect: bool, threads: int
    ) -> None:
        self.key = key
        self.pickled = pickled
        self.expected = expected
        self.state = state
        self.collect = collect
        self.threads = threads


class Answer:
    """What became of a chunk, in a form that pickles for certain.

    ``kind`` is ``DONE``, ``STALE`` or ``UNREADABLE``, and ``why`` is the reason of the last. ``results`` are the
    pickled results, and ``seconds`` is what the items took. ``failed`` holds packed failures by index. ``lost`` holds
    the indices of results that cannot be pickled; then ``why`` is the reason.
    """

    __slots__ = ("failed", "kind", "lost", "results", "seconds", "why")

    def __init__(  # noqa: PLR0913, PLR0917  one argument a field
        self,
        kind: str,
        why: str = "",
        results: bytes = b"",
        seconds: float = 0.0,
        failed: Sequence[tuple[int, Any]] = (),
        lost: Sequence[int] = (),
    ) -> None:
        self.kind = kind
        self.why = why
        self.results = results
        self.seconds = seconds
        self.failed = failed
        self.lost = lost


class _Memory:
    """What this process keeps from one chunk to the next: functions by key, the state it took over, its limit."""

    def __init__(self) -> None:
        self.functions: dict[bytes, Known] = {}
        self.state = b""
        self.has_limited_threads = False


_memory = _Memory()


def run_chunk(head: Head, blob: bytes) -> Answer:
    """Run a pickled chunk and return what became of it."""
    try:
        if head.state:
            _take_over(head.state)
        func, seen = _known(head)
        if head.expected and seen != head.expected:
            return Answer(STALE)
        items = pickle.loads(blob)  # noqa: S301  from the process that started this one
    except Exception as error:  # noqa: BLE001  __main__ may have it only since this worker was started
        return Answer(UNREADABLE, f"{type(error).__name__}: {error}")
    if head.threads and not _memory.has_limited_threads:
        from amorsize.processes.blas import limit_threads

        _memory.has_limited_threads = True
        limit_threads(head.threads)
    done = run_items(func, items, head.collect)
    failed: list[tuple[int, Any]] = []
    if done.failed:
        from amorsize.processes.failures import pack

        failed = [(index, pack(error)) for index, error in done.failed]
    lost: list[int] = []
    why = ""
    try:
        results = _pickled(done.results, by_value=BY_VALUE in head.pickled)
    except Exception as error:  # noqa: BLE001  __reduce__ of the user's may raise anything
        why = f"{type(error).__name__}: {error}"
        kept, lost = sort_out(done.results, pickle.dumps)
        results = pickle.dumps(kept)
    return Answer(DONE, why, results, done.seconds, failed, lost)


class ItemsRun:
    """What became of items: the results, None for a failed one's; failures by index; and the seconds that it took."""

    __slots__ = ("failed", "results", "seconds")

    def __init__(self, results: list[Any], failed: list[tuple[int, BaseException]], seconds: float) -> None:
        self.results = results
        self.failed = failed
        self.seconds = seconds


def run_items(func: Callable[[Any], Any], items: Any, collect: bool) -> ItemsRun:
    """Run items and return what became of them. Without ``collect``, the first failure ends it."""
    results: list[Any] = []
    failed: list[tuple[int, BaseException]] = []
    began = time.perf_counter()
    for item in items:
        try:
            results.append(func(item))
        except BaseException as error:  # noqa: BLE001  it is raised again where the caller is
            failed.append((len(results), error))
            if not collect or not isinstance(error, Exception):
                break
            results.append(None)
    return ItemsRun(results, failed, time.perf_counter() - began)


def _known(head: Head) -> Known:
    """Return the function and its version here, looked at once."""
    functions = _memory.functions
    if head.key not in functions:
        if len(functions) >= _MOST_FUNCTIONS:
            functions.clear()
        func = pickle.loads(head.pickled)  # noqa: S301  as above
        functions[head.key] = (func, _version(func) if head.expected else "")
    return functions[head.key]


def _version(func: Any) -> str:
    from amorsize.execution.initializing import Initialized
    from amorsize.execution.workers.version import version_of

    return version_of(func.func if type(func) is Initialized else func)


def _pickled(results: list[Any], *, by_value: bool) -> bytes:
    """Pickle results; where the function came by value, its classes may have come so too and go back the same way."""
    try:
        return pickle.dumps(results, pickle.HIGHEST_PROTOCOL)
    except Exception:
        if not by_value:
            raise
        import cloudpickle

        return bytes(cloudpickle.dumps(results, pickle.HIGHEST_PROTOCOL))


def sort_out(results: list[Any], pickles: Callable[[Any], object]) -> tuple[list[Any], list[int]]:
    """Return results with None for those that do not pickle, and the indices of these."""
    kept, lost = list(results), []
    for index, result in enumerate(results):
        try:
            pickles(result)
        except Exception:  # noqa: BLE001  as above
            kept[index] = None
            lost.append(index)
    return kept, lost


def state() -> bytes:
    """Return the pickled state of this process that a function may depend on and that no import gives."""
    try:
        here = os.getcwd()  # noqa: PTH109  a worker imports little
    except OSError:  # it was removed
        here = ""
    mask = os.umask(0)
    os.umask(mask)
    known: dict[str, Any] = {
        "cwd": here,
        "environ": dict(os.environ),
        "path": [part for part in sys.path if isinstance(part, str)],
        "recursion": sys.getrecursionlimit(),
        "umask": mask,
        "digits": sys.get_int_max_str_digits(),
        "switch": sys.getswitchinterval(),
    }
    modules = ("warnings", "decimal", "numpy", "socket", "locale", "logging")
    warnings, decimal, numpy, socket, locale, logging = map(sys.modules.get, modules)
    if warnings is not None:
        known["filters"] = list(warnings.filters)
    if decimal is not None:
        known["decimal"] = decimal.getcontext().copy()
    if numpy is not None:
        known["numpy"] = numpy.geterr()
        known["printing"] = {key: value for key, value in numpy.get_printoptions().items() if key in _PRINTING}
    if socket is not None:
        known["socket"] = socket.getdefaulttimeout()
    if locale is not None:
        known["locale"] = locale.setlocale(locale.LC_ALL)
    if logging is not None:
        known["logging"] = logging.root.manager.disable, _levels(logging)
    return pickle.dumps(known, pickle.HIGHEST_PROTOCOL)


def _levels(logging: Any) -> dict[str, int]:
    """Return the levels of the loggers that have one, by name."""
    loggers = {name: one for name, one in logging.root.manager.loggerDict.items() if isinstance(one, logging.Logger)}
    return {name: one.level for name, one in {"": logging.root, **loggers}.items() if one.level or not name}


def _take_over(text: bytes) -> None:
    """Give this worker the state of the caller's process."""
    if _memory.state == text:
        return
    known = pickle.loads(text)  # noqa: S301  as above
    if known["cwd"]:
        os.chdir(known["cwd"])
    if dict(os.environ) != known["environ"]:
        os.environ.clear()
        os.environ.update(known["environ"])
        _memory.has_limited_threads = False  # the variables that did so are gone
        if hasattr(time, "tzset"):
            time.tzset()
    sys.path[:] = known["path"]
    sys.setrecursionlimit(known["recursion"])
    sys.set_int_max_str_digits(known["digits"])
    sys.setswitchinterval(known["switch"])
    os.umask(known["umask"])
    _take_over_modules(known)
    _memory.state = text


def _take_over_modules(known: dict[str, Any]) -> None:
    """Give this worker the state of the caller's modules."""
    if "filters" in known:
        import warnings

        filters: Any = warnings.filters
        filters[:] = known["filters"]
        warnings._filters_mutated() if hasattr(warnings, "_filters_mutated") else None  # noqa: SLF001  as simplefilter does
    if "decimal" in known:
        import decimal

        decimal.setcontext(known["decimal"].copy())
    if "numpy" in known:
        import numpy as np

        np.seterr(**known["numpy"])
        np.set_printoptions(**known["printing"])
    if "socket" in known:
        import socket

        socket.setdefaulttimeout(known["socket"])
    if "locale" in known:
        import locale

        if locale.setlocale(locale.LC_ALL) != known["locale"]:
            locale.setlocale(locale.LC_ALL, known["locale"])
    if "logging" in known:
        import logging

        disabled, levels = known["logging"]
        logging.disable(disabled)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
