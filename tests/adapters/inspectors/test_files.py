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


def test_after_a_slow_look_none_is_taken_for_a_minute(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"abc")
    path, look = str(tmp_path / "a"), os.stat
    now, looks = [100.0], []

    def slow(path):
        looks.append(path)
        now[0] += 0.002
        return look(path)

    monkeypatch.setattr(module.os, "stat", slow)
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    sizes = FileSizes()
    assert [sizes.of(path) for _ in range(5)] == [3, None, None, None, None]
    assert len(looks) == 1
    now[0] += 61
    assert sizes.of(path) == 3
    assert len(looks) == 2


def test_a_look_costs_no_more_than_one_call_of_the_system(tmp_path, monkeypatch):
    looks, look = [], os.stat
    monkeypatch.setattr(module.os, "stat", lambda path: looks.append(path) or look(path))
    monkeypatch.setattr(module.time, "perf_counter", time.monotonic)
    FileSizes().of(str(tmp_path))
    assert looks == [str(tmp_path)]
