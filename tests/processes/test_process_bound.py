"""What ties items to one process is found wherever a function reads it; what processes can share is not."""

from __future__ import annotations

import csv
import io
import logging
import mmap
import queue
import random
import socket
import sqlite3
import sys
import types
from functools import partial

import numpy as np
import pytest

from amorsize.processes import process_bound
from amorsize.processes.process_bound import find_process_bound, is_installed

OWN = random.Random(1)
NUMPY = np.random.default_rng(1)
OLD = np.random.RandomState(1)
SYSTEM = random.SystemRandom()


class Holder:
    def __init__(self, generator):
        self.generator = generator

    def draw(self, item):
        return self.generator

    def __call__(self, item):
        return self.generator


def closing(generator):
    return lambda item: generator


def with_default(item, generator=OWN):
    return generator


def nested(item):
    return [draw() for draw in [lambda: NUMPY.random()]]  # noqa: PLW0108


READING = {
    "a global": lambda item: OWN.random(),
    "a global of numpy": lambda item: NUMPY.random(),
    "an old one of numpy": lambda item: OLD.rand(),
    "a closure": closing(NUMPY),
    "a default": with_default,
    "a bound argument": partial(lambda generator, item: item, OWN),
    "a bound keyword": partial(lambda item, generator: item, generator=OLD),
    "a method": Holder(NUMPY).draw,
    "an object that is called": Holder(OWN),
    "a method of a generator": partial(Holder(NUMPY).draw),
    "a function inside": nested,
    "a function of the module": lambda item: nested(item),  # noqa: PLW0108  it is the name that counts
}


@pytest.mark.parametrize("name", sorted(READING))
def test_a_generator_of_ones_own_is_found(name):
    assert find_process_bound(READING[name])[1] == "generator"


@pytest.mark.parametrize(
    "func",
    [
        abs,
        random.gauss,
        random.random,
        np.random.rand,
        lambda item: random.random(),
        lambda item: np.random.rand(),  # noqa: NPY002
        lambda item: SYSTEM.random(),
        Holder(3),
        closing(4),
        int,
    ],
)
def test_shared_generators_and_none_are_not(func):
    assert find_process_bound(func) == ("", "")


def test_a_bound_method_of_a_generator_is_found():
    assert find_process_bound(lambda item: OWN.random()) == ("OWN", "generator")
    for bound in (OWN.gauss, OWN.random, NUMPY.normal, OLD.rand, partial(OWN.gauss, 0)):
        assert find_process_bound(bound)[1] == "generator"


def test_an_open_file_and_what_holds_one_are_found(tmp_path):
    with (tmp_path / "file").open("w", encoding="utf-8") as file:
        for held in (file, Holder(file), csv.writer(file), csv.DictWriter(file, ["a"])):
            assert find_process_bound(closing(held))[1] in {"open file", "connection"}
    assert find_process_bound(closing(file)) == ("", "")
    for shared in (sys.__stdout__, sys.__stderr__, io.StringIO(), io.BytesIO(), sys):
        assert find_process_bound(closing(shared)) == ("", "")


def test_standard_input_is_found_whatever_it_is_called(monkeypatch):
    assert find_process_bound(lambda _: input()) == ("input()", "standard input")
    with io.StringIO() as replaced:
        monkeypatch.setattr(sys, "stdin", replaced)
        assert find_process_bound(closing(replaced))[1] == "standard input"
        assert find_process_bound(closing(Holder(replaced)))[1] == "standard input"


def test_a_connection_and_what_holds_one_are_found():
    one, other = socket.socketpair()
    with one, other:
        assert find_process_bound(closing(one)) == ("generator", "connection")
        assert find_process_bound(closing(Holder(other)))[1] == "connection"
    database = sqlite3.connect(":memory:")
    assert find_process_bound(closing(database))[1] == find_process_bound(closing(database.cursor()))[1] == "connection"
    database.close()


class Deep:
    def __init__(self, held):
        self.inner = [{"a": Holder(held)}]


def test_generators_and_connections_are_found_deep_in_collections_and_own_objects():
    one, other = socket.socketpair()
    with one, other:
        for held in (one, queue.Queue(), queue.SimpleQueue()):
            for holding in ({"a": [held]}, Deep(held), (types.SimpleNamespace(inner=Deep(held)),)):
                assert find_process_bound(closing(holding))[1] == "connection"
    for holding in ({"a": [OWN]}, Deep(OWN), {1: Deep(NUMPY)}):
        assert find_process_bound(closing(holding))[1] == "generator"


def test_what_libraries_hold_deep_inside_does_not_count(tmp_path):
    logger = logging.getLogger("amorsize-test")
    handler = logging.FileHandler(tmp_path / "log")
    logger.addHandler(handler)
    try:
        assert find_process_bound(closing(logger)) == ("", "")
        assert find_process_bound(logger.info) == ("", "")
    finally:
        logger.removeHandler(handler)
        handler.close()
    uniform = types.new_class("Estimator", (), {}, lambda space: space.update(__module__="sklearn.linear_model"))()
    uniform.random_state = NUMPY
    assert find_process_bound(closing(uniform)) == ("", "")


def test_of_a_value_with_very_many_parts_few_are_looked_at():
    large = {number: [number] * 100 for number in range(1000)}
    assert sum(1 for _ in process_bound._parts([large] * 1000, "execution")) < 100


def test_memory_that_processes_share_is_found_unless_it_is_only_read(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"content")
    with mmap.mmap(-1, 8) as written:
        assert find_process_bound(closing(written)) == ("generator", "connection")
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as read:
        assert find_process_bound(closing(read)) == ("", "")


@pytest.mark.parametrize("func", [csv.DictReader, np.linalg.norm, partial(np.linalg.norm, ord=1)])
def test_functions_of_python_and_of_packages_are_installed(func):
    assert is_installed(func)


def test_functions_of_ones_own_are_not_installed():
    assert not is_installed(partial(test_functions_of_ones_own_are_not_installed))
