"""The command as a person runs it: in a process of its own, judged by what it prints and how it exits."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading

import attrs
import pytest

from amorsize.cli.demo import count_tokens, run_plan
from amorsize.domain.values import Plan
from amorsize.result import OptimizationResult

JOBS = """
def slow(x):
    return sum(range(20_000))

def broken(x):
    raise LookupError("no such thing")

async def later(x):
    return x

number = 3
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    # bytecode of a module rewritten within a second, as long as before, would pass for the new one's
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "object.json").write_text('{"items": [1, 2]}')

    def run(*arguments, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "amorsize", *arguments], capture_output=True, text=True, timeout=120, cwd=tmp_path
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if code == 0 else done.stdout + done.stderr

    run.folder = tmp_path
    return run


def test_optimize_says_the_plan_the_reason_and_the_cache(run):
    said = run("optimize", "jobs:slow", "--range", "2000")
    assert "predicted" in said
    assert "why:" in said
    assert "cache: miss" in said
    assert "cache: hit" in run("optimize", "jobs:slow", "--range", "2000")


def test_each_way_to_name_data_is_understood(run):
    (run.folder / "lines.txt").write_text("a\nb\nc\n")
    (run.folder / "list.json").write_text("[1, 2, 3]")
    for way in (["--range", "5:50:5"], ["--lines", "lines.txt"], ["--glob", "*.txt"], ["--json", "list.json"]):
        assert "serial" in run("optimize", "jobs:slow", *way)


def test_verify_runs_the_plan_and_those_around_it(run):
    said = run("verify", "jobs:slow", "--range", "600", "--rounds", "1")
    assert "predicted/measured" in said
    assert "* " in said
    assert "the plan (*) took" in said
    assert "\n  serial" in said or "\n* serial" in said
    assert "LookupError: no such thing" in run("verify", "jobs:broken", "--range", "3", code=1)


def test_a_profile_shows_what_was_measured(run):
    said = run("optimize", "jobs:slow", "--range", "3000", "--profile")
    assert "sampled" in said
    assert "machine:" in said
    assert "bypassed" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["jobs:slow"], "one of range, lines, glob and json, got 0"),
        (["jobs:slow", "--range", "3", "--glob", "*"], "got 2"),
        (["jobs:slow", "--range", "x"], "STOP, START:STOP"),
        (["jobs:slow", "--lines", "missing.txt"], "must be a readable UTF-8 file"),
        (["jobs:slow", "--glob", "*.nothing"], "matches none"),
        (["jobs:slow", "--json", "jobs.py"], "must hold JSON"),
        (["jobs:slow", "--json", "object.json"], "must hold a JSON list, got dict"),
        (["jobs", "--range", "3"], "must be module:function"),
        (["nothing:slow", "--range", "3"], "can be imported"),
        (["jobs:nothing", "--range", "3"], "got 'nothing'"),
        (["jobs:number", "--range", "3"], "must be callable, got int"),
        (["jobs:broken", "--range", "3"], "LookupError: no such thing"),
        (["jobs:later", "--range", "3"], "coroutine"),
        (["jobs:slow", "--range", "3", "--cache", "nothing"], "nothing"),
        (["jobs:slow", "--range", "3", "--config", "missing.toml"], "missing.toml"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_without_a_traceback(run, arguments, said):
    assert said in run("optimize", *arguments, code=1)


def test_wrong_usage_exits_with_2(run):
    assert "No such option" in run("optimize", "jobs:slow", "--nonsense", code=2)
    assert "max-workers" in run("optimize", "jobs:slow", "--range", "3", "--max-workers", "0", code=2)


@pytest.mark.parametrize("arguments", [["--help"], ["optimize", "--help"], ["cache", "--help"], ["demo", "-h"]])
def test_help_is_there(run, arguments):
    assert "Usage: amorsize" in run(*arguments)


def test_a_warning_is_a_line_that_says_whose_it_is(run, monkeypatch):
    (run.folder / "file").write_text("no folder")
    monkeypatch.setenv("AMORSIZE_CACHE_DIR", str(run.folder / "file"))
    command = [sys.executable, "-m", "amorsize", "optimize", "jobs:slow", "--range", "2000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=run.folder)
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("amorsize: warning: ")
    assert "predicted" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends a console's interrupt to everybody there")
def test_an_interrupt_ends_it_with_a_line_and_130(run):
    (run.folder / "endless.py").write_text(
        "import signal, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin without one\n"
        "def wait(x):\n    print('begun', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "amorsize", "optimize", "endless:wait", "--range", "3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=run.folder,
    ) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said.strip()) == (130, "amorsize: interrupted")


PLAN = Plan(
    executor="serial",
    n_jobs=1,
    chunksize=5,
    predicted_seconds=1.0,
    seconds_low=1.0,
    seconds_high=1.0,
    serial_seconds=1.0,
    speedup_low=1.0,
    speedup_high=1.0,
)


@pytest.mark.parametrize(("executor", "n_jobs"), [("serial", 1), ("thread", 3)])
def test_a_plan_is_run_as_it_says_and_in_order(executor, n_jobs):
    result = OptimizationResult(attrs.evolve(PLAN, executor=executor, n_jobs=n_jobs), range(-20, 0), "miss", "")
    names = set()

    def func(item):
        names.add(threading.current_thread() is threading.main_thread())
        return abs(item)

    assert run_plan(func, result) == list(range(20, 0, -1))
    assert names == {executor == "serial"}


def test_what_is_no_python_of_this_version_has_no_tokens(tmp_path):
    for name, body in (("bytes.py", b"\xff\xfe"), ("open.py", b"(")):
        (tmp_path / name).write_bytes(body)
        assert count_tokens(str(tmp_path / name)) == 0
    (tmp_path / "one.py").write_text("x = 1\n")
    assert count_tokens(str(tmp_path / "one.py")) == 5


def test_the_demo_runs_both_ways_and_asks_again(run):
    said = run("demo", "--most", "30")
    assert "tokens either way" in said
    assert "serial" in said
    assert "cache hit" in said


def test_without_the_extra_a_line_says_what_to_install(run):
    code = "import sys; sys.modules['click'] = None; from amorsize.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert (
        done.stderr.strip() == "amorsize: the command needs click and rich, got no click: pip install 'amorsize[cli]'"
    )


