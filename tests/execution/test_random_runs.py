"""Random runs, each compared with the list comprehension, with every item counted and everything closed."""

from __future__ import annotations

import gc
import mmap
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from array import array
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from execution.jobs import spin
from hypothesis import given, settings
from hypothesis import strategies as st

import amorsize
from amorsize import AmorsizeWarning, ExecutionTimeout, WorkerError, execute, iexecute
from amorsize.processes.leftovers import OURS

EXAMPLES = 250
"""A thousand of them, with HYPOTHESIS_PROFILE=thorough."""

MOST_ITEMS = 3000
COUNTS = mmap.mmap(-1, MOST_ITEMS)
"""How often each item was run, by any process that was forked from this one."""

STATE = {"add": 0}
TABLE = np.zeros(1)

SOURCES = {
    "list": list,
    "tuple": tuple,
    "range": lambda items: items,
    "array": lambda items: array("i", items),
    "numpy": lambda items: np.arange(len(items)),
    "iterator": iter,
    "set": set,
}

RUNS = st.fixed_dictionaries(
    {
        "items": st.one_of(st.integers(0, 60), st.integers(0, MOST_ITEMS)),
        "source": st.sampled_from(sorted(SOURCES)),
        "how": st.sampled_from(["auto", "auto", "process", "process", "thread", "serial", "plan", "stream"]),
        "workers": st.integers(1, 4),
        "work": st.sampled_from(["nothing", "compute", "wait", "late", "mixed"]),
        "seconds": st.sampled_from([0.005, 0.02, 0.06]),
        "raising": st.frozensets(st.integers(0, 2 * MOST_ITEMS), max_size=2)
        | st.frozensets(st.integers(0, 80), max_size=3),
        "collect": st.booleans(),
        "killing": st.frozensets(st.integers(0, 2 * MOST_ITEMS), max_size=1),
        "signals": st.lists(st.sampled_from(["kill", "stop", "none", "none", "none"]), max_size=1),
        "timeout": st.sampled_from([None, None, None, 0.02, 60.0]),
        "item_timeout": st.sampled_from([None, None, None, 60.0]),
        "beside": st.booleans(),
    }
)


class Work:
    """Does what a run asks for with each item, and counts it."""

    def __init__(self, run):
        self.run = run
        self.each = run["seconds"] / max(1, run["items"])
        self.home = os.getpid()

    def __call__(self, item):
        item = int(item)
        run, each = self.run, self.each
        COUNTS[item] += 1
        if run["work"] == "compute" or (run["work"] == "late" and 2 * item > run["items"]):
            spin(each)
        elif run["work"] == "wait" or (run["work"] == "mixed" and item % 2):
            time.sleep(each)
        if item in run["killing"] and os.getpid() != self.home:
            os.kill(os.getpid(), signal.SIGKILL)
        if item in run["raising"]:
            raise LookupError(item)
        return 2 * item + STATE["add"] + TABLE[0]


def children():
    found = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            found += map(int, (task / "children").read_text().split())
    return set(found)


def is_open():
    """Return the open descriptors by number, device and inode."""
    found = {}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with suppress(OSError):
            one = os.fstat(int(name))
            found[int(name)] = (one.st_dev, one.st_ino)
    return found


@pytest.fixture(autouse=True)
def nothing_is_left(own_place):
    """Compare processes, threads, files, and descriptors, which shared memory is as well, before and after a test."""
    execute(abs, range(100), executor="process")
    amorsize.default_client().close()  # earlier tests have kept some, which would end by themselves meanwhile
    gc.collect()  # likewise
    before = is_open(), children(), sorted((own_place / "work").iterdir())
    yield
    amorsize.default_client().close()
    gc.collect()
    ours = [each for each in threading.enumerate() if each.name == OURS]
    for each in ours:
        each.join(10)  # a thread ends with the item that it is at, also when the run is left before
    assert not any(each.is_alive() for each in ours)
    assert (is_open(), children(), sorted((own_place / "work").iterdir())) == before


@contextmanager
def watched(run):
    """Send a signal to a worker as soon as there is one, and have a thread beside, if a run asks for it."""
    before, ended = children(), threading.Event()

    def send():
        while not ended.wait(0.001):
            for pid in children() - before:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL if run["signals"] == ["kill"] else signal.SIGSTOP)
                    time.sleep(0.01)
                    os.kill(pid, signal.SIGCONT)
                return

    threads = [threading.Thread(target=send)] if run["signals"] in (["kill"], ["stop"]) else []
    threads += [threading.Thread(target=ended.wait)] if run["beside"] else []
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def outcome(run, job, data):
    """Run as a run asks; return what came of it, also when that is an exception."""
    how, collect = run["how"], run["collect"]
    try:
        if how == "plan":
            return amorsize.optimize(abs, data, max_workers=run["workers"]).run() if not collect else None
        if how == "stream":
            return list(iexecute(job, data, max_workers=run["workers"], min_speedup=1.0, in_flight=run["workers"] * 40))
        limits = {"timeout": run["timeout"], "item_timeout": run["item_timeout"]}
        errors = "collect" if collect else "raise"
        return execute(
            job,
            data,
            executor=how,
            max_workers=run["workers"],
            min_speedup=1.0,
            errors=errors,
            use_cache=False,
            **limits,
        )
    except (LookupError, WorkerError, ExecutionTimeout) as error:
        return error


