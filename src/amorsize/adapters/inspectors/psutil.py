"""An inspector of the machine at hand, by what the system says itself and by psutil where it does not."""

from __future__ import annotations

import os
import sys
from typing import Final, NamedTuple

import attrs

from amorsize.adapters.inspectors.files import FileSizes
from amorsize.adapters.inspectors.interpreter import python_facts
from amorsize.domain.values import LONG_TEXT, MAX_BYTES, MAX_CPUS, MIN_CPUS, SHORT_TEXT, THREADS_TEXT, Machine, Value
from amorsize.processes.blas import VARIABLES

_CPU_DIGITS: Final = 4
"""Digits of a fraction of a CPU: quotas are given in thousandths."""


@attrs.frozen(eq=False, repr=False)
class PsutilOptions(Value):
    """Options of the psutil inspector: there are none yet."""


class _Static(NamedTuple):
    """What stays as it is while a process runs."""

    physical_cores: int
    logical_cores: int
    cpu_model: str
    architecture: str


class PsutilInspector:
    """Reads the machine at hand.

    Cores and CPU model are read once; affinity, quota, memory, load and thread settings at every call. On Linux they
    come from /proc, /sys and the control groups, as importing psutil takes longer than all the rest of a fresh
    process's look-up; psutil answers on other systems, and on Linux where those files cannot be read. A fact that
    neither knows is one core, no memory, no load, no name.

    Args:
        options: none yet.
        root: the folder that holds ``proc`` and ``sys`` (on Linux).
    """

    def __init__(self, options: PsutilOptions, root: str = "/") -> None:
        self._options = options
        self._files = FileSizes()
        self._root = root.rstrip("/")
        self._static: _Static | None = None
        self._cgroup = self._load = None
        if sys.platform == "linux":
            from amorsize.adapters.inspectors.cgroup import Cgroup
            from amorsize.adapters.inspectors.load import OthersLoad

            self._cgroup = Cgroup(root)
            self._load = OthersLoad(self._root)

    def file_bytes(self, path: str) -> int | None:
        """Return the size of a file; see the port."""
        return self._files.of(path)

    def inspect(self, start_method: str) -> Machine:
        """Return the facts as they are now; see the port."""
        static = self._static
        if static is None:
            static = self._static = _read_static(self._root)
        tag, version, gil_enabled = python_facts()
        usable = float(_allowed_cpus(static.logical_cores))
        available, total = _memory(self._root)
        if self._cgroup is not None:
            quota, limit, headroom = self._cgroup.allowance()
            usable = usable if quota is None else min(usable, quota)
            total = total if limit is None else min(total, limit)
            available = available if headroom is None else min(available, headroom)
        return Machine(
            physical_cores=static.physical_cores,
            logical_cores=static.logical_cores,
            usable_cpus=min(max(round(usable, _CPU_DIGITS), MIN_CPUS), MAX_CPUS),
            available_memory_bytes=min(available, total),
            total_memory_bytes=total,
            start_method=start_method,
            python_tag=tag,
            python_version=version,
            gil_enabled=gil_enabled,
            cpu_model=static.cpu_model,
            architecture=static.architecture,
            blas_threads=_blas_threads(),
            load=0.0 if self._load is None else self._load.now(),
        )


def _read_static(root: str) -> _Static:
    logical, physical = _cores(root)
    uname = getattr(os, "uname", None)
    architecture = str(uname().machine if uname else os.environ.get("PROCESSOR_ARCHITECTURE", ""))
    return _Static(
        physical_cores=min(physical, logical),
        logical_cores=logical,
        cpu_model=_cpu_model(root)[:LONG_TEXT],
        architecture=architecture[:SHORT_TEXT],
    )


def _cores(root: str) -> tuple[int, int]:
    """Return the number of CPUs and of the cores behind them, one where that is not known."""
    logical = physical = None
    if sys.platform == "linux":
        from amorsize.adapters.inspectors.procfs import cores

        logical, physical = cores(root)
    if physical is None:
        try:
            import psutil

            physical = psutil.cpu_count(logical=False)
        except Exception:  # noqa: BLE001  whatever a system's facts run into: inspecting never raises
            physical = None
    return _bounded(logical or os.cpu_count(), 1, MAX_CPUS), _bounded(physical, 1, MAX_CPUS)


def _memory(root: str) -> tuple[int, int]:
    """Return available and total bytes of the whole system, (0, 0) when they cannot be read."""
    if sys.platform == "linux":
        from amorsize.adapters.inspectors.procfs import memory

        found = memory(root)
        if found is not None:
            return _bounded(found[0], 0, MAX_BYTES), _bounded(found[1], 0, MAX_BYTES)
    try:
        import psutil

        system = psutil.virtual_memory()
        return _bounded(system.available, 0, MAX_BYTES), _bounded(system.total, 0, MAX_BYTES)
    except Exception:  # noqa: BLE001  as above
        return 0, 0


def _allowed_cpus(logical: int) -> int:
    """Return the number of CPUs that this process's affinity allows, all of them when there is no such thing."""
    try:
        if hasattr(os, "sched_getaffinity"):
            # From Python 3.13 on this also knows -X cpu_count and PYTHON_CPU_COUNT.
            counted = getattr(os, "process_cpu_count", None)
            return _bounded(counted() if counted else len(os.sched_getaffinity(0)), 1, MAX_CPUS)
        import psutil

        affinity = getattr(psutil.Process(), "cpu_affinity", None)
        return len(affinity()) if affinity else logical
    except Exception:  # noqa: BLE001  as above
        return logical


def _cpu_model(root: str) -> str:
    if sys.platform == "linux":
        from amorsize.adapters.inspectors.procfs import cpu_model

        return cpu_model(root)
    if sys.platform == "win32":
        return os.environ.get("PROCESSOR_IDENTIFIER", "")
    return _sysctl("machdep.cpu.brand_string" if sys.platform == "darwin" else "hw.model")


def _sysctl(name: str) -> str:
    """Return a text fact of a BSD or macOS kernel, "" where there is none."""
    try:
        import ctypes

        buffer = ctypes.create_string_buffer(256)
        size = ctypes.c_size_t(len(buffer) - 1)
        if ctypes.CDLL(None).sysctlbyname(name.encode(), buffer, ctypes.byref(size), None, ctypes.c_size_t(0)):
            return ""
        return buffer.value.decode("utf-8", "replace")
    except Exception:  # noqa: BLE001  as above
        return ""


def _bounded(value: int | None, low: int, high: int) -> int:
    return min(max(int(value or 0), low), high)


def _blas_threads() -> str:
    found = ((name, os.environ.get(name, "")) for name in VARIABLES)
    return " ".join(f"{name}={value}" for name, value in found if value)[:THREADS_TEXT]
