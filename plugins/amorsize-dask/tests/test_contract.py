"""Executors on a Dask cluster keep the contract."""

from __future__ import annotations

import pytest

from amorsize.testing import ExecutorsContract
from amorsize_dask import DaskOptions, build


class TestDask(ExecutorsContract):
    start_method = "spawn"
    ends_workers = False  # others may use them

    @pytest.fixture(autouse=True)
    def _cluster(self, client):
        """Have a client that is the current one."""

    def make(self):
        return build(DaskOptions())
