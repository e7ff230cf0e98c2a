"""Executors for amorsize on a Dask cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amorsize.plugins import Backend, hookimpl
from amorsize_dask.options import DaskOptions

if TYPE_CHECKING:
    from amorsize_dask.executors import DaskExecutors

__all__ = ["DaskOptions", "amorsize_executors", "build"]


def build(options: DaskOptions) -> DaskExecutors:
    """Return the executors; Dask is imported only now, since amorsize loads every plugin to look for one."""
    from amorsize_dask.executors import DaskExecutors  # noqa: PLC0415  as above

    return DaskExecutors(options)


@hookimpl
def amorsize_executors() -> list[Backend]:
    """Offer the executors ``dask``."""
    return [Backend("dask", DaskOptions, build)]
