"""The command ``amorsize cache``, judged by what it prints and how it exits."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from cli.jobs import JOBS


def at_a_terminal(folder, typed, *arguments):
    """Return the exit code of a command at a terminal of its own where something is typed, and its last line."""
    import pty  # noqa: PLC0415  not on Windows

    here, there = pty.openpty()
    command = [sys.executable, "-m", "amorsize", *arguments]
    with subprocess.Popen(command, stdin=there, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder) as done:
        os.write(here, f"{typed}\n".encode())
        said, _ = done.communicate(timeout=60)
    os.close(here)
    os.close(there)
    return done.returncode, said.decode().splitlines()[-1].rpartition(": ")[2]


def test_an_empty_cache_has_no_entries(run):
    assert run("cache", "stats").startswith("0 entries")
    assert run("cache", "list") == ""


def test_what_was_measured_is_counted_listed_and_shown(run):
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


def test_a_key_that_is_not_there_is_an_error(run):
    assert "must be the beginning of an entry's key" in run("cache", "show", "func:0", code=1)


def test_explain_says_whether_it_would_hit_and_why_not(run):
    assert run("cache", "explain", "jobs:slow", "--range", "2000") == "miss: no entry for this function\n"
    run("optimize", "jobs:slow", "--range", "2000")
    assert run("cache", "explain", "jobs:slow", "--range", "2000").startswith("hit: ")
    (run.folder / "jobs.py").write_text(JOBS.replace("20_000", "30_000"))
    assert "20000 → 30000" in run("cache", "explain", "jobs:slow", "--range", "2000")


def test_prune_and_clear_say_how_many_went(run):
    run("optimize", "jobs:slow", "--range", "2000")
    assert run("cache", "prune") == "0 entries removed\n"
    assert run("cache", "clear") == "1 entry removed\n"
    assert run("cache", "stats").startswith("0 entries")


def test_clear_takes_one_function(run):
    (run.folder / "jobs.py").write_text(JOBS + "def other(x):\n    return x * 2\n")
    for function in ("slow", "other"):
        run("optimize", f"jobs:{function}", "--range", "2000")
    assert run("cache", "clear", "--function", "slow") == "1 entry removed\n"
    assert [line.split("\t")[1] for line in run("cache", "list").splitlines()] == ["jobs.other"]


@pytest.mark.skipif(sys.platform == "win32", reason="terminals are opened by pty")
def test_clear_asks_on_a_terminal_unless_asked_not_to(run):
    run("optimize", "jobs:slow", "--range", "2000")
    for answer, code, said in (("n", 1, "nothing was removed"), ("y", 0, "1 entry removed")):
        assert at_a_terminal(run.folder, answer, "cache", "clear") == (code, said)
    run("optimize", "jobs:slow", "--range", "2000")
    assert at_a_terminal(run.folder, "", "cache", "clear", "--yes") == (0, "1 entry removed")


def test_a_folder_that_holds_other_files_is_refused_and_stays_as_it_is(run, monkeypatch):
    place = run.folder / "project"
    (place / "src").mkdir(parents=True)
    (place / "src" / "src.json").write_text("{}")
    place.chmod(0o700)
    monkeypatch.setenv("AMORSIZE_CACHE_DIR", str(place))
    for command in ("verify", "prune", "clear", "stats"):
        assert "must be empty or a cache of amorsize, got one that holds 'src'" in run("cache", command, code=1)
    assert (place / "src" / "src.json").read_text() == "{}"
    assert [path.name for path in place.iterdir()] == ["src"]


def test_prune_takes_hours(run):
    run("optimize", "jobs:slow", "--range", "2000")
    assert run("cache", "prune", "--older-than", "1") == "0 entries removed\n"


def test_verify_sets_aside_what_is_damaged(run, own_place):
    run("optimize", "jobs:slow", "--range", "2000")
    assert ", 0 set aside" in run("cache", "verify")
    damaged = [path for path in (own_place / "cache").rglob("*") if path.is_file() and "jobs.slow" in path.read_text()]
    damaged[0].write_text(damaged[0].read_text().replace("jobs.slow", "jobs.fast"))
    assert ", 1 set aside" in run("cache", "verify", code=1)
    assert ", 0 set aside" in run("cache", "verify")


def test_what_is_exported_can_be_imported_elsewhere(run, monkeypatch, tmp_path):
    run("optimize", "jobs:slow", "--range", "2000")
    run("cache", "export", "out.json")
    assert json.loads((run.folder / "out.json").read_text())["records"]
    monkeypatch.setenv("AMORSIZE_CACHE_DIR", str(tmp_path / "elsewhere"))
    assert ", 0 refused" in run("cache", "import", "out.json")
    assert "0 records taken" in run("cache", "import", "out.json")
    assert "cache: hit" in run("optimize", "jobs:slow", "--range", "2000")


def test_a_hand_made_file_is_refused_record_by_record(run):
    records = [{"locator": "func:../../x", "variant": "v", "text": "{}"}, 3, {"locator": "/etc/passwd"}]
    (run.folder / "in.json").write_text(json.dumps({"amorsize_export": 1, "records": records}))
    assert "3 refused" in run("cache", "import", "in.json", code=1)
    for text in ("[]", "{", '{"amorsize_export": 1, "records": 3}', "[" * 100_000):
        (run.folder / "in.json").write_text(text)
        assert "amorsize: import:" in run("cache", "import", "in.json", code=1)
    assert "cannot be read as an export" in run("cache", "import", "missing.json", code=1)


def test_warm_measures_what_the_config_lists(run):
    assert "nothing to warm" in run("cache", "warm", code=1)
    (run.folder / "amorsize.toml").write_text(
        '[[warm]]\nfunction = "jobs:slow"\nrange = [0, 2000]\n\n[[warm]]\nfunction = "jobs:broken"\nrange = [0, 3]\n'
    )
    said = run("cache", "warm", code=1)
    assert "jobs:slow: miss" in said
    assert "1 of 2 functions could not be measured" in said
    assert "cache: hit" in run("optimize", "jobs:slow", "--range", "2000")


@pytest.mark.parametrize("way", ["glob", "lines", "json"])
def test_what_was_warmed_is_a_hit_when_it_is_named_the_same_way(run, way):
    folder = run.folder / "data"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.txt").write_text("")
    (folder / "items.lines").write_text("line\n" * 20)
    (folder / "items.json").write_text(json.dumps(["line"] * 20))
    named = {"glob": "data/*.txt", "lines": "data/items.lines", "json": "data/items.json"}[way]
    (run.folder / "amorsize.toml").write_text(f'[[warm]]\nfunction = "jobs:slow"\n{way} = "{named}"\n')
    assert "jobs:slow: miss" in run("cache", "warm")
    assert run("cache", "explain", "jobs:slow", f"--{way}".replace("json", "items"), named).startswith("hit")


def test_layers_of_a_cache_are_named_with_commas(run):
    run("optimize", "jobs:slow", "--range", "2000", "--cache", "memory,json")
    assert "jobs.slow" in run("cache", "--cache", "json", "list")
    assert "1 entry removed" in run("cache", "--cache", "readonly,json", "clear")
