"""What all runs share: workers beside the caller, taking in their results, and running lost items again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from amorsize.errors import ExecutionError
from amorsize.execution.items import Changes
from amorsize.execution.measure import Measure
from amorsize.execution.output import recorded
from amorsize.execution.policy import LOOK_SECONDS
from amorsize.processes.failures import LostError, note_item
from amorsize.processes.interrupts import uninterrupted
from amorsize.processes.warning import warn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from amorsize.execution.job import Job
    from amorsize.execution.output import Piece
    from amorsize.execution.resources import RunConfig
    from amorsize.execution.team import ChunkResult, Team

    MakeTeam = Callable[[Any, Job, RunConfig], Team]

BLOCK_SECONDS: Final = 0.003
"""Seconds of the caller's work between two looks at its workers: our choice, as they may wait for it so long."""

LEAST_SECONDS: Final = 0.0003
"""Seconds of work that the caller takes, at least: our choice; a take and a look at the workers cost 20 us."""

ALONE_SECONDS: Final = 0.01
"""Seconds of the caller's work between two looks at the clock while it is alone: our choice, as nobody waits for it."""

GROWTH: Final = 8
"""Times the items of the block before it that a block has at most: our choice, while little is known of the items."""

_KIND_LENGTH: Final = 12
"""Characters by whose equality two warnings are of one kind: our choice, their first two or three words."""

WAIT_SECONDS: Final = 0.05
"""Seconds of the longest wait for workers before the caller looks whether they run: our choice, hardly noticed."""


