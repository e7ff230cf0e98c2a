"""The result of a chunk, as a worker of any kind gives it to the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from amorsize.processes.process_info import signal_of

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def end_of(exitcode: int | None) -> str:
    """Return how a process ended; None: not known."""
    if exitcode is None:
        return "has ended"
    name = signal_of(exitcode)
    if not name:
        return f"ended itself with code {exitcode}"
    return f"was killed by {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"
