"""Reads facts of processes from ``/proc``: threads, libraries, memory, and whether a child is stuck for ever."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from io import FileIO
from mmap import PAGESIZE
from typing import TYPE_CHECKING, Final

from amorsize.domain.fork_costs import fork_cost
from amorsize.processes.blas import OPENMP, mapped_files

if TYPE_CHECKING:
    from collections.abc import Callable

_FUTEX: Final = {"x86_64": 202, "aarch64": 98, "ppc64le": 221, "s390x": 238, "riscv64": 98}
"""The number of the system call that waits for a lock, by machine."""

_PRIVATE: Final = 128
"""FUTEX_PRIVATE_FLAG: only a thread of the same process can end the wait."""

_COMMANDS: Final = 127
"""The bits of a futex operation that name the command."""

_LIBRARY_SECONDS: Final = 0.003
"""What OpenBLAS adds to a fork where its threads run: it ends them before, and starts them again when it is used."""

_PROCESSOR: Final = 36
"""The CPU that a process ran on last, counted in its ``stat`` from the field after the name on."""

_START: Final = 19
"""When a process began, counted in the same way."""

_ENDED: Final[tuple[list[bytes], ...]] = ([], [b"Z"], [b"X"])
"""The first of these fields of a process that has ended."""

_WAITS: Final = frozenset({0, 6, 9})
"""FUTEX_WAIT, FUTEX_LOCK_PI and FUTEX_WAIT_BITSET."""


def can_fork() -> bool:
    """Return whether workers can be forked on this system at all; the module ``forks`` can be imported only then."""
    return sys.platform == "linux"


def is_child() -> bool:
    """Return whether multiprocessing has started this process."""
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


def tasks(pid: int | str = "self") -> list[str]:
    """Return the numbers of a process's threads, none where the system does not list them."""
    with suppress(OSError):
        return os.listdir(f"/proc/{pid}/task")  # noqa: PTH208  pathlib would take longer than all the rest
    return []


def read(path: str) -> bytes:
    """Return what is in a small file below ``/proc``, nothing where it cannot be read."""
    with suppress(OSError), FileIO(f"/proc/{path}") as file:  # an object, which Ctrl-C cannot leave open
        return file.readall()
    return b""


def stat_fields(process: int | str) -> list[bytes]:
    """Return the fields of a process's ``stat`` from the one after its name on, none where the process is gone.

    Args:
        process: its number, or a path below ``/proc`` of one of its threads.
    """
    return read(f"{process}/stat").rpartition(b")")[2].split()


def begun(pid: int) -> int:
    """Return when a process began, in clock ticks since the system did; 0 where there is none of that number."""
    fields = stat_fields(pid)
    return int(fields[_START]) if fields else 0


def has_ended(pid: int) -> bool:
    """Return whether a process has ended, also where nobody has waited for it."""
    return stat_fields(pid)[:1] in _ENDED


def scheduled(thread: str) -> tuple[float, float]:
    """Return the CPU seconds of a thread, and how long it was ready and had no CPU; zeros where that is not known.

    Args:
        thread: its path below ``/proc``.
    """
    counted = read(f"{thread}/schedstat").split()
    return (int(counted[0]) / 1e9, int(counted[1]) / 1e9) if counted else (0.0, 0.0)


def foreign_threads() -> int:
    """Return how many threads of this process run no Python: those of C libraries.

    Right after a fork that has run nothing, OpenBLAS has ended its own.
    """
    return max(0, len(tasks()) - len(sys._current_frames()))  # noqa: SLF001  the only way to count them


def has_openmp() -> bool:
    """Return whether a library that runs OpenMP teams is loaded into this process."""
    with suppress(OSError):
        return OPENMP.is_in(mapped_files())
    return False


def has_driver() -> bool:
    """Return whether this process has a driver open that refuses to work in a forked child (CUDA)."""
    with suppress(OSError):
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  as above
            with suppress(OSError):
                if os.readlink(f"/proc/self/fd/{name}").startswith("/dev/nvidia"):  # noqa: PTH115  as above
                    return True
    return False


def fork_danger(*, has_run: bool = False) -> str:
    """Return why a forked child of this process may hang, empty where a fork is safe.

    Ask right after a fork: the libraries that take care of forks have ended their threads then.

    Args:
        has_run: whether items have run since. They start threads again, which say nothing then.
    """
    if not has_run and foreign_threads() and has_openmp():
        return "an OpenMP library runs threads in this process, and a forked child would wait for them for ever"
    if has_driver():
        return "a GPU driver is open in this process, and refuses to work in a forked child"
    return ""


