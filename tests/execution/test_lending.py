"""Large items reach workers as small ones do, by a way that leaves nothing behind; large functions are sent once."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
from execution import forced

import amorsize
from amorsize import ExecutionTimeout, WorkerError
from amorsize.adapters.executors import process
from amorsize.execution import lending
from amorsize.execution.lending import LARGE_BYTES, Lender
from amorsize.execution.work import borrowed

lends = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere everything goes through the pipe")
METHODS = ["fork", "spawn", "forkserver"] if hasattr(os, "fork") else ["spawn"]
WORDS = LARGE_BYTES // 8


class Name(bytes):
    """Bytes of a kind of their own."""


def readonly(array):
    array.flags.writeable = False
    return array


def large(number):
    """Return large items of all kinds, no two alike."""
    array = np.arange(2 * WORDS, dtype=float) + number
    both = bytes([number]) * LARGE_BYTES
    return [
        array,
        readonly(array.copy()),
        np.asfortranarray(array.reshape(2, -1)),
        array[::2],
        array[: WORDS - 1],
        array.astype("M8[s]"),
        np.array([{"key": number}, None] * WORDS, dtype=object),
        {"inside": (array + 1, number)},
        both,
        bytearray(both),
        Name(both),
        [both, both],
        number,
    ]


def told(item):
    """Say what can be told of an item: its type, its contents, and what may be done to it."""
    if isinstance(item, np.ndarray):
        return item.dtype.str, item.shape, item.flags.writeable, str(item.tolist()[:3]), str(item.ravel()[-1])
    if isinstance(item, bytes | bytearray):
        return type(item).__name__, len(item), item[:3], item[-3:]
    if isinstance(item, dict):
        return told(item["inside"][0])
    if isinstance(item, list):
        return [told(one) for one in item], item[0] is item[1]
    return item


def changed(item):
    """Change an item where that is allowed, and say what it was."""
    before = told(item)
    if isinstance(item, np.ndarray) and item.flags.writeable and item.dtype == float:
        item[...] = -1
    elif isinstance(item, bytearray):
        item[:] = b"changed"
    return before


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("make", [list, iter], ids=["list", "iterator"])
def test_large_items_arrive_as_they_do_by_pickle(method, make):
    items = [item for number in range(4) for item in large(number)]
    plain = [told(pickle.loads(pickle.dumps(item, pickle.HIGHEST_PROTOCOL))) for item in items]
    assert forced.execute(told, make(items), probe=method) == plain
    if method == "fork":  # no item is run here while workers start, so that none is changed here
        assert forced.execute(changed, make(items), probe=method) == plain
    assert [told(item) for item in items] == [told(item) for number in range(4) for item in large(number)]


def test_rows_of_a_large_array_arrive_as_they_are():
    rows = np.arange(64 * WORDS / 8).reshape(64, -1)
    assert forced.execute(np.sum, rows) == [row.sum() for row in rows]


KEPT = []


def keep(item):
    KEPT.append(item)
    return os.getpid(), [(int(each[0]), int(each[-1])) for each in KEPT]


def test_what_a_function_keeps_stays_as_it_is():
    items = [np.full(WORDS, number) for number in range(40)] + [bytes([number]) * LARGE_BYTES for number in range(40)]
    held = {}
    for process_id, seen in forced.execute(keep, items):
        held[process_id] = max(held.get(process_id, []), seen, key=len)
    assert all(first == last for seen in held.values() for first, last in seen)
    assert sorted(first for seen in held.values() for first, _ in seen) == sorted([*range(40), *range(40)])


def lent_in(process_id):
    """Return what a process holds of memory that was lent, open or mapped."""
    held = []
    for file in Path(f"/proc/{process_id}/fd").iterdir():
        try:
            held.append(str(file.readlink()))
        except OSError:  # closed meanwhile: that it was looked at is one of them
            continue
    held += Path(f"/proc/{process_id}/maps").read_text().splitlines()
    return [one for one in held if "memfd:amorsize" in one]


def nothing_is_lent():
    until = time.monotonic() + 10
    ours = [psutil.Process(), *psutil.Process().children(recursive=True)]
    alive = [one.pid for one in ours if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    while any(map(lent_in, alive)):
        assert time.monotonic() < until, [lent_in(one) for one in alive]
        time.sleep(0.01)


def ending(item, how):
    if item[0] == 7:
        if how == "raised":
            raise LookupError(7)
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60 if how == "late" else 0)
    return len(item)


@lends
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("how", "expected"),
    [("well", None), ("raised", LookupError), ("killed", WorkerError), ("late", ExecutionTimeout)],
)
def test_nothing_is_left_however_a_run_ends(how, expected, method):
    amorsize.api._assembly.end_workers()  # workers that are forked anew must not hold on to anything
    items = [bytes([number]) * LARGE_BYTES for number in range(20)]
    run = partial(forced.execute, partial(ending, how=how), items, probe=method)
    if expected is None:
        assert run() == [LARGE_BYTES] * 20
    else:
        with pytest.raises(expected):
            run(timeout=2.0 if how == "late" else None)
    nothing_is_lent()


@lends
def test_a_child_forked_meanwhile_holds_on_to_nothing_that_is_lent():
    lender = Lender()
    _, where = lender.pack([bytes(LARGE_BYTES)])
    assert where
    assert lent_in("self")
    child = os.fork()
    if child == 0:
        os._exit(len(lent_in("self")))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    lender.end()
    assert not lent_in("self")


CTRL_C = """
import os, signal, sys, time
from execution.forced import execute
from execution.test_lending import lent_in
signal.signal(signal.SIGINT, signal.default_int_handler)

