"""Real faults of the medium: damaged bytes, read-only and full disks, forks."""

from __future__ import annotations

import contextlib
import errno
import os
import pickle
import random
import signal
import sqlite3
import sys
import tempfile
import threading
import warnings
from contextlib import closing
from pathlib import Path

import pytest

from amorsize.adapters.caches.json import JsonCache, JsonOptions
from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions
from amorsize.adapters.caches.sqlite import SqliteCache, SqliteOptions
from amorsize.errors import CacheError

NOBODY = 65534
TEXT = '{"digest":"0123456789abcdef","record":{"name":"é","value":1.5}}'
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="only POSIX forks, changes users and limits file sizes")


def make_json(directory):
    return JsonCache(JsonOptions(directory=str(directory)))


def make_sqlite(directory):
    return SqliteCache(SqliteOptions(directory=str(directory)))


def make_memory(_):
    return MemoryCache(MemoryOptions())


on_disk = pytest.mark.parametrize("make", [make_json, make_sqlite])
every = pytest.mark.parametrize("make", [make_json, make_sqlite, make_memory])


def in_a_fork(action):
    """Return what action returns in a forked child; an exception there fails here."""
    here, there = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads is what is tested
        child = os.fork()
    if child == 0:
        try:
            answer = (action(), None)
        except BaseException as error:  # noqa: BLE001  the child must not go on as a test runner
            answer = (None, f"{type(error).__name__}: {error}")
        os.write(there, pickle.dumps(answer))
        os._exit(0)
    os.close(there)
    with os.fdopen(here, "rb") as pipe:
        answer, fault = pickle.loads(pipe.read())
    os.waitpid(child, 0)
    assert fault is None, fault
    return answer


def mutated(body, chance):
    """Return bytes with one fault: flipped, cut, doubled, zeroed or replaced."""
    kind, at = chance.randrange(6), chance.randrange(len(body))
    to = min(len(body), at + chance.choice([1, 4, 100, 4096]))
    return [
        body[:at] + bytes([body[at] ^ 1 << chance.randrange(8)]) + body[at + 1 :],
        body[:at],
        body[:at] + body[to:],
        body[:to] + body[at:],
        body[:at] + bytes(to - at) + body[to:],
        body[:at] + chance.randbytes(to - at) + body[to:],
    ][kind]


def test_a_damaged_file_is_given_as_text_and_left_alone(tmp_path):
    chance = random.Random(3)
    with closing(make_json(tmp_path)) as store:
        store.store("here", "v", TEXT)
        file = tmp_path / "here" / "v.json"
        whole = file.read_bytes()
        for _ in range(5000):
            body = mutated(whole, chance)
            file.write_bytes(body)
            assert store.fetch("here") == {"v": body.decode("utf-8", "replace")}
            assert file.read_bytes() == body


def test_a_damaged_database_gives_texts_or_a_cache_error(tmp_path):
    chance = random.Random(4)
    with closing(make_sqlite(tmp_path)) as store:
        for number in range(40):
            store.store(f"l{number % 20}", f"v{number}", TEXT * (number % 30))
    file = tmp_path / "amorsize.sqlite"
    whole = file.read_bytes()
    answered = refused = 0
    for case in range(3000):
        file.write_bytes(mutated(whole, chance))
        with closing(make_sqlite(tmp_path)) as store:
            for call in (lambda: store.fetch(f"l{case % 20}"), lambda: dict.fromkeys(store.locators(), "")):  # noqa: B023  called at once
                try:
                    texts = call()
                except CacheError:
                    refused += 1
                else:
                    answered += 1
                    assert all(type(name) is str and type(text) is str for name, text in texts.items())
            if case % 10 == 0:
                with contextlib.suppress(CacheError):
                    store.store("here", "v", TEXT)
                with contextlib.suppress(CacheError):
                    store.discard([("here", "v"), ("l1", "v1")])
        for rest in tmp_path.glob("amorsize.sqlite-*"):
            rest.unlink()
    assert answered > 1000
    assert refused > 100


