"""Whole messages between a process and its forked child."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")
if sys.platform == "linux":
    from amorsize.processes.connections import pipe

SIZES = (0, 1, 4095, 4096, 65_536, 65_537, 3_000_000)


@pytest.fixture
def child():
    """Return a function that forks a child which runs an action with its end of a line, and gives the other end."""
    pids, ends, watched = [], [], []

    def fork(action):
        mine, its = pipe()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                mine.close()
                action(its)
                code = 0
            finally:
                os._exit(code)
        its.close()
        watched.append(os.pidfd_open(pid))
        mine.watch_peer(watched[-1])
        pids.append(pid)
        ends.append(mine)
        return mine

    yield fork
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    for end in ends:
        end.close()
    for descriptor in watched:
        os.close(descriptor)


def test_messages_of_any_size_come_back_whole_and_in_order(child):
    def echo(its):
        for _ in SIZES:
            its.send_bytes(its.recv_bytes())

    mine = child(echo)
    for size in SIZES:
        content = os.urandom(size)
        mine.send_bytes(content)
        assert mine.recv_bytes() == content


def test_many_messages_at_once_are_distinguished(child):
    def several(its):
        for number in range(1000):
            its.send_bytes(b"%d" % number)
        time.sleep(60)

    mine = child(several)
    assert [int(mine.recv_bytes()) for _ in range(1000)] == list(range(1000))
    assert not mine.poll(0.01)


def test_what_a_child_has_said_before_its_end_is_heard_and_then_its_end_is(child):
    mine = child(lambda its: its.send_bytes(b"last"))
    time.sleep(0.1)
    assert mine.poll(5.0)
    assert mine.recv_bytes() == b"last"
    with pytest.raises(EOFError):
        mine.recv_bytes()


def test_a_child_that_ends_within_a_message_is_noticed_although_another_process_holds_the_pipe(child):
    def half(its):
        if os.fork() == 0:
            time.sleep(60)
        os.write(its._writes, (100).to_bytes(8, "little") + b"half")

    mine = child(half)
    assert mine.poll(5.0)
    began = time.monotonic()
    with pytest.raises(EOFError):
        mine.recv_bytes()
    assert time.monotonic() - began < 30


def test_who_sends_to_a_child_that_ends_is_not_kept_waiting(child):
    mine = child(lambda _: None)
    with pytest.raises((EOFError, OSError)):
        mine.send_bytes(bytes(10_000_000))


def test_a_line_leaves_no_descriptor():
    before = len(list(Path("/proc/self/fd").iterdir()))
    for end in pipe():
        assert len(end.descriptors) == 2
        end.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
