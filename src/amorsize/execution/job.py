"""One run: the function, the options, the progress, the results so far, and how it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from amorsize.domain.values import YEAR_SECONDS
from amorsize.errors import ExecutionTimeout, FailedItems, InitializerError
from amorsize.execution.initializing import Initialized
from amorsize.processes.failures import note_item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    OnProgress = Callable[[int, int | None], None]


@attrs.frozen
class Options:
    """How a run treats failures, time and progress.

    ``collect`` keeps failures instead of raising the first. ``deadline`` is in seconds of the monotonic clock, and
    ``timeout`` is the time limit that it comes from. ``on_progress`` is called with the items done and their number,
    None when that is not known. ``rerun`` allows an item to run again where its result is lost.
    ``initializer`` runs with ``initargs`` once in each worker. ``is_initialized`` says that workers begin with one of
    the executor's own.
    """

    collect: bool = False
    deadline: float | None = None
    timeout: float | None = None
    item_timeout: float | None = None
    on_progress: OnProgress | None = None
    rerun: bool = True
    initializer: Callable[..., object] | None = None
    initargs: tuple[Any, ...] = ()
    is_initialized: bool = False

    @property
    def keeps_out(self) -> bool:
        """Whether no item should run in the caller's process."""
        return self.has_time_limits or self.has_initializer

    @property
    def has_initializer(self) -> bool:
        """Whether workers begin with an initializer, so that no item can run in the caller's process."""
        return self.initializer is not None or self.is_initialized

    @property
    def keeping_out(self) -> str:
        """What keeps items out of the caller's process, and what to do where no worker can run them."""
        who, threads = "initializer=", "executor='thread'"
        if self.is_initialized:
            who, threads = "the executor's initializer", "an executor of threads"
        return (
            f"{who} keeps them out of the caller's process: pass functions and items that can be pickled, or {threads}"
        )

    @property
    def has_time_limits(self) -> bool:
        """Whether the run or an item must end in time."""
        return self.deadline is not None or self.item_timeout is not None


def options_of(  # noqa: PLR0913, PLR0917  what execute is asked, one by one
    where: str,
    errors: str,
    timeout: float | None,
    item_timeout: float | None,
    on_progress: OnProgress | None,
    monotonic: Callable[[], float],
    rerun: bool = True,
    initializer: Callable[..., object] | None = None,
    initargs: Iterable[Any] = (),
) -> Options:
    """Return the options that a caller asks for; ValueError names what is out of range."""
    if errors not in ("raise", "collect"):
        raise ValueError(f"{where}: errors must be 'raise' or 'collect', got {errors!r:.80}")
    for name, seconds in (("timeout", timeout), ("item_timeout", item_timeout)):
        if seconds is not None and not (isinstance(seconds, int | float) and 0 < seconds < YEAR_SECONDS):
            raise ValueError(f"{where}: {name} must be a number above 0, got {seconds!r:.80}")
    if rerun is not True and rerun is not False:
        raise ValueError(f"{where}: rerun must be true or false, got {rerun!r:.80}")
    deadline = None if timeout is None else monotonic() + timeout
    initargs = checked_initargs(where, initializer, initargs)
    return Options(errors == "collect", deadline, timeout, item_timeout, on_progress, rerun, initializer, initargs)


def checked_initargs(where: str, initializer: object, initargs: Iterable[Any]) -> tuple[Any, ...]:
    """Return the arguments of an initializer; TypeError where it cannot be called or they are none."""
    if initializer is not None and not callable(initializer):
        raise TypeError(f"{where}: initializer must be callable, got {initializer!r:.80}")
    try:
        return tuple(initargs)
    except TypeError:
        raise TypeError(f"{where}: initargs must be a tuple, got {initargs!r:.80}") from None


class shown:  # noqa: N801  a context manager is named like the functions that make one
    """Give what is called with the items done and their number (None: not known); None when progress is off.

    Raises ImportError when the bar is asked for and tqdm is not there, TypeError for what is neither flag nor callable.
    ``contextlib.contextmanager`` would set an attribute of what items raise, which a frozen class refuses.
    """

    def __init__(self, progress: bool | OnProgress, where: str) -> None:
        self._bar: Any = None
        self._on_progress: OnProgress | None = None
        if progress is False or progress is None:
            return
        if progress is not True:
            if not callable(progress):
                raise TypeError(f"{where}: progress must be true, false or callable, got {type(progress).__name__}")
            self._on_progress = progress
            return
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            raise ImportError(f"{where}: progress=True needs tqdm: pip install 'amorsize[progress]'") from error
        self._bar = tqdm(unit="item")
        self._on_progress = self._show

    def _show(self, done: int, total: int | None) -> None:
        if total is not None and self._bar.total != total:
            self._bar.total = total
            self._bar.refresh()
        self._bar.update(done - self._bar.n)

    def __enter__(self) -> OnProgress | None:
        return self._on_progress

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


