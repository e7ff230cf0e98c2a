"""Runs an action in a child of its own, so that no measurement warms up the next."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import traceback

_FORKS = "fork" in multiprocessing.get_all_start_methods()
_JOIN_SECONDS = 20


class TookTooLong(Exception):  # noqa: N818  it is an answer, not an error
    """The child was ended because its time was up."""


def ask(action, *arguments, seconds=None):
    """Return what an action returns in a forked child (a spawned one where nothing forks).

    Raises TookTooLong when it takes longer than so many seconds, its own children ended with it, and RuntimeError with
    the child's traceback when it fails.
    """
    context = multiprocessing.get_context("fork" if _FORKS else "spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, action, arguments, seconds is not None))
    process.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            _end(process)
            raise TookTooLong
        worked, answer = receiver.recv()
    except EOFError:
        process.join(_JOIN_SECONDS)
        raise RuntimeError(f"the child of {action.__name__} ended with {process.exitcode}") from None
    finally:
        receiver.close()
    process.join(_JOIN_SECONDS)
    if process.is_alive():
        _end(process)
    if not worked:
        raise RuntimeError(answer)
    return answer


def _answer(sender, action, arguments, leads):
    if leads and hasattr(os, "setsid"):
        os.setsid()  # so that it can be ended with all its workers
    try:
        answer = True, action(*arguments)
    except BaseException:  # noqa: BLE001  whatever it is, the parent says it
        answer = False, traceback.format_exc()
    sender.send(answer)
    sender.close()


def _end(process):
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.join(_JOIN_SECONDS)
