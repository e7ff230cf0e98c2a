"""What a worker does with a chunk; fresh workers import this module, so it imports next to nothing itself."""

from __future__ import annotations

import os
import pickle
import sys
from contextlib import suppress
from time import monotonic, perf_counter

TYPE_CHECKING = False  # typing would cost a fresh worker more than all the rest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, Final

    Failure = tuple[int, BaseException]
    Outcome = tuple[list[Any], list[Failure], float]
    Head = tuple[bytes, bytes, str, bool, float | None, int, bool]
    Lent = tuple[int, int, int, bool]
    Known = tuple[Any, str, bool, int]

DONE: Final = "done"
STALE: Final = "stale"
UNKNOWN: Final = "unknown"
OUT_OF_REACH: Final = "out of reach"
UNREADABLE: Final = "unreadable"
UNPICKLABLE: Final = "unpicklable"
BY_VALUE: Final = b"cloudpickle"
"""In the pickle of a function that travels with its code."""

_GRACE_SECONDS: Final = 1.0
_MOST_FUNCTIONS: Final = 64
_LARGE_BYTES: Final = 1 << 20
_functions: dict[bytes, Known] = {}
_owner: list[int] = []
_limited: list[bool] = []
_nowhere: list[Any] = []


class ItemTimeout(TimeoutError):  # noqa: N818  as ExecutionTimeout
    """An item took longer than it may; raised in its place, and turned into ExecutionTimeout for the caller."""


def run_items(
    func: Callable[[Any], Any],
    items: Iterable[Any],
    collect: bool,
    stop: Sequence[Any] = (),
    watch: Callable[[int | None], None] | None = None,
) -> Outcome:
    """Run func on items; return results, failures by index and seconds. None stands for the result of a failed item.

    What is no Exception, and without collect the first failure of any kind, ends the chunk. ``stop`` ends it before the
    next item once it holds anything. ``watch`` is told the index of each item before it runs, and None at the end.
    """
    results: list[Any] = []
    failures: list[Failure] = []
    began = perf_counter()
    for item in items:
        if stop:
            break
        try:
            if watch is not None:
                watch(len(results))
            results.append(func(item))
        except BaseException as error:  # noqa: BLE001  it is raised again where the caller is
            failures.append((len(results), error))
            if not collect or not isinstance(error, Exception):
                break
            results.append(None)
    if watch is not None:
        watch(None)
    return results, failures, perf_counter() - began


def run_chunk(head: Head, blob: bytes, lent: Sequence[Lent] = ()) -> tuple[Any, ...]:
    """Run a pickled chunk in a worker process; return what became of it in a form that pickles for certain.

    ``head`` is the same for all chunks of a call: a name for the function, the pickled function (empty: it was sent
    before), the fingerprint that it must have here (empty: whatever it is), whether failures are collected, seconds an
    item may take, how many threads its libraries may use (0: as they like), and whether it is known or feared to run
    any. ``lent`` says where large buffers are.
    """
    _, _, _, collect, item_timeout, threads, is_threaded = head
    try:
        unfit, func, by_value, items = _opened(head, blob, lent)
    except Exception as error:  # noqa: BLE001  __main__ may have it only since this worker was started
        return UNREADABLE, f"{type(error).__name__}: {error}"
    if unfit:
        return (unfit,)
    if threads and not _limited:
        limit_threads(threads, loaded=is_threaded)
    alarm = _alarm(item_timeout) if item_timeout is not None else None
    results, failures, seconds = run_items(func, items, collect, watch=alarm)
    told = [(index, pack_error(error)) for index, error in failures]
    try:
        packed = _packed(results, by_value=by_value)
    except Exception as error:  # noqa: BLE001  __reduce__ of the user's may raise anything
        return UNPICKLABLE, _sorted_out(results), told, seconds, f"{type(error).__name__}: {error}"
    return DONE, packed, told, seconds


def _opened(head: Head, blob: bytes, lent: Sequence[Lent]) -> tuple[str, Any, bool, Any]:
    """Return why a chunk cannot be run (empty: it can), its function, whether that came by value, and its items."""
    name, pickled, expected, *_ = head
    known = _known(name, pickled)
    if known is None:
        return UNKNOWN, None, False, ()
    func, seen, by_value, size = known
    if expected and seen != expected:
        if _fingerprint(func) != expected:
            return STALE, None, False, ()
        seen = expected
    _functions[name] = (func, seen, by_value, size)
    try:
        buffers = borrowed(lent)
    except OSError:
        return OUT_OF_REACH, None, False, ()
    return "", func, by_value, pickle.loads(blob, buffers=buffers)  # noqa: S301  from the process that started this one


def _known(name: bytes, pickled: bytes) -> Known | None:
    """Return a function with its fingerprint if that was looked at, whether it came by value, and the bytes it came in.

    None when it was not sent before. Only one large function is kept.
    """
    if _owner != [os.getpid()]:  # forked from a worker: what it had looked at may have changed
        _owner[:] = [os.getpid()]
        _functions.clear()
    if name in _functions or not pickled:
        return _functions.get(name)
    if len(pickled) > _LARGE_BYTES:
        for other in [other for other, (_, _, _, size) in _functions.items() if size > _LARGE_BYTES]:
            del _functions[other]
    if len(_functions) >= _MOST_FUNCTIONS:
        _functions.clear()
    return pickle.loads(pickled), "", BY_VALUE in pickled, len(pickled)  # noqa: S301  as above


