"""Which library's threads a function runs on, and the variable that sets their number."""

from __future__ import annotations

import sys

from amorsize.processes.blas import OPENMP, PARTICULAR, mapped_files


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
