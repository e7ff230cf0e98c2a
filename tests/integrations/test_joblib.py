"""The joblib backend gives what joblib's own give, runs each task once, and never hangs, on every kind of worker."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import threading
import time
import warnings
from types import SimpleNamespace

import attrs
import joblib
import numpy as np
import psutil
import pytest
from integrations import jobs
from joblib import Parallel, delayed, parallel_config
from joblib._parallel_backends import SequentialBackend
from joblib.externals.loky import reusable_executor

from amorsize import AmorsizeWarning, WorkerError, default_client, execute, optimize
from amorsize.domain.values import Constraints, Sample
from amorsize.integrations.joblib import AmorsizeBackend, decision, nesting, worker_pool
from amorsize.integrations.joblib.call import _length_hint, pickled_bytes
from amorsize.integrations.joblib.clocks import Clocks, clocks, work
from amorsize.integrations.joblib.planning import SERIAL, Choice, Planner
from amorsize.integrations.joblib.restrictions import Restrictions

FORKS = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
KINDS = ["serial", "thread", pytest.param("process", marks=FORKS), "loky"]
WORKERS = ["thread", pytest.param("process", marks=FORKS), "loky"]


@pytest.fixture
def ours():
    """Have calls run by amorsize, and joblib's pool ended afterwards."""
    with parallel_config(backend="amorsize"):
        yield
    while nesting.busy_workers():  # a thread ends with the task that it is at
        time.sleep(0.001)
    if reusable_executor._executor is not None:
        reusable_executor._executor.shutdown(wait=True, kill_workers=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of what joblib's own pool leaves open
        gc.collect()


@pytest.fixture
def run_by(monkeypatch, ours):
    """Settle who runs all tasks but the first ones."""

    def settle(kind):
        choice = SERIAL if kind == "serial" else Choice(kind, 2)
        monkeypatch.setattr(Planner, "choose", lambda *_, **__: choice)
        monkeypatch.setattr(Planner, "may_try_threads", lambda *_: False)
        monkeypatch.setattr(decision, "FIRST_LOOK_SECONDS", 0.0)
        monkeypatch.setattr(worker_pool, "FIRST_LOOK_SECONDS", 0.0)
        monkeypatch.setattr(Planner, "least_forked_seconds", 0.0)

    return settle


def run(func, items, **options):
    return Parallel(n_jobs=2, **options)(delayed(func)(item) for item in items)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("return_as", ["list", "generator", "generator_unordered"])
def test_the_results_are_those_of_the_list_comprehension(run_by, kind, return_as):
    run_by(kind)
    results = list(run(jobs.square, range(50), return_as=return_as))
    assert (sorted(results) if return_as == "generator_unordered" else results) == [n * n for n in range(50)]


@pytest.mark.parametrize("kind", KINDS)
def test_each_task_runs_once(run_by, kind, tmp_path):
    run_by(kind)
    assert Parallel(n_jobs=2)(delayed(jobs.marked)(tmp_path, n) for n in range(40)) == list(range(40))
    assert sorted(int(path.name.partition("-")[0]) for path in tmp_path.iterdir()) == list(range(40))


@pytest.mark.parametrize("kind", WORKERS)
def test_workers_take_part(run_by, kind):
    run_by(kind)
    places = set(run(jobs.place, range(40), batch_size=1))
    assert places - {(os.getpid(), threading.get_ident())}
    assert ({pid for pid, _ in places} == {os.getpid()}) == (kind == "thread")


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_task_raises_is_raised(run_by, kind):
    run_by(kind)
    with pytest.raises(LookupError) as caught:
        run(jobs.failing, range(20))
    assert caught.value.args == ("the third", 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_after_one_that_failed_works(run_by, kind):
    run_by(kind)
    with Parallel(n_jobs=2) as parallel:
        with pytest.raises(LookupError):
            parallel(delayed(jobs.failing)(n) for n in range(20))
        assert parallel(delayed(jobs.square)(n) for n in range(5)) == [0, 1, 4, 9, 16]


@FORKS
def test_a_worker_that_ends_itself_is_an_error_and_no_hang(run_by):
    run_by("process")
    with pytest.raises(WorkerError, match="exit code 7"):
        Parallel(n_jobs=2, batch_size=1)(delayed(jobs.dying)(n, os.getpid()) for n in range(20))


@FORKS
def test_a_result_that_does_not_pickle_is_made_again_here_with_a_warning(run_by):
    run_by("process")
    with pytest.warns(AmorsizeWarning, match="does not pickle"):
        results = run(jobs.refusing, range(20), batch_size=1)
    assert isinstance(results[11], jobs.Refusing)
    assert results[:11] == list(range(11))


@FORKS
def test_a_warning_that_is_an_error_ends_a_call_in_the_background_without_a_hang(run_by):
    run_by("process")
    with pytest.raises((AmorsizeWarning, RuntimeError)):  # the tests' own filter makes an error of it
        list(run(jobs.refusing, range(60), batch_size=1, return_as="generator"))


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
    assert {pid for pid, _ in run(jobs.place, range(20))} == {os.getpid()}


@FORKS
def test_tasks_that_do_not_pickle_stay_in_this_process(ours, monkeypatch):
    monkeypatch.setattr(decision, "FIRST_LOOK_SECONDS", 0.0)
    lock = threading.Lock()

    def holds(held, number):
        time.sleep(0.002)
        return held is lock, number

    results = Parallel(n_jobs=2)(delayed(holds)(lock, n) for n in range(30))
    assert results == [(True, n) for n in range(30)]


@pytest.mark.parametrize("kind", KINDS)
def test_lambdas_and_closures_run_anywhere(run_by, kind):
    run_by(kind)
    more = 3
    assert run(lambda n: lambda: n + more, range(8))[4]() == 7


@pytest.mark.parametrize("kind", KINDS)
def test_thousands_of_tasks_do_not_break_the_stack(run_by, kind):
    run_by(kind)
    size = 1 if kind == "serial" else 100
    assert run(jobs.square, range(3000), batch_size=size, pre_dispatch="all")[-1] == 2999**2


def test_tasks_are_pulled_only_as_far_as_pre_dispatch_says(ours):
    pulled = []

    def items():
        for n in range(10):
            pulled.append(n)
            yield n

    done = Parallel(n_jobs=2, batch_size=1, pre_dispatch=2)(delayed(lambda: len(pulled))() for _ in items())
    assert done[0] <= 3


def test_a_time_limit_ends_a_call(ours):
    with pytest.raises(multiprocessing.TimeoutError):
        run(jobs.sleeping, [0.5] * 4, timeout=0.05)


@pytest.mark.filterwarnings("ignore:Exception in thread ExecutorManagerThread")  # of joblib's own pool, as it is killed
@pytest.mark.parametrize("kind", WORKERS)
def test_an_abandoned_generator_ends_its_call(run_by, kind):
    run_by(kind)
    results = run(jobs.sleeping, [0.01] * 60, return_as="generator", batch_size=1)
    assert next(results) == 0.01
    with pytest.warns(UserWarning, match="tasks"):
        del results


@FORKS
def test_no_process_is_left_after_a_call(run_by):
    run_by("process")
    before = psutil.Process().children()
    run(jobs.square, range(50))
    assert psutil.Process().children() == before


def test_the_number_of_jobs_is_a_cap_and_none_leaves_it_open(ours):
    backend = AmorsizeBackend(nesting_level=0)
    assert backend.effective_n_jobs(None) == backend.effective_n_jobs(-1) == joblib.cpu_count()
    assert backend.effective_n_jobs(3) == joblib.effective_n_jobs(3) == 3
    assert Parallel().n_jobs == -1
    with pytest.raises(ValueError, match="n_jobs == 0"):
        backend.effective_n_jobs(0)


def test_one_job_runs_as_joblib_runs_it(ours):
    parallel = Parallel(n_jobs=1)
    assert parallel(delayed(jobs.place)(n) for n in range(3)) == [(os.getpid(), threading.get_ident())] * 3
    assert isinstance(parallel._backend, SequentialBackend)


@pytest.mark.parametrize("options", [{"prefer": "threads"}, {"require": "sharedmem"}])
def test_who_wants_threads_gets_no_processes(ours, options):
    seen = []
    Parallel(n_jobs=2, **options)(delayed(lambda n: (time.sleep(0.002), seen.append(n)))(n) for n in range(60))
    assert sorted(seen) == list(range(60))


def test_the_backend_stays_ours_where_memory_must_be_shared(ours):
    parallel = Parallel(n_jobs=2, require="sharedmem")
    parallel(delayed(jobs.square)(n) for n in range(4))
    assert isinstance(parallel._backend, AmorsizeBackend)


@pytest.mark.parametrize("kind", KINDS)
def test_calls_inside_tasks_give_the_same(run_by, kind):
    run_by(kind)
    for results, backend in run(jobs.nested, [5] * 6):
        assert results == [0, 1, 4, 9, 16]
        assert backend in {"AmorsizeBackend", "SequentialBackend"}


@pytest.mark.parametrize(
    ("seconds", "backends"), [(1e9, ["AmorsizeBackend"] + ["SequentialBackend"] * 5), (0.0, ["AmorsizeBackend"] * 6)]
)
def test_calls_inside_tasks_run_serially_after_a_short_one(run_by, monkeypatch, seconds, backends):
    run_by("serial")
    monkeypatch.setattr(nesting, "SHORT_SECONDS", seconds)
    monkeypatch.setattr(
        "amorsize.integrations.joblib.backend.cpu_count", lambda: 64
    )  # calls of other tests may still end
    for _ in range(2):  # each call learns it anew
        assert [backend for _, backend in run(jobs.nested, [5] * 6)] == backends


def test_after_some_serial_calls_one_may_have_workers_again():
    inner = nesting.InnerCalls()
    assert inner.may_have_workers()
    inner.note(0.001)
    assert [inner.may_have_workers() for _ in range(17)].count(True) == 2
    inner.note(0.001)
    inner.note(1.0)
    assert inner.may_have_workers()


@FORKS
def test_a_call_inside_a_forked_worker_runs_serially(run_by):
    run_by("process")
    first, *_, last = run(jobs.nested, [3] * 12, batch_size=1)
    assert first[0] == last[0]
    assert last[1] == "SequentialBackend"


@FORKS
def test_a_forked_worker_does_not_wait_for_a_pool_of_its_parent(run_by):
    run_by("process")
    Parallel(n_jobs=2, backend="loky")(delayed(jobs.square)(n) for n in range(4))
    results = Parallel(n_jobs=2, batch_size=1)(delayed(jobs.nested)(3, "loky") for _ in range(8))
    assert [each for each, _ in results] == [[0, 1, 4]] * 8


def test_a_switch_turns_workers_off(ours, monkeypatch):
    monkeypatch.setenv("AMORSIZE_DISABLE", "1")
    assert AmorsizeBackend(nesting_level=0).effective_n_jobs(-1) == 1
    assert set(run(jobs.place, range(4))) == {(os.getpid(), threading.get_ident())}


@pytest.mark.parametrize("kind", KINDS)
def test_large_arrays_reach_the_tasks(run_by, kind):
    run_by(kind)
    array = np.ones(300_000)
    seen = run(jobs.total, [array] * 20, batch_size=1)
    assert {each for _, each in seen} == {300_000.0}
    assert {name for name, _ in seen[10:]} == ({"memmap"} if kind == "loky" else {"ndarray"})


def test_an_initializer_has_been_called_wherever_a_task_runs(ours, tmp_path):
    options = {"initializer": jobs.begin, "initargs": (tmp_path,)}
    assert all(Parallel(n_jobs=2, **options)(delayed(jobs.was_begun)(tmp_path) for _ in range(8)))


def test_progress_is_printed(ours, capsys):
    run(jobs.square, range(20), verbose=60)
    assert "Done" in capsys.readouterr().out


def test_a_second_call_knows_the_function(ours, monkeypatch):
    asked = []
    recall = Planner.recall
    monkeypatch.setattr(Planner, "recall", lambda *args: asked.append(recall(*args)) or asked[-1])
    for _ in range(2):
        run(jobs.sleeping, [0.001] * 30)
    first, second = asked
    assert first is None
    assert second is not None


def test_a_mapping_of_a_generator_tells_how_many_tasks_are_left():
    inner = (n for n in [1, 2, 3])
    assert _length_hint(outer for outer in inner) == 3
    assert _length_hint(x for x in zip(range(5), [1, 2], strict=False)) == 2
    assert _length_hint(x for x in enumerate("abcd")) == 4
    assert _length_hint(iter(lambda: 1, 2)) is None


def test_threads_that_wait_for_the_gil_are_seen():
    planner = Planner(2, Restrictions(wants_threads=False), is_cap=True, executor="auto")
    planner.note_threads(computed=0.1, idle=0.001, switches=40, threads=2)
    assert not planner.waits_for_gil
    planner.note_threads(computed=0.1, idle=0.1, switches=20, threads=2)
    assert planner.waits_for_gil


def test_clocks_count_what_a_thread_has_computed():
    before = clocks()
    sum(range(1_000_000))
    now = clocks()
    assert now.computed > before.computed
    assert now.asked > before.asked


@pytest.mark.parametrize(
    ("now", "shared", "found"),
    [
        (Clocks(1.0, 1.0, 0.4, 0), False, (0.4, 0.4)),  # it waited for a CPU that others had
        (Clocks(1.9, 0.9, 0.9, 0), False, (1.0, 1.9)),  # it ran threads of its own
        (Clocks(1.9, 0.9, 0.8, 0), True, (0.8, 0.8)),  # other threads ran beside it
        (Clocks(0.3, 0.3, 0.2, 9), False, (1.0, 0.3)),  # it waited for an answer
    ],
)
def test_a_batch_that_computes_takes_what_it_would_on_a_cpu_of_its_own(now, shared, found):
    assert work(1.0, Clocks(0.0, 0.0, 0.0, 0), now, shared=shared) == pytest.approx(found)


@FORKS
def test_a_batch_that_is_not_worth_a_fork_runs_here(run_by, monkeypatch):
    run_by("process")
    monkeypatch.setattr(Planner, "least_forked_seconds", 1e9)
    assert {pid for pid, _ in run(jobs.place, range(20))} == {os.getpid()}


def test_what_a_function_of_the_main_module_reads_counts_for_loky(monkeypatch):
    space = {"__name__": "__main__", "TABLE": np.ones(100_000)}
    exec("def reads(number):\n return TABLE[number]", space)
    monkeypatch.setattr(sys.modules["__main__"], "reads", space["reads"], raising=False)
    assert pickled_bytes(SimpleNamespace(items=[(space["reads"], (1,), {})]), [1.0])[0] > 800_000
    assert pickled_bytes(SimpleNamespace(items=[(jobs.square, (1,), {})]), [1])[0] < 1000


def test_loky_is_not_used_where_batches_take_long_to_send(monkeypatch):
    machine = default_client()._calls.optimizer().machine()
    monkeypatch.setattr(Planner, "_machine", attrs.evolve(machine, usable_cpus=4.0, logical_cores=4, load=0.0))
    monkeypatch.setattr("amorsize.integrations.joblib.loky.is_warm", lambda: True)
    restrictions = Restrictions(wants_threads=False)
    restrictions.rule_out_forks("the settings say so")
    planner = Planner(4, restrictions, is_cap=False, executor="auto")
    sample = Sample(5, 0.01, 0.0, 0.01, 1.0)
    assert planner.choose(sample, 100, assumed=False).kind == "loky"
    assert not planner.note_batch_bytes(1000)
    assert planner.note_batch_bytes(1_000_000_000)
    assert planner.choose(sample, 100, assumed=False) == SERIAL


def test_the_backend_travels_as_what_it_is():
    found = AmorsizeBackend(nesting_level=1, inner_max_num_threads=1)
    assert found.__reduce__() == (AmorsizeBackend, (1, 1))


def sums(count):
    return execute(abs, range(-count, 0))


def test_a_worker_of_joblibs_own_pool_may_call_execute():
    with parallel_config(backend="loky"):
        assert Parallel(2)(delayed(sums)(count) for count in (2, 3)) == [[2, 1], [3, 2, 1]]
    reusable_executor._executor.shutdown(wait=True, kill_workers=True)


@pytest.mark.parametrize(
    ("func", "columns"),
    [(str.upper, (["word"] * 40,)), (str.replace, (["word"] * 40, ["w"] * 40, ["W"] * 40))],
    ids=["one", "three"],
)
def test_what_optimize_has_stored_is_known_to_a_call(func, columns):
    def known():
        planner = Planner(2, Restrictions(wants_threads=False), is_cap=False, executor="auto")
        return planner.recall(func, tuple(column[0] for column in columns), 40)

    assert known() is None
    stored = optimize(func, *columns, profile=False)
    assert stored.cache == "miss"
    assert known().seconds_per_item > 0


def test_execute_knows_what_a_call_has_learnt(ours):
    Parallel()(delayed(jobs.total)(array) for array in [np.ones(1000)] * 40)
    optimizer = default_client()._calls.optimizer()
    known = optimizer.recall(jobs.total, [np.ones(1000)] * 40, Constraints())
    assert known.sample.count == 40


def test_a_short_rest_runs_here_whatever_is_known():
    restrictions = Restrictions(wants_threads=False)
    planner = Planner(2, restrictions, is_cap=False, executor="auto")
    sample = Sample(5, 1e-5, 0.0, 1e-5, 1.0)
    assert planner.choose(sample, 100, assumed=False) == SERIAL
    long = attrs.evolve(sample, seconds_per_item=1.0)
    restrictions.rule_out_processes("these cannot be pickled")
    assert planner.choose(attrs.evolve(long, cpu_fraction=0.0), 100, assumed=False).kind == "thread"
