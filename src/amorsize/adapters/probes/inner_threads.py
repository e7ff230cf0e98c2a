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
    """Return the libraries among the files mapped into this process."""
    if sys.platform == "linux":
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:  # noqa: PTH123  a plain read
            text = maps.read().lower()
    elif sys.platform == "win32":
        import psutil  # noqa: PLC0415  only Windows needs it for this

        text = "\n".join(area.path for area in psutil.Process().memory_maps()).lower()
    else:
        return set()
    return {library for library, parts in _FILES.items() if any(part in text for part in parts)}
