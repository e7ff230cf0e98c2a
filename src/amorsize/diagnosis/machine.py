"""Checks of the machine: CPUs, memory, Python, libraries with threads, limits, clock and noise."""

from __future__ import annotations

import os
import sys
from statistics import median
from typing import TYPE_CHECKING, Final

from amorsize.adapters.inspectors.cgroup import Cgroup
from amorsize.diagnosis.finding import FIX, NOTE, OK, Finding
from amorsize.domain.wording import size
from amorsize.processes.blas import threads_variable
from amorsize.processes.memory import shared_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.domain.values import Machine

_FEW_BYTES: Final = 256 << 20
"""Bytes of free memory below which a few workers may not find enough: our choice, tens of MB for each."""

_SMALL_SHM_BYTES: Final = 64 << 20
"""Bytes in /dev/shm that containers have by default, from the docs of Docker; large results of a pool may fill it."""

_FEW_FILES: Final = 256
"""Open files below which pools of a few dozen workers run out: our choice, each takes several pipes."""

_FEW_PROCESSES: Final = 64
"""Processes and threads of a user below which workers run out: our choice, a few dozen workers have threads too."""

_EARLIEST: Final = 1_735_689_600.0
"""2025-01-01 in Unix seconds: our choice, no clock that is right says less."""

_NOISY: Final = 1.25
"""Times the fastest round that the usual one may take on a quiet machine: our choice; the prior of jitter is 8 %."""

_ROUNDS: Final = 30
"""Rounds of a computation that show how steady the machine is: our choice, so that doctor stays quick."""

_SHM: Final = "/dev/shm"  # noqa: S108  it is looked at, nothing is put there


def cores(machine: Machine, allowed: int | None) -> Finding:
    """Say how many CPUs there are, and how many of them this process may use by its affinity (None: not known)."""
    seen = f"{machine.logical_cores} CPUs on {machine.physical_cores} cores"
    if allowed is not None and allowed < machine.logical_cores:
        remedy = "start the program without taskset, or give the container more CPUs, to use the others"
        return Finding("cores", NOTE, f"{seen}; the affinity allows {allowed}", remedy)
    return Finding("cores", OK, f"{seen}; the affinity allows all")


def quota(machine: Machine, root: str = "/") -> Finding:
    """Say how many CPUs the control groups allow, and which file says so."""
    quotas = Cgroup(root).quotas() if sys.platform == "linux" else {}
    if not quotas:
        return Finding("quota", OK, "no control group limits the CPUs")
    path = min(quotas, key=lambda each: quotas[each])
    seen = f"{quotas[path]:g} CPUs, by {path}"
    if quotas[path] < 1:
        return Finding("quota", FIX, seen, "allow 1 CPU or more: below that even serial work stands still at times")
    if quotas[path] < machine.logical_cores:
        return Finding("quota", NOTE, seen, "raise the quota (docker run --cpus, limits.cpu) to use more CPUs")
    return Finding("quota", OK, seen)


def memory(machine: Machine, root: str = "/") -> Finding:
    """Say how much memory is free of what this process may use, and whether the control groups limit that."""
    _, limit, _ = Cgroup(root).allowance() if sys.platform == "linux" else (None, None, None)
    whose = "" if limit is None else f"; the control groups allow {size(limit)}"
    seen = f"{size(machine.available_memory_bytes)} free of {size(machine.total_memory_bytes)}{whose}"
    if machine.available_memory_bytes < _FEW_BYTES:
        return Finding("memory", FIX, seen, "end other programs, or raise the memory limit of the container")
    return Finding("memory", OK, seen)


def start_method(method: str, reason: str) -> Finding:
    """Say how workers start, and why not by a fork."""
    if reason:
        return Finding(
            "start method",
            NOTE,
            f"{method}: {reason}",
            "to fork workers, call amorsize before that library or driver starts",
        )
    return Finding("start method", OK, method)


def python(machine: Machine) -> Finding:
    """Say which Python runs, and whether its lock is on."""
    lock = "with the GIL" if machine.gil_enabled else "without the GIL"
    return Finding("python", OK, f"{machine.python_version} ({machine.python_tag}), {lock}")


