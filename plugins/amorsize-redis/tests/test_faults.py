"""A server that is slow, gone, restarted, full, forbidden or talks nonsense costs misses and one timeout."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
import traceback
import warnings

import pytest
import redis

import amorsize
from amorsize import AmorsizeWarning, CacheError
from amorsize_redis import RedisOptions
from amorsize_redis.cache import RedisCache
from amorsize_redis.line import LineError, Reader
from servers import PATIENT_SECONDS, Clock, Listener, Server, free_port

SHORT_SECONDS = 0.2


def hasty(port, **options):
    """Return options for a server that is going to keep us waiting."""
    short = {"connect_timeout_seconds": SHORT_SECONDS, "read_timeout_seconds": SHORT_SECONDS}
    return RedisOptions(url=f"redis://127.0.0.1:{port}/0", **{**short, **options})


def fault_of(action):
    with pytest.raises(CacheError) as caught:
        action()
    return str(caught.value)


def greeted(talk):
    """Answer the two things redis-py says of itself when it connects, and only then do what talk does."""

    def talk_after(sock):
        for _ in range(2):
            sock.recv(65536)
            sock.sendall(b"+OK\r\n")
        talk(sock)

    return talk_after


def silent(sock):
    """Take whatever comes and never answer."""
    while sock.recv(65536):
        pass


def dripping(sock):
    """Answer with one byte at a time, each in time for a timeout that begins anew with each."""
    sock.recv(65536)
    wait = threading.Event()
    sock.sendall(b"*1000\r\n")
    while True:
        wait.wait(SHORT_SECONDS / 10)
        sock.sendall(b"$")


def saying(reply):
    """Answer whatever is asked with the same bytes."""

    def talk(sock):
        while sock.recv(65536):
            sock.sendall(reply)

    return talk


def is_late(fault):
    """Tell whether a fault is that of a server that took too long: either of two limits may be reached first."""
    return "too long" in fault or "in time" in fault


@pytest.mark.parametrize("talk", [silent, greeted(silent)])
def test_a_server_that_never_answers_is_given_up_and_left_alone_for_the_cooling_off_time(talk):
    clock = Clock()
    with Listener(talk) as listener:
        store = RedisCache(hasty(listener.port, cooling_off_seconds=30.0), clock)
        assert is_late(fault_of(lambda: store.fetch("here")))
        for _ in range(50):
            assert store.fetch("absent") == {}
            store.store("here", "v", "text")
        assert listener.connections == 1
        clock.now += 30.0
        assert is_late(fault_of(lambda: store.fetch("here")))
        assert listener.connections == 2
        store.close()


@pytest.mark.parametrize("talk", [dripping, greeted(dripping)])
def test_a_server_that_drips_is_given_up_while_it_still_drips(talk):
    with Listener(talk) as listener:
        store = RedisCache(hasty(listener.port))
        assert is_late(fault_of(lambda: store.fetch("here")))


def test_a_server_that_does_not_take_what_is_sent_is_given_up():
    ended = threading.Event()
    with Listener(greeted(lambda _: ended.wait(PATIENT_SECONDS))) as listener:
        store = RedisCache(hasty(listener.port))
        addresses = [(f"{number:080}", "v" * 80) for number in range(100)]
        texts = [(locator, variant, "x" * 65536) for locator, variant in addresses]
        message = fault_of(lambda: store._write(texts))
        ended.set()
        assert "in time" in message


def test_a_name_that_takes_for_ever_to_look_up_is_given_up(monkeypatch):
    ended = threading.Event()

    def look_up(*_, **__):
        ended.wait(PATIENT_SECONDS)
        raise OSError("too late")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    store = RedisCache(hasty(1))
    assert "connecting took too long" in fault_of(lambda: store.fetch("here"))
    ended.set()


def test_nobody_listening_is_said_with_the_place():
    port = free_port()
    assert f"127.0.0.1:{port}: connecting failed" in fault_of(lambda: RedisCache(hasty(port)).fetch("here"))


def test_while_the_server_is_away_the_process_finds_what_it_stored_and_hands_it_over_afterwards(tmp_path):
    clock = Clock()
    server = Server(tmp_path).start()
    store = RedisCache(server.options(cooling_off_seconds=30.0), clock)
    other = RedisCache(server.options())
    try:
        store.store("here", "v", "before")
        server.kill()
        fault_of(lambda: store.store("here", "v", "found out"))
        store.store("here", "w", "meanwhile")
        assert store.fetch("here") == {"v": "found out", "w": "meanwhile"}
        server.start()
        assert store.fetch("here") == {"v": "found out", "w": "meanwhile"}
        assert other.fetch("here") == {}
        clock.now += 30.0
        assert store.fetch("here") == {"v": "found out", "w": "meanwhile"}
        assert other.fetch("here") == {"v": "found out", "w": "meanwhile"}
        other.store("here", "v", "newer")
        assert store.fetch("here") == {"v": "newer", "w": "meanwhile"}
    finally:
        server.kill()


def test_what_is_kept_meanwhile_does_not_grow_without_end():
    store = RedisCache(hasty(free_port()))
    fault_of(lambda: store.fetch("here"))
    for number in range(1000):
        store.store(f"locator {number}", "v", "text")
    assert store.fetch("locator 999") == {"v": "text"}
    assert store.fetch("locator 0") == {}


def test_what_a_person_asks_for_is_an_error_while_the_server_is_away():
    store = RedisCache(hasty(free_port()))
    fault_of(lambda: store.fetch("here"))
    assert "left alone" in fault_of(lambda: list(store.locators()))
    assert "left alone" in fault_of(lambda: store.discard([("here", "v")]))


def test_a_restarted_server_is_asked_again_at_once(tmp_path):
    server = Server(tmp_path).start()
    store = RedisCache(server.options())
    try:
        for number in range(3):
            store.store("here", "v", str(number))
            assert store.fetch("here") == {"v": str(number)}
            server.kill()
            server.start()
            assert store.fetch("here") == {}
    finally:
        server.kill()


@pytest.mark.parametrize("sleep", ["debug", "pause"])
def test_a_server_that_sleeps_is_given_up_before_it_wakes(own_server, sleep):
    server = own_server("--enable-debug-command", "yes")
    store = RedisCache(hasty(server.port, connect_timeout_seconds=PATIENT_SECONDS))
    store.fetch("here")
    with server.client(socket_timeout=60) as client:
        command = ("DEBUG", "SLEEP", "60") if sleep == "debug" else ("CLIENT", "PAUSE", "600000", "ALL")

        def send():
            with contextlib.suppress(redis.RedisError):  # in the end the server is killed
                client.execute_command(*command)

        sleeper = threading.Thread(target=send)
        sleeper.start()
        with contextlib.suppress(redis.TimeoutError), server.client(socket_timeout=0.05, retry=None) as other:
            while True:
                other.ping()
        fault_of(lambda: store.fetch("here"))
        assert sleep == "pause" or sleeper.is_alive()
        server.kill()
        sleeper.join()


def test_a_full_server_is_still_read_and_writes_wait_for_it(own_server):
    clock = Clock()
    server = own_server("--maxmemory-policy", "noeviction")
    store = RedisCache(server.options(cooling_off_seconds=30.0), clock)
    other = RedisCache(server.options())
    store.store("here", "v", "text")
    with server.client() as client:
        client.config_set("maxmemory", 1)
        assert "OOM" in fault_of(lambda: store.store("here", "w", "new"))
        assert store.fetch("here") == {"v": "text", "w": "new"}
        store.store("here", "x", "newer")
        assert other.fetch("here") == {"v": "text"}
        client.config_set("maxmemory", 0)
        clock.now += 30.0
        assert store.fetch("here") == other.fetch("here") == {"v": "text", "w": "new", "x": "newer"}


def test_a_value_of_another_kind_is_a_miss(server):
    store = RedisCache(server.options())
    with server.client() as client:
        client.set("amorsize:here", "a string")
        assert store.fetch("here") == {}
        assert list(store.locators()) == ["here"]
        client.hset("amorsize:there", mapping={b"\xff\x00": b"x", b"v": b"\xff\xfe", b"long": b"x" * 100_000})
    found = store.fetch("there")
    assert found == {"v": "\ufffd\ufffd", "long": "x" * 65536}


GARBAGE = {
    "silence, then the end": b"",
    "http": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "no line": b"x" * 100_000,
    "an endless number": b":" + b"9" * 10_000 + b"\r\n",
    "a number that is none": b":1_000\r\n",
    "a huge text": b"$4000000000\r\n" + b"x" * 1000,
    "a huge list": b"*4000000000\r\n",
    "a list of more than there is": b"*3\r\n$1\r\na\r\n",
    "a deep list": b"*1\r\n" * 100_000,
    "an odd list": b"*1\r\n$1\r\na\r\n",
    "a list of lists": b"*2\r\n*0\r\n*0\r\n",
    "a list of numbers": b"*2\r\n:1\r\n:2\r\n",
    "a text without end": b"$1\r\naxx",
    "a number": b":5\r\n",
    "nothing": b"$-1\r\n",
    "a negative length": b"$-7\r\n",
    "two answers": b"*0\r\n*0\r\n",
    "a third protocol's map": b"%1\r\n$1\r\na\r\n$1\r\nb\r\n",
    "an error": b"-ERR unknown command\r\n",
    "an error that is none": b"-\xff\xfe\x1b[31m\r\n",
    "very many texts": b"*1000000\r\n" + b"$1\r\na\r\n" * 1_000_000,
}


@pytest.mark.parametrize("reply", GARBAGE.values(), ids=GARBAGE.keys())
def test_nonsense_is_a_miss_and_a_cache_error(reply):
    with Listener(saying(reply)) as listener:
        options = {"cooling_off_seconds": 0.0, "max_reply_bytes": 1 << 20}
        for call in (
            lambda store: dict(store.fetch("here")),
            lambda store: store.store("here", "v", "text"),
            lambda store: store.discard([("here", "v")]),
            lambda store: list(store.locators()),
        ):
            store = RedisCache(hasty(listener.port, **options))
            message = ""
            try:
                answer = call(store)
            except CacheError as error:
                message = str(error)
            else:  # some of it is an answer to some question, but none of it a text
                assert answer in ({}, None, 0, 5, [])
            assert message.isprintable()
            store.close()


def test_random_bytes_are_answers_or_cache_errors_and_nothing_else():
    chance = random.Random(7)
    pieces = [
        b"*2\r\n",
        b"$1\r\n",
        b"$0\r\n\r\n",
        b"a\r\n",
        b":1\r\n",
        b"-OOM x\r\n",
        b"+OK\r\n",
        b"\r\n",
        b"$-1\r\n",
        b"*0\r\n",
    ]
    for _ in range(2000):
        body = b"".join(chance.choice(pieces) for _ in range(chance.randrange(1, 12)))
        at = chance.randrange(len(body))
        body = body[:at] + chance.randbytes(chance.randrange(3)) + body[at:]
        here, there = socket.socketpair()
        with here, there:
            there.sendall(body)
            there.shutdown(socket.SHUT_WR)
            reader = Reader(1 << 16)
            reader.on_connect(type("Connection", (), {"_sock": here}))
            try:
                reader.begin(time.monotonic() + PATIENT_SECONDS)
                for _ in range(20):
                    reader.read_response()
            except LineError:
                continue
            raise AssertionError(f"must end, got {body!r}")


def test_a_hash_too_large_to_read_is_given_up(server):
    store = RedisCache(server.options(max_reply_bytes=1 << 20))
    with server.client() as client:
        client.hset("amorsize:here", mapping={f"v{number}": "x" * 60_000 for number in range(100)})
    assert "at most 1048576 bytes" in fault_of(lambda: store.fetch("here"))
    assert len(RedisCache(server.options(max_reply_bytes=1 << 24)).fetch("here")) == 100


def test_a_call_of_optimize_goes_on_with_one_warning(tmp_path, monkeypatch):
    port = free_port()
    config = {"cache": "redis", "caches": {"redis": {"url": f"redis://127.0.0.1:{port}/0"}}}
    file = tmp_path / "amorsize.toml"
    file.write_text(f'cache = "redis"\n[caches.redis]\nurl = "redis://127.0.0.1:{port}/0"\n')
    monkeypatch.setenv("AMORSIZE_CONFIG", str(file))  # found in a folder, it would have to be trusted
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        answers = [amorsize.optimize(abs, range(1000 + number)).cache for number in range(5)]
    assert answers[0] == "miss"
    assert set(answers[1:]) == {"hit"}
    assert [one.category for one in caught] == [AmorsizeWarning]
    assert "connecting failed" in str(caught[0].message)
    assert amorsize.optimize(abs, [1], config={**config, "cache": "memory"}).n_jobs == 1


SECRET = "correct-horse-battery"


def shown(error):
    """Return all that a traceback of an error could show."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.__context__) + repr(error.__cause__)


