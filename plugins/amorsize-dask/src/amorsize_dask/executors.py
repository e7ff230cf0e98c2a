"""Executors whose workers are a Dask cluster's."""

from __future__ import annotations

import warnings
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from inspect import signature
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import uuid4

import dask

from amorsize.plugins import Capacity, ExecutionError
from amorsize_dask.line import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from distributed import Client

    from amorsize_dask.options import DaskOptions

R = TypeVar("R")

_LARGE_BYTES: Final = 1 << 20
"""Bytes of an argument from which on Dask is kept from warning of its size: below the size at which it does."""
_NO_LIMIT_BYTES: Final = 1 << 62
"""Memory of a worker without a limit, and a size that no argument has."""
_THRESHOLD: Final = "distributed.admin.large-graph-warning-threshold"


class DaskExecutor(Executor):
    """Sends what is submitted to a cluster through ``client.get_executor()``, under names that tell it is ours."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._inner = client.get_executor(pure=False)  # type: ignore[no-untyped-call]  # Dask has few types
        self._name = f"amorsize-{uuid4().hex}"
        self._submitted = 0
        self._reported: set[tuple[object, str]] = set()

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        """Run fn on a worker; as concurrent.futures has it."""
        self._submitted += 1
        key = f"{self._name}-{self._submitted}"
        with _quietly(args):
            return self._inner.submit(fn, *args, key=key, **kwargs)  # type: ignore[no-any-return]  # Dask has few types

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more; the workers are the cluster's and stay."""
        with suppress(Exception):  # the scheduler may be gone, and with it all that could be waited for
            self._inner.shutdown(wait=wait and not cancel_futures)

    def reruns(self) -> int:
        """Return how many of our tasks have been lost with a worker since the last call, as the scheduler tells it."""
        with suppress(Exception):  # it may be gone
            lost = self._lost() - self._reported
            self._reported |= lost
            return len(lost)
        return 0

    def _lost(self) -> set[tuple[object, str]]:
        return {
            (at, str(key))
            for at, event in self.client.get_events("all")
            if isinstance(event, dict) and event.get("action") == "remove-worker"
            for held in (event.get("processing-tasks"), event.get("lost-computed-tasks"))
            if isinstance(held, dict | list | set | tuple | frozenset)
            for key in held
            if str(key).startswith(self._name)
        }


class DaskExecutors:
    """Executors on the cluster that options speak of."""

    kind = "process"

    def __init__(self, options: DaskOptions) -> None:
        self._options = options
        self._line = Line(options)

    def start(self, workers: int, start_method: str) -> Executor:  # noqa: ARG002  the cluster has the workers it has
        """Return an executor on the cluster; see the port."""
        return DaskExecutor(self._line.client())

    def capacity(self) -> Capacity | None:
        """Return how many threads the cluster's workers have now, what memory is free there, and which cluster it is.

        A worker without a limit counts as one with no end of memory. Waits for the first worker if there is none.
        """
        client = self._line.client()
        workers = self._workers(client)
        threads = sum(int(worker["nthreads"]) for worker in workers.values())
        memory = min(_NO_LIMIT_BYTES, sum(map(_free_bytes, workers.values())))
        return Capacity(threads, memory, len(workers), _place(client))

    def reruns(self, executor: Executor) -> int:
        """Return how many chunks went down with a worker and were given to others; see the port."""
        return executor.reruns() if isinstance(executor, DaskExecutor) else 0

    def kill(self, executor: Executor) -> None:
        """Cancel what waits: what runs cannot be ended without its worker, which others may use; see the port."""
        executor.shutdown(wait=False, cancel_futures=True)

    def _workers(self, client: Client) -> Mapping[str, Mapping[str, Any]]:
        seconds = self._options.worker_timeout_seconds
        try:
            if not client.nthreads():  # type: ignore[no-untyped-call]  # as above
                client.wait_for_workers(1, timeout=seconds)
            every = {"n_workers": -1} if "n_workers" in signature(client.scheduler_info).parameters else {}
            found: Mapping[str, Mapping[str, Any]] = client.scheduler_info(**every)["workers"]
        except Exception as error:
            raise ExecutionError(
                f"executors.dask: the cluster at {_address(client)} must have a worker within {seconds:g} s, got none "
                f"({type(error).__name__}: {error})"
            ) from error
        if not found:
            raise ExecutionError(f"executors.dask: the cluster at {_address(client)} must have a worker, got none")
        return found


@contextmanager
def _quietly(args: tuple[Any, ...]) -> Iterator[None]:
    """Keep Dask from advising the user about the size of what amorsize sends."""
    if not any(isinstance(arg, bytes) and len(arg) >= _LARGE_BYTES for arg in args):
        yield
    elif dask.config.get(_THRESHOLD, None) is not None:
        with dask.config.set({_THRESHOLD: _NO_LIMIT_BYTES}):
            yield
    else:  # a Dask that has no such setting yet
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
            yield


def _free_bytes(worker: Mapping[str, Any]) -> int:
    limit = int(worker.get("memory_limit") or 0)
    used = int((worker.get("metrics") or {}).get("memory") or 0)
    return max(0, limit - used) if limit else _NO_LIMIT_BYTES


def _address(client: Client) -> str:
    return str(client.scheduler.address) if client.scheduler is not None else "no address"


def _place(client: Client) -> str:
    """Return what tells this cluster from others: its address, but for a LocalCluster, whose port is chance."""
    if type(client.cluster).__name__ == "LocalCluster":
        return "LocalCluster"
    return _address(client)
