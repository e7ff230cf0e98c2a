"""A database that somebody else has made, and what lies beside it: never a hang, never a file lost."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from amorsize.adapters.caches import sqlite
from amorsize.adapters.caches.sqlite import APPLICATION, FORMAT, SqliteCache, SqliteOptions
from amorsize.errors import CacheError

ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"
TABLE = sqlite._TABLE
WITHOUT_KEY = "CREATE TABLE records (locator TEXT NOT NULL, variant TEXT NOT NULL, text TEXT NOT NULL)"
SCHEMAS = {
    "a view of endless recursion": [f"CREATE VIEW records AS {ENDLESS} SELECT x locator, x variant, x text FROM c"],
    "a view over the table": [TABLE, "CREATE VIEW other AS SELECT * FROM records"],
    "a trigger of endless recursion": [
        TABLE,
        "CREATE TABLE t (x)",
        f"CREATE TRIGGER i AFTER INSERT ON records BEGIN INSERT INTO t SELECT * FROM ({ENDLESS} SELECT x FROM c); END",
    ],
    "a trigger alone": [TABLE, "CREATE TRIGGER d BEFORE DELETE ON records BEGIN SELECT RAISE(ABORT, 'no'); END"],
    "a generated column": [TABLE.replace("text TEXT NOT NULL", "text TEXT AS (hex(zeroblob(1000000))) STORED")],
    "a check": [TABLE.replace("text TEXT NOT NULL", "text TEXT CHECK (length(hex(zeroblob(1000000))) > 1)")],
    "a default": [TABLE.replace("text TEXT NOT NULL", "text TEXT NOT NULL DEFAULT (random())")],
    "no key": [WITHOUT_KEY],
    "a key in place of rowids": [TABLE + " WITHOUT ROWID"],
    "an index more": [TABLE, "CREATE INDEX more ON records (text)"],
    "a partial index": [WITHOUT_KEY, "CREATE UNIQUE INDEX i ON records (locator, variant) WHERE length(text) < 9"],
    "another table": [TABLE, "CREATE TABLE other (x)"],
    "nothing": [],
}


def make(place, statements, *rows):
    """Write a database that says it is ours, with a schema and rows of somebody's own."""
    place.mkdir(mode=0o700)
    file = place / sqlite.FILE
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for statement in (*statements, f"PRAGMA application_id = {APPLICATION}", f"PRAGMA user_version = {FORMAT}"):
            connection.execute(statement)
        if rows:
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO records (locator, variant, text) VALUES (?, ?, ?)", rows)
            connection.execute("COMMIT")
    return file


def refuses(place, match):
    calls = (
        lambda store: store.fetch("here"),
        lambda store: store.store("here", "v", "text"),
        lambda store: list(store.locators()),
        lambda store: store.discard([("here", "v")]),
    )
    for call in calls:
        with closing(SqliteCache(SqliteOptions(directory=str(place)))) as store, pytest.raises(CacheError, match=match):
            call(store)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_anything_but_the_one_table_is_refused_before_it_is_read(tmp_path, schema):
    make(tmp_path / "cache", SCHEMAS[schema])
    refuses(tmp_path / "cache", "must hold the table of an amorsize cache and nothing else, got .*: remove the file")


def test_a_schema_of_very_many_objects_is_given_up_soon(tmp_path):
    file = make(tmp_path / "cache", [TABLE])
    views = [(f"w{number}", f"w{number}", f"CREATE VIEW w{number} AS SELECT 1") for number in range(100_000)]
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.executemany(
            "INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES ('view', ?, ?, 0, ?)", views
        )
        connection.commit()
    refuses(tmp_path / "cache", "interrupted")  # parsing them all takes half a minute


