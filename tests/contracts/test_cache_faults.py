"""Real faults of the medium: damaged bytes, read-only and full disks, forks; by the harness that plugins use too."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from contextlib import closing

import pytest

from amorsize.adapters.caches.json import JsonCache, JsonOptions
from amorsize.adapters.caches.layered import LayeredCache
from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions
from amorsize.adapters.caches.sqlite import SqliteCache, SqliteOptions
from amorsize.errors import CacheError
from amorsize.testing import DamagedCacheContract, FaultyMediumContract, ForkedCacheContract
from amorsize.testing.faults import TEXT, mutated


def make_json(directory):
    return JsonCache(JsonOptions(directory=str(directory)))


def make_sqlite(directory):
    return SqliteCache(SqliteOptions(directory=str(directory)))


def make_layered(directory):
    return LayeredCache([("near", make_json(f"{directory}/near")), ("far", make_sqlite(f"{directory}/far"))])


class TestFaultyJson(FaultyMediumContract, DamagedCacheContract):
    at = staticmethod(make_json)


class TestFaultySqlite(FaultyMediumContract, DamagedCacheContract):
    at = staticmethod(make_sqlite)


class _Forked(ForkedCacheContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path):
        self.place = tmp_path

    def make(self):
        return self.at(str(self.place / "cache"))


class TestForkedJson(_Forked):
    at = staticmethod(make_json)


class TestForkedSqlite(_Forked):
    at = staticmethod(make_sqlite)

    def test_forking_while_another_thread_writes_leaves_child_and_parent_able(self):
        super().test_forking_while_another_thread_writes_leaves_child_and_parent_able()
        with closing(sqlite3.connect(self.place / "cache" / "amorsize.sqlite")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.filterwarnings("ignore:amorsize cache. layer .far.:amorsize.AmorsizeWarning")  # busy: the other is writing
class TestForkedLayers(_Forked):
    at = staticmethod(make_layered)


class TestForkedMemory(_Forked):
    shared = False

    def at(self, _):
        return MemoryCache(MemoryOptions())


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


def test_a_failed_write_leaves_no_file_behind(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("no more")

    with closing(make_json(tmp_path)) as store:
        store.store("here", "v", "text")
        monkeypatch.setattr("os.replace", fail)
        with pytest.raises(OSError, match="no more"):
            store.store("here", "v", "new")
        assert not list(tmp_path.glob(".new/*"))
