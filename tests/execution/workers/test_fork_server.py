"""The first worker of a run forks the others where they are wanted, each of them fresh, and looks after their ends."""

from __future__ import annotations

import os
import signal
import sys
import time

import psutil
import pytest

if sys.platform != "linux":
    pytest.skip("workers are forked on Linux only", allow_module_level=True)

import amorsize
from amorsize import AmorsizeWarning
from amorsize.execution.scaling import ScalingTeam
from amorsize.execution.workers import fork_server
from amorsize.execution.workers.board import Board
from amorsize.execution.workers.fork_server import ForkServer


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
    assert len(set(found)) <= 3


@pytest.mark.usefixtures("four_cpus")
def test_workers_that_are_called_know_nothing_of_items_that_ran_in_the_caller():
    ran = {}

    def keep(_):
        ran["items"] = ran.get("items", 0) + 1
        until = time.perf_counter() + 0.003
        while time.perf_counter() < until:
            pass
        return os.getpid(), ran["items"]

    found = call(keep, range(400))
    assert sum(count == 1 for _, count in found) == len({pid for pid, _ in found}) > 1


@pytest.mark.usefixtures("four_cpus")
def test_a_killed_worker_of_a_server_is_seen_and_its_items_run_again(tmp_path):
    here = os.getpid()

    def die_once(item):
        wait_for(tmp_path, 6)
        marker = tmp_path / "killed"
        if os.getpid() != here and item == 5 and not marker.exists():
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
def server():
    board = Board(caller_takes=True)
    board.open_orders()
    server = ForkServer(board, lambda: 30, lambda *_: None, cpus=3, most=15, usable_cpus=4.0)
    yield server
    board.close()


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        ((1.0, 0.0, 0.001), (3, True)),  # a fork takes 1 ms: the root of 31 more, but no more than there are CPUs
        ((0.1, 0.0, 0.001), (5, False)),
        ((0.1, 0.0, 0.004), (11, False)),
        ((0.1, 0.0, 1.0), (15, False)),
        ((0.1, 0.9, 1.0), (3, False)),  # other programs have its CPU
        ((1.0, 0.0, 0.00001), (1, True)),
    ],
)
def test_the_longer_the_caller_is_silent_the_more_workers_are_wanted(monkeypatch, server, caller, expected):
    computed, delayed, seconds = caller
    now = [0.0]
    monkeypatch.setattr(fork_server, "perf_counter", lambda: now[0])
    monkeypatch.setattr(fork_server, "fork_seconds", lambda: 0.001)
    monkeypatch.setattr(ForkServer, "_scheduled", lambda _: {1: (now[0] * computed, now[0] * delayed)})
    server._began, server._before = 0.0, {}
    now[0] = seconds
    assert server._wanted_in_silence() == expected
