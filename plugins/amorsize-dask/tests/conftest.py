"""A cluster for all tests, and one that a test may break."""

from __future__ import annotations

import logging
import os

import pytest
from distributed import Client, LocalCluster

from amorsize.testing import build_backend
from clusters import Cluster


@pytest.fixture(autouse=True)
def own_place(tmp_path, shared, monkeypatch):
    """Keep the user's own config and cache out; what clusters cost is measured once for all tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AMORSIZE_CONFIG", os.devnull)
    monkeypatch.setenv("AMORSIZE_CACHE_DIR", str(shared))


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    logging.disable(logging.CRITICAL)  # Dask's threads tell of clusters that tests have ended
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def cache():
    return build_backend("caches", "memory", {})


@pytest.fixture(scope="session")
def local_cluster():
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster


@pytest.fixture
def client(local_cluster):
    with Client(local_cluster) as client:
        yield client


@pytest.fixture
def apart(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("apart"))
    try:
        yield cluster.start()
    finally:
        cluster.kill()
