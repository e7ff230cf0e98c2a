"""Planted faults: the doctor names each of them, and says what to do."""

from __future__ import annotations

import errno
import json
import os
import sys

import attrs
import click.testing
import pytest
from fakes import MACHINE

from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions
from amorsize.cli.commands import amorsize_command
from amorsize.config import loader
from amorsize.diagnosis import machine, setup
from amorsize.diagnosis.doctor import diagnosed
from amorsize.diagnosis.finding import FIX, NOTE, OK, Finding
from amorsize.domain.overheads import prior
from amorsize.plugins.registry import Row

NOW = 1_800_000_000.0
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="control groups and memfd are Linux's")


class FaultyCache(MemoryCache):
    """A cache in memory whose medium takes no text."""

    def __init__(self, number):
        super().__init__(MemoryOptions())
        self.number = number

    def store(self, locator, variant, text):
        raise OSError(self.number, os.strerror(self.number))


class FakeBackends:
    def __init__(self, *states):
        self.rows = [Row(f"one{at}", "caches", "some-plugin", "1.0", state) for at, state in enumerate(states)]

    def describe(self):
        return self.rows


def verdicts(findings):
    return [finding.verdict for finding in findings]


def to_fix(findings):
    found = [finding for finding in findings if finding.verdict == FIX]
    assert all(finding.remedy for finding in found)
    return " ".join(finding.seen for finding in found)


@pytest.fixture
def group(tmp_path):
    """A folder of control groups below a root of their own, which is ``tmp_path``."""
    folder = tmp_path / "sys" / "fs" / "cgroup"
    folder.mkdir(parents=True)
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "cgroup").write_text("0::/\n")
    (folder / "cgroup.procs").write_text("")
    return folder


@on_linux
def test_a_quota_of_half_a_cpu_is_named_with_the_file_that_sets_it(tmp_path, group):
    (group / "cpu.max").write_text("50000 100000\n")
    found = machine.quota(MACHINE, str(tmp_path))
    assert found.verdict == FIX
    assert found.seen == f"0.5 CPUs, by {group / 'cpu.max'}"
    (group / "cpu.max").write_text("100000 100000\n")
    assert machine.quota(attrs.evolve(MACHINE, logical_cores=8, physical_cores=8), str(tmp_path)).verdict == NOTE
    (group / "cpu.max").write_text("max 100000\n")
    assert machine.quota(MACHINE, str(tmp_path)).verdict == OK


def test_an_affinity_that_leaves_out_cpus_is_named():
    found = machine.cores(attrs.evolve(MACHINE, logical_cores=8, physical_cores=8), 1)
    assert (found.verdict, found.seen) == (NOTE, "8 CPUs on 8 cores; the affinity allows 1")


def test_a_cache_folder_with_other_files_is_named(own_place):
    (own_place / "cache" / "photo.jpg").write_text("not ours")
    found, _ = setup.caches(loader.load({"cache": "json"}), lambda: NOW)
    assert "one that holds 'photo.jpg'" in to_fix(found)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="users own folders on POSIX")
def test_a_cache_folder_of_another_user_is_named(own_place, monkeypatch):
    owner = (own_place / "cache").stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    found, _ = setup.caches(loader.load({"cache": "json"}), lambda: NOW)
    assert f"must belong to user {owner + 1}, got one of user {owner}" in to_fix(found)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS], ids=["full disk", "read-only home"])
def test_a_medium_that_takes_no_text_is_named(number):
    found, _ = setup.cache("json", FaultyCache(number), lambda: NOW)
    assert os.strerror(number) in to_fix(found)


def test_a_home_that_cannot_hold_a_cache_is_named(own_place, monkeypatch):
    (own_place / "file").write_text("")
    monkeypatch.setenv("AMORSIZE_CACHE_DIR", str(own_place / "file" / "cache"))
    found, _ = setup.caches(loader.load({"cache": "json"}), lambda: NOW)
    assert str(own_place / "file" / "cache") in to_fix(found)


def test_unreadable_entries_are_named_and_the_write_test_leaves_nothing():
    store = MemoryCache(MemoryOptions())
    store.store("func:0123456789abcdef", "item", "rubbish")
    found, newest = setup.cache("memory", store, lambda: NOW)
    assert "1 of 1 entries cannot be read" in to_fix(found)
    assert newest is None
    assert list(store.locators()) == ["func:0123456789abcdef"]