class Failed(NamedTuple):
    """Stands in a stream for the result of an item that failed."""

    error: Exception


def attempt(func: Callable[[Any], Any], item: Any) -> Any:
    """Return what func gives for an item, or that it failed."""
    try:
        return func(item)
    except InitializerError:
        raise
    except Exception as error:  # noqa: BLE001  raised where the result is asked for
        return Failed(error)


class Job:
    """The results of one run by position, its failures, and how much is done.

    Args:
        func: takes one item; ``own`` is this one, ``func`` what runs it after the initializer.
        options: how to treat failures, time and progress.
        monotonic: seconds that never go back.
        total: number of items; None: not known yet.
    """

    def __init__(
        self, func: Callable[[Any], Any], options: Options, monotonic: Callable[[], float], total: int | None
    ) -> None:
        self.own = func
        self.func = func
        if options.initializer is not None:
            self.func = Initialized(func, options.initializer, options.initargs)
        self.options = options
        self.monotonic = monotonic
        self.total = total
        self.values: list[Any] = []
        self.failures: dict[int, Exception] = {}
        self.has_failed = False
        self.done = 0
        self._filled: list[range] = []

    def count(self, items: int) -> None:
        """Count items as done."""
        self.done += items

    def forget_total(self) -> None:
        """Take the number of items as not known any more."""
        self.total = None

    def put(self, first: int, results: list[Any], *, is_counted: bool = False) -> None:
        """Keep the results of consecutive items, the first of which is at a position; count them, unless they are."""
        stop = first + len(results)
        if first == len(self.values) < len(results):  # the shorter one is moved
            results[:0] = self.values
            self.values = results
        elif first == len(self.values):
            self.values += results
        else:
            if stop > len(self.values):
                self.values += [None] * (stop - len(self.values))
            self.values[first:stop] = results
        self._filled.append(range(first, stop))
        if not is_counted:
            self.done += stop - first

    def fail(self, position: int, error: BaseException, item: object = None, *, has_item: bool = True) -> None:
        """Keep a failure, or raise it, with a note that names the item."""
        if isinstance(error, InitializerError):
            raise error
        if has_item and not isinstance(error, ExecutionTimeout):
            note_item(error, position, item)
        if not self.options.collect or not isinstance(error, Exception):
            raise error
        self.failures[position], self.has_failed = error, True

    def mark_failed(self, first: int, results: list[Any]) -> None:
        """Put what failed into consecutive results that are given out, and keep it no longer."""
        for position in self.failures.keys() & range(first, first + len(results)):
            results[position - first] = Failed(self.failures.pop(position))

    def is_filled(self, total: int) -> bool:
        """Return whether each position below total was filled exactly once."""
        rows = sorted((row for row in self._filled if row), key=lambda row: row.start)
        at = 0
        for row in rows:
            if row.start != at:
                return False
            at = row.stop
        return at == total

    def finished(self) -> dict[int, Any]:
        """Return the results there are, by position."""
        return {at: self.values[at] for row in self._filled for at in row if at not in self.failures}

    def late(self) -> ExecutionTimeout:
        """Return the error of a run that takes too long."""
        of = "" if self.total is None else f" of {self.total}"
        return ExecutionTimeout(
            f"execute: timed out after {self.options.timeout:g} s ({self.done}{of} items done); "
            "the results are in this error's `finished`",
            self.finished(),
        )

    def late_item(self, position: int, end: str = "") -> ExecutionTimeout:
        """Return the error of an item that takes too long; ``end`` says what became of it."""
        said = f"execute: item_timeout: item {position} did not finish within {self.options.item_timeout:g} s{end}"
        return ExecutionTimeout(said, self.finished())

    def check(self) -> None:
        """Report progress, and raise ExecutionTimeout when the time is up."""
        options = self.options
        if options.on_progress is not None:
            options.on_progress(self.done, self.total)
        if options.deadline is not None and self.monotonic() >= options.deadline:
            raise self.late()

    def outcome(self) -> Any:
        """Return what execute returns."""
        if self.options.on_progress is not None:
            self.options.on_progress(self.done, self.done)
        if not self.options.collect:
            return self.values
        failed = sorted(self.failures)
        group = FailedItems("items failed", [self.failures[at] for at in failed], failed) if failed else None
        return self.values, group