def borrowed(lent: Sequence[Lent]) -> list[bytes | bytearray]:
    """Return copies of the buffers that the caller lends, each as writable as it was; OSError when one is not there."""
    buffers: list[bytes | bytearray] = []
    if sys.platform != "win32":
        for process, number, size, readonly in lent:
            file = os.open(f"/proc/{process}/fd/{number}", os.O_RDONLY)
            try:
                if readonly:
                    buffers.append(os.pread(file, size, 0))
                    count = len(buffers[-1])
                else:
                    buffers.append(bytearray(size))
                    count = os.preadv(file, buffers[-1:], 0)
            finally:
                os.close(file)
            if count < size:
                raise OSError("a buffer ends too early")
    return buffers


def as_it_is(buffer: Any) -> Any:
    """Return a buffer: what bytes and bytearrays that were lent are unpickled by."""
    return buffer


def _fingerprint(func: Any) -> str:
    from amorsize.adapters.distributions import version_of  # noqa: PLC0415  only a warm worker is asked
    from amorsize.domain.fingerprint import fingerprint  # noqa: PLC0415  likewise

    return fingerprint(func, version_of).hex


def _packed(results: list[Any], *, by_value: bool) -> bytes:
    """Pickle results; where the function came by value, its classes may have come so too and go back the same way."""
    try:
        return pickle.dumps(results, pickle.HIGHEST_PROTOCOL)
    except Exception:
        if not by_value:
            raise
        import cloudpickle  # noqa: PLC0415  it is here: the function was unpickled with it

        return bytes(cloudpickle.dumps(results, pickle.HIGHEST_PROTOCOL))


def _sorted_out(results: list[Any]) -> list[bytes | None]:
    """Pickle results one by one; None stands for those that cannot be."""
    packed: list[bytes | None] = []
    for result in results:
        try:
            packed.append(pickle.dumps(result, pickle.HIGHEST_PROTOCOL))
        except Exception:  # noqa: BLE001  as above
            packed.append(None)
    return packed


def pack_error(error: BaseException) -> bytes | str:
    """Return an exception pickled, with the worker's traceback as a note; its words when it does not survive that."""
    import traceback  # noqa: PLC0415  only a failure needs it

    where = "".join(traceback.format_exception(error))
    with suppress(Exception):
        error.add_note(f"in the worker:\n{where}")
    try:
        packed = pickle.dumps(error, pickle.HIGHEST_PROTOCOL)
        if type(pickle.loads(packed)) is type(error):  # noqa: S301  dumped a line above
            return packed
    except Exception:  # noqa: BLE001, S110  exceptions of the user's may refuse in any way; words are left
        pass
    return where


def unpack_error(packed: bytes | str) -> BaseException:
    """Return the exception that pack_error was given, or an ExecutionError in its words."""
    if isinstance(packed, bytes):
        error = pickle.loads(packed)  # noqa: S301  from a worker of ours
        if isinstance(error, BaseException):
            return error
    from amorsize.errors import ExecutionError  # noqa: PLC0415  only a failure needs it

    return ExecutionError(f"the function raised what cannot be pickled; in the worker:\n{packed!s}")


def limit_threads(threads: int, *, loaded: bool) -> None:
    """Let numerical libraries use so many threads: those still to be loaded, and with ``loaded`` the others too.

    Those are not told for nothing: OpenBLAS then starts its threads anew, which spin for tens of milliseconds.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))
    if not loaded or "numpy" not in sys.modules:
        return
    _limited.append(True)
    try:
        from threadpoolctl import threadpool_limits  # noqa: PLC0415  if it is installed
    except ImportError:
        return
    threadpool_limits(limits=threads)


def _alarm(seconds: float) -> Callable[[int | None], None]:
    """Return what to tell of each item: one that takes longer is interrupted, and ends the worker if it goes on.

    A signal interrupts it (POSIX): ItemTimeout is raised in the item as soon as it runs Python code. What does not,
    and every item on Windows, ends with its worker, by a timer that needs no interpreter.
    """
    if sys.platform == "win32":
        return _watchdog(seconds)
    import signal  # noqa: PLC0415  only who sets a time needs these
    import threading  # noqa: PLC0415

    # The kernel's own timer, and no watchdog of faulthandler: in a worker forked while the caller had one armed, to set
    # or to cancel another waits for ever for a thread that was not forked.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    never, runner, over = float("inf"), threading.get_ident(), threading.Event()
    due = [never]

    def late(*_: object) -> None:
        if monotonic() >= due[0]:  # else the item has just ended
            due[0] = never
            raise ItemTimeout(f"an item must take at most {seconds:g} s, got no end")

    def remind() -> None:
        left = seconds
        while not over.wait(left):
            left = min(seconds, due[0] - monotonic())
            if left <= 0:
                signal.pthread_kill(runner, signal.SIGVTALRM)
                left = seconds

    def watch(index: int | None) -> None:
        due[0] = never if index is None else monotonic() + seconds
        signal.setitimer(signal.ITIMER_REAL, 0 if index is None else seconds + _GRACE_SECONDS)
        if index is None:
            over.set()

    signal.signal(signal.SIGVTALRM, late)
    with suppress(RuntimeError):  # no thread can be started: late items end with their worker
        threading.Thread(target=remind, daemon=True, name="amorsize-late").start()
    return watch


def _watchdog(seconds: float) -> Callable[[int | None], None]:
    """Return what ends this process when an item takes longer, whatever it is at."""
    import faulthandler  # noqa: PLC0415  as above

    if not _nowhere:
        _nowhere.append(open(os.devnull, "w"))  # noqa: PTH123, SIM115  it is written to when the worker ends

    def watch(index: int | None) -> None:
        faulthandler.cancel_dump_traceback_later()
        if index is not None:
            faulthandler.dump_traceback_later(seconds, exit=True, file=_nowhere[0])

    return watch
