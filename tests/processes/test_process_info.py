"""A child is taken for stuck only when nobody but itself could wake it."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from amorsize.processes.forks import Child, Lifeline, fork
from amorsize.processes.process_info import is_stuck

LOCK = threading.Lock()


def asleep(pid):
    """Wait until a child is at what it was forked for: it sleeps in a system call."""
    while True:
        if Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"S":
            return


@pytest.fixture
def forked():
    children, lifeline = [], Lifeline()

    def start(run):
        child = fork(run, children, lifeline)
        time.sleep(0.05)
        asleep(child.pid)
        return child

    yield start
    for child in children:
        child.kill()
    lifeline.close()


def wait_for_a_lock():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def wait_in_two_threads():
    threading.Thread(target=wait_for_a_lock, daemon=True).start()
    wait_for_a_lock()


def wait_for_an_event():
    threading.Event().wait()


@pytest.mark.parametrize("wait", [wait_for_a_lock, wait_in_two_threads, wait_for_an_event])
def test_a_child_that_waits_for_a_lock_of_its_own_is_stuck(forked, wait):
    assert is_stuck(forked(wait).pid)


def wait_for_an_answer():
    one, other = socket.socketpair()
    with one, other:
        one.recv(1)


def wait_for_a_child():
    subprocess.run([sys.executable, "-c", "import time; time.sleep(60)"])


def wait_beside_a_sleeping_thread():
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    wait_for_a_lock()


def wait_for_a_while():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire(timeout=60)


@pytest.mark.parametrize(
    "wait",
    [
        wait_for_an_answer,
        wait_for_a_child,
        wait_beside_a_sleeping_thread,
        wait_for_a_while,
        lambda: time.sleep(60),
        lambda: select.select([], [], [], 60),
        signal.pause,
    ],
)
def test_a_child_that_something_else_can_wake_is_not_stuck(forked, wait):
    assert not is_stuck(forked(wait).pid)


def test_a_process_that_is_gone_is_not_stuck(forked):
    child = forked(lambda: time.sleep(60))
    child.kill()
    assert not is_stuck(child.pid)
    assert not is_stuck(2**22 + 1)


def test_a_lock_that_a_thread_held_at_the_fork_is_a_stuck_child(forked):
    with LOCK:
        child = forked(LOCK.acquire)
    assert is_stuck(child.pid)
    assert Child(child.pid).is_running()
    assert os.getpid() != child.pid
