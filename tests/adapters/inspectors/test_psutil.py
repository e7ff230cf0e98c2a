"""The inspector of the machine at hand: bounds, what is read again, and what is never needed."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest

from amorsize.adapters.inspectors import psutil as module
from amorsize.adapters.inspectors.psutil import PsutilInspector, PsutilOptions
from amorsize.application.ports import SystemInspector
from amorsize.domain.values import Machine
from amorsize.processes.blas import VARIABLES

linux = pytest.mark.skipif(sys.platform != "linux", reason="lays out a /proc")


@pytest.fixture(autouse=True)
def no_thread_settings(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def root(tmp_path):
    """A machine of 64 GiB, 8 GiB of it free, in a container that may use half a CPU and 4 GiB."""
    group = tmp_path / "sys/fs/cgroup/app"
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/app\n")
    (tmp_path / "proc/meminfo").write_text(f"MemTotal: {64 << 20} kB\nMemAvailable: {8 << 20} kB\n")
    (tmp_path / "proc/cpuinfo").write_text(f"model name: {'Very Fast ' * 20}\n")
    (group / "cgroup.procs").write_text("1\n")
    (group / "cpu.max").write_text("50000 100000\n")
    (group / "memory.max").write_text(f"{4 << 30}\n")
    (group / "memory.current").write_text(f"{1 << 30}\n")
    return tmp_path


def inspector(root="/"):
    return PsutilInspector(PsutilOptions(), str(root))


@pytest.mark.parametrize("start_method", ["fork", "spawn", "forkserver"])
def test_this_machine_is_described(start_method):
    machine = inspector().inspect(start_method)
    assert isinstance(machine, Machine)
    assert machine.start_method == start_method
    assert 1 <= machine.physical_cores <= machine.logical_cores == os.cpu_count()
    assert 0 < machine.usable_cpus <= machine.logical_cores
    assert 0 < machine.available_memory_bytes <= machine.total_memory_bytes
    assert machine.python_tag == sys.implementation.cache_tag
    assert machine.python_version.endswith(" " + sys.version.split()[0])
    assert machine.gil_enabled is getattr(sys, "_is_gil_enabled", lambda: True)()
    assert machine.architecture


def test_it_is_an_inspector():
    assert isinstance(inspector(), SystemInspector)


@linux
def test_the_container_bounds_cpus_and_memory(root):
    machine = inspector(root).inspect("fork")
    assert machine.usable_cpus == 0.5
    assert machine.total_memory_bytes == 4 << 30
    assert machine.available_memory_bytes == 3 << 30


@linux
def test_the_systems_own_memory_bounds_a_roomy_container(root):
    (root / "sys/fs/cgroup/app/memory.max").write_text(f"{900 << 30}\n")
    machine = inspector(root).inspect("fork")
    assert machine.total_memory_bytes == 64 << 30
    assert machine.available_memory_bytes == 8 << 30


@linux
@pytest.mark.parametrize(("quota", "usable"), [("1 1000000", 0.01), ("100000 300000", 0.3333)])
def test_a_quota_is_kept_within_bounds_and_to_four_digits(root, quota, usable):
    (root / "sys/fs/cgroup/app/cpu.max").write_text(quota)
    assert inspector(root).inspect("fork").usable_cpus == usable


@linux
def test_a_quota_above_the_affinity_does_not_add_cpus(root):
    (root / "sys/fs/cgroup/app/cpu.max").write_text("99999999 1")
    assert inspector(root).inspect("fork").usable_cpus == len(os.sched_getaffinity(0))


@linux
def test_absurd_figures_are_kept_within_bounds(root):
    (root / "proc/meminfo").write_text(f"MemTotal: {10**18} kB\nMemAvailable: {10**18} kB\n")
    (root / "sys/fs/cgroup/app/memory.max").write_text("max")
    machine = inspector(root).inspect("fork")
    assert machine.available_memory_bytes == machine.total_memory_bytes == 2**63
    assert len(machine.cpu_model) == 120


@linux
def test_what_can_change_is_read_again_and_what_cannot_is_not(root):
    own = inspector(root)
    before = own.inspect("fork")
    (root / "sys/fs/cgroup/app/cpu.max").write_text("25000 100000\n")
    (root / "sys/fs/cgroup/app/memory.current").write_text(f"{2 << 30}\n")
    (root / "proc/cpuinfo").write_text("model name: Other\n")
    after = own.inspect("spawn")
    assert (after.usable_cpus, after.available_memory_bytes) == (0.25, 2 << 30)
    assert after.cpu_model == before.cpu_model
    assert after.start_method == "spawn"


@linux
def test_affinity_is_read_again():
    own = inspector()
    allowed = os.sched_getaffinity(0)
    own.inspect("fork")
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert own.inspect("fork").usable_cpus <= 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_thread_settings_are_read_again_in_one_order(monkeypatch):
    own = inspector()
    assert own.inspect("fork").blas_threads == ""
    monkeypatch.setenv("MKL_NUM_THREADS", "2")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "")
    assert own.inspect("fork").blas_threads == "OMP_NUM_THREADS=1 MKL_NUM_THREADS=2"
    monkeypatch.setenv("NUMEXPR_NUM_THREADS", "9" * 500)
    assert len(own.inspect("fork").blas_threads) == 200


@linux
def test_where_proc_says_nothing_psutil_answers(tmp_path):
    machine = inspector(tmp_path).inspect("fork")
    assert machine.total_memory_bytes == psutil.virtual_memory().total
    assert machine.available_memory_bytes > 0
    assert machine.physical_cores == min(psutil.cpu_count(logical=False) or 1, os.cpu_count())
    assert machine.cpu_model == ""


@linux
def test_where_neither_knows_there_is_one_core_and_no_memory(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "psutil", None)  # so that importing it fails
    machine = inspector(tmp_path).inspect("fork")
    assert (machine.physical_cores, machine.available_memory_bytes, machine.total_memory_bytes) == (1, 0, 0)


@pytest.mark.parametrize("platform", ["win32", "darwin", "freebsd14"])
def test_on_other_systems_psutil_answers_and_the_system_names_the_cpu(tmp_path, monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(module, "_sysctl", lambda name: f"what {name} says")
    monkeypatch.setenv("PROCESSOR_IDENTIFIER", "a processor")
    machine = inspector(tmp_path).inspect("spawn")
    assert machine.total_memory_bytes == psutil.virtual_memory().total
    assert machine.physical_cores == min(psutil.cpu_count(logical=False) or 1, os.cpu_count())
    said = {"win32": "a processor", "darwin": "what machdep.cpu.brand_string says"}
    assert machine.cpu_model == said.get(platform, "what hw.model says")


def test_without_uname_the_environment_names_the_architecture(monkeypatch):
    monkeypatch.delattr(os, "uname", raising=False)
    monkeypatch.setenv("PROCESSOR_ARCHITECTURE", "AMD64")
    assert inspector().inspect("spawn").architecture == "AMD64"


def test_a_kernel_fact_is_read_as_text(monkeypatch):
    def sysctlbyname(name, buffer, *_):
        buffer.value = b"fact " + name
        return 0

    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(sysctlbyname=sysctlbyname))
    assert module._sysctl("hw.model") == "fact hw.model"
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(sysctlbyname=lambda *_: -1))
    assert module._sysctl("hw.model") == ""


def test_without_an_affinity_every_cpu_may_be_used(monkeypatch):
    class Unknowing:
        """A psutil whose processes have no affinity, as on macOS."""

        Process = object

    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setitem(sys.modules, "psutil", Unknowing)
    assert module._allowed_cpus(7) == 7
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert module._allowed_cpus(5) == 5


def test_psutils_affinity_counts_where_the_system_module_has_none(monkeypatch):
    if not hasattr(psutil.Process, "cpu_affinity"):
        pytest.skip("no affinity on this system")
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert module._allowed_cpus(10**4) == len(psutil.Process().cpu_affinity())


def test_a_kernel_fact_that_is_not_there_is_no_text():
    assert module._sysctl("no.such.fact") == ""


@linux
def test_a_fresh_process_on_linux_does_without_psutil():
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "from amorsize.adapters.inspectors.psutil import PsutilInspector, PsutilOptions\n"
        "assert PsutilInspector(PsutilOptions()).inspect('fork').total_memory_bytes\n"
        "slow = {'psutil', 'pathlib', 'subprocess', 'ctypes', 'cattrs', 'multiprocessing'}\n"
        "print(sorted(slow & set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


INSPECT_AGAIN = """
import sys
from amorsize.adapters.inspectors.psutil import PsutilInspector, PsutilOptions
own, opened = PsutilInspector(PsutilOptions()), []
own.inspect("fork")
sys.addaudithook(lambda event, args: opened.append(args[0]) if event == "open" else None)
own.inspect("fork")
print(*opened)
"""


@linux
@pytest.mark.usefixtures("untraced")
def test_inspecting_again_opens_a_few_files_only():
    done = subprocess.run([sys.executable, "-c", INSPECT_AGAIN], capture_output=True, text=True, check=True)
    opened = done.stdout.split()
    assert 2 <= len(opened) <= 32  # each takes some 10 us
    assert "/proc/cpuinfo" not in opened
