"""What the loop of a run sees of its workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.execution.output import Output
    from amorsize.execution.workers.results import ChunkResult
    from amorsize.processes.leftovers import Leftovers


class Workers(Protocol):
    """The workers of one run, as its loop sees them; see WorkerTeam."""

    caller_works: bool
    doubts_failures: bool
    started: dict[str, int]
    leftovers: Leftovers
    output: Output | None

    @property
    def takers(self) -> int:
        """Number of workers that take chunks, the caller included."""

    @property
    def is_alone(self) -> bool:
        """Whether the caller has no workers."""

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

    def trust_failures(self) -> None:
        """Believe the failures of workers from now on: an item fails here too."""

    def left_behind(self) -> str:
        """Return what items have left behind here, empty where that is nothing."""

    def rule_out_processes(self, why: str) -> None:
        """Run no further items in processes."""

    def rule_out_kind(self, why: str) -> None:
        """Run no further items in workers of the present kind."""

    def finish(self) -> None:
        """Make workers take no more chunks, and wait for the threads."""

    def end(self, *, now: bool = False) -> None:
        """End all workers, at once or when they are done."""