def test_threads_of_a_library_without_a_limit_are_named_for_a_function(monkeypatch):
    monkeypatch.setattr(machine, "threads_variable", lambda: "OMP_NUM_THREADS")
    unset = attrs.evolve(MACHINE, blas_threads="")
    found = machine.threads_of_libraries(unset, function="jobs:solve")
    assert found.verdict == FIX
    assert "OMP_NUM_THREADS is not set" in found.seen
    assert "export OMP_NUM_THREADS=1" in found.remedy
    assert machine.threads_of_libraries(unset).verdict == NOTE
    assert machine.threads_of_libraries(attrs.evolve(MACHINE, blas_threads="OMP_NUM_THREADS=1")).verdict == OK


def test_low_limits_on_files_and_processes_are_named():
    assert verdicts(machine.limits(64, 16)) == [FIX, FIX]
    assert [found.subject for found in machine.limits(64, 16)] == ["open files", "processes"]
    assert verdicts(machine.limits(None, 4096)) == [OK, OK]


def test_a_clock_that_is_wrong_is_named():
    assert machine.clock(0.0, None).verdict == FIX
    assert "100000 s ahead" in machine.clock(NOW, NOW + 100_000).seen
    assert machine.clock(NOW, NOW - 5).verdict == OK


def test_little_memory_is_named():
    assert machine.memory(attrs.evolve(MACHINE, available_memory_bytes=1 << 20)).verdict == FIX


@on_linux
def test_a_limit_on_memory_is_named(tmp_path, group):
    assert "control groups" not in machine.memory(MACHINE, str(tmp_path)).seen
    (group / "memory.max").write_text(f"{1 << 30}\n")
    assert machine.memory(MACHINE, str(tmp_path)).seen.endswith("; the control groups allow 1 GiB")


@on_linux
def test_a_missing_folder_for_shared_memory_is_named(tmp_path):
    assert machine.shared_folder(str(tmp_path / "missing")).verdict == FIX


@on_linux
def test_a_sandbox_without_memfd_is_named():
    def refused():
        raise PermissionError(errno.EPERM, "Operation not permitted")

    assert machine.shared_memory(refused).verdict == FIX
    assert machine.shared_memory().verdict == OK


def test_a_plugin_that_cannot_be_loaded_is_named():
    found = setup.plugins(FakeBackends("ready", "cannot be imported: no module named lmdb"))
    assert "one1 (some-plugin): cannot be imported" in to_fix(found)
    assert verdicts(setup.plugins(FakeBackends("ready"))) == [OK]


def test_each_error_of_a_config_is_named(own_place):
    (own_place / "work" / "amorsize.toml").write_text("[limits]\nmax_workers = 0\nmin_speedup = -1\n")
    said = to_fix(diagnosed())
    assert "max_workers" in said
    assert "min_speedup" in said


def test_each_value_that_is_set_is_shown_with_its_file(own_place):
    (own_place / "work" / "amorsize.toml").write_text("[limits]\nmax_workers = 3\n")
    said = [finding.seen for finding in diagnosed() if finding.subject == "config"]
    assert "limits.max_workers = 3, from amorsize.toml" in said


def test_a_start_method_that_the_program_forces_is_said():
    assert machine.start_method("forkserver", "OpenMP is loaded").verdict == NOTE


def test_overheads_that_nobody_measured_are_said():
    known = prior(MACHINE)
    assert setup.overheads(known, NOW).verdict == NOTE
    measured = attrs.evolve(known, source="measured", measured_at=NOW - 86_400)
    assert setup.overheads(measured, NOW).seen == "measured 1.0 days ago"


def test_noise_is_the_usual_time_over_the_least():
    def clock(*seconds):
        ends = iter([moment for at in range(30) for moment in (at * 10.0, at * 10.0 + seconds[at % len(seconds)])])
        return lambda: next(ends)

    assert machine.noise(clock(1.0)).verdict == OK
    assert machine.noise(clock(1.0, 2.0, 2.0)).verdict == NOTE


@pytest.mark.parametrize(("verdict", "code"), [(OK, 0), (NOTE, 0), (FIX, 1)])
def test_the_exit_code_says_whether_anything_needs_fixing(monkeypatch, verdict, code):
    finding = Finding("memory", verdict, "seen", "remedy")
    monkeypatch.setattr("amorsize.diagnosis.doctor.diagnosed", lambda config, function: [finding])
    text = click.testing.CliRunner().invoke(amorsize_command, ["doctor"], standalone_mode=False)
    assert text.return_value == code
    assert f"{verdict}\tmemory\tseen\tremedy" in text.output
    document = click.testing.CliRunner().invoke(amorsize_command, ["doctor", "--json"], standalone_mode=False)
    assert json.loads(document.output) == {
        "schema": 1,
        "command": "doctor",
        "fix": code,
        "findings": [attrs.asdict(finding)],
    }
