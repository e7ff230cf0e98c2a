"""Cores, CPU model and memory, against trees of /proc and /sys."""

from __future__ import annotations

import sys

import psutil
import pytest

from amorsize.adapters.inspectors import procfs

FOLDER = "sys/devices/system/cpu"


@pytest.fixture
def write(tmp_path):
    def write(path, text):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return str(tmp_path)

    return write


def test_memory_is_read_in_bytes(write):
    root = write("proc/meminfo", "MemTotal:  2000 kB\nMemFree:  10 kB\nMemAvailable:  1500 kB\nBuffers: 1 kB\n")
    assert procfs.memory(root) == (1500 * 1024, 2000 * 1024)


@pytest.mark.parametrize("text", ["", "MemTotal: 5 kB\n", "MemTotal: x kB\nMemAvailable: 1 kB\n", "MemAvailable\n"])
def test_memory_that_is_not_reported_whole_is_not_known(write, text):
    assert procfs.memory(write("proc/meminfo", text)) is None


def test_nothing_is_known_where_there_is_nothing(tmp_path):
    root = str(tmp_path)
    assert procfs.memory(root) is None
    assert procfs.cpu_model(root) == ""
    assert procfs.cores(root)[1] is None


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("processor\t: 0\nmodel name\t: AMD EPYC\n\nprocessor\t: 1\nmodel name\t: Other\n", "AMD EPYC"),
        ("processor: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n", "implementer 0x41 part 0xd0c"),
        ("CPU implementer\t: 0x41\n", "implementer 0x41 part unknown"),
        ("processor: 0\ncpu\t\t: POWER9\n", "POWER9"),
        ("model name:\nnonsense\n", ""),
        ("", ""),
    ],
)
def test_the_model_is_that_of_the_first_cpu(write, text, model):
    assert procfs.cpu_model(write("proc/cpuinfo", text)) == model


@pytest.mark.parametrize("before", ["", "x: y\n" * 45, "x: y\n" * 100])
def test_a_model_is_never_cut_off(write, before):
    model = "Very Fast " * 7 + "CPU"
    assert procfs.cpu_model(write("proc/cpuinfo", f"{before}model name: {model}\nflags: {'z ' * 2000}\n")) == model


def test_only_the_beginning_of_the_list_of_cpus_is_read(write):
    root = write("proc/cpuinfo", "x: " + "y" * 5000 + "\nmodel name: too far\n")
    assert procfs.cpu_model(root) == ""


def siblings(write, *lists):
    """Lay out one list of siblings for each CPU from 0."""
    for cpu, text in enumerate(lists):
        root = write(f"{FOLDER}/cpu{cpu}/topology/thread_siblings_list", f"{text}\n")
    return root


def test_two_threads_of_one_core_are_one_core(write):
    write(f"{FOLDER}/online", "0-3\n")
    write(f"{FOLDER}/smt/active", "1\n")
    assert procfs.cores(siblings(write, "0,2", "1,3", "0,2", "1,3"))[1] == 2


def test_with_no_two_threads_on_a_core_every_cpu_is_a_core(write):
    write(f"{FOLDER}/smt/active", "0\n")
    assert procfs.cores(write(f"{FOLDER}/online", "0-2,5,7-8\n"))[1] == 6


def test_cores_of_two_kinds_are_counted_each(write):
    write(f"{FOLDER}/online", "0-4\n")
    assert procfs.cores(siblings(write, "0-1", "0-1", "2", "3", "4"))[1] == 4


def test_a_cpu_that_is_offline_is_no_core(write):
    write(f"{FOLDER}/online", "0,2\n")
    assert procfs.cores(siblings(write, "0", "1", "2"))[1] == 2


@pytest.mark.parametrize("online", ["", "nonsense", "3-1", "0-99999999", "0-", "-3", "1,,2"])
def test_a_malformed_list_of_cpus_tells_nothing(write, online):
    write(f"{FOLDER}/smt/active", "0\n")
    assert procfs.cores(write(f"{FOLDER}/online", online))[1] is None


@pytest.mark.parametrize("own", ["", "1", "nonsense"])
def test_a_cpu_that_is_not_among_its_own_siblings_tells_nothing(write, own):
    write(f"{FOLDER}/online", "0\n")
    assert procfs.cores(siblings(write, own))[1] is None


def test_a_folder_is_not_read(tmp_path):
    assert procfs.read(str(tmp_path)) is None


def test_no_more_than_asked_for_is_read(write):
    root = write("long", "x" * 100_000)
    assert len(procfs.read(f"{root}/long")) == 100_000
    assert len(procfs.read(f"{root}/long", 10)) == 10


@pytest.mark.skipif(sys.platform != "linux", reason="reads this machine's own /proc")
def test_this_machine_agrees_with_psutil():
    assert procfs.memory("")[1] == psutil.virtual_memory().total
    logical, cores = procfs.cores("")
    assert logical in {None, psutil.cpu_count()}
    assert cores is None or cores == psutil.cpu_count(logical=False) <= psutil.cpu_count()
