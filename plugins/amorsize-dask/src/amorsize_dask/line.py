"""The client that a process talks to its cluster with: made late, kept, closed at exit, never inherited by a fork."""

from __future__ import annotations

import atexit
import os
import threading
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

import dask
from distributed import Client, get_client

from amorsize.plugins import ExecutionError

if TYPE_CHECKING:
    from amorsize_dask.options import DaskOptions


class Line:
    """Finds or makes the client that options speak of. Safe for threads."""

    def __init__(self, options: DaskOptions) -> None:
        self._options = options
        self._own: Client | None = None
        self._inherited: list[Any] = []
        self._lock = Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)
        atexit.register(self.close)

    def client(self) -> Client:
        """Return a client that is connected; ExecutionError when there is none, in bounded time."""
        address = self._options.address
        if address is None:
            found = _of_the_program()
            if found is not None:
                return found
            address = dask.config.get("scheduler-address", None)
            if address is None:
                raise ExecutionError(
                    "executors.dask.address must be given where the program has made no distributed.Client and Dask's "
                    "configuration names no scheduler, got nothing"
                )
        with self._lock:
            if self._own is not None and not _is_connected(self._own):
                self._close()
            if self._own is None:
                self._own = self._connected(address)
            return self._own

    def close(self) -> None:
        """Let go of a client of ours, and of no other."""
        with self._lock:
            self._close()

    def _connected(self, address: str) -> Client:
        seconds = self._options.connect_timeout_seconds
        try:
            return Client(address, timeout=seconds, set_as_default=False, name="amorsize")  # type: ignore[no-untyped-call]  # Dask has few types
        except Exception as error:
            raise ExecutionError(
                f"executors.dask.address must be of a scheduler that can be reached within {seconds:g} s, "
                f"got {address} ({type(error).__name__}: {error})"
            ) from error

    def _close(self) -> None:
        own, self._own = self._own, None
        if own is not None:
            with suppress(Exception):  # the scheduler may be gone
                own.close(timeout=1)  # type: ignore[no-untyped-call]  # as above

    def _forget(self) -> None:
        """Leave the parent's client alone: its threads are not here, and its sockets must not even be closed."""
        self._inherited.append((self._own, self._lock))
        self._own, self._lock = None, Lock()


def _of_the_program() -> Client | None:
    """Return the client that the program uses, if it has made one in this very process."""
    try:
        found = get_client()
    except ValueError:
        return None
    return found if _is_connected(found) and not found.asynchronous else None


def _is_connected(client: Client) -> bool:
    return client.status == "running" and _is_of_this_process(client)


def _is_of_this_process(client: Client) -> bool:
    """Tell a client from one that a fork has left behind: the thread that runs its loop is not there any more."""
    loop = getattr(client.loop, "asyncio_loop", None)
    runs_in = getattr(loop, "_thread_id", None)
    return runs_in is None or any(thread.ident == runs_in for thread in threading.enumerate())
