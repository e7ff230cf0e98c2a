"""The executor that runs everything at once where it is submitted: no workers at all."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from amorsize.application.ports import Executors

if TYPE_CHECKING:
    from collections.abc import Callable


R = TypeVar("R")


@attrs.frozen
class SerialOptions:
    """No options."""


class SerialExecutor(Executor):
    """Runs what is submitted before submit returns; what it raises comes out of the future."""

    def __init__(self) -> None:
        self._shut = False

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        """Run fn and return a future that is done; RuntimeError once it is shut down."""
        if self._shut:
            raise RuntimeError("cannot submit to an executor that is shut down")
        future: Future[R] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  whatever it is belongs to the future
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002  nothing waits
        """Take no more."""
        self._shut = True


class SerialExecutors(Executors):
    """Executors without workers."""

    kind = "serial"

    def __init__(self, options: SerialOptions) -> None:
        self._options = options

    def start(self, workers: int, start_method: str) -> Executor:  # noqa: ARG002  the port's
        """Return an executor; see the port."""
        return SerialExecutor()

    def kill(self, executor: Executor) -> None:
        """Do nothing: there is no worker; see the port."""
