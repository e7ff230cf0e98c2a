"""A hit for small items is never taken for one of large items."""

from __future__ import annotations

import gc
import os
import tempfile
import weakref
from collections import UserDict
from pathlib import Path

import attrs
import pytest
from fakes import SAMPLE, Desk

from amorsize import execute, optimize
from amorsize.application.recent import Confirmed
from amorsize.domain.values import Constraints

MICRO = 1e-6


class Task:
    def __init__(self, n):
        self.n = n


class Opaque:
    """Holds a number where no description finds it."""

    __slots__ = ("__weakref__", "_inside")

    def __init__(self, n):
        self._inside = iter([n])
        NUMBERS[id(self)] = n

    @property
    def n(self):
        return NUMBERS[id(self)]


NUMBERS: dict[int, int] = {}


class Numbers:
    """A container of one's own, of which only asking for the items tells any."""

    def __init__(self, n, count=300):
        self.items = (n for _ in range(0))
        self.n, self.count = n, count

    def __len__(self):
        return self.count

    def __iter__(self):
        return iter([self.n] * self.count)


def paced():
    """Return a desk whose probe says that an item takes as many microseconds as its number tells."""
    return Desk(
        sample=lambda item: attrs.evolve(
            SAMPLE,
            seconds_per_item=MICRO * getattr(item, "n", item),
            spread_seconds=0.0,
            first_call_seconds=MICRO * getattr(item, "n", item),
        )
    )


def test_items_that_show_their_size_are_never_timed_on_a_hit():
    desk = paced()
    desk.ask([Task(100)] * 300, func=str)
    desk.anew()
    assert desk.ask([Task(100)] * 300, func=str).cache == "hit"
    assert desk.probe.asked["sample"] == 1
    assert desk.ask([Task(100_000)] * 300, func=str).cache == "miss"


@pytest.mark.parametrize("make", [lambda n: [Opaque(n)] * 300, Numbers], ids=["items", "container"])
def test_a_first_hit_on_items_of_unknown_size_is_confirmed_by_one_of_them(make):
    desk = paced()
    small = make(100)
    first = desk.ask(small, func=str)
    desk.anew()
    desk.probe.asked.clear()
    assert desk.ask(small, func=str).cache == "hit"
    assert desk.probe.asked["sample"] == 1
    for _ in range(3):
        assert desk.ask(small, func=str).cache == "hit"
        desk.clock.now += 2
    assert desk.probe.asked["sample"] == 1
    large = desk.ask(make(100_000), func=str)
    assert (large.cache, large.cache_reason) == ("miss", "no entry: an item was slow, known are fast")
    assert large.serial_seconds == pytest.approx(1000 * first.serial_seconds)
    again = desk.ask(make(100), func=str)
    assert (again.cache, again.serial_seconds) == ("hit", first.serial_seconds)


def test_within_a_second_too_other_items_of_unknown_size_are_looked_at():
    desk = paced()
    desk.ask([Opaque(100)] * 300, func=str)
    assert desk.ask([Opaque(100)] * 300, func=str).cache == "hit"
    assert desk.ask([Opaque(100_000)] * 300, func=str).cache == "miss"


def test_an_item_that_takes_a_few_times_as_long_still_confirms():
    desk = paced()
    desk.ask([Opaque(1000)] * 300, func=str)
    assert desk.ask([Opaque(3000)] * 300, func=str).cache == "hit"
    assert desk.ask([Opaque(300)] * 300, func=str).cache == "hit"
    assert desk.ask([Opaque(30)] * 300, func=str).cache == "miss"


def test_a_first_call_that_is_dear_confirms_an_entry_whose_first_call_was_too():
    desk = Desk(sample=lambda _: attrs.evolve(SAMPLE, seconds_per_item=5e-3, first_call_seconds=0.3))
    desk.ask([Opaque(1)] * 300, func=str)
    desk.anew()
    desk.probe.said = attrs.evolve(SAMPLE, seconds_per_item=0.3, first_call_seconds=0.3)
    assert desk.ask([Opaque(1)] * 300, func=str).cache == "hit"


