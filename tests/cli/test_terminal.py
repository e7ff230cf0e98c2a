"""What the command prints cannot steer a terminal, whatever a cache, a config or a function is called or says."""

from __future__ import annotations

import ast
import io
import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import attrs
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import amorsize
from amorsize.application.cache import records
from amorsize.cli.commands import amorsize_command
from amorsize.cli.terminal import Progress, say, say_lines
from amorsize.config import loader as config
from amorsize.domain.wording import printable

HOSTILE = [
    "[/x]",
    "[red]red[/red] [link=file:///etc/passwd]x[/link]",
    "\x1b[2J\x1b[31mred",
    "\x1b]0;title\x07",
    "\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x9b31mC1",
    "\x90q\x9c",
    "line\nanother\r\x0b\x0c\x85\u2028\u2029line",
    "tab\tbed",
    "\x00\x08\x7f",
    "\u202egnp.exe\u202c\u2066\u2069\u200f\ufeff",
    "\ud800\udcff",
]


def plant(text):
    """Keep an entry in the cache in which every text is this one."""
    result = amorsize.optimize(abs, range(2000), cache="json")
    assert result.cache == "miss"
    cache = amorsize.open_cache(cache="json")
    (entry,) = cache.entries()
    said = attrs.evolve(
        entry,
        function=text,
        plan=attrs.evolve(entry.plan, reason=text),
        sample=attrs.evolve(entry.sample, blocked_reason=text, threads_variable=text[:40]),
        machine=attrs.evolve(entry.machine, cpu_model=text, architecture=text[:40], blas_threads=text),
        blocked_reason=text,
    )
    cache.store.store(entry.locator, entry.variant, records.encode(said))


def run(*arguments):
    command = [sys.executable, "-m", "amorsize", *arguments]
    return subprocess.run(command, capture_output=True, timeout=120)


def is_harmless(said):
    return all(line.replace("\t", "").isprintable() for line in said.decode().split("\n"))


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_whatever_stands_in_a_cache_is_listed_shown_and_counted_without_harm(text):
    try:
        plant(text)
    except ValueError:  # half a surrogate pair cannot be kept at all
        assert not text.isprintable()
        return
    explain = ["explain", "math:sqrt", "--range", "9"]
    for arguments in (["list"], ["show", "func:"], ["stats"], ["verify"], ["prune"], explain):
        done = CliRunner().invoke(amorsize_command, ["cache", *arguments])
        assert done.exit_code == 0, done.output
        assert is_harmless(done.stdout_bytes), done.output
        if arguments[0] in ("list", "show", "stats"):
            assert printable(text) in done.output
    (row,) = CliRunner().invoke(amorsize_command, ["cache", "list"]).output.splitlines()
    assert len(row.split("\t")) == 4


def test_an_answer_from_such_a_cache_is_explained_without_harm(capsys):
    plant("\x1b[2J[/x]\nwhy: no")
    result = amorsize.optimize(abs, range(2000), cache="json")
    result.explain()
    said = capsys.readouterr().out
    assert is_harmless(said.encode())
    assert is_harmless(str(result).encode())


def test_warnings_and_errors_are_lines_without_harm(own_place):
    work = own_place / "work"
    (work / "\x1b[31m.py").write_text("")
    (work / "jobs.py").write_text("def fail(x):\n    raise ValueError('\\x1b]0;x\\x07\\nsecond line')\n")
    (work / "amorsize.toml").write_text('"\\u001b[31m" = 1\n')
    for arguments in (
        ["optimize", "jobs:fail", "--range", "3", "--config", "/dev/null"],
        ["optimize", "jobs:fail", "--range", "3"],
        ["optimize", "\x1b[31m:fail", "--range", "3", "--config", "/dev/null"],
        ["cache", "--config", "/dev/null", "show", "\x1b[31m"],
    ):
        done = run(*arguments)
        assert done.returncode == 1
        assert is_harmless(done.stderr), done.stderr
    (work / "amorsize.toml").write_text("[caches.json]\ndirectory = '/tmp/\\u001b[31m'\n".replace("'", '"'))
    evil = work / "\x1b[31m"
    evil.mkdir()
    (work / "amorsize.toml").rename(evil / "amorsize.toml")
    os.chdir(evil)
    done = run("config", "show")
    assert done.returncode == 0
    assert b"amorsize config trust" in done.stderr
    assert is_harmless(done.stdout)
    assert is_harmless(done.stderr)
    with pytest.warns(amorsize.AmorsizeWarning) as caught:
        config.load()
    assert all(is_harmless(str(one.message).encode()) for one in caught)


