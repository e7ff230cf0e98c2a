"""Threads that nobody asked for run no task that keeps state in globals, or that this process must run in order."""

from __future__ import annotations

import os
import random
import threading
import time

import joblib
import pytest
from fakes import even_sample
from integrations.joblib import jobs
from integrations.joblib.kinds import FORKS, on_workers
from joblib import Parallel, delayed

from amorsize import execute
from amorsize.integrations.joblib import decision
from amorsize.integrations.joblib.planning import SERIAL, Choice, Planner
from amorsize.integrations.joblib.restrictions import Restrictions

WAITING = even_sample(0.05, cpu_fraction=0.0)
"""Tasks that wait: threads are the first choice for them."""

HERE = (os.getpid(), threading.get_ident())


@pytest.fixture
def closed():
    """Close afterwards what tasks have kept in this process."""
    yield
    for file in (jobs.FILE, jobs.Drawer.file):
        if file is not None:
            file.close()
    jobs.FILE = jobs.Drawer.file = None


def restrictions_of(func, executor="auto"):
    restrictions = Restrictions(wants_threads=executor == "thread")
    restrictions.check(func)
    return restrictions


def planner_with(restrictions, executor="auto"):
    return Planner(4, restrictions, is_cap=True, executor=executor)


def may_use_threads(func, executor="auto"):
    restrictions = restrictions_of(func, executor)
    restrictions.rule_out_processes("these cannot be pickled")
    return planner_with(restrictions, executor).choose(WAITING, 100, assumed=False).kind == "thread"


def run(func, count, **options):
    return on_workers(func, range(count), n_jobs=4, batch_size=1, **options)


KEEPING = pytest.mark.parametrize("func", [jobs.boxed, jobs.cached], ids=["global", "item"])


@KEEPING
@pytest.mark.parametrize("options", [{}, {"prefer": "processes"}, {"return_as": "generator"}])
def test_a_function_that_keeps_state_in_a_global_gives_what_loky_gives(ours, func, options):
    for _ in range(2):  # the second call knows the function
        results = list(run(func, 12, **options))
        assert [number for number, _ in results] == list(range(12))
        processes = {pid for _, (pid, _) in results}
        assert len({place for _, place in results}) == len(processes)  # one thread in each


@KEEPING
def test_only_threads_that_were_asked_for_may_run_it(func):
    assert planner_with(restrictions_of(func)).choose(WAITING, 100, assumed=False).kind != "thread"
    assert not may_use_threads(func)
    assert may_use_threads(func, "thread")
    assert may_use_threads(jobs.patient)


@pytest.mark.filterwarnings("ignore:execute. items run in the caller's process")  # where earlier tests rule forks out
@KEEPING
def test_execute_gives_it_no_threads_either(func):
    places = [place for _, place in execute(func, range(40))]
    assert len(set(places)) == len({pid for pid, _ in places})  # one thread in each process
    assert {pid for _, (pid, _) in execute(func, range(4), executor="thread")} == {os.getpid()}


@pytest.mark.parametrize("prefer", [None, "threads"])
def test_a_function_with_a_generator_runs_in_the_caller_in_order(ours, monkeypatch, prefer):
    monkeypatch.setattr(jobs, "GENERATOR", random.Random(7))
    plain = random.Random(7)
    results = run(jobs.drawn, 8, prefer=prefer)
    assert results == [(plain.random(), HERE) for _ in range(8)]


def test_attributes_count_in_functions_of_the_user_only(monkeypatch):
    assert not may_use_threads(jobs.numbered)
    monkeypatch.setattr("amorsize.integrations.joblib.restrictions.is_installed", lambda _: True)
    assert may_use_threads(jobs.numbered)
    assert not may_use_threads(jobs.boxed)


def test_a_memorized_function_is_looked_into(tmp_path):
    memory = joblib.Memory(tmp_path, verbose=0)
    assert not may_use_threads(memory.cache(jobs.boxed))


@pytest.mark.parametrize("first", ["thread", "trial"])
def test_no_thread_takes_a_later_task_of_another_function_that_keeps_state(ours, monkeypatch, first):
    choose = Planner.choose
    monkeypatch.setattr(
        Planner,
        "choose",
        lambda self, *args, **options: (
            choose(self, *args, **options) if self._restrictions.no_thread else Choice(first, 4)
        ),
    )
    monkeypatch.setattr(decision, "FIRST_LOOK_SECONDS", 1e-9)
    tasks = [delayed(jobs.patient)(number) for number in range(12)]
    tasks += [delayed(jobs.boxed)(number) for number in range(12, 24)]
    results = Parallel(n_jobs=4, batch_size=1)(tasks)
    assert [number for number, _ in results] == list(range(24))
    kept = [place for _, place in results[12:]]
    assert len(set(kept)) == len({pid for pid, _ in kept})


@pytest.mark.parametrize("kind", ["process", "loky"])
def test_a_later_task_that_is_bound_to_this_process_runs_in_the_caller(ours, monkeypatch, kind):
    monkeypatch.setattr(jobs, "GENERATOR", random.Random(7))
    monkeypatch.setattr(Planner, "choose", lambda *_, **__: Choice(kind, 2))
    monkeypatch.setattr(decision, "FIRST_LOOK_SECONDS", 1e-9)
    tasks = [delayed(jobs.patient)(number) for number in range(8)] + [delayed(jobs.drawn)(0) for _ in range(8)]
    results = Parallel(n_jobs=2, batch_size=1)(tasks)
    plain = random.Random(7)
    assert [number for number, _ in results[:8]] == list(range(8))
    assert results[8:] == [(plain.random(), HERE) for _ in range(8)]


@FORKS
@pytest.mark.parametrize("func", [jobs.written, jobs.written_to_class], ids=["global", "class"])
def test_no_worker_is_forked_once_tasks_have_left_a_file_open(ours, closed, monkeypatch, func):
    kinds = {"process": Choice("process", 2), "loky": Choice("loky", 2)}
    monkeypatch.setattr(
        Planner,
        "choose",
        lambda self, *_, **__: (
            SERIAL if self._restrictions.no_process else kinds["loky" if self._restrictions.no_fork else "process"]
        ),
    )
    monkeypatch.setattr(decision, "FIRST_LOOK_SECONDS", 1e-9)
    for _ in range(2):
        assert [number for number, _ in run(func, 12)] == list(range(12))
    found = restrictions_of(func)
    assert found.no_process or "a file" in found.no_fork


@FORKS
def test_no_process_is_forked_once_tasks_have_started_threads_of_openmp(run_by, monkeypatch):
    run_by("process")
    why = "an OpenMP library runs threads in this process"
    monkeypatch.setattr(Restrictions, "why_no_fork_now", lambda _: why)
    monkeypatch.setattr(
        Planner,
        "choose",
        lambda self, *_, **__: SERIAL if self._restrictions.no_fork == why else Choice("process", 2),
    )
    assert {pid for pid, _ in on_workers(jobs.place, range(20))} == {os.getpid()}


@FORKS
def test_tasks_that_do_not_pickle_stay_in_this_process(ours, monkeypatch):
    monkeypatch.setattr(decision, "FIRST_LOOK_SECONDS", 0.0)
    lock = threading.Lock()

    def holds(held, number):
        time.sleep(0.002)
        return held is lock, number

    results = Parallel(n_jobs=2)(delayed(holds)(lock, n) for n in range(30))
    assert results == [(True, n) for n in range(30)]
