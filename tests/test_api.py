"""The public functions with the real adapters, as a user calls them."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from multiprocessing.pool import ThreadPool
from pathlib import Path
from types import SimpleNamespace

import attrs
import numpy as np
import pytest
from fakes import FakeInspector, FakeProbe

import amorsize
from amorsize import api, assembly
from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions
from amorsize.errors import AmorsizeWarning, ConfigError, PluginError
from amorsize.plugins import Backends

METHODS = multiprocessing.get_all_start_methods()
JOBS = """
def work(x):
    return sum(range(2500)) + int(x)
"""


def double(x):
    return x * 2


def spin(x):
    return sum(range(20_000)) + int(x)


def fresh(name, value):
    """Return a function that no other test has cached."""
    scope = {"__name__": "fresh_jobs"}
    exec(f"def {name}(x):\n    return sum(range({value}))", scope)
    return scope[name]


@pytest.fixture
def run(tmp_path):
    """Return a function that runs code as a script, by -c or by standard input, and gives back what it printed."""
    (tmp_path / "jobs.py").write_text(JOBS)

    def run(source, way="script", **options):
        source = textwrap.dedent(source)
        arguments = {"script": ["main.py"], "-c": ["-c", source], "stdin": ["-"], "repl": ["-i", "-q"]}[way]
        (tmp_path / "main.py").write_text(source)
        # bytecode of a module rewritten within a second, as long as before, would pass for the new one's
        own = {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        environment = {**os.environ, **own, **options.pop("env", {})}
        environment.pop("VIRTUAL_ENV", None)  # IPython warns when it is not the one that runs
        done = subprocess.run(
            [sys.executable, *arguments],
            input=source if way in {"stdin", "repl"} else "",
            capture_output=True,
            text=True,
            timeout=120,
            cwd=tmp_path,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        if way != "repl":
            assert done.stderr == ""
        assert "Traceback" not in done.stderr
        return done.stdout

    run.folder = tmp_path
    return run


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
def test_every_probe_measures_this_machine_and_advises(method):
    r = amorsize.optimize(spin, range(3000), probe=method, profile=True)
    assert r.profile.overheads.start_method == method
    assert r.profile.overheads.start_seconds + r.profile.overheads.start_worker_seconds > 0
    assert r.executor in {"serial", "process"}


def test_a_stated_machine_gives_the_same_advice_anywhere():
    config = {"inspector": "fixed", "inspectors": {"fixed": {"physical_cores": 16, "usable_cpus": 16.0}}}
    r = amorsize.optimize(spin, range(20_000), config=config, profile=True)
    assert r.profile.machine.physical_cores == 16
    assert r.n_jobs > 4


def test_arguments_beat_the_config():
    config = {"advice": {"max_workers": 1}}
    assert amorsize.optimize(spin, range(3000), config=config).n_jobs == 1
    assert amorsize.optimize(time.sleep, [0.002] * 500, config=config, max_workers=8, executor="thread").n_jobs == 8


def test_waiting_goes_to_threads():
    r = amorsize.optimize(time.sleep, [0.003] * 400)
    assert r.executor == "thread"
    assert r.n_jobs >= 8


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_workers": 0}, "optimize: max_workers must be a whole number from 1 to 65536, got 0"),
        ({"max_workers": -3}, "max_workers must be"),
        ({"max_workers": 2.5}, "max_workers must be"),
        ({"memory_limit": -1}, "memory_limit must be"),
        ({"min_speedup": 0.5}, "min_speedup must be a number from 1"),
        ({"min_speedup": float("nan")}, "min_speedup must be"),
    ],
)
def test_a_limit_out_of_range_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        amorsize.optimize(double, [1, 2], **options)


def test_an_executor_that_nobody_offers_is_refused():
    with pytest.raises(amorsize.PluginError, match="executor must be one of 'auto', 'process', .*got 'rocket'"):
        amorsize.optimize(double, [1, 2], executor="rocket")


@pytest.mark.parametrize(("func", "data"), [(None, [1]), (double, None), (double, 5)])
def test_what_cannot_be_run_is_a_type_error(func, data):
    with pytest.raises(TypeError, match="optimize: (func|data) must be"):
        amorsize.optimize(func, data)


def test_wrong_settings_and_unknown_backends_are_said():
    with pytest.raises(ConfigError, match="rules.ttl_seconds"):
        amorsize.optimize(double, [1], config={"rules": {"ttl_seconds": "long"}})
    with pytest.raises(PluginError, match="jsno"):
        amorsize.optimize(double, [1], cache="jsno")


def test_an_error_of_the_function_comes_out_with_a_note():
    with pytest.raises(ZeroDivisionError) as caught:
        amorsize.optimize(lambda x: 1 // x, [0, 0, 0])
    assert "position" in caught.value.__notes__[0]


def test_lambdas_get_no_processes_and_a_warning_that_says_so():
    r = amorsize.optimize(lambda x: sum(range(20_000)), range(3000))
    assert r.executor == "serial"
    assert any("lambda" in warning for warning in r.warnings)


def test_verbose_prints_the_explanation(capsys):
    amorsize.optimize(double, [1, 2, 3], verbose=True)
    assert "why:" in capsys.readouterr().out


def test_a_result_says_itself_in_one_line_in_three_and_in_full(capsys):
    r = amorsize.optimize(spin, range(3000), profile=True)
    assert len(repr(r).splitlines()) == 1
    assert len(str(r).splitlines()) == 3
    r.explain()
    said = capsys.readouterr().out
    for word in ("sampled", "machine:", "overheads:", "weighed:", "serial would take"):
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
    with pytest.raises(TypeError, match="fingerprint: func must be callable, got int"):
        amorsize.fingerprint(3)


def test_two_processes_with_other_hash_seeds_hit_each_others_entry(run):
    ask = "import amorsize, jobs\nprint(amorsize.optimize(jobs.work, range(2000)).cache)"
    assert run(ask, env={"PYTHONHASHSEED": "1"}) == "miss\n"
    assert run(ask, env={"PYTHONHASHSEED": "2"}) == "hit\n"


def test_changing_a_constant_in_the_function_misses_and_says_so(run):
    ask = "import amorsize, jobs\nr = amorsize.optimize(jobs.work, range(2000))\nprint(r.cache, r.cache_reason)"
    run(ask)
    (run.folder / "jobs.py").write_text(JOBS.replace("2500", "2600"))
    assert run(ask) == "miss func changed: constant 2500 → 2600\n"


ADVISE = """
import multiprocessing
with open("runs.txt", "a") as file:
    file.write("x")
