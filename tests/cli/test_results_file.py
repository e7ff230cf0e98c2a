"""The file of a run: only one run writes to it, and what is not of a run stays as it is."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from amorsize.cli.results_file import Key, ResultsFile
from amorsize.config.inputs import InputError

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="locks, links and modes of POSIX")
KEY = Key(1, 2)
LINE = b'{"position": %d, "key": "00000001-00000002", "result": 0}\n'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out.jsonl"


def opens_in_another_program(path):
    code = "import sys; from amorsize.cli.results_file import ResultsFile; ResultsFile(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 or "in use by another run" in done.stderr, done.stderr
    return done.returncode == 0


@POSIX
def test_another_run_is_refused_after_the_run_itself_has_read_the_file(path):
    with ResultsFile(path):
        path.read_bytes()
        assert not opens_in_another_program(path)
    assert opens_in_another_program(path)


@POSIX
def test_a_forked_worker_that_outlives_the_run_does_not_hold_the_lock(path):
    file = ResultsFile(path)
    ends, keeps = os.pipe()
    child = os.fork()
    if not child:
        os.close(keeps)
        os.read(ends, 1)
        os._exit(0)
    os.close(ends)
    try:
        file.close()
        assert opens_in_another_program(path)
    finally:
        os.close(keeps)
        os.waitpid(child, 0)


@pytest.mark.parametrize("by_others", [b"theirs\n", LINE % 7])
def test_a_line_of_another_program_ends_the_run_and_stays(path, by_others):
    with ResultsFile(path) as file:
        file.append(0, KEY, '"result": 0', failed=False)
        with path.open("ab") as theirs:
            theirs.write(by_others)
        with pytest.raises(InputError, match="another program has written to"):
            file.append(1, KEY, '"result": 0', failed=False)
    assert path.read_bytes() == LINE % 0 + by_others


def test_lines_that_another_program_has_moved_are_not_put_in_order(path):
    with ResultsFile(path) as file:
        file.append(1, KEY, '"result": 0', failed=False)
        file.append(0, KEY, '"result": 0', failed=False)
        path.write_bytes(LINE % 3 + LINE % 4)
        with pytest.raises(InputError, match="another program has written to"):
            file.settle()
    assert path.read_bytes() == LINE % 3 + LINE % 4
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "theirs",
    [
        b'{"position": 12, "name": "mine"}',
        bytes(100_000),
        LINE % 0 + b"my own note without newline",
        LINE % 0 + b'{"position": 1, "key": "xyz',
        LINE % 0 + LINE[:-1] % 1 + b"\x07",
        LINE % 0 + b'{"position": 999999999999999, "key": "00000001-00000002", "result": 0}\n',
    ],
)
def test_a_file_that_no_run_has_left_is_refused_and_stays(path, theirs):
    path.write_bytes(theirs)
    with pytest.raises(InputError, match="is not a line of amorsize run"):
        ResultsFile(path)
    assert path.read_bytes() == theirs


@pytest.mark.parametrize("zeros", [0, 5000])
@pytest.mark.parametrize("before", [b"", LINE % 0])
def test_each_beginning_of_a_line_is_removed(path, before, zeros):
    last = LINE % 12
    for left in range(0 if before else 1, len(last)):
        path.write_bytes(before + last[:left] + bytes(zeros))
        with ResultsFile(path) as file:
            assert file.was_cut == bool(left or zeros)
            assert len(file) == len(before) // len(LINE % 0)
        assert path.read_bytes() == before


@POSIX
def test_putting_a_file_in_order_touches_no_other_file(path):
    mine = path.with_name("mine")
    mine.write_text("mine")
    path.with_name(f".{path.name}.sorting").symlink_to(mine)
    path.touch(0o640)
    out_of_order(path)
    assert mine.read_text() == "mine"
    assert path.read_bytes() == LINE % 0 + LINE % 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_name_may_be_as_long_as_the_system_lets_it(path):
    path = Path(str(path.with_name("x" * 250)))
    out_of_order(path)
    assert path.read_bytes() == LINE % 0 + LINE % 1


def out_of_order(path):
    with ResultsFile(path) as file:
        file.append(1, KEY, '"result": 0', failed=False)
        file.append(0, KEY, '"result": 0', failed=False)
        file.settle()
