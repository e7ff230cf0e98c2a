"""Ctrl-C waits until the end of a block that must not be cut."""

from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from amorsize.processes.interrupts import uninterrupted


def test_an_interrupt_comes_after_the_block():
    done = []

    @uninterrupted()
    def work():
        signal.raise_signal(signal.SIGINT)
        done.append(1)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_one_block_within_another_delivers_it_at_the_end_of_the_outer():
    done = []

    @uninterrupted()
    def work():
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
        done.append(1)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [1]


def test_an_ignored_interrupt_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with uninterrupted():
        signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, before)


def test_another_thread_leaves_the_handler_alone():
    seen = []

    def look():
        with uninterrupted():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


class EndError(Exception):
    """Raised by a handler of the program's."""


@pytest.fixture(params=["SIGALRM", "SIGTERM", "SIGUSR1"])
def raising(request):
    """Return a signal whose handler raises."""
    number = getattr(signal, request.param)

    def end(*_):
        raise EndError

    before = signal.signal(number, end)
    yield number
    signal.signal(number, before)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has few signals")
def test_other_handlers_wait_for_the_end_of_the_block_too(raising):
    done = []

    @uninterrupted()
    def work():
        signal.raise_signal(raising)
        done.append(1)

    with pytest.raises(EndError):
        work()
    assert done == [1]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_process_that_is_forked_within_the_block_has_the_programs_handlers(raising):
    handler = signal.getsignal(raising)
    with uninterrupted(), uninterrupted():
        assert signal.getsignal(raising) is not handler
        pid = os.fork()
        if pid == 0:
            os._exit(0 if signal.getsignal(raising) is handler else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert signal.getsignal(raising) is handler
