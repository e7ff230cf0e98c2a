"""Ctrl-C waits until the end of a block that must not be cut."""

from __future__ import annotations

import signal
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