def test_lookup_says_that_an_item_would_be_timed():
    desk = paced()
    items = [Opaque(100)] * 300
    desk.ask(items, func=str)
    desk.anew()
    assert desk.optimizer.lookup(str, items, Constraints()) == (
        "hit",
        "the items do not show how large they are; one of them would be timed to confirm the entry",
    )
    assert desk.probe.asked["sample"] == 1


def test_what_an_item_raises_while_it_confirms_comes_out():
    desk = paced()
    desk.ask([Opaque(100)] * 300, func=str)
    desk.anew()

    class Broken(Opaque):
        pass

    with pytest.raises(ZeroDivisionError):
        desk.ask([Opaque(100)] * 300, func=lambda item: 1 / 0)


def test_confirmed_items_are_known_as_the_same_objects_only_and_not_kept_alive():
    confirmed = Confirmed()
    items = [Task(number) for number in range(9)]
    assert not confirmed.holds("a", items)
    confirmed.add("a", items)
    assert confirmed.holds("a", items)
    assert confirmed.holds("a", tuple(items))
    assert not confirmed.holds("b", items)
    assert not confirmed.holds("a", [*items[:-1], Task(8)])
    assert not confirmed.holds("a", [])
    assert not confirmed.holds("a", UserDict())
    gone = weakref.ref(items[0])
    del items
    gc.collect()
    assert gone() is None
    assert not confirmed.holds("a", [Task(number) for number in range(9)])


@pytest.mark.parametrize("items", [[1, 2, 3], [[1]] * 3, (), {1: 2}])
def test_items_that_cannot_be_known_again_are_confirmed_each_time(items):
    confirmed = Confirmed()
    confirmed.add("a", [Task(1)])
    confirmed.add("a", items)
    assert not confirmed.holds("a", items)


def test_confirmed_items_are_remembered_within_bounds():
    confirmed = Confirmed()
    thing = Task(1)
    for number in range(5000):
        confirmed.add(str(number), thing)
    assert len(confirmed._known) <= 4096
    assert confirmed.holds("4999", thing)


def count_up(n):
    return sum(range(n))


def written(folder, n):
    path = Path(folder) / f"{n}.bin"
    path.write_bytes(bytes(n))
    return path


class Tasks(list):
    pass


WAYS = {
    "objects": (lambda n, _: [Task(n)] * 300, lambda item: count_up(item.n)),
    "dicts": (lambda n, _: [{"n": n}] * 300, lambda item: count_up(item["n"])),
    "a list of one's own": (lambda n, _: Tasks([Task(n)] * 300), lambda item: count_up(item.n)),
    "lists of one's own": (lambda n, _: [Tasks([0] * n)] * 300, lambda item: count_up(len(item))),
    "paths": (lambda n, folder: [written(folder, n)] * 300, lambda item: count_up(len(item.read_bytes()))),
    "names of files": (
        lambda n, folder: [str(written(folder, n))] * 300,
        lambda item: count_up(os.stat(item).st_size),  # noqa: PTH116  the name itself is the item
    ),
    "paths in records": (
        lambda n, folder: [{"id": 7, "path": written(folder, n)}] * 300,
        lambda item: count_up(len(item["path"].read_bytes())),
    ),
    "deep settings": (lambda n, _: [{"a": {"b": {"n": n}}}] * 300, lambda item: count_up(item["a"]["b"]["n"])),
}


@pytest.mark.usefixtures("own_place")
@pytest.mark.parametrize("how", [optimize, execute])
@pytest.mark.parametrize("way", WAYS)
def test_trying_it_small_first_does_not_spoil_the_answer_for_the_real_data(way, how):
    make, func = WAYS[way]
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            how(func, make(100, folder))
        assert optimize(func, make(100, folder)).serial_seconds
        large = optimize(func, make(100_000, folder))
    assert large.cache == "miss"
    assert large.cache_reason.startswith("no entry: items ")
