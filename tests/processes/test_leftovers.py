"""What items leave behind is found by comparing, in a word for a run and counted for a sample."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading

import pytest

from amorsize.processes.blas import VARIABLES
from amorsize.processes.leftovers import OURS, Leftovers, Snapshot


@pytest.fixture
def pair():
    one, other = socket.socketpair()
    yield one, other
    one.close()
    other.close()


@pytest.fixture
def waiting_thread():
    """Return a function that starts a thread, which waits until the test is over."""
    over, threads = threading.Event(), []

    def start(name):
        threads.append(threading.Thread(target=over.wait, name=name))
        threads[-1].start()

    yield start
    over.set()
    for thread in threads:
        thread.join()


def test_nothing_is_left_where_nothing_was_opened():
    leftovers, snapshot = Leftovers(), Snapshot.now()
    with open(os.devnull, "rb"):  # noqa: PTH123
        pass
    assert leftovers.found() == ""
    assert snapshot.left_since() == ""


def test_what_other_runs_open_meanwhile_is_not_what_items_leave_behind():
    leftovers = Leftovers()
    read, write = os.pipe()
    assert leftovers.found(alone=False) == ""
    one, other = socket.socketpair()
    assert leftovers.found(alone=False) == "socket"
    os.close(read)
    os.close(write)
    one.close()
    other.close()


def test_an_open_file_is_found_and_stays_found_once_it_is_closed(tmp_path):
    leftovers = Leftovers()
    with (tmp_path / "file").open("w"):
        assert leftovers.found() == "file"
    assert leftovers.found() == "file"


def test_an_open_device_is_found_and_one_that_all_may_share_is_not():
    leftovers, null = Leftovers(), os.open(os.devnull, os.O_RDONLY)
    assert leftovers.found() == ""
    ours, its = os.openpty()
    try:
        assert leftovers.known == ""
        assert leftovers.found() == "device"
        assert leftovers.known == "device"
    finally:
        for each in (null, ours, its):
            os.close(each)


def test_what_is_there_at_the_mark_does_not_count(waiting_thread):
    leftovers = Leftovers()
    waiting_thread("the user's")
    one, other = socket.socketpair()
    leftovers.mark()
    assert leftovers.found() == ""
    one.close()
    other.close()


def test_a_thread_counts_unless_it_is_ours(waiting_thread):
    leftovers = Leftovers()
    waiting_thread(f"{OURS}-idle")
    assert leftovers.found() == ""
    waiting_thread("the user's")
    assert leftovers.found(alone=False) == ""
    assert leftovers.found() == "thread"


@pytest.mark.usefixtures("pair")
def test_a_threads_word_comes_before_a_sockets_and_a_sockets_before_a_files(tmp_path):
    leftovers = Leftovers()
    with (tmp_path / "file").open("w"):
        one, other = socket.socketpair()
        assert leftovers.found() == "socket"
        one.close()
        other.close()


def test_a_sample_counts_what_is_left_by_kind(waiting_thread, tmp_path):
    snapshot = Snapshot.now()
    waiting_thread("the user's")
    one, other = socket.socketpair()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with (tmp_path / "file").open("w"):
        assert snapshot.left_since() == "1 file, 1 pipe, 2 sockets, 1 thread, 1 child process"
    child.communicate(b"\n")
    one.close()
    other.close()


LIBRARY_THREADS = """
import ctypes, os
import numpy
from amorsize.processes.leftovers import Snapshot

if os.fork() == 0:
    os._exit(0)
os.wait()  # OpenBLAS has ended its threads
snapshot = Snapshot.now()
matrix = numpy.ones((600, 600))
before = len(os.listdir("/proc/self/task"))
matrix @ matrix
assert len(os.listdir("/proc/self/task")) > before or len(os.sched_getaffinity(0)) == 1
print(repr(snapshot.left_since()))
libc, thread = ctypes.CDLL(None), ctypes.c_ulong()
libc.pthread_create(ctypes.byref(thread), None, libc.pause, None)
print(repr(snapshot.left_since()), flush=True)
os._exit(0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists threads")
def test_threads_that_a_library_ends_at_a_fork_are_not_left_behind_and_others_of_c_are():
    unlimited = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run([sys.executable, "-c", LIBRARY_THREADS], capture_output=True, text=True, env=unlimited)
    assert (done.stdout, done.stderr) == ("''\n'1 thread'\n", "")
