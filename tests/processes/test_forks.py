"""A forked child ends by itself, is seen to end if another wait takes its status, and never outlives its caller."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import psutil
import pytest

from amorsize.processes.blas import VARIABLES
from amorsize.processes.descriptors import left_open, opened
from amorsize.processes.forks import Lifeline, become_independent, fork


@pytest.fixture
def forked():
    before = opened()
    children, lifeline = [], Lifeline()
    yield lambda run: fork(run, children, lifeline)
    for child in children:
        child.kill()
    lifeline.close()
    assert left_open(before, opened()) == []


@pytest.mark.parametrize(
    ("run", "code"),
    [
        (lambda: None, 0),
        (lambda: os._exit(7), 7),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), -signal.SIGTERM),
        (lambda: os.kill(os.getpid(), signal.SIGINT), 0),
    ],
)
def test_a_child_tells_how_it_ended(forked, run, code):
    child = forked(run)
    assert child.wait()
    assert (child.exitcode, child.is_running(), child.fileno()) == (code, False, -1)


def test_a_child_whose_status_somebody_else_took_has_ended(forked):
    child = forked(lambda: None)
    assert os.waitpid(child.pid, 0) == (child.pid, 0)
    assert child.wait()
    assert (child.exitcode, child.is_running()) == (None, False)
    child.kill()


def test_a_child_ends_where_the_program_ignores_the_ends_of_children(forked):
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        child, other = forked(lambda: None), forked(lambda: time.sleep(60))
        assert child.wait()
        assert other.is_running()
        other.kill()
        assert not other.is_running()
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_wait_with_a_time_limit_comes_back_and_a_stopped_child_can_be_ended(forked):
    child = forked(lambda: time.sleep(60))
    os.kill(child.pid, signal.SIGSTOP)
    assert not child.wait(0.01)
    child.kill()
    assert child.exitcode == -signal.SIGKILL


KILLED = """
import os, signal, sys, threading, time
from amorsize.processes.forks import Lifeline, fork

def begin():
    for _ in range(3):
        print(fork(lambda: time.sleep(600), children, lifeline).pid, flush=True)
    {beside}
    print("ready", flush=True)

children, lifeline = [], Lifeline()
{how}
time.sleep(600)
"""

HOW = {
    "the main thread": "begin()",
    "a thread that ends": "starter = threading.Thread(target=begin); starter.start(); starter.join()",
    "two runs": "begin(); lifelines = [lifeline, Lifeline()]; lifeline = lifelines[1]; begin()",
}
BESIDE = {
    "nothing": "pass",
    "a fork of the user's": "os.fork() or (time.sleep(600), os._exit(0))",
    "a process of multiprocessing": (
        "import multiprocessing; multiprocessing.get_context('fork').Process(target=time.sleep, args=(600,)).start()"
    ),
}


def is_alive(process):
    """Return whether a process runs; one that has ended may wait for its status to be taken."""
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def test_children_end_when_their_caller_is_killed():
    """In each way to fork them, and beside each other process that the program has forked."""
    programs = []
    for how in HOW.values():
        for beside in BESIDE.values():
            code = KILLED.format(how=how, beside=beside)
            programs.append(
                subprocess.Popen(
                    [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
                )
            )
    try:
        for how, program in zip([how for how in HOW for _ in BESIDE], programs, strict=True):
            pids = []
            for _ in range(2 if how == "two runs" else 1):
                pids += [int(line) for line in iter(program.stdout.readline, "ready\n")]
            workers = [psutil.Process(pid) for pid in pids]
            assert len(workers) >= 3
            program.kill()
            program.wait()
            until = time.monotonic() + 30
            while any(map(is_alive, workers)):
                assert time.monotonic() < until, how
                time.sleep(0.01)
    finally:
        for program in programs:
            program.stdout.close()
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGKILL)
            program.wait()


def in_child(look):
    """Return what a look in a forked child finds, as text."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(write, repr(look()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        found = file.read().decode()
    os.waitpid(pid, 0)
    return found


def test_a_child_does_not_repeat_the_numbers_of_its_parent_or_of_another_child():
    def draw():
        become_independent(1)
        return np.random.random()  # noqa: NPY002  the global generator is what it is about

    before = np.random.get_state()  # noqa: NPY002  as above
    drawn = {in_child(draw), in_child(draw), repr(np.random.random())}  # noqa: NPY002  as above
    np.random.set_state(before)  # noqa: NPY002  as above
    assert len(drawn) == 3


def test_libraries_are_limited_by_the_functions_that_were_found_in_the_parent(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    called = []

    def look():
        become_independent(3, limits=[called.append])
        return called, {os.environ[name] for name in VARIABLES}

    assert in_child(look) == repr(([3], {"3"}))


@pytest.mark.parametrize("is_ours", [False, True])
def test_a_connection_is_cut_unless_it_is_ours(is_ours):
    one, other = socket.socketpair()
    with one, other:
        ours = frozenset({one.fileno(), other.fileno()} if is_ours else ())
        assert in_child(lambda: become_independent(1, ours)) == repr(not is_ours)