@settings(max_examples=max(EXAMPLES, settings.default.max_examples))
@given(run=RUNS)
def test_a_random_run_is_the_list_comprehension_or_says_why_not(run):
    items, collect = run["items"], run["collect"] and run["how"] not in {"plan", "stream"}
    for thread in threading.enumerate():
        if thread.name == "amorsize":  # one of the run before, whose time was up: it ends after its item
            thread.join()
    STATE["add"] += 1
    TABLE[0] += 1
    COUNTS[:] = bytes(MOST_ITEMS)
    job = Work(run)

    def result(item):
        return 2 * item + STATE["add"] + TABLE[0]

    with watched(run), warnings.catch_warnings():
        warnings.simplefilter("ignore", AmorsizeWarning)
        data = SOURCES[run["source"]](range(items))
        came = outcome({**run, "collect": collect}, job, data)
    if run["how"] == "plan":
        assert came == list(range(items))
        return
    bad = sorted(x for x in run["raising"] if x < items)
    kills = bool(run["killing"]) or run["signals"] == ["kill"]
    if isinstance(came, LookupError):
        assert not collect
        assert came.args[0] in bad
        assert any(f"at position {came.args[0]}: " in note for note in came.__notes__)
    elif isinstance(came, WorkerError | ExecutionTimeout):
        assert kills if isinstance(came, WorkerError) else run["timeout"]
        assert all(value == result(place) and place not in bad for place, value in came.finished.items())
    else:
        results, failures = came if collect else (came, None)
        assert results == [None if x in bad else result(x) for x in range(items)]
        assert (failures.positions if failures else ()) == (tuple(bad) if collect else ())
        assert kills or bad or list(COUNTS[:items]) == [1] * items
    assert kills or bad or max(COUNTS[:]) <= 1


@settings(max_examples=60)
@given(
    items=st.integers(0, 200),
    kind=st.sampled_from(["auto", "serial", "thread", "process"]),
    ordered=st.booleans(),
    in_flight=st.integers(1, 50),
    taken=st.none() | st.integers(0, 100),
)
def test_a_random_stream_gives_every_result_once_or_is_left(items, kind, ordered, in_flight, taken):
    stream = iexecute(
        lambda x: (time.sleep(0.0003), 2 * x)[1],
        iter(range(items)),
        executor=kind,
        ordered=ordered,
        in_flight=in_flight,
        max_workers=2,
        min_speedup=1.0,
    )
    given = [value for value, _ in zip(stream, range(taken), strict=False)] if taken is not None else list(stream)
    stream.close()
    if ordered:
        assert given == [2 * x for x in range(items)][: len(given)]
    assert set(given) <= {2 * x for x in range(items)}
    assert len(set(given)) == len(given) == min(items, items if taken is None else taken)


INTERRUPTED = """
import gc, os, random, signal, sys, threading, time, warnings
from contextlib import suppress
from pathlib import Path
from amorsize import AmorsizeWarning, execute, iexecute
from execution.jobs import nap, spin
from execution.test_random_runs import children, is_open

def work(item):
    spin(0.0003)
    return item

def call(how):
    if how == "stream":
        return list(iexecute(work, iter(range(300)), max_workers=3, min_speedup=1.0))
    return execute(nap if how == "thread" else work, range(300), executor=how, max_workers=3, min_speedup=1.0)

warnings.simplefilter("ignore", AmorsizeWarning)
draws = random.Random(int(sys.argv[1]))
for how in ["auto", "process", "thread", "stream", "serial"]:
    call(how)
before = is_open(), children()
for number in range(int(sys.argv[2])):
    how = draws.choice(["auto", "auto", "process", "thread", "stream"])
    fired = threading.Event()

    def fire(seconds):
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGINT)
        fired.set()

    thread = threading.Thread(target=fire, args=(draws.choice([0.0005, 0.003, 0.01, 0.05]) * draws.random() * 2,))
    came = None
    try:
        thread.start()
        came = call(how)
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        pass
    thread.join()
    wanted = [2 * x if how == "thread" else x for x in range(300)]
    assert came in (None, wanted), how
    gc.collect()
    until = time.monotonic() + 30
    while children() - before[1] and time.monotonic() < until:
        time.sleep(0.001)
    assert children() == before[1], (how, number, "children")
    assert is_open() == before[0], (how, number, set(is_open()) - set(before[0]))
"""


def test_ctrl_c_at_any_moment_leaves_nothing(own_place, monkeypatch):
    path = own_place / "work" / "interrupted.py"
    path.write_text(INTERRUPTED)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)
    count = 30 if settings.default.max_examples <= EXAMPLES else 300
    done = subprocess.run(
        [sys.executable, path, str(random.randrange(1000)), str(count)], capture_output=True, text=True
    )
    path.unlink()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
