"""The version of a function tells a worker that starts empty whether it has what the caller has."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from execution.jobs import spin

from amorsize import AmorsizeWarning, execute
from amorsize.domain.iterables import StarFunction
from amorsize.execution.workers.version import version_of


class Row:
    def __init__(self):
        self.values = [0] * 60


LOCK = threading.Lock()
ARRAY = np.zeros(300)
STRIDED = np.zeros((50, 50))[::2, ::3]
OBJECTS = np.array([[0], [1, 2]], dtype=object)
LIST = [0] * 40
TABLE = {number: number for number in range(100)}
WORDS = {str(number) for number in range(100)}
NESTED = [np.zeros(2), {"a": [0] * 50}]
ROWS = [Row() for _ in range(40)]
TEXT = "x" * 100_000
COUNTS = np.zeros(3)
RING = [0] * 40
RING.append(RING)


def read_array(item):
    return item * ARRAY[7]


def read_strided(item):
    return item * STRIDED[3, 4]


def read_objects(item):
    return item, OBJECTS[1][0]


def read_list(item):
    spin(0.002)
    return item * LIST[7]


def read_table(item):
    return item * TABLE[7]


def read_words(item):
    return item in WORDS


def read_nested(item):
    return item, NESTED[0][1], NESTED[1]["a"][7]


def read_rows(item):
    return item * ROWS[7].values[7]


def read_text(item):
    return item, TEXT[50_000]


def read_ring(item):
    return item, RING[7]


def count(item):
    COUNTS[0] += 1
    return item


def read_lock(item):
    return item, LOCK.locked()


def set_text(text):
    global TEXT  # noqa: PLW0603
    TEXT = text


CHANGED = {
    read_array: (lambda: ARRAY.__setitem__(7, 5), lambda: ARRAY.__setitem__(7, 0)),
    read_strided: (lambda: STRIDED.__setitem__((3, 4), 5), lambda: STRIDED.__setitem__((3, 4), 0)),
    read_objects: (lambda: OBJECTS[1].__setitem__(0, 5), lambda: OBJECTS[1].__setitem__(0, 1)),
    read_list: (lambda: LIST.__setitem__(7, 5), lambda: LIST.__setitem__(7, 0)),
    read_table: (lambda: TABLE.__setitem__(7, 5), lambda: TABLE.__setitem__(7, 7)),
    read_words: (lambda: (WORDS.remove("7"), WORDS.add("seven")), lambda: (WORDS.remove("seven"), WORDS.add("7"))),
    read_nested: (lambda: NESTED[1]["a"].__setitem__(7, 5), lambda: NESTED[1]["a"].__setitem__(7, 0)),
    read_rows: (lambda: ROWS[7].values.__setitem__(7, 5), lambda: ROWS[7].values.__setitem__(7, 0)),
    read_text: (lambda: set_text("x" * 50_000 + "y" + "x" * 49_999), lambda: set_text("x" * 100_000)),
}


@pytest.mark.parametrize("func", CHANGED, ids=lambda func: func.__name__)
def test_the_version_changes_with_a_value_that_the_function_reads_and_comes_back_with_it(func):
    change, change_back = CHANGED[func]
    before = version_of(func), version_of(StarFunction(func, 2))
    change()
    try:
        assert version_of(func) != before[0]
        assert version_of(StarFunction(func, 2)) != before[1]
    finally:
        change_back()
    assert (version_of(func), version_of(StarFunction(func, 2))) == before


PROGRAM = """
from execution.workers import test_version as here
from amorsize.execution.workers.version import version_of
for func in [*here.CHANGED, here.read_ring, here.count, here.read_lock]:
    print(func.__name__, version_of(func))
"""


def test_the_version_is_the_same_in_each_process():
    said = []
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True)
        assert done.stderr == ""
        said.append(done.stdout.splitlines())
    assert len(said[0]) == len(CHANGED) + 3
    assert said[0] == said[1]


SCRIPT = """
import multiprocessing
from amorsize.execution.workers.version import version_of
class Row:
    def __init__(self):
        self.values = [0] * 60
ROWS = [Row() for _ in range(40)]
KINDS = {kind: kind() for kind in (Row,)}
LARGE = {number: Row() for number in range(40)}
def read(item):
    return item, ROWS, KINDS, LARGE
def version(_):
    return version_of(read)
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(version, (0,)) == version(0))
"""


def test_the_version_is_the_same_in_a_script_and_in_its_workers(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_what_the_function_itself_changes_does_not_count():
    before = version_of(count)
    count(1)
    assert version_of(count) == before


@pytest.mark.parametrize("probe", ["spawn", "forkserver"])
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no forkserver")
def test_workers_that_start_empty_do_not_answer_from_a_list_that_the_caller_has_changed(probe):
    options = {"executor": "process", "max_workers": 2, "min_speedup": 1.0, "config": {"probe": probe}}
    assert execute(read_list, range(100), **options) == [0] * 100
    change, change_back = CHANGED[read_list]
    change()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AmorsizeWarning)
            assert execute(read_list, range(100), **options) == [5 * x for x in range(100)]
    finally:
        change_back()
