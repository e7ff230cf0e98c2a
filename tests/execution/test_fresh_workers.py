"""Workers see what the caller sees now, and share nothing with it that items would spoil."""

from __future__ import annotations

import contextvars
import decimal
import locale
import logging
import os
import random
import socket
import sqlite3
import sys
import threading
import time
import types
import unittest.mock
import warnings
from pathlib import Path

import numpy as np
import pytest
from execution.jobs import spin

from amorsize import AmorsizeWarning, execute, iexecute
from amorsize.processes.blas import VARIABLES

GLOBAL = 0
ARRAY = np.zeros(1)
SPACE = types.SimpleNamespace(value=0)
LIST = [0]
VARIABLE = contextvars.ContextVar("variable", default=0)


class Base:
    value = 0


class Derived(Base):
    def __init__(self):
        self.own = 0


DERIVED = Derived()


def patched():
    return 0


def set_global(value):
    global GLOBAL  # noqa: PLW0603
    GLOBAL = value


def warns():
    with warnings.catch_warnings(record=True) as caught:
        warnings.warn("it", UserWarning, stacklevel=1)
    return len(caught)


def read_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


CHANGED = {
    "a global": (set_global, lambda: GLOBAL),
    "an array in place": (lambda value: ARRAY.fill(value), lambda: float(ARRAY[0])),  # noqa: PLW0108
    "a namespace": (lambda value: SPACE.__setattr__("value", value), lambda: SPACE.value),
    "a list in place": (lambda value: LIST.__setitem__(0, value), lambda: LIST[0]),
    "a class attribute": (lambda value: setattr(Base, "value", value), lambda: DERIVED.value),
    "an attribute over a class default": (lambda value: setattr(DERIVED, "value", value), lambda: DERIVED.value),
    "the environment": (
        lambda value: os.environ.__setitem__("AMORSIZE_TEST", str(value)),
        lambda: os.environ["AMORSIZE_TEST"],
    ),
    "the working directory": (lambda value: (Path(str(value)).mkdir(), os.chdir(str(value))), os.getcwd),
    "the umask": (lambda value: os.umask(0o20 + value), read_umask),
    "the recursion limit": (lambda value: sys.setrecursionlimit(2000 + value), sys.getrecursionlimit),
    "the search path": (lambda value: sys.path.append(f"/nowhere/{value}"), lambda: sys.path[-1]),
    "the decimal context": (
        lambda value: setattr(decimal.getcontext(), "prec", value + 3),
        lambda: str(decimal.Decimal(1) / 7),
    ),
    "a context variable": (VARIABLE.set, VARIABLE.get),
    "errors of numpy": (
        lambda value: np.seterr(divide=["warn", "raise", "ignore"][value]),
        lambda: np.geterr()["divide"],
    ),
    "the locale": (
        lambda value: locale.setlocale(locale.LC_ALL, ["", "C.UTF-8", "C"][value]),
        lambda: locale.setlocale(locale.LC_ALL),
    ),
    "levels of loggers": (
        lambda value: (logging.getLogger("amorsize_test").setLevel(10 * value), logging.disable(value)),
        lambda: (logging.getLogger("amorsize_test").level, logging.root.manager.disable),
    ),
    "warning filters": (lambda value: warnings.simplefilter("ignore" if value % 2 else "always", UserWarning), warns),
}


@pytest.fixture(autouse=True)
def state_is_as_before(monkeypatch):
    mask, limit, path, errors = read_umask(), sys.getrecursionlimit(), sys.path[:], np.geterr()
    place = locale.setlocale(locale.LC_ALL)
    monkeypatch.setenv("AMORSIZE_TEST", "")
    monkeypatch.setattr(Base, "value", 0)
    with warnings.catch_warnings(), decimal.localcontext():
        warnings.simplefilter("ignore", AmorsizeWarning)
        yield
    os.umask(mask)
    locale.setlocale(locale.LC_ALL, place)
    logging.disable(logging.NOTSET)
    sys.setrecursionlimit(limit)
    sys.path[:] = path
    np.seterr(**errors)
    vars(DERIVED).pop("value", None)


def in_all_ways(func, data):
    """Run in each way that execute has; the first is how a program that sets nothing does it."""
    for kind in ("auto", "process", "thread"):
        yield kind, execute(func, data, executor=kind, max_workers=2, min_speedup=1.0)
    for probe in ("fork", "spawn", "forkserver"):
        yield probe, execute(func, data, probe=probe, max_workers=2, min_speedup=1.0)
    yield "stream", list(iexecute(func, iter(data), max_workers=2, min_speedup=1.0))


@pytest.mark.parametrize("name", sorted(CHANGED))
def test_what_is_changed_between_two_calls_is_seen_by_all_items(name):
    change, look = CHANGED[name]

    def job(item):
        spin(0.0002)
        return item, look()

    for value in (1, 2):
        change(value)
        wanted = [job(item) for item in range(40)]
        for way, got in in_all_ways(job, range(40)):
            assert got == wanted, way
    assert wanted[0][1] == look()


def test_what_mock_patches_is_patched_for_all_items():
    def job(item):
        spin(0.0002)
        return item, patched()

    for value in (1, 2):
        with unittest.mock.patch.dict(globals(), patched=unittest.mock.Mock(return_value=value)):
            for way, got in in_all_ways(job, range(40)):
                assert got == [(item, value) for item in range(40)], way


class Server:
    """Answers each line with the line, after a while, one connection a thread."""

    def __init__(self):
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = self.listening.getsockname()
        self.threads = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    @staticmethod
    def answer(connection):
        with connection, connection.makefile("rb") as lines:
            for line in lines:
                time.sleep(0.0003)
                connection.sendall(line)