@given(st.lists(st.text(), min_size=1))
def test_a_line_of_any_fields_is_one_printable_line_of_as_many(fields):
    with pytest.MonkeyPatch.context() as patch:
        written = []
        patch.setattr("click.echo", lambda text, err: written.append(text))
        say(*fields)
        say_lines("\n".join(fields))
    assert len(written[0].split("\t")) == len(fields)
    assert all(one.replace("\t", "").isprintable() for one in written)


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"])))
def test_what_is_printable_is_printed_as_it_is(text):
    assert printable(text) == text


def test_nothing_but_the_terminal_module_writes_to_the_terminal():
    folder = Path(amorsize.__file__).parent / "cli"
    for path in folder.glob("*.py"):
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        names = {func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "") for func in calls}
        # The demo shows what explain has made printable, and the others write files of their own.
        if path.name not in ("terminal.py", "demo.py", "results_file.py", "pictures.py"):
            assert not names & {"echo", "secho", "print", "write"}, path.name


STEERS = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")
COLOURS = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|9[0-7])\b")


def at_a_terminal(columns, *arguments, **environment):
    """Return all that a command writes to a terminal so wide, and its exit code."""
    import pty  # noqa: PLC0415  not on Windows
    import termios  # noqa: PLC0415

    here, there = pty.openpty()
    termios.tcsetwinsize(there, (40, columns))
    plain = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
    command = [sys.executable, "-m", "amorsize", *arguments]
    streams = {"stdin": there, "stdout": there, "stderr": there}
    with subprocess.Popen(command, env=plain | {"TERM": "xterm-256color"} | environment, **streams) as process:
        os.close(there)
        said = b""
        with suppress(OSError):  # Linux raises it where the command has ended
            while part := os.read(here, 1 << 16):
                said += part
    os.close(here)
    return said.decode().replace("\r\n", "\n"), process.returncode


@pytest.mark.skipif(sys.platform == "win32", reason="terminals are opened by pty")
@pytest.mark.parametrize("columns", [80, 120])
def test_tables_bars_and_help_fit_into_a_terminal(columns):
    said, code = at_a_terminal(columns, "demo", "--most", "9")
    assert code == 0
    assert COLOURS.search(said)
    drawn = [line for line in re.split(r"[\r\n]", STEERS.sub("", said)) if "━" in line]
    assert len(drawn) > 2
    assert max(map(len, drawn)) <= columns
    for arguments in (["--help"], ["run", "--help"], ["bench", "--seconds", "0"]):
        said, code = at_a_terminal(columns, *arguments)
        assert code == 0
        assert max(map(len, said.splitlines())) <= columns
        assert "\x1b" not in said


@pytest.mark.skipif(sys.platform == "win32", reason="terminals are opened by pty")
def test_without_colours_the_demo_has_none_and_a_pipe_gets_plain_text():
    said, _ = at_a_terminal(80, "demo", "--most", "9", NO_COLOR="1")
    assert "━" in said
    assert not COLOURS.search(said)
    assert b"\x1b" not in run("demo", "--most", "9").stdout


class Screen(io.StringIO):
    """A terminal that keeps what is written to it."""

    def isatty(self):
        return True


@pytest.mark.parametrize("total", [200, None])
def test_progress_is_one_line_of_a_terminal_that_goes_at_the_end(monkeypatch, total):
    screen, now = Screen(), iter(x / 10 for x in range(10_000))
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr("amorsize.cli.terminal.monotonic", lambda: next(now))
    progress = Progress(100, total)
    for _ in range(50):
        progress.step()
    progress.end()
    shown = screen.getvalue().split("\r")
    assert shown[1].startswith("101 of 200 items" if total else "101 items")
    assert any(line.startswith(f"140{' of 200' if total else ''} items, 10.0 a second") for line in shown)
    assert ("6 s left" in screen.getvalue()) == bool(total)
    assert max(map(len, shown)) < 80
    assert shown[-2].strip() == shown[-1] == ""


def test_progress_is_shown_to_no_file(monkeypatch):
    file = io.StringIO()
    monkeypatch.setattr("sys.stderr", file)
    progress = Progress(0, 3)
    progress.step()
    progress.end()
    assert file.getvalue() == ""
