"""Which library's threads a function runs on, and the variable that sets their number."""

from __future__ import annotations

import sys
from typing import Final

VARIABLES: Final = {
    "openblas": "OPENBLAS_NUM_THREADS",
    "mkl": "MKL_NUM_THREADS",
    "blis": "BLIS_NUM_THREADS",
    "accelerate": "VECLIB_MAXIMUM_THREADS",
    "openmp": "OMP_NUM_THREADS",
}
"""By library, the more particular first: a BLAS may run on OpenMP and has a variable of its own besides."""

_FILES: Final = {
    "openblas": ("openblas",),
    "mkl": ("libmkl_rt", "libmkl_core", "mkl_rt."),
    "blis": ("libblis",),
    "openmp": ("libgomp", "libiomp", "libomp", "vcomp"),
}


def threads_variable() -> str | None:
    """Return the variable that sets how many threads the libraries loaded here use, None when none is known of.

    Asked only of a function that was seen to keep several CPUs busy: a library that is merely loaded says nothing.
    """
    try:
        found = _told() or _mapped()
    except Exception:  # noqa: BLE001  what cannot be read only makes the advice less exact
        return None
    return next((variable for library, variable in VARIABLES.items() if library in found), None)


def _told() -> set[str]:
    """Return the libraries that threadpoolctl knows of, if the program has it loaded."""
    controller = sys.modules.get("threadpoolctl")
    return {str(one["internal_api"]) for one in controller.threadpool_info()} if controller is not None else set()


def _mapped() -> set[str]:
    """Return the libraries among the files mapped into this process; none where the system does not tell."""
    text = _mapped_files().lower()
    return {library for library, parts in _FILES.items() if any(part in text for part in parts)}


if sys.platform == "linux":

    def _mapped_files() -> str:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:  # noqa: PTH123  a plain read
            return maps.read()

elif sys.platform == "win32":

    def _mapped_files() -> str:
        import psutil  # noqa: PLC0415  only Windows needs it for this

        return "\n".join(area.path for area in psutil.Process().memory_maps())

else:

    def _mapped_files() -> str:
        return ""
