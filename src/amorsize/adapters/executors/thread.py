"""The executor for threads of the caller's own process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import attrs

from amorsize.application.ports import Executors

if TYPE_CHECKING:
    from concurrent.futures import Executor


@attrs.frozen
class ThreadOptions:
    """No options."""


class ThreadExecutors(Executors):
    """Executors of threads."""

    kind = "thread"

    def __init__(self, options: ThreadOptions) -> None:
        self._options = options

    def start(self, workers: int, start_method: str) -> Executor:  # noqa: ARG002  the port's
        """Return a pool of threads; see the port."""
        return ThreadPoolExecutor(workers, thread_name_prefix="amorsize")

    def kill(self, executor: Executor) -> None:
        """Let go of the threads: a thread cannot be ended, it ends after the item it is at; see the port."""
        executor.shutdown(wait=False, cancel_futures=True)
