"""Says what became of workers that ended in the middle of a run."""

from __future__ import annotations

from time import sleep
from typing import TYPE_CHECKING, Final

from amorsize.domain.wording import brief
from amorsize.errors import WorkerError

if TYPE_CHECKING:
    from concurrent.futures import Future
    from typing import Any

    from amorsize.execution.crew import Crew
    from amorsize.execution.job import Job

GRACE_SECONDS: Final = 0.1
_LIKELY: Final = {"SIGKILL": " (out of memory?)", "SIGALRM": " (at an item that item_timeout could not interrupt)"}


def broken(crew: Crew, job: Job, error: BaseException) -> WorkerError:
    """Return what to raise when an executor, and no item, has failed."""
    until = job.monotonic() + GRACE_SECONDS
    while crew.owned and not crew.shares_objects and not crew.dead() and job.monotonic() < until:
        sleep(GRACE_SECONDS / 20)  # the pool waits for its processes too, and only one of us is told how they ended
    ends = sorted({f"{process.pid} {_end(process.exitcode)}" for process in crew.dead()})
    who = f"worker process {' and '.join(ends)}" if ends else f"the executor failed ({brief(error)})"
    finished = job.finished()
    count = (
        f"{len(finished)} results are in this error's `finished`" if finished else f"{job.done} items had run by then"
    )
    return WorkerError(f"execute: {who} while it ran items; {count}", finished)


def unreadable(job: Job, why: str) -> WorkerError:
    """Return the error of workers that cannot unpickle the function or an item."""
    return WorkerError(
        f"execute: workers must be able to unpickle the function and its items, got {why}", job.finished()
    )


def outdated(job: Job) -> WorkerError:
    """Return what to raise when workers that are not ours to replace know another function by this name."""
    name = getattr(job.func, "__qualname__", type(job.func).__qualname__)
    return WorkerError(
        f"execute: workers elsewhere must know {name} as it is here, got another version of it, of what it calls "
        "or of a global that it names; restart them with this code",
        job.finished(),
    )


def is_broken(future: Future[Any]) -> bool:
    """Tell whether a future that is done says that its executor failed."""
    return not future.cancelled() and isinstance(future.exception(), RuntimeError)


def _end(exitcode: int | None) -> str:
    """Say how a process ended."""
    if exitcode is None or exitcode >= 0:
        return f"ended itself with code {exitcode}"
    import signal  # noqa: PLC0415  only a failure needs it

    try:
        name = signal.Signals(-exitcode).name
    except ValueError:
        name = f"signal {-exitcode}"
    return f"was killed by {name}{_LIKELY.get(name, '')}"
