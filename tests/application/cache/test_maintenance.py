"""Care for a cache: over every built-in store."""

from __future__ import annotations

import io
import json

import attrs
import pytest
from application.cache.test_records import entry
from fakes import OVERHEADS, Clock, entries_of

from amorsize.application.cache import maintenance as upkeep
from amorsize.application.cache import records
from amorsize.application.cache.maintenance import Cache, Verified, key_of
from amorsize.config import loader as config
from amorsize.domain.fingerprint.fingerprint import fingerprint
from amorsize.domain.fingerprint.loaded import Loaded
from amorsize.domain.values import FORMAT
from amorsize.errors import CacheError

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


def test_tidy_removes_what_is_too_old_and_what_an_old_format_has_left(cache):
    put(cache, 1, measured_at=NOW - 100)
    kept = [put(cache, 2, measured_at=NOW - 50), put(cache, 3, measured_at=NOW + 3600)]
    put(cache, 4, measured_at=NOW + 90_000)
    cache.store.store("func:5_item:x_size:tiny", f"time:fast_v:{FORMAT - 1}@01234567", "no entry of today's")
    cache.store.store("aside:0123456789abcdef", f"at:{int(NOW - 100)}", "{}")
    stays = [
        ("func:6_item:x_size:tiny", f"time:fast_v:{FORMAT + 1}@01234567", "written by a newer amorsize"),
        ("func:7_item:x_size:tiny", f"time:fast_v:{FORMAT}@01234567", "damaged"),
        ("func:8_item:x_size:tiny", "v", "no name of ours"),
        ("aside:1123456789abcdef", f"at:{int(NOW - 10)}", "{}"),
        ("aside:2123456789abcdef", "at:never", "{}"),
        ("machine:01234567", "fork_v:1", "x"),
        ("name:01234567", "outline_v:1", "x"),
        ("mine", "time:fast_v:1@01234567", "x"),
    ]
    for record in stays:
        cache.store.store(*record)
    newer = attrs.evolve(put(cache, 9, measured_at=NOW - 100), format=FORMAT + 1)
    cache.store.store(newer.locator, newer.variant, records.encode(newer))
    assert cache.tidy(50, 100) == 4
    assert sorted(cache.entries(), key=key_of) == sorted([*kept, newer], key=key_of)
    assert [cache.store.fetch(locator) for locator, _, _ in stays] == [{name: text} for _, name, text in stays]
    assert cache.tidy(50, 100) == 0


def test_tidy_looks_at_so_many_and_begins_elsewhere_each_time(cache):
    for number in range(30):
        put(cache, number, measured_at=NOW - 100)
    assert cache.tidy(50, 10) == 10
    clock = cache._now
    left = 20
    for _ in range(100):
        clock.now += 0.017
        left -= cache.tidy(50, 3)
    assert left == 0
    assert cache.tidy(50, 3) == 0


def test_shrink_keeps_the_most_recently_confirmed(cache):
    for number, confirmed in enumerate([5.0, 1.0, 9.0, 3.0]):
        put(cache, number, confirmed_at=confirmed)
    assert cache.shrink(2) == 2
    assert sorted(one.confirmed_at for one in cache.entries()) == [5.0, 9.0]
    assert cache.shrink(2) == 0


def test_the_size_limit_holds_while_entries_are_written(cache):
    entries = entries_of(cache.store, 20, Clock(NOW))
    for number in range(100):
        entries.keep(entry(locator=f"func:{number:016x}_item:x_size:tiny", confirmed_at=float(number)))
    assert sum(1 for _ in cache.entries()) <= 22
    assert max(one.confirmed_at for one in cache.entries()) == 99.0