def test_a_function_is_answered_beside_a_hand_made_file_and_an_interrupt_still_counts(tmp_path):
    make(tmp_path / "cache", SCHEMAS["a view of endless recursion"])
    code = "import warnings; warnings.simplefilter('ignore'); import amorsize\n"
    code += "print(amorsize.optimize(abs, range(1000), cache='sqlite').cache, end='')"
    environment = {**os.environ, "AMORSIZE_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("miss", 0), done.stderr


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="timers are POSIX")
def test_a_long_answer_ends_by_itself_and_an_interrupt_meanwhile_is_not_lost(tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    with closing(SqliteCache(SqliteOptions(directory=str(tmp_path / "cache")))) as store:
        store.store("here", "v", "text")
        endless = f"{ENDLESS} SELECT count(*) FROM c"
        with pytest.raises(CacheError, match="interrupted"):
            store._read(lambda connection: connection.execute(endless).fetchone())
        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.005)
            with pytest.raises(KeyboardInterrupt):
                store._read(lambda connection: connection.execute(endless).fetchone())
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert store.fetch("here") == {"v": "text"}


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes need privileges on Windows")
@pytest.mark.parametrize("ending", ["-journal", "-wal", "-shm"])
@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_what_is_no_file_beside_the_database_is_never_opened(tmp_path, ending, kind):
    file = make(tmp_path / "cache", [TABLE], ("here", "v", "text"))
    beside = file.with_name(file.name + ending)
    (tmp_path / "mine").write_text("mine")
    if kind == "pipe":
        os.mkfifo(beside)
    elif kind == "link":
        beside.symlink_to(tmp_path / "mine")
    else:
        beside.mkdir()
    refuses(tmp_path / "cache", f"{ending} must be a file, got another kind or a symbolic link: remove it")
    assert (tmp_path / "mine").read_text() == "mine"


def journal_that_names(victim, pages):
    """Return a journal of no pages that a crash has left, as a transaction over several databases leaves it."""
    name = os.fsencode(victim)
    header = sqlite._JOURNAL_MAGIC + b"".join(number.to_bytes(4, "big") for number in (0, 7, pages, 512, 4096))
    total = sum(int.from_bytes(bytes([byte]), "big", signed=True) for byte in name) & 0xFFFFFFFF
    tail = [(0x40000000 // 4096 + 1).to_bytes(4, "big"), name, len(name).to_bytes(4, "big"), total.to_bytes(4, "big")]
    return header.ljust(512, b"\x00") + b"".join(tail) + sqlite._JOURNAL_MAGIC


def test_a_journal_that_would_have_sqlite_remove_another_file_is_refused(tmp_path):
    file = make(tmp_path / "cache", [TABLE], ("here", "v", "text"))
    journal = journal_that_names(tmp_path / "thesis.txt", file.stat().st_size // 4096)
    for place in (tmp_path / "cache", tmp_path / "plain"):
        if place.name == "plain":
            shutil.copytree(tmp_path / "cache", place)
        (tmp_path / "thesis.txt").write_text("mine")
        (place / f"{sqlite.FILE}-journal").write_bytes(journal)
        if place.name == "cache":
            refuses(place, "must name no other file, got a journal that does: remove it")
            assert (tmp_path / "thesis.txt").read_text() == "mine"
    with closing(sqlite3.connect(tmp_path / "plain" / sqlite.FILE)) as connection:
        connection.execute("SELECT * FROM records").fetchall()
    assert not (tmp_path / "thesis.txt").exists()  # so the journal is one that would have done it


def test_of_very_many_variants_and_very_long_texts_only_so_much_is_taken_in(tmp_path):
    rows = [("here", f"v{number}", "x") for number in range(5000)]
    make(tmp_path / "cache", [TABLE], *rows, ("long", "v", "x" * 3_000_000), ("longish", "v", "x" * 300_000))
    with closing(SqliteCache(SqliteOptions(directory=str(tmp_path / "cache")))) as store:
        assert len(store.fetch("here")) == 1000
        assert store.fetch("longish") == {"v": "x" * 65536}
        with pytest.raises(CacheError, match="too big"):
            store.fetch("long")
