"""Sampling: what running a few items shows, and that each runs at most once."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import threading
import time
import types
import zlib
from itertools import groupby

import pytest

from amorsize.adapters.probes import sampling
from amorsize.adapters.probes.gil import gil_fraction_of
from amorsize.adapters.probes.sampling import Sampling
from amorsize.domain.planning.sampling import Budget
from amorsize.domain.source import Source
from amorsize.errors import SamplingError


@pytest.fixture
def own_cpu():
    """Leave this thread, and what it starts, one CPU only."""
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cpus)})
    yield
    os.sched_setaffinity(0, cpus)


def sample(func, data, **budget):
    return Sampling(func, Source(data), Budget(**budget)).run()


def burn(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_no_item_runs_twice_and_few_run_at_all():
    seen = []
    found = sample(lambda item: (seen.append(item), burn(0.001)), range(10_000))
    assert len(seen) == len(set(seen)) == found.count < 500


def test_the_items_run_are_spread_over_the_data():
    seen = []
    sample(lambda item: (seen.append(item), burn(0.002)), range(1000), min_seconds=0.02)
    assert min(seen) < 300
    assert max(seen) > 700


def test_seconds_per_item_are_those_of_an_item():
    found = sample(lambda _: time.sleep(0.005), range(100), min_seconds=0.03)
    assert found.seconds_per_item >= 0.005


def test_items_too_short_for_the_clock_are_timed_in_blocks():
    # other programs may have the CPU for all the time of one sample
    found = max((sample(lambda x: x + 1, range(10**6), min_seconds=0.2) for _ in range(5)), key=lambda one: one.count)
    assert found.count > 5
    assert found.seconds_per_item < 1e-4


def test_a_dear_first_call_stands_apart():
    calls = []

    def lazy(_):
        if not calls:
            time.sleep(0.05)
        calls.append(1)
        time.sleep(0.001)

    found = sample(lazy, range(1000))
    assert found.first_call_seconds > 0.05
    assert found.seconds_per_item < 0.02


def test_one_item_is_all_there_is_to_know():
    found = sample(lambda _: time.sleep(0.01), [1])
    assert (found.count, found.positions) == (1, (0,))
    assert found.seconds_per_item == found.first_call_seconds >= 0.01


@pytest.mark.skipif(sys.platform == "win32", reason="the CPU clock of Windows is too coarse for so little")
def test_one_item_that_waits_is_seen_to_wait():
    assert sample(lambda _: time.sleep(0.02), [1]).cpu_fraction < 0.5


def test_a_budget_of_one_item_runs_one_item():
    seen = []
    assert sample(seen.append, range(1000), most_items=1).count == len(seen) == 1


def test_waiting_and_computing_are_distinguished():
    assert sample(lambda _: time.sleep(0.005), range(100), min_seconds=0.05).cpu_fraction < 0.3
    assert sample(lambda _: burn(0.005), range(100), min_seconds=0.05).cpu_fraction > 0.6


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not add up the CPU time of ended children")
def test_computing_in_a_child_process_counts_as_computing():
    code = "import time\nwhile time.process_time() < 0.15: pass"
    found = sample(lambda _: subprocess.run([sys.executable, "-S", "-c", code], check=True), range(50))
    assert found.cpu_fraction * found.seconds_per_item > 0.1


def burn_cpu(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


POOLS = []


def in_a_pool_that_stays(_):
    if not POOLS:
        POOLS.append(multiprocessing.get_context("fork").Pool(2))
    POOLS[0].map(burn_cpu, [0.02] * 4, 1)


def in_a_new_pool(_):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(burn_cpu, [0.02] * 4, 1)


def in_programs(_):
    code = "import time\nwhile time.process_time() < 0.05: pass"
    programs = [subprocess.Popen([sys.executable, "-S", "-c", code]) for _ in range(2)]
    for program in programs:
        program.wait()


def in_a_program_that_stays(_):
    """Have one program compute for each item, and wait for what it says."""
    if not POOLS:
        code = "import time\nwhile True:\n  input(); end = time.process_time() + 0.02\n"
        code += "  while time.process_time() < end: pass\n  print(1, flush=True)"
        command = [sys.executable, "-S", "-c", code]
        POOLS.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0))
    POOLS[0].stdin.write(b"\n")
    POOLS[0].stdout.readline()


@pytest.fixture
def no_pools():
    POOLS.clear()
    yield
    for each in POOLS:
        each.terminate()
        if not hasattr(each, "join"):
            each.stdin.close()
            each.stdout.close()
            each.wait()
        else:
            each.join()
    POOLS.clear()


linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not tell what live children take")


@linux
@pytest.mark.usefixtures("no_pools")
@pytest.mark.parametrize("before", [False, True], ids=["first started here", "started before"])
@pytest.mark.parametrize(
    ("func", "computed"),
    [(in_a_pool_that_stays, 0.08), (in_a_new_pool, 0.08), (in_programs, 0.1), (in_a_program_that_stays, 0.02)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_function_whose_child_processes_compute_is_not_taken_to_wait(func, computed, before):
    """An item has its children compute for so many seconds, which count however busy the machine is."""
    if before:
        func(0)
    found = sample(func, range(100), min_seconds=0.2, fraction=0.1)
    assert found.cpu_fraction * found.seconds_per_item > 0.8 * computed
    assert found.children_fraction > 0.5
    keeps_it = func in {in_a_pool_that_stays, in_a_program_that_stays}  # in a global, which threads share
    assert found.gil_fraction == 1.0 if keeps_it else found.gil_fraction < 0.7
    assert found.threads_variable is None


@linux
def test_a_child_process_that_merely_waits_computes_nothing():
    with subprocess.Popen(["sleep", "600"]) as idle:
        found = sample(lambda _: time.sleep(0.005), range(100), min_seconds=0.05)
        idle.kill()
    assert found.cpu_fraction < 0.3


def usable_cpus():
    return os.sched_getaffinity(0) if sys.platform == "linux" else None


def test_a_function_that_holds_the_interpreter_lock_is_seen():
    found = sample(lambda _: sum(range(100_000)), range(1000), min_seconds=0.02)
    assert found.gil_fraction is None or found.gil_fraction > 0.5


def test_a_function_that_lets_go_of_the_lock_is_measured_in_two_threads():
    block = bytes(4 << 20)
    names, places = set(), []

    def digest(_):
        names.add(threading.current_thread().name)
        places.append(usable_cpus())
        return hashlib.sha256(block).hexdigest()

    before = usable_cpus()
    found = sample(digest, range(1000), min_seconds=0.02)
    assert len(names) >= 3
    assert all(place == before for place in (*places, usable_cpus()))  # what an item starts may run anywhere
    assert 0 <= found.gil_fraction <= 1


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere a thread's waits are not distinguished from its process's"
)
def test_a_lock_that_is_handed_over_all_the_time_counts_as_held():
    def grouped(number):
        with contextlib.closing(sqlite3.connect(":memory:")) as base:  # which lets go of the lock for each row
            base.execute("create table t (a int)")
            base.executemany("insert into t values (?)", ((n % number,) for n in range(2000)))
            return base.execute("select count(distinct a) from t").fetchone()

    def held():
        return sample(grouped, range(10, 1000), min_seconds=0.02).gil_fraction or 0.0

    assert any(held() > 0.5 for _ in range(10))  # on a busy machine the two may hardly meet


def side(cpu, seconds, waits=0.0, delay=0.0):
    return types.SimpleNamespace(cpu=cpu, seconds=(0.0, seconds), waits=waits, delay=delay)


@pytest.mark.parametrize(
    ("runs", "held"),
    [
        ((side(0.01, 0.01), side(0.01, 0.01)), 0.0),
        ((side(0.01, 0.02), side(0.01, 0.02)), 1.0),
        ((side(0.01, 0.015), side(0.01, 0.015)), 0.5),
        ((side(0.01, 0.013, delay=0.003), side(0.01, 0.01)), 0.0),
        ((side(0.01, 0.02, delay=0.01), side(0.01, 0.01)), 1.0),  # half of it was other programs': nobody knows
        ((side(0.02, 0.02), side(0.02, 0.02)), 0.0),  # the machine was slower, or the items took longer
        ((side(0.02, 0.02, waits=300), side(0.02, 0.02, waits=300)), 1.0),  # they were handing the lock over
        ((side(0.015, 0.015, waits=400), side(0.015, 0.015)), 0.5),
        ((side(0.02, 0.02, waits=150), side(0.02, 0.02, waits=150)), 0.0),  # as often as they wait alone
        ((side(0.0, 0.02), side(0.01, 0.02)), None),
    ],
)
def test_two_threads_side_by_side_tell_how_long_the_lock_is_held(runs, held):
    assert gil_fraction_of(runs, 0.01, 200.0, 1.0) == (None if held is None else pytest.approx(held))
    assert gil_fraction_of(runs[::-1], 0.01, 200.0, 1.0) == (None if held is None else pytest.approx(held))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not tell")
def test_a_cpu_that_another_program_takes_is_not_waited_for(own_cpu):
    def computes_and_hardly_waits(_):
        until = time.thread_time() + 0.004
        while time.thread_time() < until:
            pass
        time.sleep(1e-6)

    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as rival:
        try:
            found = sample(computes_and_hardly_waits, range(100), min_seconds=0.3, fraction=1.0)
        finally:
            rival.kill()
    assert found.cpu_fraction > 0.8


def test_what_data_waits_for_is_not_the_functions_waiting():
    def slowly():
        for item in range(40):
            time.sleep(0.005)
            yield item

    found = sample(lambda _: burn(0.003), slowly())
    assert found.cpu_fraction > 0.8


def test_no_more_threads_leave_the_lock_unknown_and_nothing_behind(monkeypatch):
    before, starts = threading.active_count(), []
    start = threading.Thread.start

    def refuse_the_second(thread):
        starts.append(thread)
        if len(starts) == 2:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_the_second)
    found = sample(lambda _: burn(0.002), range(1000))
    assert len(starts) == 2
    assert found.gil_fraction is None
    assert threading.active_count() == before


def test_nothing_of_an_iterator_is_lost():
    source = Source(iter(range(1000)))
    Sampling(lambda _: None, source, Budget()).run()
    assert list(source.data([])) == list(range(1000))


def test_an_empty_source_is_refused():
    with pytest.raises(ValueError, match="source must have an item"):
        sample(abs, [])


def test_what_the_function_raises_comes_out_with_a_note_on_the_item():
    boom = KeyError("boom")

    def fail(item):
        if item == 500:
            raise boom

    with pytest.raises(KeyError) as caught:
        sample(fail, range(1000))
    assert caught.value is boom
    assert boom.__notes__ == ["amorsize was sampling the item at position 500: 500"]


def raise_in_threads(error):
    """Return a function that raises an error in each thread other than the main one."""

    def fail(item):
        if threading.current_thread() is not threading.main_thread():
            raise error
        burn(0.001)

    return fail


def test_what_only_the_threads_of_the_test_raise_says_that_threads_are_out():
    assert sample(raise_in_threads(KeyError("not in this thread")), range(10_000)).gil_fraction == 1.0


def test_what_ends_a_program_comes_out_of_a_thread():
    with pytest.raises(SystemExit) as caught:
        sample(raise_in_threads(SystemExit(3)), range(10_000))
    assert "position" in caught.value.__notes__[0]


@pytest.mark.parametrize("is_made_first", [True, False])
def test_two_threads_do_not_use_a_connection_that_items_share(is_made_first, tmp_path):
    @functools.cache
    def connection():
        return sqlite3.connect(tmp_path / "database")

    threads = set()

    def asks(item):
        threads.add(threading.get_ident())
        burn(0.001)
        return connection().execute("select ?", (item,)).fetchone()

    if is_made_first:
        connection()
    assert sample(asks, range(10_000)).gil_fraction == 1.0
    connection().close()
    assert threads == {threading.get_ident()}


def test_a_hostile_repr_does_not_hide_the_error():
    class Hostile:
        def __repr__(self):
            raise RuntimeError("no")

    with pytest.raises(ZeroDivisionError) as caught:
        sample(lambda _: 1 / 0, [Hostile()])
    assert caught.value.__notes__[0].startswith("amorsize was sampling the item at position 0: <Hostile")


def test_a_hostile_error_while_pickling_is_named_by_its_type():
    class HostileError(Exception):
        def __str__(self):
            raise RuntimeError("no words either")

    class Stubborn:
        def __call__(self, item):
            return item

        def __reduce__(self):
            raise HostileError

    assert "(HostileError)" in sample(Stubborn(), range(3)).blocked_reason


def test_the_lock_is_not_measured_when_no_items_are_left_for_it():
    source = Source(iter(range(3)))
    sampling_all = Sampling(lambda _: burn(0.002), source, Budget(min_seconds=1.0, worker_start_seconds=0.1))
    assert sampling_all.run().count == 3
    assert sampling_all.gil_fraction_of_two(1, 0.001, 1.0) is None
    assert sampling_all.count == 3


def test_threads_that_wait_for_each_other_are_given_up(monkeypatch):
    monkeypatch.setattr(sampling, "_STUCK_SECONDS", 0.2)
    running, over = [], threading.Event()

    def asks(item):
        running.append(item)
        if len(running) > 1:
            over.wait(60)  # as one that waits for an answer that another has read
        burn(0.02)
        running.remove(item)

    try:
        assert Sampling(asks, Source(range(1000)), Budget()).gil_fraction_of_two(1, 0.001, 1.0) == 1.0
    finally:
        over.set()


def test_the_lock_is_not_measured_where_items_must_run_one_after_another():
    def together(item):
        assert threading.current_thread() is threading.main_thread()
        burn(0.002)

    found = Sampling(together, Source(range(2000)), Budget(), in_order=True).run()
    assert found.gil_fraction == 1.0


@pytest.mark.parametrize(
    ("func", "data", "said"),
    [
        (lambda x: x, range(5), "the function test_"),
        (abs, [1, 2, 3], None),
        (id, [threading.Lock()], "an item cannot be pickled"),
        (iter, [[1], [2]], None),
        (memoryview, [b"1"], "a result cannot be pickled"),
    ],
)
def test_what_cannot_be_pickled_is_named(func, data, said):
    blocked_reason = sample(func, data).blocked_reason
    assert blocked_reason is None if said is None else said in blocked_reason or "cannot be pickled" in blocked_reason


def test_pickling_costs_grow_with_the_items():
    small = sample(len, [bytes(10)] * 10)
    large = sample(len, [bytes(10_000_000) for _ in range(3)])
    assert large.item_bytes > 1_000_000
    assert small.item_bytes < 100
    assert large.pickle_item_seconds > small.pickle_item_seconds


def test_memory_that_the_items_took_is_noticed():
    found = sample(lambda _: bytes(300 << 20).count(1), range(3))
    assert found.peak_bytes >= 0
    grown = sample(lambda _: len(bytearray(b"x") * (600 << 20)), range(2))
    assert grown.peak_bytes > 100 << 20


def test_a_long_job_of_even_items_is_not_looked_at_for_a_share_of_it(monkeypatch):
    passed = [0.0]

    def even(_):
        passed[0] += 0.01

    monkeypatch.setattr(sampling, "perf_counter", lambda: passed[0])  # no other program makes these items uneven
    found = sample(even, range(10**6), fraction=1.0)
    assert 50 <= found.count < 60


def test_a_trivial_job_of_ten_million_items_is_seen_through_at_once():
    began = time.perf_counter()
    found = sample(lambda x: x + 1, range(10**7))
    assert found.count < 100_000
    assert time.perf_counter() - began < 1.0


def test_one_of_a_few_dear_items_is_enough():
    assert sample(time.sleep, [0.02] * 4, worker_start_seconds=0.001).count == 1
    assert sample(time.sleep, [0.02] * 4, worker_start_seconds=0.01).count == 2
    assert sample(time.sleep, [0.02] * 40, worker_start_seconds=0.001).count == 2


def test_two_items_that_differ_leave_the_mean_in_doubt():
    found = sample(time.sleep, [0.01, 0.03, 0.02, 0.03, 0.02, 0.01, 0.03, 0.01], worker_start_seconds=0.01)
    assert found.count == 2
    assert found.spread_seconds >= abs(found.first_call_seconds - found.seconds_per_item) / 1.5
    assert found.spread_seconds > 0


def run_python(_):
    subprocess.run([sys.executable, "-S", "-c", "sum(range(300000))"], check=True)


def test_what_other_processes_compute_holds_no_lock_here():
    found = sample(run_python, range(40))
    assert found.gil_fraction is not None
    assert found.gil_fraction < 0.3


def test_the_lock_is_tested_on_some_forty_items():
    blocks = [bytes(8 << 20)] * 60
    found = sample(zlib.crc32, blocks, min_seconds=0.001, worker_start_seconds=1e-5)
    assert found.gil_fraction is not None


@pytest.mark.parametrize("make", [lambda: [iter([x]) for x in range(30)], lambda: groupby(range(60), lambda x: x // 2)])
def test_items_that_running_uses_up_do_not_run_in_the_caller(make):
    ran = []
    data = make()
    source = Source(data)
    with pytest.raises(SamplingError, match="the items are iterators or open files, which would be used up"):
        Sampling(ran.append, source, Budget(where="caller")).run()
    assert ran == []
    left = [list(item[1] if isinstance(item, tuple) else item) for item in source.data(data)]
    assert left == [list(item[1] if isinstance(item, tuple) else item) for item in make()]
