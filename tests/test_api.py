"""The public functions with the real adapters, as a user calls them."""

from __future__ import annotations

import gc
import multiprocessing
import time
from multiprocessing.pool import ThreadPool
from weakref import WeakSet

import numpy as np
import pytest
from api_jobs import JOBS, double, fresh, spin
from fakes import FakeInspector, FakeProbe

import amorsize
from amorsize import composition as assembly
from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions

METHODS = multiprocessing.get_all_start_methods()


@pytest.mark.parametrize(
    "data",
    [
        list(range(50)),
        tuple(range(50)),
        range(50),
        set(range(50)),
        dict.fromkeys(range(50)),
        np.arange(50),
        np.arange(100).reshape(50, 2),
        "abcdefgh",
        b"abcdefgh",
        [],
    ],
    ids=lambda data: type(data).__name__,
)
def test_the_documented_use_works_on_sized_data(data):
    r = amorsize.optimize(double, data)
    with ThreadPool(r.n_jobs) as pool:
        results = pool.map(double, r.data, r.chunksize)
    assert [str(one) for one in results] == [str(double(item)) for item in data]
    assert r.data is data


@pytest.mark.parametrize("make", [iter, lambda data: (x for x in data), lambda data: map(int, data)])
@pytest.mark.parametrize("count", [0, 1, 3, 5000])
def test_the_documented_use_works_on_iterators_and_loses_nothing(make, count):
    r = amorsize.optimize(double, make(range(count)))
    with ThreadPool(r.n_jobs) as pool:
        assert pool.map(double, r.data, r.chunksize) == [2 * x for x in range(count)]


def test_a_pool_of_processes_takes_the_advice_as_it_is():
    r = amorsize.optimize(spin, range(3000), executor="process")
    with multiprocessing.Pool(r.n_jobs) as pool:
        assert pool.map(spin, r.data, r.chunksize) == [spin(x) for x in range(3000)]


@pytest.mark.parametrize("cache", ["json", "sqlite", "memory"])
def test_every_cache_answers_the_second_call(cache):
    assert amorsize.optimize(spin, range(2000), cache=cache).cache == "miss"
    assert amorsize.optimize(spin, range(2000), cache=cache).cache == "hit"


@pytest.mark.parametrize("cache", ["json", "sqlite"])
def test_the_entry_is_there_after_the_near_memory_has_forgotten(cache):
    settings = {"cache": cache}
    assert amorsize.optimize(spin, range(2000), config=settings).cache == "miss"
    assert amorsize.optimize(spin, range(2000), config=settings).cache == "hit"


@pytest.mark.parametrize("method", METHODS)
def test_every_probe_knows_what_workers_cost_and_advises(method):
    r = amorsize.optimize(spin, range(3000), probe=method, inspector=FakeInspector(), profile=True)
    assert r.profile.overheads.start_method == method
    assert r.profile.overheads.start_seconds + r.profile.overheads.start_worker_seconds > 0
    assert r.executor in {"serial", "process"}


def test_advice_is_for_the_machine_that_is_stated():
    inspectors = {"fixed": {"physical_cores": 16, "usable_cpus": 16.0}}
    config = {"inspector": "fixed", "inspectors": inspectors, "probe": "fixed"}
    config["probes"] = {"fixed": {"seconds_per_item": 0.001}}
    r = amorsize.optimize(spin, range(20_000), config=config, profile=True)
    assert r.profile.machine.physical_cores == 16
    assert 8 <= r.n_jobs <= 16


def test_arguments_beat_the_config():
    config = {"limits": {"max_workers": 1}, "inspector": "fixed", "probe": "fixed"}
    config["probes"] = {"fixed": {"seconds_per_item": 0.002, "cpu_fraction": 0.01}}
    assert amorsize.optimize(spin, range(3000), config=config).n_jobs == 1
    assert amorsize.optimize(spin, range(3000), config=config, max_workers=8, executor="thread").n_jobs == 8


def test_the_executor_of_the_config_counts_for_what_lookup_says_too():
    config = {"executor": "thread", "inspector": "fixed", "probe": "fixed"}
    config["probes"] = {"fixed": {"seconds_per_item": 0.01, "cpu_fraction": 1.0}}
    assert amorsize.optimize(spin, range(3000), config=config).executor != "process"
    assert amorsize.lookup(spin, range(3000), config=config)[0] == "hit"


def test_waiting_goes_to_threads():
    r = amorsize.optimize(time.sleep, [0.003] * 400)
    assert r.executor == "thread"
    assert r.n_jobs >= 8


def test_lambdas_get_no_processes_and_a_warning_that_says_so():
    r = amorsize.optimize(lambda x: sum(range(20_000)), range(3000))
    assert r.executor == "serial"
    assert any("lambda" in warning for warning in r.warnings)


def rows(x):
    for _ in range(x):
        time.sleep(10)
        yield x


@pytest.mark.parametrize("executor", ["auto", "thread"])
@pytest.mark.parametrize(
    ("func", "kind"), [(rows, "a generator"), (lambda x: map(time.sleep, [10] * x), "an iterator")]
)
def test_a_result_that_does_its_work_later_is_said_also_from_the_cache(func, kind, executor):
    for cache in ("miss", "hit"):
        config = {"executor": executor}  # no answer is kept in memory from one call to the next
        r = amorsize.optimize(func, range(1000), config=config)
        assert r.cache == cache, r.cache_reason
        assert any(warning.startswith(f"a call returns {kind}: its work is done later") for warning in r.warnings)


