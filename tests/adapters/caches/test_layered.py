"""Layers of stores: near first, filled back, written through, and each may fail alone."""

from __future__ import annotations

import errno
import io

import attrs
import pytest
from fakes import MACHINE, OVERHEADS, CountingStore, Desk, entries_of

from amorsize import api
from amorsize.adapters.caches.json import JsonCache, JsonOptions
from amorsize.adapters.caches.layered import LayeredCache
from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions
from amorsize.adapters.caches.readonly import ReadonlyCache, ReadonlyOptions
from amorsize.application.cache.maintenance import Cache
from amorsize.errors import AmorsizeWarning, CacheError


def memory():
    return MemoryCache(MemoryOptions())


class Failing:
    """A store that fails in one way, or in every way."""

    def __init__(self, error, *, inner=None, only=()):
        self.error, self.inner, self.only = error, inner or memory(), only

    def __getattr__(self, name):
        if name in ("read_only", "fetch_each"):
            raise AttributeError(name)

        def fail(*_):
            raise self.error

        return getattr(self.inner, name) if self.only and name not in self.only else fail


def layered(*stores):
    return LayeredCache((f"layer{number}", store) for number, store in enumerate(stores))


def test_what_lies_near_is_read_there_and_the_far_layer_is_not_asked():
    near, far = memory(), CountingStore(memory())
    near.store("here", "v", "near")
    far.inner.store("here", "v", "far")
    assert layered(near, far).fetch("here") == {"v": "near"}
    assert far.fetched == []


def test_what_lies_far_is_filled_back_into_all_before():
    near, middle, far = memory(), memory(), memory()
    far.store("here", "v", "1")
    far.store("here", "w", "2")
    assert layered(near, middle, far).fetch("here") == {"v": "1", "w": "2"}
    assert near.fetch("here") == middle.fetch("here") == {"v": "1", "w": "2"}


def test_what_is_stored_is_written_through():
    near, far = memory(), memory()
    layered(near, far).store("here", "v", "text")
    assert near.fetch("here") == far.fetch("here") == {"v": "text"}


def test_each_layer_can_be_asked_for_what_it_holds():
    near, far = memory(), memory()
    near.store("here", "v", "old")
    far.store("here", "v", "new")
    store = layered(near, Failing(OSError("gone")), far)
    with pytest.warns(AmorsizeWarning, match="layer 'layer1': reading failed"):
        assert list(store.fetch_each("here")) == [{"v": "old"}, {"v": "new"}]


def test_a_pair_in_several_layers_is_removed_from_all_and_counted_once():
    near, middle, far = memory(), memory(), memory()
    for store, variants in ((near, "abc"), (middle, "bcd"), (far, "cde")):
        for variant in variants:
            store.store("here", variant, "text")
    store = layered(near, middle, far)
    assert store.discard(("here", variant) for variant in "abcdeaz") == 5
    assert [dict(one.fetch("here")) for one in (near, middle, far)] == [{}, {}, {}]


def test_a_locator_in_several_layers_is_named_once():
    near, far = memory(), memory()
    near.store("a", "v", "text")
    near.store("b", "v", "text")
    far.store("b", "v", "text")
    far.store("c", "v", "text")
    assert sorted(layered(near, far).locators()) == ["a", "b", "c"]


@pytest.mark.parametrize("at", [0, 1])
def test_a_layer_that_fails_costs_one_warning_that_names_it_and_the_other_goes_on(at):
    stores = [memory(), memory()]
    stores[at] = Failing(ConnectionError("gone"))
    store = layered(*stores)
    named = f"layer 'layer{at}': .* failed .ConnectionError: gone"
    with pytest.warns(AmorsizeWarning, match=named) as caught:  # noqa: PT031  one warning for all of these
        store.store("here", "v", "text")
        assert store.fetch("here") == {"v": "text"}
        assert list(store.locators()) == ["here"]
        assert store.discard([("here", "v")]) == 1
        store.close()
    assert len(caught) == 1


def test_when_all_layers_fail_so_does_the_call():
    store = layered(Failing(OSError("one")), Failing(OSError("two")))
    with pytest.warns(AmorsizeWarning) as caught:  # noqa: PT031  as above
        for call in (
            lambda: store.fetch("here"),
            lambda: store.store("here", "v", "text"),
            lambda: store.discard([("here", "v")]),
            lambda: list(store.locators()),
        ):
            with pytest.raises(CacheError, match="every layer failed"):
                call()
    assert len(caught) == 2


def test_a_full_layer_is_not_written_to_again_and_still_read():
    inner = CountingStore(memory())
    inner.inner.store("there", "v", "text")
    near = Failing(OSError(errno.ENOSPC, "full"), inner=inner, only=("store",))
    far = memory()
    store = layered(near, far)
    with pytest.warns(AmorsizeWarning, match="layer 'layer0': writing failed"):
        store.store("here", "v", "text")
    near.only = ("nothing",)
    store.store("here", "v", "again")
    assert inner.stored == []
    assert store.fetch("there") == {"v": "text"}
    assert far.fetch("here") == {"v": "again"}


@pytest.fixture
def shipped(tmp_path):
    """A directory of the JSON cache's with one text, only read from now on."""
    place = tmp_path / "amorsize-cache"
    JsonCache(JsonOptions(directory=str(place))).store("here", "v", "shipped")
    return ReadonlyCache(ReadonlyOptions(directory=str(place)))