import amorsize, jobs
def own(x):
    return sum(range(20_000))
def ask():
    for func in (own, jobs.work):
        r = amorsize.optimize(func, range(5000), probe={method!r}, use_cache=False)
        print(r.executor, "|", *r.warnings)
"""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("way", ["script", "-c", "stdin"])
def test_measuring_never_runs_the_users_module_again(run, method, way):
    said = run(ADVISE.format(method=method) + "\nask()\n", way).splitlines()
    assert (run.folder / "runs.txt").read_text() == "x"
    own, imported = (line.split("|")[0].strip() for line in said)
    if method != "fork":
        assert own == "serial"
        assert "no processes" in said[0]
    if method != "fork" and way == "script":
        assert imported == "serial"


@pytest.mark.parametrize("method", METHODS)
def test_a_prompt_is_answered_too(run, method):
    lines = [
        "import amorsize, jobs",
        "def own(x): return sum(range(20_000))",
        "",
        f"print('said', amorsize.optimize(own, range(5000), probe={method!r}, use_cache=False).executor)",
    ]
    said = run("\n".join(lines) + "\n", "repl")
    assert f"said {'process' if method == 'fork' else 'serial'}" in said or "said serial" in said


@pytest.mark.parametrize("method", METHODS)
def test_a_notebook_cell_is_answered_too(run, method):
    source = f"""
    from IPython.core.interactiveshell import InteractiveShell
    import sys
    shell = InteractiveShell.instance(history_length=0)
    sys.modules["__main__"] = shell.user_module
    shell.run_cell("import amorsize\\ndef own(x):\\n    return sum(range(20_000))").raise_error()
    ask = "r = amorsize.optimize(own, range(5000), probe={method!r}, use_cache=False); print(r.executor, *r.warnings)"
    shell.run_cell(ask).raise_error()
    """
    said = run(source, env={"IPYTHONDIR": str(run.folder)})
    if method != "fork":
        assert "no processes" in said


@pytest.mark.parametrize("method", [method for method in METHODS if method != "fork"])
def test_a_guarded_script_can_use_fresh_workers_and_their_imports_are_counted(run, method):
    source = f"""
    import amorsize, jobs, json, decimal
    def main():
        r = amorsize.optimize(jobs.work, range(100_000), probe={method!r}, profile=True)
        print(json.dumps([r.executor, r.profile.sample.worker_import_seconds]))
    if __name__ == "__main__":
        main()
    """
    executor, seconds = __import__("json").loads(run(source))
    assert executor in {"process", "serial"}
    assert seconds > 0


def inner(_):
    r = amorsize.optimize(spin, range(3000), use_cache=False)
    return r.executor, r.warnings


@pytest.mark.skipif("fork" not in METHODS, reason="only POSIX forks")
def test_inside_a_daemonic_worker_no_processes_are_advised():
    with multiprocessing.get_context("fork").Pool(1) as pool:
        ((executor, said),) = pool.map(inner, [0])
    assert executor == "serial"
    assert any("daemonic" in warning for warning in said)


@pytest.mark.skipif("fork" not in METHODS, reason="only POSIX forks")
@pytest.mark.parametrize("cache", ["json", "sqlite", "memory"])
def test_a_forked_child_goes_on_with_the_cache(cache):
    func = fresh("forked", 2600)
    amorsize.optimize(func, range(2000), cache=cache)
    child = os.fork()
    if child == 0:
        os._exit(0 if amorsize.optimize(func, range(2000), cache=cache).cache == "hit" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert amorsize.optimize(func, range(2000), cache=cache).cache == "hit"


@pytest.mark.parametrize("cache", ["json", "sqlite", "memory"])
def test_threads_share_the_cache(cache):
    funcs = [fresh("threaded", 2000 + number) for number in range(8)]
    probe = FakeProbe()  # its items take the same time however busy the machine is
    said, errors = [], []

    def ask():
        try:
            said.extend(amorsize.optimize(func, range(500), cache=cache, probe=probe).cache for func in funcs * 3)
        except Exception as error:  # noqa: BLE001  shown below
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(said) == 6 * 24
    assert said.count("miss") <= 6 * 8


@pytest.mark.parametrize("method", METHODS)
def test_the_callers_process_is_never_forked(run, method):
    """A fork beside threads may hang the child, and Python 3.12 and later warn of it."""
    source = f"""
    import sys, threading
    events = []
    sys.addaudithook(lambda event, _: events.append(event) if event in ("os.fork", "os.forkpty") else None)
    import amorsize, jobs
    def main():
        found = amorsize.optimize(jobs.work, range(20_000), probe={method!r}, profile=True)
        print(found.profile.overheads is not None, events, threading.active_count())
    if __name__ == "__main__":
        main()
    """
    assert run(source) == "True [] 1\n"


@pytest.mark.parametrize("cache", ["json", "sqlite", "memory"])
def test_use_at_interpreter_exit_is_harmless(run, cache):
    source = f"""
    import atexit, amorsize, jobs
    def ask():
        print(amorsize.optimize(jobs.work, range(2000), cache={cache!r}).cache)
    atexit.register(ask)
    ask()
    """
    assert run(source).split() == ["miss", "hit"]


def broken_places(tmp_path):
    """Yield a name and a path for each kind of cache folder that cannot be used, as root and as anybody."""
    file = tmp_path / "file"
    file.write_text("not a folder")
    yield "a file", file
    yield "below a file", file / "cache"
    target = tmp_path / "target"
    target.mkdir(mode=0o700)
    link = tmp_path / "link"
    link.symlink_to(target)
    yield "a symlink", link
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    yield "writable by others", shared
    if Path("/proc/version").exists():
        yield "a file system without files", Path("/proc/amorsize")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions and links")
@pytest.mark.parametrize("cache", ["json", "sqlite"])
def test_a_folder_that_cannot_be_used_costs_one_warning_and_never_the_call(cache, tmp_path, monkeypatch):
    for name, path in broken_places(tmp_path):
        monkeypatch.setenv("AMORSIZE_CACHE_DIR", str(path))
        monkeypatch.setattr(api._assembly, "_found", None)
        monkeypatch.setattr(api._assembly, "_optimizers", {})
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(3):
                assert amorsize.optimize(fresh("homeless", 100), range(2000), cache=cache).n_jobs >= 1
        assert [one.category for one in caught] == [AmorsizeWarning], (name, [str(one.message) for one in caught])


def test_a_store_a_probe_and_an_inspector_can_be_given_as_they_are():
    store, probe, inspector = MemoryCache(MemoryOptions()), FakeProbe(), FakeInspector()
    func = fresh("given", 2700)
    for said in ("miss", "hit"):
        assert amorsize.optimize(func, range(2000), cache=store, probe=probe, inspector=inspector).cache == said
    assert probe.asked["sample"] == 1
    assert inspector.asked >= 1
    assert any(locator.startswith("func:") for locator in store.locators())
    assert amorsize.open_cache().stats().entries == 0


def test_a_store_that_cannot_be_had_is_replaced_by_memory_with_a_warning(monkeypatch):
    class FarPlugin:
        @amorsize.hookimpl
        def amorsize_caches(self):
            def connect(_):
                raise ConnectionRefusedError("nobody answers")

            return [amorsize.Backend("far", attrs.make_class("FarOptions", {}), connect)]

    dist = SimpleNamespace(name="amorsize-far", version="0.1")
    known = Backends(lambda: [SimpleNamespace(name="far", dist=dist, load=FarPlugin)])
    monkeypatch.setattr(assembly, "Backends", lambda: known)
    monkeypatch.setattr(api._assembly, "_found", None)
    monkeypatch.setattr(api._assembly, "_optimizers", {})
    func = fresh("far", 2900)
    with pytest.warns(AmorsizeWarning, match="nobody answers.*; answers are kept in memory only") as warned:
        said = [amorsize.optimize(func, range(2000), cache="far").cache for _ in range(3)]
    assert said == ["miss", "hit", "hit"]
    assert len(warned) == 1


def test_many_stores_given_in_turn_are_kept_apart_and_not_all_kept():
    func = fresh("many", 2800)
    for _ in range(2):
        for _ in range(assembly._MOST_OPTIMIZERS + 3):
            store = MemoryCache(MemoryOptions())
            assert amorsize.optimize(func, range(2000), cache=store, probe=FakeProbe()).cache == "miss"
            assert len(api._assembly._optimizers) <= assembly._MOST_OPTIMIZERS


def test_without_a_home_the_call_answers(run):
    ask = "import amorsize, jobs\nprint(amorsize.optimize(jobs.work, range(2000)).n_jobs)"
    environment = {"HOME": "", "XDG_CACHE_HOME": "", "AMORSIZE_CACHE_DIR": "", "PYTHONWARNINGS": "ignore"}
    assert int(run(ask, env=environment)) >= 1


def test_a_fixture_of_the_pytest_plugin_isolates_the_cache(amorsize_cache, own_place):
    assert amorsize.get_cache_dir() != own_place / "cache"
    assert amorsize_cache.stats().entries == 0
    amorsize.optimize(spin, range(2000))
    assert amorsize_cache.stats().entries == 1
