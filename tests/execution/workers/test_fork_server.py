"""The first worker of a run forks the others where they are wanted, each of them fresh, and looks after their ends."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

if sys.platform != "linux":
    pytest.skip("workers are forked on Linux only", allow_module_level=True)

from execution.jobs import spin

import amorsize
from amorsize import AmorsizeWarning
from amorsize.execution.scaling import ScalingTeam
from amorsize.execution.workers import fork_server
from amorsize.execution.workers.board import Board
from amorsize.execution.workers.fork_server import ForkServer
from amorsize.execution.workers.forked import ForkedWorkers
from amorsize.processes import process_info


def call(func, data, **options):
    """Run a first call, of which nothing is known."""
    return amorsize.execute(func, data, cache="memory", use_cache=False, **options)


def wait_for(path, count):
    """Wait until so many items have begun, and return who runs this one: as many as that run at once."""
    (path / f"{os.getpid()} {time.monotonic_ns()}").touch()
    until = time.monotonic() + 60
    while len(list(path.iterdir())) < count and time.monotonic() < until:
        time.sleep(0.005)
    return os.getpid()


@pytest.fixture
def four_cpus(monkeypatch):
    monkeypatch.setattr(ScalingTeam, "_by_cpu", lambda team, _: min(4, team._run.items_at_most))


def test_few_items_that_wait_run_at_once_from_the_first_call_on(tmp_path):
    assert len(set(call(lambda _: wait_for(tmp_path, 6), range(6)))) == 6


def test_workers_of_a_server_are_as_many_as_the_limit_allows(tmp_path):
    found = call(lambda _: wait_for(tmp_path, 3), range(6), max_workers=3)
    assert len(set(found)) == 3


def test_few_items_of_a_stream_that_wait_run_at_once(tmp_path):
    stream = amorsize.iexecute(lambda _: wait_for(tmp_path, 6), range(6))
    assert len(set(stream)) == 6


@pytest.mark.usefixtures("four_cpus")
def test_workers_that_are_called_know_nothing_of_items_that_ran_in_the_caller():
    ran = {}

    def keep(_):
        ran["items"] = ran.get("items", 0) + 1
        spin(0.003)
        return os.getpid(), os.getppid(), ran["items"]

    here, found = os.getpid(), call(keep, range(400))
    assert sum(count == 1 for *_, count in found) == len({pid for pid, *_ in found})
    assert {parent for pid, parent, _ in found if pid != here} - {here}


@pytest.mark.usefixtures("four_cpus")
def test_a_worker_that_has_ended_is_not_replaced(monkeypatch):
    served, end = [], ForkedWorkers.end
    monkeypatch.setattr(
        ForkedWorkers, "end", lambda workers, **how: served.append(workers.served()) or end(workers, **how)
    )

    def last_is_long(item):
        spin(0.003)
        time.sleep(0.3 if item == 31 else 0.0)
        return item

    assert call(last_is_long, range(32)) == list(range(32))
    assert served[0] <= 3


def test_where_the_server_can_fork_nobody_it_works_itself_and_a_warning_says_why(monkeypatch):
    def refuse(*_):
        raise BlockingIOError(errno.EAGAIN, "no more")

    def pause(_):
        spin(0.05)
        return os.getpid()

    monkeypatch.setattr(fork_server, "fork", refuse)
    with pytest.warns(AmorsizeWarning, match="no more processes can be started"):
        assert len(set(call(pause, range(8)))) == 2


@pytest.mark.usefixtures("four_cpus")
def test_a_killed_worker_of_a_server_is_seen_and_its_items_run_again(tmp_path):
    here = os.getpid()

    def die_once(item):
        wait_for(tmp_path, 6)
        marker = tmp_path / "killed"
        if here not in {os.getpid(), os.getppid()} and item == 5 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    with pytest.warns(AmorsizeWarning, match="was killed by SIGKILL"):
        assert call(die_once, range(6)) == list(range(6))


@pytest.mark.usefixtures("four_cpus")
def test_workers_of_a_server_that_is_killed_are_ended_and_their_items_run_again(tmp_path):
    here = os.getpid()

    def kill_the_server(item):
        wait_for(tmp_path, 6)
        if os.getppid() != here and item == 5 and os.getpid() != here:
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        return item

    with pytest.warns(AmorsizeWarning, match="was killed by SIGKILL"):
        assert call(kill_the_server, range(6)) == list(range(6))


def test_an_item_that_fails_in_a_worker_of_a_server_ends_all_of_them(tmp_path):
    here, before = os.getpid(), psutil.Process().children(recursive=True)

    def fail(item):
        wait_for(tmp_path, 6)
        if os.getpid() == here:
            time.sleep(0.1)
        if item == 5:
            raise ValueError(item)
        return item

    with pytest.raises(ValueError, match="5"):
        call(fail, range(6))
    assert psutil.Process().children(recursive=True) == before


@pytest.fixture
def board():
    board = Board(caller_takes=True)
    board.open_orders()
    board.count_threads()
    yield board
    board.close()


@pytest.fixture
def server(board, monkeypatch):
    monkeypatch.setattr(fork_server, "fork_seconds", lambda: 0.001)
    return ForkServer(board, lambda: 30, lambda *_: None, cpus=3, most=15, usable_cpus=4.0)


@pytest.fixture
def another_thread(board):
    """Start a thread after the board has counted those of this process, as an item does."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    assert board.has_more_threads()
    yield
    over.set()
    thread.join()


@pytest.mark.parametrize(
    ("seconds", "used", "expected"),
    [
        (0.001, 1.0, 3),  # the root of 30, but no more than there are CPUs
        (0.001, 0.1, 5),
        (0.003, 0.1, 9),
        (0.006, 0.1, 15),
        (1.0, 0.1, 15),
        (1.0, 0.6, 3),
        (0.00001, 1.0, 1),
        (1.0, 4.0, 3),
    ],
)
def test_the_longer_the_caller_is_silent_the_more_workers_are_wanted(server, seconds, used, expected):
    assert server._more_beside(seconds, used) == expected


@pytest.mark.usefixtures("another_thread")
@pytest.mark.parametrize(("used", "expected"), [(4.0, 0), (3.6, 0), (3.4, 3), (0.1, 15)])
def test_no_worker_is_wanted_beside_threads_of_an_item_that_keep_all_cpus_busy(server, used, expected):
    assert server._more_beside(1.0, used) == expected


def test_a_caller_that_sleeps_uses_no_cpu_and_one_that_computes_uses_one():
    started = [
        sys.executable,
        "-c",
        "import sys; input(); print(flush=True)\nwhile sys.argv[1] == 'computes': pass\ninput()",
    ]
    for how, expected in (("waits", 0.0), ("computes", 1.0)):
        with subprocess.Popen([*started, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as caller:
            caller.stdin.write(b"\n")
            caller.stdin.flush()
            caller.stdout.readline()
            looks = fork_server._Looks(caller.pid)
            while how == "waits" and process_info.stat_fields(caller.pid)[:1] != [b"S"]:
                time.sleep(0.001)
            while not looks.look():
                time.sleep(looks.pause)
            caller.kill()
        assert looks.used == expected
