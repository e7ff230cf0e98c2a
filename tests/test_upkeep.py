"""Care for a cache: over every built-in store."""

from __future__ import annotations

import io
import json

import attrs
import pytest
from fakes import OVERHEADS, Clock
from test_records import entry

from amorsize import config, records, upkeep
from amorsize.entries import Entries
from amorsize.errors import CacheError
from amorsize.upkeep import Cache, key_of

NOW = 1_700_000_000.0


@pytest.fixture(params=["json", "sqlite", "memory"])
def cache(request):
    store = config.build("caches", request.param, config.load())
    yield Cache(store, Clock(NOW))
    store.close()


def put(cache, number=0, **changes):
    """Keep an entry of another function, and return it as it reads."""
    made = entry(locator=f"func:{number:016x}_item:int~16^3_size:large", **changes)
    text = records.encode(made)
    cache.store.store(made.locator, made.variant, text)
    return records.decode_entry(text)


def test_an_empty_cache_has_nothing(cache):
    stats = cache.stats()
    assert (stats.entries, stats.bytes, stats.oldest, stats.newest, stats.functions) == (0, 0, None, None, {})
    assert cache.clear() == cache.prune(0) == cache.shrink(1) == 0


def test_entries_are_counted_by_function(cache):
    put(cache, 1, function="a.f", measured_at=5.0)
    put(cache, 2, function="a.f", measured_at=9.0)
    put(cache, 3, function="b.g", measured_at=7.0)
    stats = cache.stats()
    assert (stats.entries, stats.oldest, stats.newest) == (3, 5.0, 9.0)
    assert stats.functions == {"a.f": 2, "b.g": 1}
    assert stats.bytes > 3 * 500


def test_entries_are_filtered_by_function_and_age(cache):
    put(cache, 1, function="a.f", measured_at=NOW - 100)
    put(cache, 2, function="b.g", measured_at=NOW - 10)
    assert [one.function for one in cache.entries(function="a.")] == ["a.f"]
    assert [one.function for one in cache.entries(older_than_seconds=50)] == ["a.f"]


def test_an_entry_is_shown_by_key_locator_or_beginning(cache):
    made = put(cache, 1)
    put(cache, 2)
    for key in (key_of(made), made.locator, key_of(made)[:21]):
        assert cache.show(key) == [made]
    assert cache.show("func:f") == cache.show("no such key") == []


def test_prune_removes_what_is_too_old_unreadable_or_from_the_future(cache):
    put(cache, 1, measured_at=NOW - 100)
    kept = put(cache, 2, measured_at=NOW - 50)
    put(cache, 3, measured_at=NOW + 50)
    cache.store.store("func:4_item:x_size:tiny", "v", "nonsense")
    cache.store.store("machine:01234567", "fork_v:1", "kept")
    assert cache.prune(50) == 3
    assert list(cache.entries()) == [kept]
    assert cache.store.fetch("machine:01234567")


def test_shrink_keeps_the_most_recently_confirmed(cache):
    for number, confirmed in enumerate([5.0, 1.0, 9.0, 3.0]):
        put(cache, number, confirmed_at=confirmed)
    assert cache.shrink(2) == 2
    assert sorted(one.confirmed_at for one in cache.entries()) == [5.0, 9.0]
    assert cache.shrink(2) == 0


def test_the_size_limit_holds_while_entries_are_written(cache):
    entries = Entries(cache.store, 20, Clock(NOW))
    for number in range(100):
        entries.keep(entry(locator=f"func:{number:016x}_item:x_size:tiny", confirmed_at=float(number)))
    assert sum(1 for _ in cache.entries()) <= 22
    assert max(one.confirmed_at for one in cache.entries()) == 99.0


def test_clear_removes_everything_and_counts_entries(cache):
    put(cache, 1)
    cache.store.store("machine:01234567", "fork_v:1", "x")
    assert cache.clear() == 1
    assert list(cache.records()) == []


def test_verify_sets_aside_what_is_damaged_and_loses_nothing(cache):
    good = put(cache, 1)
    bad = put(cache, 2)
    text = records.encode(bad)
    cache.store.store(bad.locator, bad.variant, text[:-9])
    cache.store.store("func:elsewhere_item:x_size:tiny", good.variant, records.encode(good))
    verified = cache.verify()
    assert verified.readable == 1
    assert set(verified.set_aside) == {(bad.locator, bad.variant), ("func:elsewhere_item:x_size:tiny", good.variant)}
    assert cache.store.fetch(bad.locator) == {}
    asides = [body for locator, _, body in cache.records() if locator.startswith("aside:")]
    assert text[:-9] in {json.loads(body)["text"] for body in asides}
    assert cache.verify().set_aside == ()
    assert list(cache.entries()) == [good]


