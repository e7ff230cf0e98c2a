"""What is peculiar to the store in memory."""

from __future__ import annotations

from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions


def test_closing_keeps_what_is_there():
    store = MemoryCache(MemoryOptions())
    store.store("here", "v", "text")
    store.close()
    assert store.fetch("here") == {"v": "text"}


def test_changing_what_was_fetched_does_not_change_the_store():
    store = MemoryCache(MemoryOptions())
    store.store("here", "v", "text")
    store.fetch("here").clear()
    assert store.fetch("here") == {"v": "text"}