class TestCache:
    def test_an_empty_cache_has_no_entries(self, run):
        assert run("cache", "stats").startswith("0 entries")
        assert run("cache", "list") == ""

    def test_what_was_measured_is_counted_listed_and_shown(self, run):
        run("optimize", "jobs:slow", "--range", "2000")
        assert "1 entry," in run("cache", "stats")
        listed = run("cache", "list")
        key, function, *_ = listed.split("\t")
        assert function == "jobs.slow"
        assert run("cache", "list", "--function", "other") == ""
        assert run("cache", "list", "--older-than", "1") == ""
        shown = run("cache", "show", key)
        assert "why:" in shown
        assert run("cache", "show", key[:12]) == shown

    def test_a_key_that_is_not_there_is_an_error(self, run):
        assert "must be the beginning of an entry's key" in run("cache", "show", "func:0", code=1)

    def test_explain_says_whether_it_would_hit_and_why_not(self, run):
        assert run("cache", "explain", "jobs:slow", "--range", "2000") == "miss: no entry for this function\n"
        run("optimize", "jobs:slow", "--range", "2000")
        assert run("cache", "explain", "jobs:slow", "--range", "2000").startswith("hit: ")
        (run.folder / "jobs.py").write_text(JOBS.replace("20_000", "30_000"))
        assert "20000 → 30000" in run("cache", "explain", "jobs:slow", "--range", "2000")

    def test_prune_and_clear_say_how_many_went(self, run):
        run("optimize", "jobs:slow", "--range", "2000")
        assert run("cache", "prune") == "0 entries removed\n"
        assert run("cache", "clear") == "1 entry removed\n"
        assert run("cache", "stats").startswith("0 entries")

    def test_prune_takes_hours(self, run):
        run("optimize", "jobs:slow", "--range", "2000")
        assert run("cache", "prune", "--older-than", "1") == "0 entries removed\n"

    def test_verify_sets_aside_what_is_damaged(self, run, own_place):
        run("optimize", "jobs:slow", "--range", "2000")
        assert ", 0 set aside" in run("cache", "verify")
        damaged = [
            path for path in (own_place / "cache").rglob("*") if path.is_file() and "jobs.slow" in path.read_text()
        ]
        damaged[0].write_text(damaged[0].read_text().replace("jobs.slow", "jobs.fast"))
        assert ", 1 set aside" in run("cache", "verify", code=1)
        assert ", 0 set aside" in run("cache", "verify")

    def test_what_is_exported_can_be_imported_elsewhere(self, run, monkeypatch, tmp_path):
        run("optimize", "jobs:slow", "--range", "2000")
        run("cache", "export", "out.json")
        assert json.loads((run.folder / "out.json").read_text())["records"]
        monkeypatch.setenv("AMORSIZE_CACHE_DIR", str(tmp_path / "elsewhere"))
        assert ", 0 refused" in run("cache", "import", "out.json")
        assert "0 records taken" in run("cache", "import", "out.json")
        assert "cache: hit" in run("optimize", "jobs:slow", "--range", "2000")

    def test_a_hand_made_file_is_refused_record_by_record(self, run):
        records = [{"locator": "func:../../x", "variant": "v", "text": "{}"}, 3, {"locator": "/etc/passwd"}]
        (run.folder / "in.json").write_text(json.dumps({"amorsize_export": 1, "records": records}))
        assert "3 refused" in run("cache", "import", "in.json", code=1)
        for text in ("[]", "{", '{"amorsize_export": 1, "records": 3}', "[" * 100_000):
            (run.folder / "in.json").write_text(text)
            assert "amorsize: import:" in run("cache", "import", "in.json", code=1)
        assert "must be a readable export" in run("cache", "import", "missing.json", code=1)

    def test_warm_measures_what_the_config_lists(self, run):
        assert "got none" in run("cache", "warm", code=1)
        (run.folder / "amorsize.toml").write_text(
            '[[warm]]\nfunction = "jobs:slow"\nrange = [0, 2000]\n\n'
            '[[warm]]\nfunction = "jobs:broken"\nrange = [0, 3]\n'
        )
        said = run("cache", "warm", code=1)
        assert "jobs:slow: miss" in said
        assert "1 of 2 functions could not be measured" in said
        assert "cache: hit" in run("optimize", "jobs:slow", "--range", "2000")

    @pytest.mark.parametrize("way", ["glob", "lines", "json"])
    def test_what_was_warmed_is_a_hit_when_it_is_named_the_same_way(self, run, way):
        folder = run.folder / "data"
        folder.mkdir()
        for number in range(20):
            (folder / f"{number}.txt").write_text("")
        (folder / "items.lines").write_text("line\n" * 20)
        (folder / "items.json").write_text(json.dumps(["line"] * 20))
        named = {"glob": "data/*.txt", "lines": "data/items.lines", "json": "data/items.json"}[way]
        (run.folder / "amorsize.toml").write_text(f'[[warm]]\nfunction = "jobs:slow"\n{way} = "{named}"\n')
        assert "jobs:slow: miss" in run("cache", "warm")
        assert run("cache", "explain", "jobs:slow", f"--{way}", named).startswith("hit")


def test_plugins_lists_every_backend_with_its_owner_state_and_options(run):
    rows = [line.split("\t") for line in run("plugins").splitlines()]
    assert {tuple(row[:3]) for row in rows} >= {
        ("json", "caches", "amorsize"),
        ("readonly", "caches", "amorsize"),
        ("spawn", "probes", "amorsize"),
        ("fixed", "inspectors", "amorsize"),
    }
    (sqlite,) = [row for row in rows if row[0] == "sqlite"]
    assert sqlite[4:] == ["ready", "directory=not set, timeout_seconds=0.05, allow_shared=False"]


def test_layers_of_a_cache_are_named_with_commas(run):
    run("optimize", "jobs:slow", "--range", "2000", "--cache", "memory,json")
    assert "jobs.slow" in run("cache", "--cache", "json", "list")
    assert "1 entry removed" in run("cache", "--cache", "readonly,json", "clear")
