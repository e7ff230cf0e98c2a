"""A server for each test module, emptied for each test."""

from __future__ import annotations

import pytest

from servers import Server


@pytest.fixture(autouse=True)
def own_place(tmp_path, monkeypatch):
    """Keep the user's own config, cache and password out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AMORSIZE_CONFIG", "/dev/null")
    monkeypatch.setenv("AMORSIZE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("AMORSIZE_REDIS_PASSWORD", raising=False)


@pytest.fixture(scope="session")
def lasting_server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.kill()


@pytest.fixture
def server(lasting_server):
    with lasting_server.client() as client:
        client.flushall()
    return lasting_server


@pytest.fixture
def own_server(tmp_path):
    """Return a function that starts a server of the test's own, with some settings."""
    started = []

    def start(*settings):
        directory = tmp_path / f"redis{len(started)}"
        directory.mkdir()
        started.append(Server(directory, *settings).start())
        return started[-1]

    yield start
    for server in started:
        server.kill()
