"""What a run sees of its workers: the team that they are, the results of their chunks, and how one has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from amorsize.processes.process_info import signal_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from amorsize.execution.output import Piece


class ChunkResult(NamedTuple):
    """The result of some chunks, and what a worker process has found out beside it.

    ``results`` has None in place of a failed item's; it is None as a whole where all of it is lost, and ``why`` says
    how. ``failed`` holds failures by index. ``lost`` holds the indices of results that do not pickle, and ``why`` the
    reason. ``pieces`` is what items printed. ``changes`` is true if running changes items. ``is_cut`` is true if
    connections of the caller are cut in the worker, so that a failure may come from that.
    """

    numbers: range
    results: list[Any] | None
    failed: list[tuple[int, BaseException]]
    why: str = ""
    lost: Sequence[int] = ()
    pieces: Sequence[Piece] = ()
    changes: bool = False
    is_cut: bool = False


class Team(Protocol):
    """The workers of one run, as the run sees them; see WorkerTeam."""

    caller_works: bool
    started: dict[str, int]

    @property
    def doubts_failures(self) -> bool:
        """Whether an item that fails in a worker may not fail here."""

    @property
    def keeps_output(self) -> bool:
        """Whether what items print is kept until what earlier items print is written."""

    @property
    def takers(self) -> int:
        """Number of workers that take chunks, the caller included."""

    @property
    def most_workers(self) -> int:
        """Number of workers, with those that may still be forked while the caller is silent."""

    @property
    def is_alone(self) -> bool:
        """Whether the caller has no workers."""

    @property
    def is_undecided(self) -> bool:
        """Whether too little has run to decide on workers."""

    @property
    def has_workers(self) -> bool:
        """Whether any worker may still have chunks that are not done."""

    @property
    def is_together(self) -> bool:
        """Whether workers run beside the caller, or are awake."""

    def begin(self) -> None:
        """Start workers, if that is right before anything has run."""

    def look(self) -> None:
        """Start or withdraw workers by what items take."""

    def supervise(self) -> None:
        """Check whether workers live, are stuck, or are at one item for too long."""

    def chunk_results(self) -> Iterator[ChunkResult]:
        """Yield the results that workers have sent, without waiting."""

    def wait(self, seconds: float) -> None:
        """Wait until a worker sends a result or ends, for at most ``seconds``."""

    def limit(self, number: int) -> None:
        """Make workers run only chunks below a number."""

    def left_behind(self) -> str:
        """Return what items have left behind here, empty where that is nothing."""

    def more_foreign_threads(self) -> int:
        """Return how many threads of C libraries there are more than before the run."""

    def trust_failures(self) -> None:
        """Doubt no more failures: an item that failed in a worker has failed here too."""

    def add_output(self, first: int, stop: int, pieces: Sequence[Piece]) -> None:
        """Take what the items from first to stop have printed, and write what is next, where output is kept."""

    def rule_out_processes(self, why: str) -> None:
        """Run no further items in processes."""

    def rule_out_kind(self, why: str) -> None:
        """Run no further items in workers of the present kind."""

    def finish(self) -> None:
        """Make workers take no more chunks, and wait for the threads."""

    def end(self, *, now: bool = False) -> None:
        """End all workers, at once or when they are done."""


def end_of(exitcode: int | None) -> str:
    """Return how a process ended; None: not known."""
    if exitcode is None:
        return "has ended"
    name = signal_of(exitcode)
    if not name:
        return f"ended itself with code {exitcode}"
    return f"was killed by {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"
