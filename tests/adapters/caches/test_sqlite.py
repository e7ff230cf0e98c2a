"""What is peculiar to the store in one SQLite file."""

from __future__ import annotations

import errno
import gc
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from amorsize.adapters.caches.sqlite import FORMAT, SqliteCache, SqliteOptions, has_wal_reset_fix
from amorsize.errors import CacheError


@pytest.fixture
def place(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def file(place):
    return place / "amorsize.sqlite"


@pytest.fixture
def store(place):
    with closing(SqliteCache(SqliteOptions(directory=str(place)))) as store:
        store.store("here", "v", "text")
        yield store


@pytest.fixture
def rival(file, store):
    assert store.fetch("here") == {"v": "text"}
    with closing(sqlite3.connect(file, isolation_level=None, timeout=0)) as rival:
        yield rival


@pytest.mark.parametrize(
    ("version", "is_safe"),
    [
        ((3, 7, 0), False),
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 44, 7), True),
        ((3, 45, 0), False),
        ((3, 49, 9), False),
        ((3, 50, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 50, 8), True),
        ((3, 51, 0), False),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), True),
        ((4, 0, 0), True),
    ],
)
def test_a_write_ahead_log_is_trusted_only_where_its_reset_is_mended(version, is_safe):
    assert has_wal_reset_fix(version) == is_safe


@pytest.mark.parametrize(("version", "mode", "synchronous"), [((3, 51, 3), "wal", 1), ((3, 51, 2), "truncate", 2)])
def test_the_journal_is_what_the_linked_sqlite_keeps_safely(place, monkeypatch, version, mode, synchronous):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    with closing(SqliteCache(SqliteOptions(directory=str(place)))) as store:
        store.store("here", "v", "text")
        connection = store._opened.connection
        assert connection.execute("PRAGMA journal_mode").fetchone() == (mode,)
        assert connection.execute("PRAGMA synchronous").fetchone() == (synchronous,)
        assert store.fetch("here") == {"v": "text"}


def test_a_write_ahead_log_that_a_newer_sqlite_left_is_turned_back_unless_in_use(place, file, monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 3))
    newer = SqliteCache(SqliteOptions(directory=str(place)))
    newer.store("here", "v", "text")
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 2))
    with closing(SqliteCache(SqliteOptions(directory=str(place)))) as older:
        assert older.fetch("here") == {"v": "text"}
        with pytest.raises(CacheError):
            older.store("here", "w", "text")
        newer.close()
        older.store("here", "w", "text")
        assert older.fetch("here") == {"v": "text", "w": "text"}
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