def test_what_is_exported_comes_back_whole(cache):
    made = [put(cache, number) for number in range(3)]
    cache.store.store("func:bad_item:x_size:tiny", "v", "nonsense")
    file = io.StringIO()
    assert cache.export(file) == 3
    json.loads(file.getvalue())
    cache.clear()
    file.seek(0)
    imported = cache.import_(file)
    assert (imported.taken, imported.kept, imported.refused) == (3, 0, ())
    assert sorted(cache.entries(), key=key_of) == sorted(made, key=key_of)


def test_the_newer_of_two_entries_stays(cache):
    put(cache, 1, measured_at=5.0, function="old")
    file = io.StringIO()
    cache.export(file)
    put(cache, 1, measured_at=9.0, function="new")
    file.seek(0)
    assert cache.import_(file).kept == 1
    assert [one.function for one in cache.entries()] == ["new"]
    put(cache, 1, measured_at=1.0, function="older")
    file.seek(0)
    assert cache.import_(file).taken == 1
    assert [one.function for one in cache.entries()] == ["old"]


def test_overheads_that_are_there_stay(cache):
    file = io.StringIO()
    text = records.seal('{"outline":[]}')
    cache.store.store("name:0123", "outline_v:1", text)
    cache.export(file)
    file.seek(0)
    assert cache.import_(file).kept == 1


def test_the_newer_of_two_overheads_stay(cache):
    def put(measured_at):
        cache.store.store("machine:0123", "fork_v:2", records.encode(attrs.evolve(OVERHEADS, measured_at=measured_at)))

    file = io.StringIO()
    put(5.0)
    cache.export(file)
    for there, taken in ((9.0, 0), (5.0, 0), (1.0, 1)):
        put(there)
        file.seek(0)
        assert cache.import_(file).taken == taken


@pytest.mark.parametrize(
    "record",
    [
        3,
        {},
        {"locator": "func:a", "variant": "v"},
        {"locator": "func:a", "variant": "v", "text": 3},
        {"locator": "../../etc/passwd", "variant": "v", "text": "{}"},
        {"locator": "aside:0", "variant": "v", "text": "{}"},
        {"locator": "func:a\n", "variant": "v", "text": "{}"},
        {"locator": "func:" + "a" * 200, "variant": "v", "text": "{}"},
        {"locator": "func:a", "variant": "", "text": "{}"},
        {"locator": "func:a", "variant": "v", "text": "{}", "path": "/etc/passwd"},
        {"locator": "func:a", "variant": "v", "text": records.encode(entry())},
        {"locator": "machine:a", "variant": "v", "text": records.encode(entry())},
    ],
)
def test_a_hand_made_record_is_refused_and_the_others_are_taken(cache, record):
    good = entry()
    body = {"locator": good.locator, "variant": good.variant, "text": records.encode(good)}
    imported = cache.import_(io.StringIO(json.dumps({"amorsize_export": 1, "records": [record, body]})))
    assert (imported.taken, len(imported.refused)) == (1, 1)
    assert imported.refused[0].startswith("record 1: ")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"amorsize_export": 2}', '{"amorsize_export": 1}', "[" * 100_000])
def test_a_file_that_is_no_export_is_refused_whole(cache, text):
    with pytest.raises(CacheError, match="import: "):
        cache.import_(io.StringIO(text))


def test_an_export_too_long_to_be_read_is_refused(cache, monkeypatch):
    monkeypatch.setattr(upkeep, "_MOST_EXPORT_BYTES", 1000)
    with pytest.raises(CacheError, match="import: the file must be at most 1000 characters, got more"):
        cache.import_(io.StringIO(json.dumps({"amorsize_export": 1, "records": ["x" * 1000]})))


def test_prune_takes_what_was_set_aside_with_it(cache):
    cache.store.store("func:bad_item:x_size:tiny", "v", "nonsense")
    assert cache.verify().set_aside == (("func:bad_item:x_size:tiny", "v"),)
    assert cache.prune(50) == 1
    assert list(cache.records()) == []


def test_a_damaged_entry_is_not_shown(cache):
    made = put(cache, 1)
    text = records.encode(made)
    cache.store.store(made.locator, made.variant, text[:-9])
    assert cache.show(key_of(made)) == cache.show(made.locator) == []


def test_the_entry_a_key_names_is_read_without_running_through_the_store(cache):
    made = put(cache, 1)
    assert cache.show(key_of(attrs.evolve(made, function="same key"))) == [made]