def own_memory_bytes() -> int:
    """Return the memory that is this process's own and that a fork takes over, 0 where it is not known (not Linux)."""
    pages = read("self/statm").split()
    return (int(pages[1]) - int(pages[2])) * PAGESIZE if len(pages) > 2 else 0  # noqa: PLR2004  resident, less shared and files


def fork_seconds() -> float:
    """Return what forking this process takes, by the memory of its own that the child takes over."""
    return fork_cost(own_memory_bytes()) + (_LIBRARY_SECONDS if foreign_threads() else 0.0)


def move_to(choose: Callable[[set[int]], set[int]]) -> set[int]:
    """Keep this thread on some of the CPUs that it may use; return those that it could use before.

    Args:
        choose: returns those of them to stay on; an empty set changes nothing.

    Returns:
        An empty set if nothing changed, as on a system that does not let a thread choose.
    """
    if sys.platform != "linux":
        return set()
    with suppress(OSError, ValueError, IndexError):
        cpus = os.sched_getaffinity(0)
        if chosen := choose(cpus):
            os.sched_setaffinity(0, chosen)
            return cpus
    return set()


def move_back(cpus: set[int]) -> None:
    """Let this thread use the CPUs again that ``move_to`` has returned."""
    if cpus and sys.platform == "linux":
        with suppress(OSError):
            os.sched_setaffinity(0, cpus)


def away_from(pid: int) -> set[int]:
    """Keep this process off the CPU that another one runs on; return the CPUs it could use before, none if unchanged.

    A process that is woken through a pipe is put on the CPU of its waker, and stays there for milliseconds.
    """
    return move_to(lambda cpus: cpus - {int(stat_fields(pid)[_PROCESSOR])})


def is_stuck(pid: int) -> bool:
    """Return whether every thread of a child waits, without a time limit, for a lock that only the child could release.

    Nothing but a signal ends such a wait. False where that is not known, and for a child that receives, polls, sleeps
    or waits for a process.
    """
    number = _FUTEX.get(platform.machine())
    found = tasks(pid)
    return number is not None and bool(found) and all(_waits_for_ever(pid, task, number) for task in found)


def is_stopped(pid: int) -> bool:
    """Return whether a signal has stopped a child, as SIGSTOP does; not whether a debugger has."""
    return stat_fields(pid)[:1] == [b"T"]


def _system_call(pid: int, task: str) -> list[bytes]:
    """Return the system call that a thread is in: number, arguments, and more; one word where it is in none."""
    return read(f"{pid}/task/{task}/syscall").split()


def _waits_for_ever(pid: int, task: str, futex: int) -> bool:
    call = _system_call(pid, task)
    if len(call) < 5 or call[0] != str(futex).encode():  # noqa: PLR2004  number, address, operation, value, time limit
        return False
    operation, limit = int(call[2], 16), int(call[4], 16)
    return bool(operation & _PRIVATE) and (operation & _COMMANDS) in _WAITS and limit == 0


def signal_of(exitcode: int | None) -> str:
    """Return the name of the signal that ended a process, empty where that was none, or is not known."""
    if exitcode is None or exitcode >= 0:
        return ""
    import signal

    try:
        return signal.Signals(-exitcode).name
    except ValueError:
        return f"signal {-exitcode}"


_NAPS: Final = {"x86_64": (35, 230), "aarch64": (101, 115), "riscv64": (101, 115)}
"""The numbers of the system calls that sleep for a time, by machine."""


def naps(pid: int) -> bool:
    """Return whether all threads of a child sleep for a time or wait for locks now.

    If that is so again and again, the child waits for its own memory to change, as for the result of a thread
    that was not forked. A child that receives, polls, reads or waits for a process is never taken for one.
    """
    machine = platform.machine()
    quiet = {str(number).encode() for number in (_FUTEX.get(machine), *_NAPS.get(machine, ())) if number is not None}
    found = [_system_call(pid, task)[:1] for task in tasks(pid)]
    return bool(found) and all(call and call[0] in quiet for call in found)


def switches(pid: int) -> int:
    """Return how often the threads of a process have been given a CPU; the same number again: none has run since."""
    lines = [line for task in tasks(pid) for line in read(f"{pid}/task/{task}/status").splitlines()]
    return sum(int(line.split()[1]) for line in lines if b"ctxt_switches" in line)