def test_the_password_comes_from_the_environment_and_is_never_shown(own_server, monkeypatch):
    server = own_server("--requirepass", SECRET)
    monkeypatch.setenv("SOME_VARIABLE", SECRET)
    store = RedisCache(server.options(password_variable="SOME_VARIABLE"))
    store.store("here", "v", "text")
    assert store.fetch("here") == {"v": "text"}
    for password, code in ((None, "NOAUTH"), (SECRET[:-1], "WRONGPASS")):
        if password:
            monkeypatch.setenv("AMORSIZE_REDIS_PASSWORD", password)
        with pytest.raises(CacheError, match=code) as caught:
            RedisCache(server.options()).fetch("here")
        assert SECRET[:-1] not in shown(caught.value)
    assert SECRET not in repr(store) + str(vars(store))


def test_a_user_of_the_servers_logs_in(own_server, monkeypatch):
    server = own_server(
        *("--user", "worker", "on", ">hush", "~amorsize:*"),
        *("+@hash", "+@keyspace", "+@transaction", "+@string", "+@connection"),
    )
    monkeypatch.setenv("AMORSIZE_REDIS_PASSWORD", "hush")
    store = RedisCache(server.options(url=f"redis://worker@127.0.0.1:{server.port}/0", wait_seconds=1.0))
    store.store("here", "v", "text")
    assert store.fetch("here") == {"v": "text"}
    assert store.fetch("func:absent") == {}
    assert "NOPERM" in fault_of(
        lambda: RedisCache(server.options(url=f"redis://worker@127.0.0.1:{server.port}/0", prefix="x")).fetch("here")
    )


def test_a_server_that_repeats_what_it_was_sent_betrays_nothing(monkeypatch):
    monkeypatch.setenv("AMORSIZE_REDIS_PASSWORD", SECRET)

    def repeat(sock):
        while received := sock.recv(65536):
            sock.sendall(
                b"-ERR unknown command, with args beginning with: " + received.replace(b"\r\n", b" ") + b"\r\n"
            )

    for talk in (repeat, saying(b"-" + SECRET.encode() + b"\r\n"), saying(b"+" + SECRET.encode() + b"\r\n")):
        with Listener(talk) as listener, pytest.raises(CacheError) as caught:
            RedisCache(hasty(listener.port)).fetch("here")
        assert SECRET not in shown(caught.value)
