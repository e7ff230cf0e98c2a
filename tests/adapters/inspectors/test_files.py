"""Sizes of files, as long as they are reported quickly."""

from __future__ import annotations

import os
import time

import pytest

from amorsize.adapters.inspectors import files as module
from amorsize.adapters.inspectors.files import FileSizes


def test_a_file_has_its_size_also_through_a_link(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(12345))
    (tmp_path / "b").symlink_to(path)
    sizes = FileSizes()
    assert [sizes.of(str(tmp_path / name)) for name in "ab"] == [12345, 12345]
    path.write_bytes(b"")
    assert sizes.of(str(path)) == 0


@pytest.mark.parametrize("name", ["nothing", "a/b", "x" * 5000, "\0", "", "loop"])
def test_where_no_file_is_there_are_no_bytes(tmp_path, name):
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert FileSizes().of(f"{tmp_path}/{name}" if name else "") == 0


def test_of_folders_devices_and_what_is_forbidden_nothing_is_reported(tmp_path, monkeypatch):
    sizes = FileSizes()
    assert sizes.of(str(tmp_path)) is None
    assert sizes.of(os.devnull) is None

    def refuse(_):
        raise PermissionError(13, "no")

    monkeypatch.setattr(module.os, "stat", refuse)
    assert sizes.of("a") is None


@pytest.fixture
def looks(tmp_path, monkeypatch):
    """Return a path, the seconds of the looks to come (then 2 ms), those taken, and the clock."""
    (tmp_path / "a").write_bytes(b"abc")
    look, now, to_come, taken = os.stat, [100.0], [], []

    def slow(path):
        taken.append(path)
        now[0] += to_come.pop(0) if to_come else 0.002
        return look(path)

    monkeypatch.setattr(module, "_SLOW_SECONDS", 0.001)
    monkeypatch.setattr(module.os, "stat", slow)
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    return str(tmp_path / "a"), to_come, taken, now


def test_after_two_slow_looks_in_a_row_none_is_taken_for_a_minute(looks):
    path, _, taken, now = looks
    sizes = FileSizes()
    assert [sizes.of(path) for _ in range(5)] == [3, 3, None, None, None]
    assert len(taken) == 2
    now[0] += 61
    assert sizes.of(path) == 3
    assert len(taken) == 3


def test_one_slow_look_changes_nothing(looks):
    path, to_come, taken, _ = looks
    to_come += [0.002, 0.0, 0.002, 0.0]
    sizes = FileSizes()
    assert [sizes.of(path) for _ in range(4)] == [3] * 4
    assert len(taken) == 4


def test_a_look_costs_no_more_than_one_call_of_the_system(tmp_path, monkeypatch):
    looks, look = [], os.stat
    monkeypatch.setattr(module.os, "stat", lambda path: looks.append(path) or look(path))
    monkeypatch.setattr(module.time, "perf_counter", time.monotonic)
    FileSizes().of(str(tmp_path))
    assert looks == [str(tmp_path)]