@forks
@on_disk
def test_in_a_read_only_directory_reading_goes_on_and_writing_says_so(make):
    with tempfile.TemporaryDirectory() as above:  # pytest's own directories are closed to other users
        Path(above).chmod(0o711)
        place = Path(above, "cache")
        with closing(make(place)) as store:
            store.store("here", "v", "text")
        is_root = os.geteuid() == 0
        for path in (place, *place.rglob("*")):
            if is_root:
                os.chown(path, NOBODY, NOBODY)
            path.chmod(0o500 if path.is_dir() else 0o400)

        def read_and_write():
            if is_root:  # root may write anywhere
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            store = make(place)
            with pytest.raises((OSError, CacheError)) as caught:
                store.store("here", "v", "new")
            code = getattr(caught.value, "errno", None) or getattr(caught.value.__cause__, "errno", None)
            return dict(store.fetch("here")), list(store.locators()), code

        texts, locators, code = in_a_fork(read_and_write)
        for path in (place, *(path for path in place.rglob("*") if path.is_dir())):
            path.chmod(0o700)
    assert (texts, locators) == ({"v": "text"}, ["here"])
    assert code in (errno.EACCES, errno.EROFS)


@forks
@on_disk
def test_where_nothing_can_be_made_the_first_write_says_so(make):
    with tempfile.TemporaryDirectory() as above:
        Path(above).chmod(0o555)

        def write():
            if os.geteuid() == 0:
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            store = make(Path(above, "cache"))
            with pytest.raises(PermissionError):
                store.store("here", "v", "text")
            return dict(store.fetch("here"))

        assert in_a_fork(write) == {}


@forks
@on_disk
def test_when_the_medium_takes_no_more_the_old_text_stays_whole(make, tmp_path):
    with closing(make(tmp_path)) as store:
        store.store("here", "v", "text")

    def fill():
        import resource  # noqa: PLC0415  only POSIX has it

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (16384, 16384))
        store = make(tmp_path)
        with pytest.raises((OSError, CacheError)):
            store.store("here", "v", "x" * 60_000)
        kept = dict(store.fetch("here"))
        store.close()
        return kept

    assert in_a_fork(fill) == {"v": "text"}
    with closing(make(tmp_path)) as store:
        assert store.fetch("here") == {"v": "text"}
        store.store("here", "v", "x" * 60_000)
        assert store.fetch("here") == {"v": "x" * 60_000}
    assert not list(tmp_path.glob(".new/*"))


@forks
@on_disk
def test_a_child_uses_the_parents_store_and_harms_it_not(make, tmp_path):
    with closing(make(tmp_path)) as store:
        store.store("parent", "v", "text")

        def work():
            before = dict(store.fetch("parent"))
            store.store("child", "v", "text")
            store.close()
            store.store("child", "w", "text")
            return before

        for _ in range(3):
            assert in_a_fork(work) == {"v": "text"}
            assert store.fetch("child") == {"v": "text", "w": "text"}
            store.store("parent", "v", "text")


@forks
def test_a_child_has_its_own_copy_of_what_is_in_memory():
    store = make_memory(None)
    store.store("here", "v", "text")
    assert in_a_fork(lambda: (store.store("here", "w", "text"), dict(store.fetch("here")))[1]) == dict.fromkeys(
        "vw", "text"
    )
    assert store.fetch("here") == {"v": "text"}


@forks
@every
def test_forking_while_another_thread_writes_leaves_child_and_parent_able(make, tmp_path):
    ended = threading.Event()
    faults = []
    with closing(make(tmp_path)) as store:

        def write():
            number = 0
            while not ended.wait(0.001):
                number += 1
                try:
                    store.store("here", f"v{number % 50}", "text")
                    store.discard([("here", f"v{number % 50}")])
                except CacheError:  # the child was writing
                    pass
                except Exception as error:  # noqa: BLE001  raised in a thread it would go unseen
                    faults.append(error)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for number in range(20):

                def work(number=number):
                    for _ in range(100):
                        with contextlib.suppress(CacheError):  # the parent was writing
                            store.store("child", f"v{number}", "text")
                            return dict(store.fetch("child"))[f"v{number}"]
                    return "never"

                assert in_a_fork(work) == "text"
        finally:
            ended.set()
            writer.join()
        store.store("here", "last", "text")
        assert store.fetch("here")["last"] == "text"
    assert faults == []
    if make is make_sqlite:
        with closing(sqlite3.connect(tmp_path / "amorsize.sqlite")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a file that is open")
@on_disk
def test_a_cache_removed_under_a_store_is_begun_again(make, tmp_path):
    place = tmp_path / "cache"
    with closing(make(place)) as store, closing(make(place)) as other:
        for number in range(3):
            store.store("here", f"v{number}", "text")
            other.store("here", f"w{number}", "text")
            place.rename(tmp_path / f"away{number}")
        store.store("here", "last", "text")
        other.store("here", "last", "other")
        store.close()
        assert store.fetch("here") == {"last": "other"}
