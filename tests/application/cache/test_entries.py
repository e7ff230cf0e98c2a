"""Entries in a store: what cannot be read or written costs a warning, never the call."""

from __future__ import annotations

import errno

import attrs
import pytest
from application.cache.test_records import entry as made_entry
from fakes import OVERHEADS, entries_of

from amorsize.adapters.caches.layered import LayeredCache
from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions
from amorsize.application.cache import records
from amorsize.domain.fingerprint.fingerprint import Fingerprint, fingerprint
from amorsize.domain.fingerprint.loaded import Loaded
from amorsize.errors import AmorsizeWarning, CacheError


def entry():
    """Return an entry as it reads: with the digits that are kept."""
    return records.decode_entry(records.encode(made_entry()))


class FailingStore(MemoryCache):
    """A store whose named methods raise an error."""

    def __init__(self, error, *methods):
        super().__init__(MemoryOptions())
        self.error = error
        self.methods = methods
        self.asked = 0

    def _fail(self, method):
        if method in self.methods:
            self.asked += 1
            raise self.error

    def fetch(self, locator):
        self._fail("fetch")
        return super().fetch(locator)

    def store(self, locator, variant, text):
        self._fail("store")
        super().store(locator, variant, text)

    def locators(self):
        self._fail("locators")
        return super().locators()


@pytest.fixture
def entries():
    return entries_of(MemoryCache(MemoryOptions()))


def test_an_entry_is_found_under_its_own_key_and_machine(entries):
    kept = entry()
    entries.keep(kept)
    assert list(entries.find(kept.locator, "@01234567").values()) == [kept]
    assert entries.find(kept.locator, "@89abcdef") == {}
    assert entries.find("func:none_item:x_size:tiny", "") == {}


def test_an_entry_that_lies_under_anothers_key_is_passed_over_with_one_warning(entries):
    kept = entry()
    copies = ("func:copied_item:x_size:tiny", "func:copied_item:x_size:small")
    for locator in copies:
        entries.store.store(locator, kept.variant, records.encode(kept))
    with pytest.warns(AmorsizeWarning, match="was written for func:0123") as warned:
        found = [entries.find(locator, "") for locator in copies]
    assert found == [{}, {}]
    assert len(warned) == 1


def test_one_damaged_variant_does_not_hide_the_others(entries):
    kept = entry()
    entries.keep(kept)
    entries.store.store(kept.locator, "time:slow_v:1@01234567", "nonsense")
    with pytest.warns(AmorsizeWarning, match="unreadable and is ignored"):
        assert list(entries.find(kept.locator, "@01234567").values()) == [kept]


def test_overheads_are_kept_for_a_machine_and_a_start_method(entries):
    entries.keep_overheads("01234567", OVERHEADS)
    assert entries.overheads("01234567", "fork") == OVERHEADS
    assert entries.overheads("01234567", "spawn") is None
    assert entries.overheads("89abcdef", "fork") is None


def test_the_outline_kept_last_is_the_one_found(entries):
    assert entries.outline("jobs.work") is None
    for seen in (["int~16^1_small"], ["int~16^1_small", "str~16_large"]):
        entries.keep_outline("jobs.work", fingerprint(abs, Loaded({})), seen)
    known = fingerprint(abs, Loaded({}))
    assert entries.outline("jobs.work") == (known.hex, list(known.outline), seen)


def test_the_outline_of_a_function_full_of_other_alphabets_can_be_read_again(entries):
    made = Fingerprint("0123456789abcdef", "jobs.work", outline=tuple((f"constant {n}", "語" * 38) for n in range(20)))
    entries.keep_outline("jobs.work", made, ["in.pandas.core.frame.DataFrame_size:xlarge"] * 4)
    assert entries.outline("jobs.work")[1] == list(made.outline)


@pytest.mark.parametrize(
    "body",
    ["{}", '{"fingerprint":"0","outline":3,"seen":[]}', '{"fingerprint":"0","outline":[["a","b","c"]],"seen":[]}'],
)
def test_an_outline_of_another_shape_is_none_at_all(entries, body):
    entries.keep_outline("jobs.work", fingerprint(abs, Loaded({})), [])
    (locator,) = entries.store.locators()
    (variant,) = entries.store.fetch(locator)
    entries.store.store(locator, variant, records.seal(body))
    assert entries.outline("jobs.work") is None


def test_a_size_limit_that_cannot_be_held_costs_one_warning_and_the_entry_is_kept():
    store = FailingStore(RuntimeError("no list today"), "locators")
    entries = entries_of(store, max_entries=10)
    kept = entry()
    with pytest.warns(
        AmorsizeWarning, match=r"removing entries beyond max_entries failed \(RuntimeError: no list today\)"
    ) as warned:
        list(map(entries.keep, [kept] * 5))
    assert len(warned) == 1
    assert store.asked > 1
    assert list(entries.find(kept.locator, "").values()) == [kept]


def write_many(store):
    """Write as often as it takes for old entries to be looked for; return how often a store was listed."""
    entries = entries_of(store, None, lambda: 1_800_000_000.0, ttl_seconds=1.0)
    for number in range(16):
        entries.keep(attrs.evolve(entry(), locator=f"func:{number:016x}_item:x_size:tiny", confirmations=0))


def test_old_entries_that_cannot_be_removed_are_not_a_word_worth():
    store = FailingStore(RuntimeError("no list today"), "locators")
    write_many(store)
    assert store.asked == 1


def test_a_store_that_forgets_by_itself_and_one_that_is_only_read_are_left_alone():
    kept, forgets, reads = (FailingStore(RuntimeError("listed"), "locators") for _ in range(3))
    forgets.expires = True
    reads.read_only = True
    write_many(forgets)
    write_many(LayeredCache([("kept", kept), ("forgets", forgets), ("reads", reads)]))
    assert (kept.asked, forgets.asked, reads.asked) == (1, 0, 0)


def test_a_store_that_cannot_be_read_is_empty_with_one_warning():
    entries = entries_of(FailingStore(OSError("gone"), "fetch"))
    with pytest.warns(AmorsizeWarning, match="going on without the cache") as warned:
        found = (entries.find("func:x", ""), entries.overheads("01234567", "fork"), entries.outline("jobs.work"))
    assert found == ({}, None, None)
    assert len(warned) == 1


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EDQUOT])
def test_writing_stops_where_it_is_hopeless_however_the_store_says_so(code):
    wrapped = CacheError("the store's own words")
    wrapped.__cause__ = OSError(code, "no")
    for error in (OSError(code, "no"), wrapped):
        store = FailingStore(error, "store")
        entries = entries_of(store)
        with pytest.warns(AmorsizeWarning, match="the answer is not kept"):
            entries.keep(entry())
        entries.keep(entry())
        assert (entries.writable, store.asked) == (False, 1)


def test_a_passing_fault_does_not_stop_later_writes():
    store = FailingStore(OSError(errno.EAGAIN, "busy"), "store")
    entries = entries_of(store)
    with pytest.warns(AmorsizeWarning, match="the answer is not kept"):
        entries.keep(entry())
    store.methods = ()
    entries.keep(entry())
    assert len(entries.find(entry().locator, "")) == 1