def test_verbose_prints_the_explanation(capsys):
    amorsize.optimize(double, [1, 2, 3], verbose=True)
    assert "why:" in capsys.readouterr().out


def test_a_result_says_itself_in_one_line_in_three_and_in_full(capsys):
    r = amorsize.optimize(spin, range(3000), inspector=FakeInspector(), profile=True)
    assert len(repr(r).splitlines()) == 1
    assert len(str(r).splitlines()) == 3
    r.explain()
    said = capsys.readouterr().out
    for word in ("sampled", "machine:", "overheads (", "compared:", "serial would take"):
        assert word in said


def test_a_result_has_every_figure():
    r = amorsize.optimize(spin, range(3000))
    low, high = r.speedup_interval
    assert low <= r.estimated_speedup <= high
    assert r.predicted_seconds > 0
    assert r.serial_seconds > 0
    assert isinstance(r.reason, str)
    assert r.profile is None


def test_the_cache_can_be_counted_pruned_and_cleared(own_place):
    amorsize.optimize(spin, range(2000))
    assert amorsize.get_cache_dir() == own_place / "cache"
    assert amorsize.open_cache().stats().entries == 1
    assert amorsize.prune_expired_cache() == 0
    assert amorsize.clear_cache() == 1
    assert amorsize.clear_cache() == 0
    with pytest.raises(ValueError, match="ttl_seconds must be"):
        amorsize.prune_expired_cache(-1)


def test_the_cache_counts_what_this_process_made_of_it():
    for _ in range(3):
        amorsize.optimize(spin, range(2000))
    stats = amorsize.open_cache().stats()
    assert (stats.hits, stats.misses) == (2, 1)
    assert stats.seconds_saved > 0


def test_a_look_up_runs_nothing():
    assert amorsize.lookup(spin, range(2000)) == ("miss", "no entry for this function")
    amorsize.optimize(spin, range(2000))
    assert amorsize.lookup(spin, range(2000))[0] == "hit"


def test_warming_measures_the_machine_once_and_later_plans_rest_on_that():
    def known_overheads():
        return amorsize.optimize(spin, range(3000), profile=True, config={}).profile.overheads

    assert known_overheads().source != "measured"
    assert amorsize.warm_cache(config={}) == []
    measured = known_overheads()
    assert measured.source == "measured"
    assert amorsize.warm_cache(config={}) == []
    assert known_overheads().measured_at == measured.measured_at


def test_the_functions_listed_in_the_config_are_warmed(tmp_path, monkeypatch):
    (tmp_path / "warm_jobs.py").write_text(JOBS)
    monkeypatch.syspath_prepend(tmp_path)
    config = {
        "warm": [{"function": "warm_jobs:work", "range": [0, 500]}, {"function": "nowhere:work", "range": [0, 5]}]
    }
    (first, good), (second, bad) = amorsize.warm_cache(config=config)
    assert (first, good.cache) == ("warm_jobs:work", "miss")
    assert second == "nowhere:work"
    assert isinstance(bad, amorsize.AmorsizeError)
    assert amorsize.warm_cache(config=config)[0][1].cache == "hit"


def test_the_default_cache_folder_is_the_users(monkeypatch):
    monkeypatch.delenv("AMORSIZE_CACHE_DIR")
    assert amorsize.get_cache_dir().parts[-2:] == ("amorsize", "optimization_cache")


def test_a_cache_that_was_cleared_is_empty_for_the_near_memory_too():
    amorsize.optimize(spin, range(2000))
    amorsize.clear_cache()
    assert amorsize.optimize(spin, range(2000)).cache == "miss"


def test_a_fingerprint_is_16_hex_digits():
    assert len(str(amorsize.fingerprint(double))) == 16
    int(str(amorsize.fingerprint(double)), 16)
    with pytest.raises(TypeError, match="fingerprint: func must be callable, got 3"):
        amorsize.fingerprint(3)


def test_a_store_a_probe_and_an_inspector_can_be_given_as_they_are():
    store, probe, inspector = MemoryCache(MemoryOptions()), FakeProbe(), FakeInspector()
    func = fresh("given", 2700)
    for said in ("miss", "hit"):
        assert amorsize.optimize(func, range(2000), cache=store, probe=probe, inspector=inspector).cache == said
    assert probe.asked["sample"] == 1
    assert inspector.asked >= 1
    assert any(locator.startswith("func:") for locator in store.locators())
    assert amorsize.open_cache().stats().entries == 0


def test_many_stores_given_in_turn_are_kept_apart_and_not_all_kept():
    func, alive = fresh("many", 2800), WeakSet()
    for _ in range(2 * assembly._MOST_OPTIMIZERS + 6):
        store = MemoryCache(MemoryOptions())
        alive.add(store)
        assert amorsize.optimize(func, range(2000), cache=store, probe=FakeProbe()).cache == "miss"
    gc.collect()
    assert len(alive) <= assembly._MOST_OPTIMIZERS


def test_a_fixture_of_the_pytest_plugin_isolates_the_cache(amorsize_cache, own_place):
    assert amorsize.get_cache_dir() != own_place / "cache"
    assert amorsize_cache.stats().entries == 0
    amorsize.optimize(spin, range(2000))
    assert amorsize_cache.stats().entries == 1


def test_a_range_of_more_items_than_an_index_can_count_has_an_answer():
    result = amorsize.optimize(abs, range(10**20))
    assert next(iter(result.data)) == 0