class Run(ABC):
    """One run: what ``Loop`` and ``Stream`` share.

    Args:
        job: what is run; takes the results.
        data: the items, if they can be read at any position, else None.
        items_at_most: number of items, as far as is known; a large number where it is not.
        config: what the run may use.
        make_team: makes the WorkerTeam of a run that may have workers, from the run, its job and its config.
    """

    cheap_seconds = 0.3e-6
    """Seconds of an item under which moving its result between processes takes as long as running it."""

    takes_last = False
    """Whether a worker begins with the last chunk."""

    def __init__(self, job: Job, data: Any, items_at_most: int, config: RunConfig, make_team: MakeTeam) -> None:
        self.job = job
        self.data = data
        self.items_at_most = items_at_most
        self.config = config
        self.measure = Measure()
        self.taking_in_seconds = 0.0
        self.taken_in_items = 0
        self.team: Team | None = None
        self.next_position = 0  # of the first item that has not run, while the caller is alone
        self._make_team = make_team
        self._failed: list[tuple[int, BaseException]] = []
        self._failed_at: int | None = None
        self._begun: list[Any] = []
        self._changes = Changes()
        self._warned: set[str] = set()
        self._next_items = 1

    # What each kind of run defines

    @property
    @abstractmethod
    def left_items(self) -> int:
        """Items that are not taken yet."""

    @abstractmethod
    def items_of(self, numbers: range) -> tuple[int, Any]:
        """Return the first position and the items of consecutive chunks."""

    @abstractmethod
    def item(self, position: int) -> Any:
        """Return an item whose chunk is not done."""

    @abstractmethod
    def some_items(self) -> Iterator[Any]:
        """Yield a few items that are known without taking any."""

    @abstractmethod
    def share_out(self) -> tuple[Any, Callable[[range], tuple[int, Any]]]:
        """Return the queue of chunks for processes, and a function that returns their items.

        OSError where the system lacks memory or descriptors.
        """

    @abstractmethod
    def share_here(self, *, waits: bool) -> Callable[[], Any]:
        """Return a function that returns the queue of chunks in use, for threads or for an executor.

        With ``waits``, a taker waits for chunks that are still to come.
        """

    @property
    @abstractmethod
    def chunk_items(self) -> int:
        """Items of a chunk number."""

    @abstractmethod
    def close_files(self) -> None:
        """Close the queues of chunks; repeated calls do nothing."""

    def withdraw(self, takers: int) -> None:  # noqa: B027  chunks that can be read at any position need no taking back
        """Make so many workers take no more chunks."""

    @abstractmethod
    def is_done(self, number: int) -> bool:
        """Return whether a chunk's results have come."""

    @abstractmethod
    def settle(self, numbers: range, first: int, results: list[Any]) -> None:
        """Keep the results of chunks."""

    # What all runs do

    def say_unsent(self, numbers: range, why: str) -> None:
        """Warn that items cannot be sent to workers."""
        first, items = self.items_of(numbers)
        why = f"items at {_words(first, first + len(items))} cannot be pickled ({why})"
        self.keep_out(why)
        self._warn(why, "they are run here")

    def open_team(self) -> None:
        """Start a team of workers where it may help."""
        config = self.config
        if (config.isolated and self.items_at_most) or (
            self.items_at_most > 1 and config.workers != 1 and config.kind != "serial"
        ):
            self.team = self._make_team(self, self.job, config)
            self.team.begin()

    def close_team(self, *, now: bool = False) -> None:
        """End the workers, at once or when they are done, and close what was opened for them.

        Ctrl-C may interrupt the wait for threads; a second call with ``now`` then ends what is left. It never
        interrupts that.
        """
        if self.team is None:
            return
        if not now:
            self.team.finish()
        with uninterrupted():
            try:
                self.team.end(now=now)
            finally:
                self.close_files()

    @property
    def is_alone(self) -> bool:
        """Whether the caller has no workers."""
        return self.team is None or self.team.is_alone

    @property
    def is_undecided(self) -> bool:
        """Whether workers may start once the caller has run for long enough to decide."""
        return self.team is not None and self.team.is_undecided

    @property
    def block_seconds(self) -> float:
        """Work of the caller until it looks at the clock and its workers again."""
        if self.team is None:
            return ALONE_SECONDS
        return LOOK_SECONDS if self.is_alone and self.is_undecided else BLOCK_SECONDS

    def beat(self) -> None:
        """Take in the results of workers, check workers and time limits, and decide which workers should run."""
        if self.team is not None:
            self.take_in()
            self.team.supervise()
            self.raise_failed()  # of items that ran again in place of a worker that has ended
        self.job.check()
        if self.team is not None:
            self.team.look()

    def take_in(self) -> None:
        """Take in the results of workers."""
        if self.team is None:
            return
        began = perf_counter()
        for chunk in self.team.chunk_results():
            self._accept(chunk)
            now = perf_counter()
            self.taking_in_seconds += now - began
            began = now
        self.raise_failed()

    def size_next(self) -> None:
        """Size the next block by what items have taken so far."""
        each = max(self.measure.seconds_per_item, 1e-9)
        known = self.measure.seconds >= LOOK_SECONDS
        most = self.measure.items if known else self._next_items * GROWTH  # later items may take much longer
        self._next_items = max(1, min(most, int(self.block_seconds / each)))

    def block(self, first: int, items: Sequence[Any]) -> list[Any]:
        """Run consecutive items here and return their results, with None for an item that failed.

        The items are given themselves, or by their positions. When an item fails, its position is kept. So are the
        results before it where the items are pulled.
        """
        self._failed_at, self._begun = None, []
        self.keep_out()
        pieces: list[Piece] = []
        if self.team is None or not self.team.keeps_output:
            return self.measure.block(lambda: self._results(first, items))
        try:
            with recorded(pieces):
                return self.measure.block(lambda: self._results(first, items))
        finally:
            self.team.add_output(first, first + len(items), pieces)

    def keep_out(self, why: str = "no worker can run the items that are left") -> None:
        """Raise ExecutionError if no item may run here; ``why`` says why an item would run here."""
        options = self.job.options
        if options.has_initializer:
            raise ExecutionError(f"execute: {why}, and {options.keeping_out}", self.job.finished())

    def _results(self, first: int, items: Sequence[Any]) -> list[Any]:
        options = self.job.options
        watches = self._changes.left > 0 and self.team is not None
        if watches or options.collect or options.item_timeout is not None:
            return self._watched(first, items)
        return self._plain(first, items)

    def _plain(self, first: int, items: Sequence[Any]) -> list[Any]:
        func = self.job.func
        results: list[Any] = []
        self._begun = results
        keep = results.append
        item = None
        try:
            for item in items:
                keep(func(item))
        except BaseException as error:
            self._failed_at = first + len(results)
            note_item(error, self._failed_at, item)
            raise
        return results

    def _watched(self, first: int, items: Sequence[Any]) -> list[Any]:
        """Run items one by one and check each: its failure, its time, whether running changes it."""
        job, changes = self.job, self._changes
        limit = job.options.item_timeout
        results: list[Any] = []
        self._begun = results
        for position, item in enumerate(items, first):
            copied = None
            if changes.left:
                with self.measure.aside():
                    copied = changes.copy(item)
            began = job.monotonic()
            result = None
            try:
                result = job.func(item)
            except BaseException as error:  # noqa: BLE001  fail raises it unless it is to be kept
                self._failed_at = position
                job.fail(position, error, item)
            if limit is not None and job.monotonic() - began > limit and position not in job.failures:
                result = None
                job.fail(position, job.late_item(position), has_item=False)
            if copied is not None:
                with self.measure.aside():
                    changes.compare(copied, item)
            results.append(result)
        if changes.seen and self.team is not None:
            self.team.rule_out_processes("running the function changes its items")
        return results

    def fail_late(self, numbers: range, position: int) -> None:
        """Keep the failure of an item that took too long, and run the other items of its chunks again."""
        first, items = self.items_of(numbers)
        self.job.fail(position, self.job.late_item(position), has_item=False)
        rest = range(first, first + len(items))
        if len(rest) > 1:
            self._warn(f"items beside the one at position {position} are lost with their worker", "they run again here")
        self.settle(numbers, first, [None if at == position else self._single(at) for at in rest])
        self.raise_failed()

    def _accept(self, chunk: ChunkResult) -> None:
        """Take in the result of some chunks."""
        numbers, results = chunk.numbers, chunk.results
        first, items = self.items_of(numbers)
        stop, team = first + len(items), self.team
        assert team is not None  # noqa: S101  its result
        if results is None:
            self.lost(numbers, f"the results of the items at {_words(first, stop)} are lost: {chunk.why}")
        elif chunk.changes:
            self.lost(numbers, "running the function changes its items, which is lost in another process")
            team.rule_out_processes("running the function changes its items")
        else:
            for index in chunk.lost:
                why = f"the result of the item at position {first + index} cannot be pickled ({chunk.why})"
                self._allow_again(why)
                self._warn(why)
                results[index] = self._single(first + index)
            failed = [(index, self._judged(first + index, error, chunk)) for index, error in chunk.failed]
            for index, (error, result) in failed:
                if error is not None:
                    self._failed.append((first + index, error))
                elif index < len(results):
                    results[index] = result
                else:
                    results += [result, *(self._single(at) for at in range(first + index + 1, stop))]
            team.add_output(first, stop, chunk.pieces)
            self.settle(numbers, first, results)
        self.taken_in_items += stop - first

    def _judged(self, position: int, error: BaseException, chunk: ChunkResult) -> tuple[BaseException | None, Any]:
        """Return a worker's failure; None and a result where the item fails only there."""
        team = self.team
        assert team is not None  # noqa: S101  its result
        suspect = isinstance(error, LostError) or chunk.is_cut or team.doubts_failures
        if not suspect or self.job.options.has_initializer:
            return error, None
        name = type(error).__name__
        why = f"the item at position {position} failed in a worker ({name}) but may succeed in the caller's process"
        self._allow_again(why, error)
        try:
            result = self.job.func(self.item(position))
        except BaseException as again:  # noqa: BLE001  raised in the order of the items, or kept
            team.trust_failures()  # it is the item
            return again, None
        self._warn(why)
        team.rule_out_kind(f"an item failed there and not here ({name})")
        return None, result

    def raise_failed(self) -> None:
        """Raise, or keep, what items raised, in their order."""
        failed, self._failed = sorted(self._failed, key=lambda pair: pair[0]), []
        for position, error in failed:
            self.job.fail(position, error, self.item(position))

    def lost(self, numbers: range, why: str) -> None:
        """Run chunks again here, with a warning: a worker may have run them, and their results are lost."""
        self._allow_again(why)
        self._warn(why)
        self.run_again(numbers)

    def _allow_again(self, why: str, error: BaseException | None = None) -> None:
        options = self.job.options
        if not options.rerun or options.has_initializer:
            keeps = "an initializer keeps it from running here"
            if not options.rerun:
                keeps = "rerun=False keeps it from running again"
            raise ExecutionError(f"execute: {why}; {keeps}", self.job.finished()) from error

    def run_again(self, numbers: range) -> None:
        """Run chunks here; what fails is raised, or kept, in the order of the items."""
        first, items = self.items_of(numbers)
        try:
            results = self.block(first, items)
        except Exception as error:
            if self._failed_at is None:
                raise
            self._failed.append((self._failed_at, error))
            results = self._begun
        self.settle(numbers, first, results)

    def _single(self, position: int) -> Any:
        """Run an item here; its failure is raised, or kept, in the order of the items."""
        self._allow_again(f"the result of the item at position {position} is lost")
        try:
            return self.job.func(self.item(position))
        except BaseException as error:  # noqa: BLE001  as above
            self._failed.append((position, error))
            return None

    def _warn(self, why: str, then: str = "it is run again in the caller's process") -> None:
        """Warn once of each kind of event."""
        kind = why[:_KIND_LENGTH]
        if kind not in self._warned:
            self._warned.add(kind)
            warn(f"execute: {why}; {then}")


def _words(first: int, stop: int) -> str:
    return f"position {first}" if stop - first == 1 else f"positions {first} to {stop - 1}"
