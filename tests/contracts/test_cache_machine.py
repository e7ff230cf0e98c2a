"""The same operations on every store and on a plain dict of dicts: they agree at every step."""

from __future__ import annotations

import shutil
import tempfile

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from amorsize.adapters.caches.json import JsonCache, JsonOptions
from amorsize.adapters.caches.layered import LayeredCache
from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions
from amorsize.adapters.caches.sqlite import SqliteCache, SqliteOptions

NAMES = st.sampled_from(["a", "A", "con", "..", "%61", "func:1_item:str", "x" * 80]) | st.text(
    st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=80
)
TEXTS = st.text(max_size=50) | st.sampled_from(["", "\x00", "\r\n", "é" * 32768])
ADDRESSES = st.lists(st.tuples(NAMES, NAMES), max_size=5)


class Stores(RuleBasedStateMachine):
    """Holds one store of each kind beside what they must hold."""

    def __init__(self):
        super().__init__()
        self.place = tempfile.mkdtemp()
        self.stores = [
            JsonCache(JsonOptions(directory=f"{self.place}/json")),
            SqliteCache(SqliteOptions(directory=self.place, timeout_seconds=10.0)),
            MemoryCache(MemoryOptions()),
            LayeredCache(
                [
                    ("near", MemoryCache(MemoryOptions())),
                    ("far", JsonCache(JsonOptions(directory=f"{self.place}/far"))),
                ]
            ),
        ]
        self.texts = {}

    def teardown(self):
        for store in self.stores:
            store.close()
        shutil.rmtree(self.place)

    @rule(locator=NAMES, variant=NAMES, text=TEXTS)
    def store(self, locator, variant, text):
        for store in self.stores:
            store.store(locator, variant, text)
        self.texts.setdefault(locator, {})[variant] = text

    @rule(locator=NAMES)
    def fetch(self, locator):
        for store in self.stores:
            assert dict(store.fetch(locator)) == self.texts.get(locator, {})

    @rule(addresses=ADDRESSES, places=st.lists(st.integers(0, 100), max_size=5))
    def discard(self, addresses, places):
        there = [(locator, variant) for locator, variants in self.texts.items() for variant in variants]
        addresses = [*addresses, *(there[place % len(there)] for place in places if there)]
        removed = sum(self._removed(locator, variant) for locator, variant in addresses)
        for store in self.stores:
            assert store.discard(iter(addresses)) == removed

    def _removed(self, locator, variant):
        variants = self.texts.get(locator, {})
        if variants.pop(variant, None) is None:
            return False
        if not variants:
            del self.texts[locator]
        return True

    @rule()
    def close(self):
        for store in self.stores:
            store.close()

    @invariant()
    def all_agree(self):
        for store in self.stores:
            assert sorted(store.locators()) == sorted(self.texts)
            for locator, variants in self.texts.items():
                assert dict(store.fetch(locator)) == variants


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