def test_a_read_only_layer_is_read_and_never_written_to(shipped):
    near = memory()
    store = layered(near, shipped)
    assert store.fetch("here") == near.fetch("here") == {"v": "shipped"}
    store.store("here", "v", "new")
    assert shipped.fetch("here") == {"v": "shipped"}
    assert store.discard([("here", "v")]) == 1
    assert store.fetch("here") == {"v": "shipped"}
    assert not store.read_only


def test_a_cache_that_is_only_read_is_not_written_to_and_nobody_is_warned(shipped):
    for store in (shipped, layered(shipped)):
        assert store.read_only
        assert not entries_of(store).writable
        with pytest.raises((OSError, CacheError)):
            store.store("here", "v", "text")
        with pytest.raises((OSError, CacheError)):
            store.discard([("here", "v")])


def desk_over(*stores):
    desk = Desk()
    desk.store = layered(*stores)
    desk.anew()
    return desk


def test_a_stale_entry_near_does_not_hide_a_fresh_one_far():
    near, far = memory(), memory()
    here, elsewhere = desk_over(near, far), desk_over(memory(), far)
    assert here.ask().cache == "miss"
    for desk in (here, elsewhere):
        desk.clock.now += 8 * 86400
    here.inspector.asked = 0
    old = {name: dict(near.fetch(name)) for name in near.locators() if name.startswith("func:")}
    here.anew()
    assert here.ask().cache == "miss"  # measured again, and written through
    for name, texts in old.items():
        for variant, text in texts.items():
            near.store(name, variant, text)
    here.anew()
    assert here.ask().cache == "hit"
    assert {name: dict(near.fetch(name)) for name in near.locators()} == {
        name: dict(far.fetch(name)) for name in far.locators()
    }


def test_another_machines_entry_near_does_not_hide_ours_far():
    near, far = memory(), memory()
    ours, other = desk_over(memory(), far), desk_over(near)
    assert ours.ask().cache == "miss"
    other.inspector.machine = attrs.evolve(MACHINE, cpu_model="another")
    assert other.ask().cache == "miss"
    assert desk_over(near, far).ask().cache == "hit"


def test_overheads_of_another_start_method_near_do_not_hide_ours_far():
    near, far = memory(), memory()
    entries_of(far).keep_overheads("0" * 8, OVERHEADS)
    entries_of(near).keep_overheads("0" * 8, attrs.evolve(OVERHEADS, start_method="spawn"))
    assert entries_of(layered(near, far)).overheads("0" * 8, "fork") == OVERHEADS


def test_upkeep_sees_all_layers_and_tells_what_is_gone(shipped):
    near, far = memory(), memory()
    desk_over(near).ask()
    desk_over(far).ask(data=range(20))
    read_only = memory()
    desk_over(read_only).ask(data=[1.5] * 50)
    read_only.read_only = True
    store = layered(near, far, read_only)
    cache = Cache(store, lambda: 1_700_000_000.0)
    assert cache.stats().entries == 3
    exported = io.StringIO()
    assert cache.export(exported) >= 3
    exported.seek(0)
    assert Cache(memory(), lambda: 0.0).import_(exported).taken >= 3
    assert cache.clear() == 2
    assert list(near.locators()) == list(far.locators()) == []
    assert cache.stats().entries == 1


def test_pruning_goes_through_all_layers():
    near, far = memory(), memory()
    desk_over(near, far).ask()
    desk_over(far).ask(data=range(20))
    assert Cache(layered(near, far), lambda: 1_800_000_000.0).prune(60) == 2


def test_layers_are_named_in_the_config(own_place):
    place = own_place / "work"
    (place / "amorsize.toml").write_text('cache = ["memory", "readonly", "json"]\n')
    assert api.optimize(abs, range(1000)).cache == "miss"
    assert api.optimize(abs, range(1000)).cache == "hit"
    assert list(JsonCache(JsonOptions(directory=str(own_place / "cache"))).locators())
    assert not (place / "amorsize-cache").exists()


def test_a_committed_cache_is_found_beside_the_config_whatever_the_environment_says(own_place, monkeypatch):
    place = own_place / "work"
    monkeypatch.setenv("AMORSIZE_CACHE_DIR", str(place / "amorsize-cache"))
    api.optimize(abs, range(1000))
    monkeypatch.setenv("AMORSIZE_CACHE_DIR", str(own_place / "elsewhere"))
    (place / "amorsize.toml").write_text('cache = ["json", "readonly"]\n')
    assert api.lookup(abs, range(1000))[0] == "hit"


def test_layers_are_given_as_names_and_stores():
    store = memory()
    assert api.optimize(abs, range(1000), cache=["json", store]).cache == "miss"
    assert api.optimize(abs, range(1000), cache=[store]).cache == "hit"
    assert api.open_cache(cache=("json",)).stats().entries == 1
    with pytest.raises(ValueError, match="cache must be a name, a store or a list of these, got an empty list"):
        api.optimize(abs, range(1000), cache=[])


def test_a_layer_that_cannot_be_had_is_left_out(own_place):
    (own_place / "file").write_text("")
    config = {"cache": ["json", "memory"], "caches": {"json": {"directory": str(own_place / "file" / "below")}}}
    with pytest.warns(AmorsizeWarning, match="layer 'json'") as caught:
        assert api.optimize(abs, range(1000), config=config).cache == "miss"
    assert len(caught) == 1
