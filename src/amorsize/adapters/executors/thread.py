"""The executor for threads of the caller's own process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from amorsize.domain.engine import Room


@attrs.frozen
class ThreadOptions:
    """No options."""


class ThreadExecutors:
    """Executors of threads."""

    kind = "thread"

    def __init__(self, options: ThreadOptions) -> None:
        self._options = options

    def start(self, workers: int, start_method: str) -> Executor:  # noqa: ARG002  the port's
        """Return a pool of threads; see the port."""
        return ThreadPoolExecutor(workers, thread_name_prefix="amorsize")

    def room(self) -> Room | None:
        """Return None: as many as pay here; see the port."""
        return None

    def reruns(self, executor: Executor) -> int:  # noqa: ARG002  the port's
        """Return 0: nothing is run again; see the port."""
        return 0

    def kill(self, executor: Executor) -> None:
        """Let go of the threads: a thread cannot be ended, it ends after the item it is at; see the port."""
        executor.shutdown(wait=False, cancel_futures=True)
