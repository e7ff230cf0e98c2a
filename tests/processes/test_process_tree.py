"""The processes that a process has started, and what they have computed."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from amorsize.processes import process_tree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not list them")

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
burn = "import time\\nwhile time.process_time() < 0.3: pass"
subprocess.run([sys.executable, "-S", "-c", burn])
while time.process_time() < 0.2: pass
print("there", flush=True)
input()
"""


@pytest.fixture
def parent():
    """Start a process with a child that waits, which has waited for one that computed, and computed itself."""
    command = [sys.executable, "-S", "-c", PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"there\n"
        yield process
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()


def test_children_and_theirs_are_found(parent):
    assert parent.pid in process_tree.children()
    assert (
        process_tree.children(parent.pid)
        == process_tree.descendants(parent.pid)
        == [child.pid for child in psutil.Process(parent.pid).children()]
    )
    assert set(process_tree.descendants()) >= {parent.pid, *process_tree.children(parent.pid)}


def test_what_a_process_has_computed_holds_what_its_ended_children_have(parent):
    assert 0.45 < process_tree.scheduled_seconds(parent.pid)[0] < 5
    (child,) = process_tree.children(parent.pid)
    assert process_tree.scheduled_seconds(child)[0] < 0.3


def test_a_process_that_is_gone_has_neither_children_nor_computed_anything():
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    assert process_tree.children(process.pid) == process_tree.descendants(process.pid) == []
    assert process_tree.scheduled_seconds(process.pid) == (0.0, 0.0)


def test_short_computing_is_measured_to_less_than_a_tick():
    before = process_tree.scheduled_seconds(os.getpid())[0]
    until = time.thread_time() + 0.004
    while time.thread_time() < until:
        pass
    assert process_tree.scheduled_seconds(os.getpid())[0] - before > 0.002


def test_two_that_share_a_cpu_are_seen_to_be_kept_from_it():
    """Each of them computes half of the time, and is ready for the other half."""
    cpu = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, {{{cpu}}}); print(1, flush=True)\nwhile True: pass"
    both = [subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for process in both:
            process.stdout.readline()
        before = [process_tree.scheduled_seconds(process.pid) for process in both]
        time.sleep(0.5)
        after = [process_tree.scheduled_seconds(process.pid) for process in both]
    finally:
        for process in both:
            process.kill()
            process.communicate()
    for (computed, delayed), (computed_then, delayed_then) in zip(after, before, strict=True):
        assert delayed > delayed_then
        assert computed - computed_then + delayed - delayed_then > 0.3


GROUP = """
import subprocess, sys
nap = [sys.executable, "-S", "-c", "import os, time; os.write(1, b'there' + bytes([10])); time.sleep(600)"]
subprocess.Popen(nap)
subprocess.Popen([*nap, "resource_tracker"])
"""


def test_the_members_of_a_group_are_found_and_ended_but_for_trackers():
    command = [sys.executable, "-S", "-c", GROUP]
    with subprocess.Popen(command, process_group=0, stdout=subprocess.PIPE) as leader:
        assert [leader.stdout.readline() for _ in range(2)] == [b"there\n"] * 2
    found = [psutil.Process(pid) for pid in process_tree.members(leader.pid)]
    assert len(found) == 2
    tracker, other = sorted(found, key=lambda one: "resource_tracker" not in one.cmdline())
    process_tree.end([one.pid for one in found])
    other.wait(20)
    assert tracker.is_running()
    tracker.kill()
    tracker.wait(20)
    assert process_tree.members(leader.pid) == []
