"""Every block of code in the docs is run or read by a test: those here, where no other test takes its page."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import EntryPoint
from itertools import dropwhile, groupby
from pathlib import Path
from typing import NamedTuple

import pytest
from docs.programs import programs

from amorsize.config import loader
from amorsize.errors import ConfigError
from amorsize.plugins.registry import KINDS, Backends

ROOT = Path(__file__).parents[2]
DOCS, PLUGINS = ROOT / "docs", sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))
PAGES = [
    *sorted(DOCS.rglob("*.md")),
    *(folder / "README.md" for folder in PLUGINS),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
]
ELSEWHERE = {
    "write-a-cache-plugin.md": "test_plugins compares its files with the plugin's",
    "first-steps.md": "test_examples",
    "amorsize-dask/README.md": "the plugin's own tests, with a cluster",
}
PARTS = {"call-a-server.md": 2, "test-with-amorsize.md": 1, "hooks.md": 1, "python.md": 1}
OTHERS = {"amorsize", "nox", "git", "apt-get", "pre-commit", ".", "python3", "cut", "head"}
CONTRACTS = "## 5. Prove it"


class Block(NamedTuple):
    """A block of code: where it stands, its language and its text."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.page.parent.name}/{self.page.name}:{self.line}"


def blocks_of(page):
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [Block(page, text[: each.start()].count("\n") + 1, each[1], each[2]) for each in found]


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def those_in(language):
    return pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == language], ids=str)


def programs_of(name):
    return [block.text for block in BLOCKS if block.page.name == name and block.language == "python"]


def lines_of(block):
    """Return the words of each command of a block, without a comment and without what it sets in the environment."""
    for line in block.text.splitlines():
        for is_between, words in groupby(shlex.split(line, comments=True), lambda word: word in {"&&", "|"}):
            command = list(dropwhile(lambda word: "=" in word, words))
            if command and not is_between:
                yield command


def run(*command, folder, **environment):
    done = subprocess.run(
        [sys.executable, "-B", *command], cwd=folder, capture_output=True, text=True, env=os.environ | environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def taken(block):
    """Return whether a test runs a block of Python: a whole program with a name, or a page in one of the tables."""
    page = f"{block.page.parent.name}/{block.page.name}"
    named = re.match(r"# \w+\.py\n", block.text) and block.page.parent.name == "how-to"
    return bool(named) or block.page == ROOT / "README.md" or {page, block.page.name} & {*ELSEWHERE, *PARTS}


def test_a_test_runs_every_program_and_reads_all_else():
    assert {block.language for block in BLOCKS} <= {"python", "toml", "console", "json", "yaml", "text", "mermaid"}
    assert [str(block) for block in BLOCKS if block.language == "python" and not taken(block)] == []
    assert {name: len(programs_of(name)) for name in PARTS} == PARTS


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404 if self.path == "/gone" else 200)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_page_on_servers_fetches_pages_and_collects_failures(address, tmp_path):
    first, second = programs_of("call-a-server.md")
    urls = [f"{address}/{name}" for name in "abc"]
    program = tmp_path / "program.py"
    program.write_text(f"urls = {urls}\n{first}\nprint(pages)\nurls.append({address + '/gone'!r})\n{second}", "utf-8")
    pages, failed = run(program, folder=tmp_path, no_proxy="*").splitlines()
    assert pages == "[b'/a', b'/b', b'/c']"
    assert failed == f"{address}/gone HTTP Error 404: Not Found"


def test_the_page_on_tests_gives_a_test_that_passes(tmp_path):
    (block,) = programs_of("test-with-amorsize.md")
    reports = "from amorsize import optimize\n\n\ndef make_reports():\n    optimize(str, list(range(100)))\n"
    (tmp_path / "test_reports.py").write_text(f"{reports}\n\n{block}", encoding="utf-8")
    assert "1 passed" in run("-m", "pytest", "-q", "-p", "no:cacheprovider", folder=tmp_path)


def test_the_reference_shows_a_client_that_runs(capsys):
    (block,) = programs_of("python.md")
    names = {}
    exec(compile(block, "python.md", "exec"), names)
    assert names["sizes"] == [3, 5]


def test_the_contracts_that_the_pages_show_run_in_pytest_and_in_unittest(tmp_path):
    page = (DOCS / "how-to" / "write-a-cache-plugin.md").read_text(encoding="utf-8").partition(CONTRACTS)[2]
    shared, mine = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    shared = re.sub(r"^from amorsize_lmdb.*\n", "", shared, flags=re.MULTILINE)
    caches = (
        "import unittest\n"
        "from amorsize.adapters.caches.json import JsonCache as LmdbCache, JsonOptions as LmdbOptions\n"
        "from amorsize.adapters.caches.memory import MemoryCache as MyCache, MemoryOptions as MyOptions\n"
    )
    threads = (
        "from amorsize.adapters.executors.thread import ThreadExecutors as MyExecutors, ThreadOptions as MyOptions\n"
    )
    (executors,) = programs_of("hooks.md")
    few = "    processes, operations, kills = 2, 200, 3\n\n\n"
    (tmp_path / "test_caches.py").write_text(caches + shared + few + mine, encoding="utf-8")
    (tmp_path / "test_executors.py").write_text(threads + executors, encoding="utf-8")
    said = run("-m", "pytest", "-q", "-p", "no:cacheprovider", folder=tmp_path)
    assert re.search(r"^\d\d+ passed", said, re.MULTILINE), said
    run("-m", "unittest", "-q", "test_caches.TestMine", folder=tmp_path)