@pytest.mark.parametrize("version", [(3, 51, 3), (3, 51, 2)], ids=["wal", "truncate"])
def test_stores_that_open_a_new_file_at_once_all_come_through(tmp_path, monkeypatch, version):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    faults = []

    def begin(stores, together, number):
        try:
            with closing(stores[number]) as store:
                together.wait()
                store.store("here", f"v{number}", "text")
                assert store.fetch("here")[f"v{number}"] == "text"
        except (AssertionError, CacheError, KeyError) as error:
            faults.append(error)

    for turn in range(25):
        options = SqliteOptions(directory=str(tmp_path / f"cache{turn}"), timeout_seconds=30)
        stores, together = [SqliteCache(options) for _ in range(6)], threading.Barrier(6)
        threads = [threading.Thread(target=begin, args=(stores, together, number)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert faults == []


def test_a_look_up_finds_its_rows_by_the_index(rival):
    plan = rival.execute("EXPLAIN QUERY PLAN SELECT variant, text FROM records WHERE locator = 'x'").fetchall()
    assert "SEARCH records USING INDEX" in plan[0][3]
    assert "(locator=?)" in plan[0][3]


def patience_seconds(store):
    """Return how long a store waits for a lock that another holds."""
    return store._opened.connection.execute("PRAGMA busy_timeout").fetchone()[0] / 1000


@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_while_another_holds_the_lock_every_call_answers_soon(store, rival, lock):
    rival.execute(lock)
    calls = [
        lambda: store.store("here", "v", "new"),
        lambda: store.discard([("here", "v")]),
    ]
    if lock == "BEGIN EXCLUSIVE":
        calls += [lambda: store.fetch("here"), lambda: list(store.locators())]
    else:
        assert store.fetch("here") == {"v": "text"}
        assert list(store.locators()) == ["here"]
    for call in calls:
        with pytest.raises(CacheError, match="database is locked"):
            call()
    rival.execute("ROLLBACK")
    assert patience_seconds(store) == SqliteOptions().timeout_seconds == 0.05
    store.store("here", "v", "new")
    assert store.fetch("here") == {"v": "new"}


def test_a_lock_held_while_opening_is_given_up_soon_too(place, rival):
    rival.execute("BEGIN EXCLUSIVE")
    with closing(SqliteCache(SqliteOptions(directory=str(place)))) as other:
        with pytest.raises(CacheError, match="database is locked"):
            other.fetch("here")
        rival.execute("ROLLBACK")
        assert other.fetch("here") == {"v": "text"}
        assert patience_seconds(other) == 0.05


@pytest.mark.parametrize("size", [1, 100, 5000, 100_000])
def test_a_file_that_is_no_database_is_an_error_and_stays_as_it_is(place, file, size):
    place.mkdir(mode=0o700)
    file.write_bytes(b"what I wrote " * size)
    with closing(SqliteCache(SqliteOptions(directory=str(place)))) as store:
        for call in (
            lambda: store.fetch("here"),
            lambda: store.store("here", "v", "text"),
            lambda: [*store.locators()],
        ):
            with pytest.raises(CacheError):
                call()
    assert file.read_bytes() == b"what I wrote " * size


def test_a_file_of_a_newer_format_is_an_error_and_stays_as_it_is(store, file, rival):
    rival.execute(f"PRAGMA user_version = {FORMAT + 1}")
    store.close()
    before = file.read_bytes()
    for call in (lambda: store.fetch("here"), lambda: store.store("here", "v", "new"), lambda: [*store.locators()]):
        with pytest.raises(
            CacheError, match=f"must be an amorsize cache of format {FORMAT} .*, got format {FORMAT + 1}"
        ):
            call()
    assert file.read_bytes() == before


def test_the_database_of_another_application_is_an_error_and_stays_as_it_is(place, file):
    place.mkdir(mode=0o700)
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE records (locator, variant, text)")
    before = file.read_bytes()
    with closing(SqliteCache(SqliteOptions(directory=str(place)))) as store:
        for call in (lambda: store.fetch("here"), lambda: store.store("here", "v", "text")):
            with pytest.raises(CacheError, match="must be an amorsize cache"):
                call()
    assert file.read_bytes() == before


def test_an_empty_file_is_an_empty_cache(place, file):
    place.mkdir(mode=0o700)
    file.touch()
    with closing(SqliteCache(SqliteOptions(directory=str(place)))) as store:
        assert store.fetch("here") == {}
        assert list(store.locators()) == []
        assert store.discard([("here", "v")]) == 0
        assert file.read_bytes() == b""
        store.store("here", "v", "text")
        assert store.fetch("here") == {"v": "text"}


@pytest.mark.skipif(sys.platform == "win32", reason="links need privileges on Windows")
def test_a_link_in_place_of_the_file_is_refused(place, file, tmp_path):
    place.mkdir(mode=0o700)
    file.symlink_to(tmp_path / "elsewhere")
    with closing(SqliteCache(SqliteOptions(directory=str(place)))) as store:
        for call in (lambda: store.fetch("here"), lambda: store.store("here", "v", "text")):
            with pytest.raises(CacheError, match="must be a file, got another kind or a symbolic link"):
                call()
    assert not (tmp_path / "elsewhere").exists()


def test_values_of_other_kinds_come_as_text_or_not_at_all(store, rival):
    rows = [("here", "number", 5), ("here", "bytes", b"\xffa"), ("here", b"w", "text"), ("here", "é", "text")]
    rivals = [*rows, ("é", "v", "text"), (b"blob", "v", "text"), ("here", "long", "x" * 100_000)]
    rival.executemany("INSERT INTO records VALUES (?, ?, ?)", rivals)
    rival.execute("INSERT INTO records VALUES (CAST(x'ff61' AS TEXT), CAST(x'fe' AS TEXT), CAST(x'fd' AS TEXT))")
    rival.execute("INSERT INTO records VALUES ('here', 'damaged', CAST(x'fd62' AS TEXT))")
    assert store.fetch("here") == {
        "v": "text",
        "number": "5",
        "bytes": "\ufffda",
        "long": "x" * 65536,
        "damaged": "\ufffdb",
    }
    assert list(store.locators()) == ["here"]


def test_some_locators_are_those_from_a_share_of_the_way_on_and_then_the_first(store):
    names = [f"func:{number:02x}00" for number in range(0, 256, 8)]
    for name in names:
        store.store(name, "v", "text")
    assert store.some_locators(0.5, 3) == names[17:20]
    assert store.some_locators(0.96, 3) == [names[-1], "here", names[0]]
    assert sorted(store.some_locators(0.5, 100)) == sorted([*names, "here"])


def test_no_file_has_no_locators(place):
    with closing(SqliteCache(SqliteOptions(directory=str(place)))) as store:
        assert store.some_locators(0.5, 3) == []


def test_a_full_medium_keeps_the_old_text_and_says_so(store):
    connection = store._opened.connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(CacheError, match="full") as caught:
        store.store("here", "v", "x" * 60_000)
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert store.fetch("here") == {"v": "text"}
    connection.execute("PRAGMA max_page_count = 100000")
    store.store("here", "v", "new")
    assert store.fetch("here") == {"v": "new"}


def test_discarding_holds_the_lock_for_a_batch_at_a_time(store, rival):
    for number in range(3):
        store.store(f"l{number}", "v", "text")

    def addresses():
        for number in range(1200):
            yield f"l{number % 3}", "v"
            if number % 500 == 499:  # a batch is read before its transaction begins
                rival.execute("BEGIN EXCLUSIVE")
                rival.execute("ROLLBACK")

    assert store.discard(addresses()) == 3


def test_a_batch_is_removed_as_a_whole_or_not_at_all(store, rival):
    store.store("here", "w", "text")
    rival.execute(
        "CREATE TRIGGER t BEFORE DELETE ON records WHEN OLD.variant = 'w' BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    with pytest.raises(CacheError, match="no"):
        store.discard([("here", "v"), ("here", "w")])
    assert store.fetch("here") == {"v": "text", "w": "text"}
    store.store("here", "x", "text")


def test_a_store_that_is_forgotten_closes_its_connection(place):
    store = SqliteCache(SqliteOptions(directory=str(place)))
    store.store("here", "v", "text")
    connection = store._opened.connection
    del store
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_a_store_left_open_when_the_interpreter_ends_says_nothing(place):
    assert _run("-Wd", _opened_at(place) + "store.store('here', 'v', 'text')") == ("", "")


def test_a_store_still_answers_while_the_interpreter_ends(place):
    code = "import atexit; atexit.register(lambda: print(store.fetch('here')))\nstore.store('here', 'v', 'text')"
    assert _run(_opened_at(place) + code) == ("{'v': 'text'}\n", "")


def _opened_at(place):
    return (
        "from amorsize.adapters.caches.sqlite import SqliteCache, SqliteOptions\n"
        f"store = SqliteCache(SqliteOptions(directory={str(place)!r}))\n"
    )


def _run(*arguments):
    *flags, code = arguments
    done = subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


def test_the_module_itself_does_not_import_sqlite3():
    code = f"import sys; sys.path[:] = {sys.path!r}\n"  # -S: a .pth file may import anything, as coverage's does
    code += "import amorsize.adapters.caches.sqlite; print('sqlite3' in sys.modules)"
    assert _run("-S", code) == ("False\n", "")


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), "1", True])
def test_a_timeout_must_be_above_nothing(seconds):
    with pytest.raises(ValueError, match=r"timeout_seconds must be a number from 0.001 to 3600, got"):
        SqliteOptions(timeout_seconds=seconds)
