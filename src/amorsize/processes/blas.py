"""Numerical libraries that run threads of their own: how they are found, and how their number of threads is set."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Library(NamedTuple):
    """A library, or a family of them.

    ``name`` is what threadpoolctl calls it. ``variable`` is the environment variable that it reads when it is loaded.
    ``files`` holds parts of the names of its files. ``setters`` holds the functions that set its number of threads:
    builds name them differently, and the first one that exists counts.
    """

    name: str
    variable: str
    files: tuple[str, ...] = ()
    setters: tuple[str, ...] = ()

    def is_in(self, text: str) -> bool:
        """Return whether a text names one of the library's files."""
        return any(part in text for part in self.files)


OPENMP: Final = Library(
    "openmp", "OMP_NUM_THREADS", ("libgomp", "libomp", "libiomp", "vcomp"), ("omp_set_num_threads",)
)
"""What many libraries run their threads with, those of ``PARTICULAR`` included."""

PARTICULAR: Final = (
    Library(
        "openblas",
        "OPENBLAS_NUM_THREADS",
        ("openblas",),
        (
            "scipy_openblas_set_num_threads64_",
            "scipy_openblas_set_num_threads",
            "openblas_set_num_threads64_",
            "openblas_set_num_threads",
        ),
    ),
    Library("mkl", "MKL_NUM_THREADS", ("mkl_rt", "libmkl_core"), ("MKL_Set_Num_Threads",)),
    Library("blis", "BLIS_NUM_THREADS", ("libblis",), ("bli_thread_set_num_threads",)),
    Library("numexpr", "NUMEXPR_NUM_THREADS"),
    Library("accelerate", "VECLIB_MAXIMUM_THREADS"),
)
"""Libraries with a variable of their own."""

_OPENBLAS_PARALLEL: Final = tuple(name.replace("set_num_threads", "get_parallel") for name in PARTICULAR[0].setters)
"""The functions that say how an OpenBLAS runs in parallel."""

_OWN_THREADS: Final = 1
"""What they return where OpenBLAS runs threads of its own."""

VARIABLES: Final = tuple(library.variable for library in (OPENMP, *PARTICULAR))
"""The environment variables that set a number of threads."""


if sys.platform == "linux":

    def mapped_files() -> str:
        """Return the names of the files that are mapped into this process, one a line with other facts."""
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:  # noqa: PTH123  a plain read
            return maps.read()

elif sys.platform == "win32":

    def mapped_files() -> str:
        """Return the names of the files that are mapped into this process, one a line."""
        import psutil

        return "\n".join(area.path for area in psutil.Process().memory_maps())

else:

    def mapped_files() -> str:
        """Return nothing: this system has no quick way to list them."""
        return ""


def limit_threads(threads: int, limits: list[Callable[[int], object]] | None = None) -> None:
    """Set how many threads numerical libraries use: those that are loaded now, and those that are loaded later.

    Right after a fork, before they are used, this takes half a millisecond: none of them has threads then.

    Args:
        threads: the number of threads.
        limits: what ``setters`` returned, here or in the process that forked this one; None: it is asked.
    """
    for name in VARIABLES:
        os.environ.setdefault(name, str(threads))
    if "numpy" in sys.modules:
        with suppress(Exception):  # no ctypes here, or a library of another kind: its number of threads stays
            for limit in setters() if limits is None else limits:
                limit(threads)


def setters(*, openmp: bool = False) -> list[Callable[[int], object]]:
    """Return the functions that set the threads of libraries that are loaded; with ``openmp`` those of OpenMP too.

    Finding them takes some milliseconds where many libraries are loaded; a forked child can use its parent's. Empty
    where the system does not list what is loaded.
    """
    import ctypes

    known = (OPENMP, *PARTICULAR) if openmp else PARTICULAR
    files = {line.rpartition(" ")[2].strip() for line in mapped_files().splitlines() if ".so" in line}
    found: list[Callable[[int], object]] = []
    for file in files:
        for library in known:
            if library.setters and library.is_in(os.path.basename(file)):  # noqa: PTH119  pathlib takes longer
                loaded = ctypes.CDLL(file)
                setter = _cap_of_openblas(loaded) or next(
                    (getattr(loaded, name) for name in library.setters if hasattr(loaded, name)), None
                )
                found += [setter] if setter is not None else []
    return found


def _cap_of_openblas(loaded: Any) -> Callable[[int], object] | None:
    """Return what caps the threads of an OpenBLAS that runs its own, without starting any; None for other libraries.

    After a fork its setter starts as many threads as it had before. Each of them polls for work at full speed for some
    50 ms, on a CPU that the workers need. The setter's other effect is this variable, which some builds hide.
    """
    import ctypes

    asks = (getattr(loaded, name, None) for name in _OPENBLAS_PARALLEL)
    if next((ask() for ask in asks if ask is not None), 0) != _OWN_THREADS:
        return None
    try:
        used = ctypes.c_int.in_dll(loaded, "blas_cpu_number")
    except ValueError:
        return None

    def cap(threads: int) -> None:
        used.value = min(used.value, threads)

    return cap


def threads_variable() -> str | None:
    """Return the variable that sets how many threads the libraries loaded here use, None when none is known of.

    Ask this only of a function that keeps several CPUs busy: a library that is merely loaded says nothing. A BLAS may
    run on OpenMP, and its own variable comes first.
    """
    try:
        found = _listed() or _mapped()
    except Exception:  # noqa: BLE001  what cannot be read only makes the advice less exact
        return None
    return next((library.variable for library in (*PARTICULAR, OPENMP) if library.name in found), None)


def _listed() -> set[str]:
    """Return the libraries that threadpoolctl lists, if the program has loaded it."""
    controller = sys.modules.get("threadpoolctl")
    return {str(one["internal_api"]) for one in controller.threadpool_info()} if controller is not None else set()


def _mapped() -> set[str]:
    """Return the libraries among the files mapped into this process; none where the system does not list them."""
    text = mapped_files().lower()
    return {library.name for library in (*PARTICULAR, OPENMP) if library.is_in(text)}