def long(item):
    os.write(1, b"running\\n")
    time.sleep(60)

if __name__ == "__main__":
    try:
        execute(long, [bytes(1 << 22)] * 9)
    except KeyboardInterrupt:
        print(lent_in(os.getpid()), flush=True)
"""


@lends
def test_after_ctrl_c_nothing_is_left_and_nothing_is_said(started):
    program = started(CTRL_C, stderr=subprocess.PIPE, start_new_session=True)
    assert [program.stdout.readline() for _ in range(2)] == ["running\n"] * 2
    assert lent_in(program.pid)
    children = psutil.Process(program.pid).children(recursive=True)
    os.killpg(program.pid, signal.SIGINT)
    assert program.communicate(timeout=60) == ("[]\n", "")
    assert psutil.wait_procs(children, timeout=10)[1] == []


@lends
@pytest.mark.parametrize("fault", ["out of reach", "no file left"])
def test_what_cannot_be_lent_goes_through_the_pipe(fault, monkeypatch, tmp_path):
    lend = Lender._lend

    def none_left(name):
        raise OSError("too many open files")

    def lent_elsewhere(lender, raw):
        _, *where = lend(lender, raw)
        return 1 << 22, *where  # as of a process that workers may not look into

    if fault == "out of reach":
        monkeypatch.setattr(Lender, "_lend", lent_elsewhere)
    else:
        monkeypatch.setattr(os, "memfd_create", none_left)
    amorsize.api._assembly.end_workers()
    items = [bytes([number]) * LARGE_BYTES for number in range(20)]
    job = partial(noted, path=str(tmp_path / "runs"))
    assert forced.execute(job, items) == [item[:1] for item in items]
    assert sorted((tmp_path / "runs").read_bytes()) == list(range(20))
    nothing_is_lent()


def noted(item, path):
    with Path(path).open("ab", buffering=0) as file:
        file.write(item[:1])
    return item[:1]


@lends
def test_no_more_is_lent_at_a_time_than_a_process_has_files_for(monkeypatch):
    monkeypatch.setattr(lending, "_MOST_OPEN", 3)
    lender, future = Lender(), Future()
    items = [bytes([number]) * LARGE_BYTES for number in range(5)]
    blob, lent = lender.pack(items)
    assert len(lent) == 3
    assert 2 * LARGE_BYTES < len(blob) < 2 * LARGE_BYTES + 1000
    assert pickle.loads(blob, buffers=borrowed(lent)) == items
    lender.until_done(lent, future)
    assert len(lent_in(os.getpid())) == 3
    future.set_result(None)
    nothing_is_lent()
    with pytest.raises(FileNotFoundError):
        borrowed(lent)
    lender.pack(items)
    lender.end()
    nothing_is_lent()


@lends
def test_items_that_cannot_be_pickled_are_not_lent():
    with pytest.raises(TypeError):
        Lender().pack([bytes(LARGE_BYTES), threading.Lock()])
    nothing_is_lent()


def scaled(table, item):
    time.sleep(0.001)
    return float(table[item]), os.getpid()


class CountingPool(ProcessPoolExecutor):
    """A pool that notes how many bytes of functions it is given."""

    given = None

    def submit(self, fn, /, *args, **kwargs):
        self.given += [len(args[0][1]) for _ in "1" if args and type(args[0]) is tuple]
        return super().submit(fn, *args, **kwargs)


@pytest.mark.parametrize("by_value", [False, True], ids=["partial", "closure"])
def test_a_large_constant_is_sent_to_each_worker_and_not_with_each_chunk(by_value, monkeypatch):
    monkeypatch.setattr(CountingPool, "given", [])
    monkeypatch.setattr(process, "ProcessPoolExecutor", CountingPool)
    amorsize.api._assembly.end_workers()
    table = np.arange(2000.0)
    table = np.concatenate([table, np.zeros(WORDS)])
    func = (lambda item: scaled(table, item)) if by_value else partial(scaled, table)
    for call in range(2):
        ran = forced.execute(func, range(2000))
        assert [value for value, _ in ran] == list(range(2000))
        whole = [size for size in CountingPool.given if size]
        assert len(CountingPool.given) - len(whole) > 20
        assert 2 <= len(whole) <= 12  # a worker that has had none yet asks for it
        if call == 0:
            CountingPool.given.clear()
            CountingPool.given.extend(whole)  # the second call sends none
            first = len(whole)
        else:
            assert len(whole) == first
    amorsize.api._assembly.end_workers()
