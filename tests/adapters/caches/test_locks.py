"""Locks that no child of a fork ever finds held."""

from __future__ import annotations

import gc
import os
import threading
import warnings

import pytest

import amorsize
from amorsize.adapters.caches.locks import _forks, lock_held_over_forks

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="only POSIX forks")


def forked(action):
    """Return the exit code of a forked child that runs an action."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 and later: forking beside threads is the test
        child = os.fork()
    if child == 0:
        code = 1
        try:
            code = int(action() is not True)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def is_free(lock):
    """Tell whether another thread could take a lock."""
    taken = []
    thread = threading.Thread(target=lambda: taken.append(lock.acquire(timeout=5) and not lock.release()))
    thread.start()
    thread.join()
    return taken == [True]


def test_a_fork_waits_for_the_holder_of_a_lock_and_leaves_it_free_on_both_sides():
    lock, held, done = lock_held_over_forks(), threading.Event(), []

    def hold():
        with lock:
            held.set()
            threading.Event().wait(0.1)
            done.append(True)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    assert forked(lambda: done == [True] and is_free(lock)) == 0
    assert is_free(lock)
    thread.join()


def test_a_fork_holds_no_lock_that_nobody_has_any_more():
    gc.collect()
    before = len(_forks._locks)
    kept = [lock_held_over_forks() for _ in range(3)]
    for _ in range(100):
        lock_held_over_forks()
    assert len(_forks._locks) == before + 3
    del kept
    assert len(_forks._locks) == before


@pytest.mark.parametrize("cache", ["memory", "sqlite", "json"])
def test_a_call_with_a_config_of_its_own_leaves_nothing_that_later_forks_pay_for(cache):
    amorsize.optimize(abs, range(3))  # whatever the process keeps is made now
    gc.collect()
    gc.disable()
    try:
        before = len(_forks._locks)
        for _ in range(20):
            amorsize.optimize(abs, range(3), config={"cache": cache})
        assert len(_forks._locks) == before
    finally:
        gc.enable()


def test_a_fork_of_a_thread_that_holds_a_lock_itself_goes_through():
    lock = lock_held_over_forks()
    with lock:
        assert forked(lambda: True) == 0
    assert is_free(lock)


def test_forks_of_several_threads_at_once_and_locks_made_meanwhile_never_wait_for_each_other():
    outer, ended, codes = lock_held_over_forks(), threading.Event(), []

    def nest():
        while not ended.is_set():
            with outer, lock_held_over_forks():  # as a client does that makes a store
                pass

    nesting = threading.Thread(target=nest)
    nesting.start()
    forking = [threading.Thread(target=lambda: codes.extend(forked(lambda: True) for _ in range(30))) for _ in range(3)]
    for thread in forking:
        thread.start()
    for thread in forking:
        thread.join(60)
    ended.set()
    nesting.join(60)
    assert not any(thread.is_alive() for thread in (*forking, nesting))
    assert codes == [0] * 90
