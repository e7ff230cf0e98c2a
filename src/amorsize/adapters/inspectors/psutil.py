"""An inspector of the machine at hand, by what the system says itself and by psutil where it does not."""

from __future__ import annotations

import os
import sys
from typing import Final, NamedTuple

import attrs

from amorsize.adapters.inspectors.interpreter import python_facts
from amorsize.domain.values import Machine, Value

_MOST_CPUS: Final = 65536
_FEWEST_CPUS: Final = 0.01
_CPU_DIGITS: Final = 4
_MOST_BYTES: Final = 2**63
_BLAS_LENGTH: Final = 200
_MODEL_LENGTH: Final = 120
_ARCHITECTURE_LENGTH: Final = 40
_BLAS_VARIABLES: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


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

    Cores and CPU model are read once; affinity, quota, memory and thread settings at every call. On Linux they come
    from /proc, /sys and the control groups, as importing psutil takes longer than all the rest of a fresh process's
    look-up; psutil answers on other systems, and on Linux where those files cannot be read. A fact that neither knows
    is one core, no memory, no name.

    Args:
        options: none yet.
        root: the folder that holds ``proc`` and ``sys`` (on Linux).
    """

    def __init__(self, options: PsutilOptions, root: str = "/") -> None:
        self._options = options
        self._root = root.rstrip("/")
        self._static: _Static | None = None
        self._cgroup = None
        if sys.platform == "linux":
            from amorsize.adapters.inspectors.cgroup import Cgroup  # noqa: PLC0415  other systems have none

            self._cgroup = Cgroup(root)

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
            usable_cpus=min(max(round(usable, _CPU_DIGITS), _FEWEST_CPUS), _MOST_CPUS),
            available_memory_bytes=min(available, total),
            total_memory_bytes=total,
            start_method=start_method,
            python_tag=tag,
            python_version=version,
            gil_enabled=gil_enabled,
            cpu_model=static.cpu_model,
            architecture=static.architecture,
            blas_threads=_blas_threads(),
        )


def _read_static(root: str) -> _Static:
    logical, physical = _cores(root)
    uname = getattr(os, "uname", None)
    architecture = str(uname().machine if uname else os.environ.get("PROCESSOR_ARCHITECTURE", ""))
    return _Static(
        physical_cores=min(physical, logical),
        logical_cores=logical,
        cpu_model=_cpu_model(root)[:_MODEL_LENGTH],
        architecture=architecture[:_ARCHITECTURE_LENGTH],
    )


def _cores(root: str) -> tuple[int, int]:
    """Return the number of CPUs and of the cores behind them, one where that cannot be told."""
    logical = physical = None
    if sys.platform == "linux":
        from amorsize.adapters.inspectors.procfs import cores  # noqa: PLC0415  other systems have no /proc

        logical, physical = cores(root)
    if physical is None:
        try:
            import psutil  # noqa: PLC0415  dear to import, see the class

            physical = psutil.cpu_count(logical=False)
        except Exception:  # noqa: BLE001  whatever a system's facts run into: inspecting never raises
            physical = None
    return _bounded(logical or os.cpu_count(), 1, _MOST_CPUS), _bounded(physical, 1, _MOST_CPUS)


def _memory(root: str) -> tuple[int, int]:
    """Return available and total bytes of the whole system, (0, 0) when they cannot be read."""
    if sys.platform == "linux":
        from amorsize.adapters.inspectors.procfs import memory  # noqa: PLC0415  as above

        found = memory(root)
        if found is not None:
            return _bounded(found[0], 0, _MOST_BYTES), _bounded(found[1], 0, _MOST_BYTES)
    try:
        import psutil  # noqa: PLC0415  as above

        system = psutil.virtual_memory()
        return _bounded(system.available, 0, _MOST_BYTES), _bounded(system.total, 0, _MOST_BYTES)
    except Exception:  # noqa: BLE001  as above
        return 0, 0


def _allowed_cpus(logical: int) -> int:
    """Return the number of CPUs that this process's affinity allows, all of them when there is no such thing."""
    try:
        if hasattr(os, "sched_getaffinity"):
            # From Python 3.13 on this also knows -X cpu_count and PYTHON_CPU_COUNT.
            counted = getattr(os, "process_cpu_count", None)
            return _bounded(counted() if counted else len(os.sched_getaffinity(0)), 1, _MOST_CPUS)
        import psutil  # noqa: PLC0415  as above

        affinity = getattr(psutil.Process(), "cpu_affinity", None)
        return len(affinity()) if affinity else logical
    except Exception:  # noqa: BLE001  as above
        return logical


def _cpu_model(root: str) -> str:
    if sys.platform == "linux":
        from amorsize.adapters.inspectors.procfs import cpu_model  # noqa: PLC0415  as above

        return cpu_model(root)
    if sys.platform == "win32":
        return os.environ.get("PROCESSOR_IDENTIFIER", "")
    return _sysctl("machdep.cpu.brand_string" if sys.platform == "darwin" else "hw.model")


def _sysctl(name: str) -> str:
    """Return a text fact of a BSD or macOS kernel, "" where there is none."""
    try:
        import ctypes  # noqa: PLC0415  only for these systems

        room = ctypes.create_string_buffer(256)
        size = ctypes.c_size_t(len(room) - 1)
        if ctypes.CDLL(None).sysctlbyname(name.encode(), room, ctypes.byref(size), None, ctypes.c_size_t(0)):
            return ""
        return room.value.decode("utf-8", "replace")
    except Exception:  # noqa: BLE001  as above
        return ""


def _bounded(value: int | None, low: int, high: int) -> int:
    return min(max(int(value or 0), low), high)


def _blas_threads() -> str:
    found = ((name, os.environ.get(name, "")) for name in _BLAS_VARIABLES)
    return " ".join(f"{name}={value}" for name, value in found if value)[:_BLAS_LENGTH]
