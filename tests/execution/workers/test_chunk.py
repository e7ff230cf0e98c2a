"""A worker that starts empty runs a pickled chunk, and its answer pickles for certain."""

from __future__ import annotations

import os
import pickle
import socket
import sys
import threading
import time

import numpy as np
import pytest

from amorsize.execution.workers import chunk
from amorsize.execution.workers.chunk import DONE, STALE, UNREADABLE, Head, run_chunk, state
from amorsize.processes.failures import unpack


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    """Let the worker remember nothing of other tests."""
    monkeypatch.setattr(chunk, "_memory", chunk._Memory())


def ran(func, items, *, collect=False, expected="", known=b""):
    head = Head(b"key", pickle.dumps(func), expected, known, collect=collect, threads=0)
    answer = run_chunk(pickle.loads(pickle.dumps(head)), pickle.dumps(items))
    return pickle.loads(pickle.dumps(answer))


def halve(item):
    return 12 // item


def lock_for(item):
    return threading.Lock() if item == 2 else item


def test_results_come_back_with_the_seconds():
    answer = ran(halve, [1, 2, 3])
    assert (answer.kind, pickle.loads(answer.results), answer.failed, answer.lost) == (DONE, [12, 6, 4], [], [])
    assert answer.seconds >= 0


@pytest.mark.parametrize(("collect", "results"), [(False, [12]), (True, [12, None, 4])])
def test_a_failure_ends_the_chunk_unless_it_is_collected(collect, results):
    answer = ran(halve, [1, 0, 3], collect=collect)
    [(index, packed)] = answer.failed
    assert (pickle.loads(answer.results), index) == (results, 1)
    assert isinstance(unpack(packed), ZeroDivisionError)


def test_results_that_do_not_pickle_are_named():
    answer = ran(lock_for, [1, 2, 3])
    assert (answer.kind, pickle.loads(answer.results), answer.lost) == (DONE, [1, None, 3], [1])
    assert answer.why.startswith("TypeError: cannot pickle")


def test_another_version_of_the_function_runs_nothing():
    assert ran(halve, [1], expected="another").kind == STALE


def test_what_does_not_unpickle_runs_nothing():
    head = Head(b"key", b"no pickle", "", b"", collect=False, threads=0)
    answer = run_chunk(head, pickle.dumps([1]))
    assert (answer.kind, answer.results) == (UNREADABLE, b"")
    assert "UnpicklingError" in answer.why


def test_the_state_of_the_caller_is_taken_over(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AMORSIZE_TEST", "caller")
    known = state()
    monkeypatch.chdir(os.sep)
    monkeypatch.setenv("AMORSIZE_TEST", "worker")
    answer = ran(os.getenv, ["AMORSIZE_TEST"], known=known)
    assert pickle.loads(answer.results) == ["caller"]
    assert os.getcwd() == str(tmp_path)  # noqa: PTH109


SETTINGS = {
    "the limit of digits": (sys.get_int_max_str_digits, lambda: sys.set_int_max_str_digits(5000)),
    "the switch interval": (sys.getswitchinterval, lambda: sys.setswitchinterval(0.02)),
    "the time limit of sockets": (socket.getdefaulttimeout, lambda: socket.setdefaulttimeout(7.0)),
    "numpy's printing": (lambda: np.get_printoptions()["precision"], lambda: np.set_printoptions(precision=3)),
}
if hasattr(time, "tzset"):  # Windows has none
    SETTINGS["the time zone"] = lambda: time.tzname, lambda: (os.environ.__setitem__("TZ", "XYZ+5"), time.tzset())


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_the_callers_process_are_taken_over(name, monkeypatch):
    look, change = SETTINGS[name]
    monkeypatch.setenv("TZ", "UTC")
    getattr(time, "tzset", int)()
    before, as_before = look(), state()
    change()
    wanted, known = look(), state()
    ran(abs, [1], known=as_before)
    assert look() == before != wanted
    ran(abs, [1], known=known)
    assert look() == wanted
    ran(abs, [1], known=as_before)
    monkeypatch.undo()
    getattr(time, "tzset", int)()
