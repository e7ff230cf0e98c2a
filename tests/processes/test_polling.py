"""A child waits for a thread of its parent when it only looks at its own memory, again and again."""

from __future__ import annotations

import os
import select
import sys
import time

import pytest

from amorsize.processes.forks import Lifeline, fork
from amorsize.processes.polling import PollWatch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="children are forked on Linux only")


@pytest.fixture
def forked():
    children, lifeline = [], Lifeline()
    yield lambda run: fork(run, children, lifeline)
    for child in children:
        child.kill()
    lifeline.close()


def look():
    while not os.environ.get("NEVER"):
        time.sleep(0.001)


def look_beside_a_file():
    reader, _ = os.pipe()
    while not select.select([reader], [], [], 0.001)[0]:
        pass


def compute():
    while True:
        sum(range(1000))


def sleep_for_long():
    time.sleep(600)


def looks_at(child, seconds):
    """Return what looks every 50 ms tell, until one tells of so many seconds, or after 40 looks."""
    watch, measured = PollWatch(child.pid), []
    while len(measured) < 40 and (not measured or measured[-1] < seconds):
        time.sleep(0.05)
        measured.append(watch.seconds())
    return measured


def test_a_child_that_looks_again_and_again_waits_for_a_thread(forked):
    child = forked(look)
    for _ in range(20):  # a busy machine may find it busy at two looks in a row
        if looks_at(child, 0.3)[-1] >= 0.3:
            return
    raise AssertionError("the child never seemed to wait")


@pytest.mark.parametrize("run", [look_beside_a_file, compute, sleep_for_long])
def test_a_child_that_does_something_else_does_not(forked, run):
    assert max(looks_at(forked(run), 0.3)) == 0.0


def test_of_a_child_that_is_gone_nothing_is_told(forked):
    child = forked(lambda: None)
    child.wait()
    assert PollWatch(child.pid).seconds() == 0.0