@pytest.fixture
def server():
    made = Server()
    yield made
    made.listening.shutdown(socket.SHUT_RDWR)
    made.listening.close()


class Client:
    """Keeps one connection a process, opened by the first call, or by hand before; opens it anew when it is lost."""

    def __init__(self, address):
        self.address = address
        self.connection = None
        self.lock = threading.Lock()

    def open(self):
        self.connection = socket.create_connection(self.address)

    def __call__(self, item):
        with self.lock:
            for _ in range(2):
                if self.connection is None:
                    self.open()
                try:
                    self.connection.sendall(b"%d\n" % item)
                    said = self.connection.recv(100)
                except OSError:
                    said = b""
                if said:
                    return int(said)
                self.connection.close()
                self.connection = None
        raise ConnectionError(item)


@pytest.mark.parametrize("is_open", [False, True], ids=["opened by the first call", "opened before"])
@pytest.mark.parametrize("kind", ["auto", "process", "thread"])
def test_no_answer_is_another_items(server, is_open, kind):
    client = Client(server.address)
    if is_open:
        client.open()
    for _ in range(2):
        assert execute(client, range(300), executor=kind, max_workers=3, min_speedup=1.0) == list(range(300))
    if client.connection is not None:
        client.connection.close()


@pytest.mark.parametrize("kind", ["auto", "process", "thread"])
def test_a_file_that_is_open_is_read_as_by_a_list_comprehension(own_place, kind):
    path = own_place / "table"
    path.write_bytes(b"".join(b"%08d" % number for number in range(500)))
    lock = threading.Lock()
    with path.open("rb", buffering=0) as file:

        def job(item):
            spin(0.0001)
            with lock:
                file.seek(8 * item)
                return int(file.read(8))

        assert execute(job, range(500), executor=kind, max_workers=3, min_speedup=1.0) == list(range(500))


@pytest.mark.parametrize("kind", ["auto", "process"])
def test_a_database_that_is_open_is_read_as_by_a_list_comprehension(own_place, kind):
    with sqlite3.connect(own_place / "numbers.db", check_same_thread=False) as base:
        base.execute("create table numbers (at integer primary key, value integer)")
        base.executemany("insert into numbers values (?, ?)", [(at, 3 * at) for at in range(300)])
    lock = threading.Lock()

    def job(item):
        spin(0.0002)
        with lock:
            return base.execute("select value from numbers where at = ?", (item,)).fetchone()[0]

    got = execute(job, range(300), executor=kind, max_workers=3, min_speedup=1.0)
    base.close()
    assert got == [3 * at for at in range(300)]


class Driver:
    """Works in the process that made it only, as drivers of devices do."""

    def __init__(self):
        self.home = os.getpid()

    def __call__(self, item):
        spin(0.0002)
        if os.getpid() != self.home:
            raise RuntimeError("not initialised in this process")
        return item


def test_a_driver_that_refuses_forked_children_works():
    assert execute(Driver(), range(300), max_workers=3, min_speedup=1.0) == list(range(300))


@pytest.mark.parametrize("draw", [random.random, lambda: float(np.random.rand())], ids=["random", "numpy"])  # noqa: NPY002  the global one is what is tested
@pytest.mark.parametrize("kind", ["auto", "process", "thread"])
def test_nothing_is_drawn_twice(draw, kind):
    def job(item):
        spin(0.0002)
        return draw()

    drawn = [draw() for _ in range(5)]
    for _ in range(2):
        drawn += execute(job, range(200), executor=kind, max_workers=3, min_speedup=1.0)
    assert len(set(drawn)) == 405


@pytest.mark.parametrize("make", [random.Random, np.random.default_rng, np.random.RandomState])
def test_a_generator_of_ones_own_draws_as_in_a_list_comprehension(make):
    mine, other = make(7), make(7)
    draw = "uniform"

    def job(item):
        spin(0.0002)
        return float(getattr(mine, draw)(0, 1))

    assert execute(job, range(200), max_workers=3, min_speedup=1.0) == [
        float(getattr(other, draw)(0, 1)) for _ in range(200)
    ]


@pytest.mark.parametrize("kind", ["auto", "thread"])
def test_items_that_are_changed_are_changed_as_by_a_list_comprehension(kind):
    data = [[item] for item in range(300)]

    def job(item):
        spin(0.0002)
        item.append(1)
        return len(item)

    assert execute(job, data, executor=kind, max_workers=3, min_speedup=1.0) == [2] * 300
    assert data == [[item, 1] for item in range(300)]


def thread_settings(_):
    return os.getpid(), tuple(os.environ.get(name) for name in VARIABLES)


@pytest.mark.parametrize("probe", ["fork", "spawn"])
def test_workers_limit_the_threads_of_every_library_blis_and_veclib_too(probe, monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    found = execute(thread_settings, range(8), executor="process", probe=probe, max_workers=2, min_speedup=1.0)
    pids, settings = zip(*found, strict=True)
    assert os.getpid() not in pids
    assert len(set(settings)) == 1
    assert all(int(value) >= 1 for value in settings[0])


def test_a_warm_worker_limits_threads_again_after_the_environment_has_changed(monkeypatch):
    asked = {"executor": "process", "probe": "spawn", "max_workers": 2, "min_speedup": 1.0}
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    execute(thread_settings, range(8), **asked)
    monkeypatch.setenv("AMORSIZE_TEST_VARIABLE", "changed")
    settings = {each for _, each in execute(thread_settings, range(8), **asked)}
    assert len(settings) == 1
    assert None not in settings.pop()