def threads_of_libraries(machine: Machine, *, function: str = "") -> Finding:
    """Say which library with threads of its own is loaded, and whether its number of threads is set.

    Args:
        machine: its ``blas_threads`` are the variables that are set.
        function: the name of the function whose module was imported; empty: none was.
    """
    variable = threads_variable()
    if variable is None:
        seen = (
            f"none is loaded by {function}" if function else "none is loaded; name a MODULE:FUNCTION to look at its own"
        )
        return Finding("threads of libraries", OK, seen)
    if f"{variable}=" in machine.blas_threads:
        return Finding("threads of libraries", OK, f"set: {machine.blas_threads}")
    remedy = f"type export {variable}=1 before you run workers of your own; workers of amorsize do it by themselves"
    seen = f"{variable} is not set, and a library that reads it is loaded"
    return Finding("threads of libraries", FIX if function else NOTE, seen, remedy)


def shared_folder(path: str = _SHM) -> Finding:
    """Say how much space there is for shared memory with a name, which multiprocessing needs on Linux."""
    if sys.platform != "linux":
        return Finding(_SHM, OK, "not needed on this system")
    try:
        status = os.statvfs(path)
    except OSError as error:
        remedy = "mount a tmpfs there: locks of multiprocessing need it"
        return Finding(_SHM, FIX, f"cannot be used: {error.strerror}", remedy)
    free = status.f_bavail * status.f_frsize
    if not os.access(path, os.W_OK):
        return Finding(_SHM, FIX, "cannot be written to", f"chmod 1777 {path}")
    if free < _SMALL_SHM_BYTES:
        return Finding(_SHM, NOTE, f"{size(free)} free", "make it larger (docker run --shm-size=1g)")
    return Finding(_SHM, OK, f"{size(free)} free")


def shared_memory(make: Callable[[], int] = shared_file) -> Finding:
    """Say whether results can come back through files in memory (memfd)."""
    if sys.platform != "linux":
        return Finding("memfd", OK, "not used on this system")
    try:
        os.close(make())
    except OSError as error:
        remedy = "allow memfd_create in the sandbox; until then results come back through pipes, which is slower"
        return Finding("memfd", FIX, f"cannot be made: {error.strerror or error}", remedy)
    return Finding("memfd", OK, "can be made")


def limits(files: int | None, processes: int | None) -> list[Finding]:
    """Say how many files and processes this user may have; None: no limit."""
    found = []
    for subject, limit, least, command in (
        ("open files", files, _FEW_FILES, "ulimit -n 4096"),
        ("processes", processes, _FEW_PROCESSES, "ulimit -u 4096"),
    ):
        seen = "no limit" if limit is None else f"at most {limit}"
        few = limit is not None and limit < least
        found.append(Finding(subject, FIX if few else OK, seen, f"type {command}" if few else ""))
    return found


def clock(now: float, newest: float | None) -> Finding:
    """Say whether the clock may be right; ``newest`` is when the newest entry of the cache was measured."""
    remedy = "set the clock: answers that seem to come from the future, or to be too old, are measured again"
    if now < _EARLIEST:
        return Finding("clock", FIX, "it says a time before 2025", remedy)
    if newest is not None and newest > now + 86_400:
        return Finding("clock", FIX, f"an answer in the cache is {newest - now:.0f} s ahead of it", remedy)
    return Finding("clock", OK, "plausible")


def noise(monotonic: Callable[[], float]) -> Finding:
    """Time the same work again and again, and say how much longer than at best it usually takes."""
    took = []
    for _ in range(_ROUNDS):
        began = monotonic()
        sum(range(20_000))
        took.append(monotonic() - began)
    ratio = median(took) / max(min(took), 1e-9)
    seen = f"the same work usually takes {ratio:.2f} times its fastest"
    if ratio > _NOISY:
        return Finding("noise", NOTE, seen, "end other programs before you measure; predictions get wider here")
    return Finding("noise", OK, seen)