@pytest.fixture
def backends(monkeypatch):
    """Backends with those of the plugins in this repository, which need not be installed."""
    entries = []
    for folder in PLUGINS:
        monkeypatch.syspath_prepend(folder / "src")
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        modules = project["entry-points"]["amorsize"]
        entries += [EntryPoint(name, module, "amorsize") for name, module in modules.items()]
    return Backends(lambda: entries)


@those_in("toml")
def test_a_config_that_a_page_shows_is_right(block, backends):
    document = tomllib.loads(block.text)
    if "project" in document:
        return  # the plugin's own, which test_plugins compares
    loader.load(document, backends=backends)
    for kind in KINDS:
        for name, table in document.get(kind, {}).items():
            loader._options(backends.backend(kind, name).options, table, f"{kind}.{name}")


def test_the_errors_that_a_page_shows_are_those_that_come(own_place):
    (block,) = [each for each in BLOCKS if each.language == "text" and each.text.startswith("amorsize.toml: ")]
    work = own_place / "work"
    (work / "amorsize.toml").write_text('cahce = "json"\nkeeping = {}\n[limits]\nmax_workers = 0\n', encoding="utf-8")
    (work / "pyproject.toml").write_text('[tool.amorsize.rules]\nttl_seconds = "7 days"\n', encoding="utf-8")
    said = []
    for name in ("amorsize.toml", "pyproject.toml"):
        with pytest.raises(ConfigError) as caught:
            loader.load(name)
        said += str(caught.value).splitlines()
    assert said == block.text.splitlines()


@those_in("yaml")
def test_a_workflow_that_a_page_shows_sets_variables_that_there_are(block):
    reference = (DOCS / "reference" / "configuration.md").read_text(encoding="utf-8")
    named = re.findall(r"^ +(AMORSIZE_\w+):", block.text, re.MULTILINE)
    assert named
    assert all(f"| `{name}` |" in reference for name in named)


def test_json_that_a_page_shows_can_be_read():
    for block in BLOCKS:
        if block.language == "json":
            for text in [block.text] if block.text.startswith("{\n") else block.text.splitlines():
                assert json.loads(text)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder in which the commands of any page can run: with inputs, a package, and a config that reaches out."""
    (tmp_path / "mypackage").mkdir()
    (tmp_path / "mypackage" / "jobs.py").write_text("resize = len\n", encoding="utf-8")
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "one.png").touch()
    (tmp_path / "records.jsonl").write_text("[1]\n" * 100, encoding="utf-8")
    (tmp_path / "names.tsv").write_text("a\tb\n" * 100, encoding="utf-8")
    (tmp_path / "one.txt").write_text("a line\n", encoding="utf-8")
    warm = '[[warm]]\nfunction = "mypackage.jobs:resize"\nglob = "samples/*.png"\n'
    config = f'{warm}[caches.json]\ndirectory = "{(tmp_path.parent / "outside").as_posix()}"\n'
    (tmp_path / "amorsize.toml").write_text(config, encoding="utf-8")
    command = tmp_path / "bin" / "amorsize"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m amorsize "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent), prepend=os.pathsep)
    return tmp_path


def commands_of(page):
    """Return the lines that a page has one type in which amorsize runs, in order."""
    consoles = [block for block in blocks_of(page) if block.language == "console" and page.parent != ROOT]
    return [line for block in consoles for line in block.text.splitlines() if re.search(r"(?:^|[ |])amorsize ", line)]


@pytest.mark.skipif(os.name == "nt", reason="the pages show commands for a POSIX shell")
@pytest.mark.parametrize("page", [page for page in PAGES if commands_of(page)], ids=lambda page: page.stem)
def test_the_amorsize_commands_of_a_page_run_one_after_another(page, project):
    for name, text in programs(page).items():
        (project / name).write_text(text, encoding="utf-8")
    for line in commands_of(page):
        done = subprocess.run(["sh", "-c", line], cwd=project, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


@those_in("console")
def test_every_other_command_is_of_a_program_and_of_files_that_there_are(block):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    folder = ROOT
    for words in lines_of(block):
        program = words[0].rpartition("/")[2]
        if program == "cd":
            folder = ROOT / words[1]
        elif program == "pip" or words[1:3] == ["-m", "pip"]:
            for place, extra in re.findall(r"([\w./-]+?)(?:\[(\w+)\])?$", "\n".join(words), re.MULTILINE):
                assert "/" not in place or words[0] == place or (ROOT / place).is_dir(), place
                assert not extra or extra in extras or (ROOT / place / "tests").is_dir(), extra
        elif program == "python":
            assert words[1] in {"-m", "-c"} or (folder / words[1]).is_file(), words
        else:
            assert program in OTHERS, words
        assert folder.is_dir()


def test_every_script_that_a_page_has_one_run_is_there():
    named = {
        (page, script)
        for page in PAGES
        for script in re.findall(r"`python ((?:tests|plugins)/[\w/.-]+)", page.read_text(encoding="utf-8"))
    }
    assert len(named) > 10
    assert [str(script) for _, script in named if not (ROOT / script).is_file()] == []
