"""The public functions called from other places: scripts, prompts, workers, forks, threads, at exit."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import textwrap
import threading

import pytest
from api_jobs import JOBS, fresh, spin
from fakes import FakeProbe

import amorsize

METHODS = multiprocessing.get_all_start_methods()


@pytest.fixture
def run(tmp_path):
    """Return a function that runs code as a script, by -c or by standard input, and gives back what it printed."""
    (tmp_path / "jobs.py").write_text(JOBS)

    def run(source, way="script", **options):
        source = textwrap.dedent(source)
        arguments = {"script": ["main.py"], "-c": ["-c", source], "stdin": ["-"], "repl": ["-i", "-q"]}[way]
        (tmp_path / "main.py").write_text(source)
        # bytecode of a module rewritten within a second, as long as before, would pass for the new one's
        own = {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]]), "PYTHONDONTWRITEBYTECODE": "1"}
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
    if method != "fork":  # whether threads would help is a matter of seconds, and of how busy the machine is
        assert own != "process"
        assert "no processes" in said[0]
    if method != "fork" and way == "script":
        assert imported != "process"


@pytest.mark.parametrize("method", METHODS)
def test_a_prompt_is_answered_too(run, method):
    lines = [
        "import amorsize, jobs",
        "def own(x): return sum(range(20_000))",
        "",
        f"print('said', amorsize.optimize(own, range(5000), probe={method!r}, use_cache=False).executor)",
    ]
    said = run("\n".join(lines) + "\n", "repl")
    assert "said " in said
    assert method == "fork" or "said process" not in said


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
def test_the_callers_process_is_forked_once_on_linux_to_sample_and_never_to_measure_workers(run, method):
    source = f"""
    import sys, threading
    events = []
    sys.addaudithook(lambda event, _: events.append(event) if event in ("os.fork", "os.forkpty") else None)
    import amorsize, jobs
    def main():
        found = amorsize.optimize(jobs.work, range(20_000), probe={method!r}, profile=True)
        print(found.profile.sample.sampled_in, found.profile.overheads.source, len(events), threading.active_count())
        patient = {{"probe": {method!r}, "probes": {{{method!r}: {{"timeout_seconds": 100.0}}}}}}
        amorsize.Client(config=patient).warm_cache()
        print(len(events))
    if __name__ == "__main__":
        main()
    """
    source_, forks = ("calibrated" if method == "fork" else "prior", 1) if sys.platform == "linux" else ("prior", 0)
    assert run(source) == f"{'worker' if forks else 'caller'} {source_} {forks} 1\n{forks}\n"


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


def test_without_a_home_the_call_answers(run):
    ask = "import amorsize, jobs\nprint(amorsize.optimize(jobs.work, range(2000)).n_jobs)"
    environment = {"HOME": "", "XDG_CACHE_HOME": "", "AMORSIZE_CACHE_DIR": "", "PYTHONWARNINGS": "ignore"}
    assert int(run(ask, env=environment)) >= 1
