"""Workers at hand: an executor with what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from amorsize.ports import Executors


_SIGTERM: Final = 15


class Crew:
    """An executor of a number of workers.

    ``fresh`` until the first chunk has come back from it: its workers know all that the caller's process knew when they
    were started, unless they are ``elsewhere``. ``known`` holds, for each pickled function, the fingerprint its
    workers were found to have, and ``sent`` how often it was sent to them. ``can_borrow`` tells that they are on this
    machine and can read what the caller lends, as far as is known.
    """

    def __init__(
        self, executors: Executors, executor: Executor, workers: int, *, start_method: str = "", owned: bool = True
    ) -> None:
        self.executor = executor
        self.workers = workers
        self.start_method = start_method
        self.owned = owned
        self.elsewhere = False
        self.fresh = owned
        self.known: dict[bytes, str] = {}
        self.sent: dict[bytes, int] = {}
        self.place: tuple[Any, ...] = ()
        self.executors = executors
        # The pool fills this, and drops its own name for it when it breaks.
        self._processes: dict[int, Any] | None = getattr(executor, "_processes", None)
        self.can_borrow = owned and self._processes is not None

    @property
    def shares_objects(self) -> bool:
        """Whether workers see the caller's own objects, so that nothing is pickled."""
        return self.executors.kind != "process"

    @property
    def kind(self) -> str:
        """The kind of its workers."""
        return self.executors.kind

    def dead(self) -> list[Any]:
        """Return the worker processes that have ended, as far as the executor shows them, without those it ended."""
        processes = list((self._processes or {}).values())
        return [process for process in processes if process.exitcode not in (None, 0, -_SIGTERM)]

    def move(self) -> None:
        """Take note that the workers are elsewhere: started by somebody else, at any time, from any directory."""
        self.elsewhere, self.fresh, self.can_borrow = True, False, False

    def kill(self) -> None:
        """End the workers at once, unless they are somebody else's."""
        if self.owned:
            self.executors.kill(self.executor)

    def end(self, *, wait: bool = False) -> None:
        """End the workers when they are done with what they do, unless they are somebody else's."""
        if self.owned:
            self.executor.shutdown(wait=wait, cancel_futures=True)
