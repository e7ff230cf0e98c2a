"""The command as a person runs it: in a process of its own, judged by what it prints and how it exits."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from amorsize.cli.commands import amorsize_command
from amorsize.diagnosis.workloads import WORKLOADS

NOISY = """
import atexit
import os

print("imported")
atexit.register(print, "ended")

def shout(x):
    print("called")
    os.system("echo from a program")
    return x
"""


def test_optimize_says_the_plan_the_reason_and_the_cache(run):
    said = run("optimize", "jobs:slow", "--range", "2000")
    assert "predicted" in said
    assert "why:" in said
    assert "cache: miss" in said
    assert "cache: hit" in run("optimize", "jobs:slow", "--range", "2000")


def test_each_way_to_name_data_is_understood(run):
    (run.folder / "lines.txt").write_text("a\nb\nc\n")
    (run.folder / "list.json").write_text("[1, 2, 3]")
    for way in (["--range", "5:50:5"], ["--lines", "lines.txt"], ["--glob", "*.txt"], ["--items", "list.json"]):
        assert "serial" in run("optimize", "jobs:slow", *way)


def test_verify_runs_the_plan_and_those_around_it(run):
    said = run("verify", "jobs:slow", "--range", "600", "--rounds", "1")
    assert "predicted/measured" in said
    assert "* " in said
    assert "the plan (*) took" in said
    assert "\n  serial" in said or "\n* serial" in said
    assert "LookupError: no such thing" in run("verify", "jobs:broken", "--range", "3", code=1)


def test_verify_says_why_it_has_nothing_to_compare(run, monkeypatch):
    said = run("verify", "builtins:abs", "--range", "0", code=1)
    assert "amorsize: no ways to run can be compared: there is nothing to run\n" in said
    monkeypatch.setenv("AMORSIZE_DISABLE", "1")
    said = run("verify", "builtins:abs", "--range", "9", code=1)
    assert "amorsize: no ways to run can be compared: AMORSIZE_DISABLE is set\n" in said


def test_a_profile_shows_what_was_measured(run):
    said = run("optimize", "jobs:slow", "--range", "3000", "--profile")
    assert "sampled" in said
    assert "machine:" in said
    assert "bypassed" in said


def test_a_picture_of_the_decision_is_written(run):
    run("optimize", "jobs:slow", "--range", "2000", "--plot", "plan.svg")
    run("verify", "jobs:slow", "--range", "100", "--rounds", "1", "--plot", "plan.png")
    assert "<svg" in (run.folder / "plan.svg").read_text()
    assert (run.folder / "plan.png").read_bytes().startswith(b"\x89PNG")


def test_verify_writes_a_report_of_one_page(run):
    run("verify", "jobs:slow", "--range", "100", "--rounds", "1", "--report", "report.html")
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "jobs:slow over 100 items" in page
    assert "the plan (*) took" in page
    assert "worker 1" in page
    missing = run("verify", "jobs:broken", "--range", "3", "--report", "nowhere/report.html", code=2)
    assert "must be a file in a folder that is there" in " ".join(missing.split())


def test_bench_says_what_workers_cost_and_holds_plans_against_all_ways_within_80_columns(run):
    said = run("bench", "--seconds", "1.5")
    lines = said.splitlines()
    assert lines[0].split() == ["what", "workers", "cost", "here", "measured"]
    head = next(number for number, line in enumerate(lines) if line.startswith("job"))
    jobs = [line for line in lines[head + 1 :] if line][: len(WORKLOADS)]
    assert [line[:19].strip(" *") for line in jobs] == [workload.name for workload in WORKLOADS]
    assert "over the best way" in said
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in said


def test_a_picture_that_cannot_be_drawn_is_an_error_before_anything_runs(run):
    wrong = run("optimize", "jobs:broken", "--range", "3", "--plot", "plan.gif", code=2)
    assert "'plan.gif' must end with .svg or .png" in wrong
    code = "import sys; sys.modules['matplotlib'] = None; from amorsize.cli import main; main()"
    command = [sys.executable, "-c", code, "verify", "jobs:broken", "--range", "3", "--plot", "plan.svg"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=run.folder)
    assert done.returncode == 1
    assert done.stderr.strip() == "Error: --plot: a picture needs matplotlib: pip install 'amorsize[plot]'"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["jobs:slow", "--lines", "missing.txt"], "cannot be read as UTF-8 text"),
        (["jobs:slow", "--glob", "*.nothing"], "matches no path"),
        (["jobs:slow", "--items", "jobs.py"], "is not valid JSON"),
        (["jobs:slow", "--items", "object.json"], "must hold a JSON list, got dict"),
        (["jobs", "--range", "3"], "must be module:function"),
        (["nothing:slow", "--range", "3"], "cannot be imported"),
        (["jobs:nothing", "--range", "3"], "'jobs' has no function 'nothing'"),
        (["jobs:number", "--range", "3"], "must be callable, got int"),
        (["jobs:broken", "--range", "3"], "LookupError: no such thing"),
        (["jobs:later", "--range", "3"], "coroutine"),
        (["jobs:slow", "--range", "3", "--cache", "nothing"], "nothing"),
        (["jobs:slow", "--range", "3", "--config", "missing.toml"], "missing.toml"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_without_a_traceback(run, arguments, said):
    assert said in run("optimize", *arguments, code=1)


@pytest.mark.parametrize("command", [["optimize"], ["verify"]])
def test_what_the_function_raises_is_said_with_its_file_and_line(run, command):
    said = run(*command, "jobs:broken", "--range", "3", code=1).splitlines()
    assert said[0] == "amorsize: LookupError: no such thing"
    assert said[1] == f'  File "{run.folder / "jobs.py"}", line 6, in broken'
    assert said[-1] == "  --traceback shows the whole traceback"


@pytest.mark.parametrize("before", [True, False])
def test_the_traceback_is_shown_when_it_is_asked_for(run, before):
    command = ["optimize", "jobs:broken", "--range", "3"]
    command.insert(0 if before else len(command), "--traceback")
    done = subprocess.run([sys.executable, "-m", "amorsize", *command], capture_output=True, text=True, cwd=run.folder)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):")
    assert 'raise LookupError("no such thing")' in done.stderr


def test_numbers_have_exponents_files_have_functions_and_patterns_come_several_times(run):
    assert "serial" in run("optimize", "./jobs.py:slow", "--range", "1e3", "--max-workers", "1e0")
    for name in ("a.csv", "b.txt"):
        (run.folder / name).touch()
    said = run("cache", "explain", "builtins:len", "--glob", "*.csv", "--glob", "*.txt")
    assert said.startswith("miss")
    assert "Quote the pattern" in run("optimize", "builtins:len", "--glob", "a.csv", "b.txt", code=2)


@pytest.mark.parametrize(
    "command",
    [
        ["optimize", "noisy:shout", "--range", "9"],
        ["verify", "noisy:shout", "--range", "9", "--rounds", "1"],
        ["cache", "explain", "noisy:shout", "--range", "9"],
        ["doctor", "noisy:shout"],
    ],
    ids=" ".join,
)
def test_json_stands_alone_on_standard_output_whatever_the_function_prints(run, command):
    (run.folder / "noisy.py").write_text(NOISY)
    done = subprocess.run(
        [sys.executable, "-m", "amorsize", *command, "--json"], capture_output=True, timeout=120, cwd=run.folder
    )
    assert json.loads(done.stdout)["command"] in " ".join(command)
    assert b"imported" in done.stderr
    assert b"ended" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="closes a descriptor as a shell of POSIX does")
@pytest.mark.parametrize("command", [["run", "builtins:abs", "--range", "3"], ["plugins", "--json"]], ids=" ".join)
def test_a_closed_output_is_said(command):
    call = f"{shlex.join([sys.executable, '-m', 'amorsize', *command])} >&-"
    done = subprocess.run(["sh", "-c", call], stderr=subprocess.PIPE, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (
        1,
        "amorsize: standard output is closed: there is nowhere to write\n",
    )


def test_lines_come_from_standard_input(run):
    command = [sys.executable, "-m", "amorsize", "optimize", "builtins:int", "--lines", "-"]
    done = subprocess.run(command, input="1\n2\n", capture_output=True, text=True, timeout=120, cwd=run.folder)
    assert done.returncode == 0, done.stderr
    assert "serial" in done.stdout


def test_wrong_usage_exits_with_2(run):
    assert "No such option" in run("optimize", "jobs:slow", "--nonsense", code=2)
    assert "max-workers" in run("optimize", "jobs:slow", "--range", "3", "--max-workers", "0", code=2)


@pytest.mark.parametrize("command", [["optimize"], ["run"], ["verify"], ["cache", "explain"]], ids=" ".join)
@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "name the data by one of --range, --lines, --glob, --items, got none of them"),
        (["--range", "3", "--glob", "*"], "got --range and --glob"),
        (["--range", "x"], "Invalid value for '--range': range must be STOP, START:STOP"),
        (["--range", "1:2:0"], "range must be"),
        (["--range", "1.5"], "range must be"),
    ],
)
def test_data_that_are_named_wrongly_are_wrong_usage(capsys, command, data, said):
    with pytest.raises(SystemExit) as ended:
        amorsize_command.main([*command, "jobs:slow", *data], prog_name="amorsize")
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_number_must_be_a_number(capsys):
    with pytest.raises(SystemExit) as ended:
        amorsize_command.main(["bench", "--seconds", "nan"], prog_name="amorsize")
    assert ended.value.code == 2
    assert "'nan' is no number" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="closes a descriptor as a shell of POSIX does")
@pytest.mark.parametrize("option", ["--lines", "--items"])
def test_a_closed_input_is_said(option):
    call = f"{shlex.join([sys.executable, '-m', 'amorsize', 'run', 'builtins:len', option, '-'])} <&-"
    done = subprocess.run(["sh", "-c", call], stderr=subprocess.PIPE, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (
        1,
        "amorsize: standard input is closed: it must be open to be read\n",
    )


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
        "import time\ndef wait(x):\n    print('begun', flush=True)\n    time.sleep(60)\n"
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


def test_the_demo_runs_both_ways_and_asks_again(run):
    said = run("demo", "--most", "30")
    assert said.startswith("How should Python's standard library be tokenized on this machine?")
    for words in ("running serially ...", "tokens either way", "The prediction ", "cache hit"):
        assert words in said


def test_without_the_extra_a_line_says_what_to_install(run):
    code = "import sys; sys.modules['click'] = None; from amorsize.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert (
        done.stderr.strip() == "amorsize: the command needs click and rich, got no click: pip install 'amorsize[cli]'"
    )


@pytest.fixture
def completed(monkeypatch, capsys):
    """Return a function that says what a shell is offered after some words, the last of which has been begun."""

    def completed(*words):
        monkeypatch.setenv("_AMORSIZE_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", " ".join(["amorsize", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        with pytest.raises(SystemExit):
            amorsize_command.main([], prog_name="amorsize")
        return {line.partition(",")[2] for line in capsys.readouterr().out.splitlines()}

    return completed


def test_a_shell_completes_commands_options_choices_and_paths(completed):
    assert completed("opt") == {"optimize"}
    assert completed("run", "--e") == {"--errors", "--executor"}
    assert completed("run", "--errors", "c") == {"collect"}
    for option in ("--out", "--lines", "--items"):
        assert completed("run", option, "x") == {"x"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_by_the_line_in_the_reference(monkeypatch, capsys, shell):
    page = (Path(__file__).parents[2] / "docs" / "reference" / "command.md").read_text(encoding="utf-8")
    assert f"_AMORSIZE_COMPLETE={shell}_source amorsize" in page
    monkeypatch.setenv("_AMORSIZE_COMPLETE", f"{shell}_source")
    monkeypatch.setattr(
        "click.shell_completion.BashComplete._check_version", lambda _: None
    )  # bash itself may be absent
    with pytest.raises(SystemExit):
        amorsize_command.main([], prog_name="amorsize")
    assert f"_AMORSIZE_COMPLETE={shell}_complete" in capsys.readouterr().out


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
