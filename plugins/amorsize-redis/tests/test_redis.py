"""What is particular to Redis: keys, their end, SCAN, threads, forks, TLS, and how it is configured."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import sys
import threading

import pytest
import trustme

from amorsize import AmorsizeWarning, CacheError, ConfigError
from amorsize.testing import build_backend, describe_backend
from amorsize_redis import RedisOptions
from amorsize_redis.cache import RedisCache
from servers import Listener


def test_a_locator_is_a_hash_that_ends_some_time_after_the_last_write(server):
    store = RedisCache(server.options(ttl_seconds=1000, prefix="mine:"))
    with server.client() as client:
        store.store("here", "v", "text")
        assert client.hgetall("mine:here") == {b"v": b"text"}
        client.expire("mine:here", 10)
        store.fetch("here")
        assert client.ttl("mine:here") <= 10
        store.store("here", "w", "text")
        assert 900 < client.ttl("mine:here") <= 1000
        assert client.keys() == [b"mine:here"]


def test_only_keys_under_the_very_prefix_are_listed_and_by_scan(own_server):
    server = own_server()
    prefixes = ("a*", "ab", "a[b]", "a", "?", "\\", "^a")
    with server.client() as client:
        for prefix in prefixes:
            RedisCache(server.options(prefix=f"{prefix}:")).store("here", "v", prefix)
        client.mset({f"other:{number}": "x" for number in range(5000)})
        for prefix in prefixes:
            store = RedisCache(server.options(prefix=f"{prefix}:"))
            assert list(store.locators()) == ["here"]
            assert store.fetch("here") == {"v": prefix}
        used = client.info("commandstats")
    assert "cmdstat_scan" in used
    assert "cmdstat_hgetall" in used
    assert "cmdstat_hset" in used
    assert not {"cmdstat_keys", "cmdstat_flushall", "cmdstat_flushdb"} & set(used)


def test_many_threads_use_few_connections(own_server):
    server = own_server()
    store = RedisCache(server.options())
    faults = []

    def work(number):
        for turn in range(50):
            store.store(f"l{number}", "v", str(turn))
            if store.fetch(f"l{number}") != {"v": str(turn)}:
                faults.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    with server.client() as client:
        assert len(client.client_list()) <= 9
        store.close()
        assert len(client.client_list()) == 1


def test_who_misses_after_another_waits_for_what_the_other_measures(server):
    options = server.options(wait_seconds=20.0)
    first, second = RedisCache(options), RedisCache(options)
    assert first.fetch("func:here") == {}
    assert first.fetch("func:here") == {}  # a process that measures does not wait for itself
    found = []
    waiter = threading.Thread(target=lambda: found.append(second.fetch("func:here")))
    waiter.start()
    first.store("func:here", "v", "text")
    waiter.join()
    assert found == [{"v": "text"}]
    assert list(first.locators()) == ["func:here"]


def test_who_waits_in_vain_goes_on(server):
    options = server.options(wait_seconds=0.1)
    first, second = RedisCache(options), RedisCache(options)
    assert first.fetch("func:here") == {}
    assert second.fetch("func:here") == {}


def test_nobody_waits_for_what_is_not_measured(server):
    options = server.options(wait_seconds=20.0)
    assert RedisCache(options).fetch("name:here") == RedisCache(options).fetch("name:here") == {}
    with server.client() as client:
        assert client.keys() == []


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="Windows has no such sockets")
def test_a_unix_socket_is_a_place_too(own_server):
    path = f"/tmp/amorsize-{os.getpid()}.sock"  # pytest's folders are too long for a socket's name
    server = own_server("--unixsocket", path)
    store = RedisCache(server.options(url=f"unix://{path}"))
    store.store("here", "v", "text")
    assert store.fetch("here") == {"v": "text"}
    assert path in repr(store)


class TestTls:
    @pytest.fixture
    def authority(self):
        return trustme.CA()

    @pytest.fixture
    def listening(self, authority):
        """Return a function that makes a TLS listener which answers every question with an empty list."""

        def listen(name):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert(name).configure_cert(context)

            def talk(sock):
                with context.wrap_socket(sock, server_side=True) as safe:
                    while safe.recv(65536):
                        safe.sendall(b"*0\r\n")

            return Listener(talk)

        return listen

    def store(self, port, **options):
        patient = {"connect_timeout_seconds": 20.0, "read_timeout_seconds": 20.0}
        return RedisCache(RedisOptions(url=f"rediss://localhost:{port}", **patient, **options))

    def test_a_certificate_of_a_known_authority_for_that_name_is_accepted(self, authority, listening, tmp_path):
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        with listening("localhost") as listener:
            store = self.store(listener.port, ca_file=str(tmp_path / "ca.pem"))
            assert store.fetch("here") == {}
            store.close()

    @pytest.mark.parametrize(("name", "known"), [("elsewhere", True), ("localhost", False)])
    def test_any_other_is_refused(self, authority, listening, tmp_path, name, known):
        (authority if known else trustme.CA()).cert_pem.write_to_path(tmp_path / "ca.pem")
        with listening(name) as listener, pytest.raises(Exception, match="connecting failed"):
            self.store(listener.port, ca_file=str(tmp_path / "ca.pem")).fetch("here")


def built(**options):
    return build_backend("caches", "redis", {"caches": {"redis": options}})


def test_it_is_chosen_by_name_with_options_of_its_own():
    store = built(url="redis://example.org:7000/2", ttl_seconds=60)
    assert isinstance(store, RedisCache)
    assert repr(store) == "RedisCache(example.org:7000)"


def test_it_is_listed_as_ready():
    row = describe_backend("caches", "redis")
    assert (row.kind, row.distribution, row.state) == ("caches", "amorsize-redis", "ready")
    assert row.options["read_timeout_seconds"] == 0.05


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hush@localhost/0",
        "redis://me:hush@localhost/0",
        "redis://localhost/0?password=hush",
        "http://me@hush/0",
        "redis://localhost/hush",
        "redis://localhost:hush/0",
        "hush",
        "unix://hush",
        "redis://[hush/",
        "redis:///0",
    ],
)
def test_a_url_that_is_none_or_holds_a_password_is_refused_without_repeating_it(url):
    with pytest.raises(ConfigError, match="caches.redis.url must ") as caught:
        built(url=url)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("ttl_seconds", 0),
        ("read_timeout_seconds", 0.0),
        ("connect_timeout_seconds", float("nan")),
        ("prefix", ""),
        ("max_reply_bytes", 0),
        ("wait_seconds", -1.0),
        ("password_variable", "two words"),
        ("time_out", 1),
    ],
)
def test_an_option_out_of_range_is_refused(option, value):
    with pytest.raises(ConfigError, match=rf"caches.redis.{option}\b"):
        built(**{option: value})


def test_importing_the_plugin_does_not_import_redis_py():
    code = "import amorsize_redis, sys; sys.exit('redis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_config_found_in_a_folder_sends_nothing_anywhere_until_it_is_trusted(tmp_path, monkeypatch):
    heard = []

    def listen(sock):
        heard.append(sock.recv(1000))

    monkeypatch.delenv("AMORSIZE_CONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with Listener(listen) as evil:
        (tmp_path / "amorsize.toml").write_text(
            f'cache = "redis"\n[caches.redis]\nurl = "redis://127.0.0.1:{evil.port}/0"\n'
            'password_variable = "AWS_SECRET_ACCESS_KEY"\nprefix = "other:"\nwait_seconds = 0.0\n'
        )
        with pytest.warns(AmorsizeWarning, match=r"redis.url, \S+.password_variable, \S+.prefix reach out"):
            store = build_backend("caches", "redis")
        assert store._options == RedisOptions(wait_seconds=0.0)
        with contextlib.suppress(CacheError):  # there may be a server on this machine
            store.fetch("func:here")
        assert evil.connections == 0
        command = [sys.executable, "-m", "amorsize", "config", "trust"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        assert 'password_variable = "AWS_SECRET_ACCESS_KEY"' in said
        trusted = build_backend("caches", "redis")
        with pytest.raises(CacheError):
            trusted.fetch("func:here")
        assert evil.connections >= 1
    assert b"secret" in b"".join(heard)