def test_old_entries_go_by_themselves_while_others_are_written(cache):
    for number in range(100):
        put(cache, number, measured_at=NOW - 8 * 86400, confirmed_at=NOW - 8 * 86400)
    young = put(cache, 100, measured_at=NOW - 6 * 86400)
    entries = entries_of(cache.store, None, Clock(NOW), ttl_seconds=60.0)
    for number in range(200, 264):
        entries.keep(entry(locator=f"func:{number:016x}_item:x_size:tiny", measured_at=NOW, confirmations=0))
    assert sum(1 for _ in cache.entries()) == 65
    assert young in cache.entries()  # of a program with other settings


def test_only_what_was_measured_just_now_has_others_removed(cache):
    put(cache, 1, measured_at=NOW - 8 * 86400)
    for options, confirmations in (({"ttl_seconds": 60.0}, 1), ({}, 0)):
        entries = entries_of(cache.store, None, Clock(NOW), **options)
        for number in range(200, 264):
            entries.keep(entry(locator=f"func:{number:016x}_item:x_size:tiny", confirmations=confirmations))
    assert sum(one.measured_at < NOW - 86400 for one in cache.entries()) == 1


@pytest.mark.parametrize("now", [NOW, NOW + 3, NOW + 15.9])
def test_one_in_sixteen_short_processes_looks_for_old_entries(cache, now):
    looked = 0
    for second in range(32):
        put(cache, 1, measured_at=now - 8 * 86400)
        entries = entries_of(cache.store, None, Clock(now + second), ttl_seconds=60.0)
        entries.keep(entry(locator=f"func:{second + 2:016x}_item:x_size:tiny", measured_at=now, confirmations=0))
        looked += not any(one.measured_at < now - 86400 for one in cache.entries())
    assert looked == 2


def test_clear_removes_everything_and_counts_entries(cache):
    put(cache, 1)
    cache.store.store("machine:01234567", "fork_v:1", "x")
    assert cache.clear() == 1
    assert list(cache.records()) == []


def test_clear_takes_the_entries_and_outlines_of_one_function(cache):
    entries = entries_of(cache.store)
    for number, function in enumerate(["jobs.work", "jobs.work", "jobs.other"]):
        put(cache, number, function=function)
        entries.keep_outline(function, fingerprint(abs, Loaded({})), [])
    cache.store.store("machine:01234567", "fork_v:1", "kept")
    assert cache.clear(function="nothing") == 0
    assert cache.clear(function="work") == 2
    assert [one.function for one in cache.entries()] == ["jobs.other"]
    assert (entries.outline("jobs.work"), entries.outline("jobs.other") is None) == (None, False)
    assert cache.store.fetch("machine:01234567")


NOT_OURS = [("src", "src"), ("here", "time:fast"), ("function", "v"), ("..", ".."), ("FUNC:0", "v")]


def test_what_is_not_of_our_own_form_is_never_cared_for(cache):
    for locator, variant in NOT_OURS:
        cache.store.store(locator, variant, "mine")
    assert list(cache.records()) == []
    assert cache.stats().bytes == 0
    assert cache.verify() == Verified(0, ())
    assert cache.prune(0) == cache.clear() == 0
    assert cache.export(io.StringIO()) == 0
    assert [cache.store.fetch(locator) for locator, _ in NOT_OURS] == [{variant: "mine"} for _, variant in NOT_OURS]


@pytest.mark.parametrize("text", ["x" * 9000, "x" * 65_000, "\x00" * 9000])
def test_what_is_set_aside_is_set_aside_whole(cache, text):
    cache.store.store("func:4_item:x_size:tiny", "v", text)
    assert cache.verify().set_aside == (("func:4_item:x_size:tiny", "v"),)
    ((_, _, body),) = cache.records()
    assert json.loads(body)["text"] == text


@pytest.mark.parametrize("text", ["x" * 65536, "\x00" * 20_000])
def test_what_is_too_long_to_be_set_aside_whole_stays_where_it_is(cache, text):
    address = ("func:4_item:x_size:tiny", "v")
    cache.store.store(*address, text)
    assert cache.verify() == Verified(0, (), (address,))
    assert cache.store.fetch(address[0]) == {"v": text}


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
