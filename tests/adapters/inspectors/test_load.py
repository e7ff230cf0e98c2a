"""The load of other programs, against trees of /proc, and against a real child."""

from __future__ import annotations

import os
import subprocess
import sys
from math import exp

import pytest

from amorsize.adapters.inspectors import load as module
from amorsize.adapters.inspectors.load import OthersLoad

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


class Tree:
    """A /proc with a load average, and with threads that run or sleep."""

    def __init__(self, folder):
        self.root = str(folder)
        self.folder = folder / "proc"
        self.reported(0.0, 1)
        self.process(os.getpid())

    def reported(self, average, running):
        self.folder.mkdir(exist_ok=True)
        (self.folder / "loadavg").write_text(f"{average:.2f} 0.10 0.10 {running}/300 4711\n")

    def process(self, number, states="R", children=()):
        for place, state in enumerate(states):
            task = self.folder / f"{number}/task/{number + place}"
            task.mkdir(parents=True, exist_ok=True)
            (task / "stat").write_text(f"{number} (a (strange) name) {state} 1 1\n")
            (task / "children").write_text(" ".join(map(str, children)) if place == 0 else "")


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.setattr(OthersLoad, "_age", lambda self: 1e6)  # so old that what it took long ago is forgotten
    return Tree(tmp_path)


@pytest.mark.parametrize(
    ("average", "running", "load"),
    [
        (0.0, 1, 0.0),
        (7.8, 9, 8.0),
        (7.8, 4, 3.0),  # no more than what runs now besides this thread
        (7.8, 1, 0.0),  # others have ended a moment ago
        (0.2, 9, 0.0),  # others have flashed up
        (0.74, 9, 0.5),
        (1.3, 9, 1.5),
        (1e9, 10**9, 65536.0),
    ],
)
def test_the_load_is_what_the_last_minute_and_this_moment_agree_on(tree, average, running, load):
    tree.reported(average, running)
    assert OthersLoad(tree.root).now() == load


def test_threads_of_our_own_are_no_load(tree):
    tree.reported(6.0, 6)
    tree.process(os.getpid(), "RRS")
    assert OthersLoad(tree.root).now() == 4.0


def test_descendants_are_no_load(tree):
    tree.reported(6.0, 6)
    tree.process(os.getpid(), "R", children=[10, 20])
    tree.process(10, "R", children=[30])
    tree.process(20, "S")
    tree.process(30, "RR")
    assert OthersLoad(tree.root).now() == 2.0


def test_a_family_without_end_is_followed_within_bounds(tree):
    tree.reported(6.0, 6)
    tree.process(os.getpid(), "R", children=[10])
    tree.process(10, "S", children=[os.getpid(), 10, 10])
    assert OthersLoad(tree.root).now() == 5.0


def test_what_this_process_used_is_no_load(tree, monkeypatch):
    clock = {"at": 100.0, "used": 0.0}
    times = os.times()
    monkeypatch.setattr(module.time, "monotonic", lambda: clock["at"])
    monkeypatch.setattr(
        module.os, "times", lambda: type(times)((clock["used"] / 2, 0.0, clock["used"] / 2, 0.0, clock["at"]))
    )
    tree.reported(2.0, 9)
    load = OthersLoad(tree.root)
    assert load.now() == 2.0
    clock["at"], clock["used"] = 160.0, 120.0  # two CPUs for a minute, half of it in children that have ended
    assert load._own_average() == pytest.approx(2.0 * (1 - exp(-1)))
    tree.reported(3.0, 9)
    assert load.now() == 1.5
    clock["at"] = 1e5
    assert load.now() == 3.0


@pytest.mark.parametrize("text", ["", "1.0", "a b c d e", "1.0 1.0 1.0 x/3 4", "-3 0 0 9/9 1", "nan 0 0 9/9 1"])
def test_a_load_that_is_not_reported_is_none(tree, text):
    (tree.folder / "loadavg").write_text(text)
    assert OthersLoad(tree.root).now() == 0.0


def test_nothing_is_known_where_there_is_nothing(tmp_path):
    assert OthersLoad(str(tmp_path)).now() == 0.0


def test_the_age_of_this_process_is_known():
    assert 0 < OthersLoad("")._age() < 1e6


def test_a_child_that_computes_is_a_thread_of_our_own():
    load = OthersLoad("")
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as child:
        try:
            assert str(child.pid) in set(load._family())
            assert any(load._own_running() >= 2 for _ in range(1000))
        finally:
            child.kill()


def test_this_machine_tells_of_a_possible_load():
    load = OthersLoad("")
    assert all(0 <= load.now() <= 65536 for _ in range(3))
