"""The use case: what one call asks of its ports, and what it answers."""

from __future__ import annotations

import gc
import weakref

import attrs
import pytest
from fakes import MACHINE, OVERHEADS, SAMPLE, Desk

from amorsize.application import recent
from amorsize.domain.values import Constraints

DAY = 86400.0


@pytest.fixture
def desk():
    return Desk()


def test_the_first_call_measures_and_the_second_hits(desk):
    first = desk.ask()
    assert (first.cache, first.cache_hit, first.cache_reason) == ("miss", False, "no entry for this function")
    desk.anew()
    second = desk.ask()
    assert (second.cache, second.cache_hit) == ("hit", True)
    assert second.plan.n_jobs == first.plan.n_jobs == 4
    assert second.chunksize == first.chunksize
    assert desk.probe.asked == {"sample": 1}


def test_a_repeat_within_a_second_asks_neither_store_nor_machine(desk):
    desk.ask()
    asked, fetched = desk.inspector.asked, len(desk.store.fetched)
    assert desk.ask().cache == "hit"
    assert (desk.inspector.asked, len(desk.store.fetched)) == (asked, fetched)
    desk.clock.now += 2
    assert desk.ask().cache == "hit"
    assert (desk.inspector.asked, len(desk.store.fetched)) == (asked + 1, fetched + 1)


def test_a_hit_reads_the_store_once(desk):
    desk.ask()
    desk.anew()
    desk.store.fetched.clear()
    desk.ask()
    assert len(desk.store.fetched) == 1


def test_other_numbers_of_items_in_the_bucket_share_the_entry_and_get_their_own_chunks(desk):
    first = desk.ask(range(2000))
    desk.anew()
    second = desk.ask(range(3000))
    assert second.cache == "hit"
    assert second.chunksize != first.chunksize
    assert second.serial_seconds == pytest.approx(1.5 * first.serial_seconds)
    assert desk.probe.asked == {"sample": 1}


def test_other_limits_are_solved_from_the_same_entry(desk):
    desk.ask()
    assert desk.ask(constraints=Constraints(max_workers=2)).n_jobs == 2
    assert desk.ask(constraints=Constraints(executor="serial")).n_jobs == 1
    assert desk.probe.asked["sample"] == 1


@pytest.mark.parametrize("other", [range(20), range(200), [2.0] * 2000, ["x"] * 2000])
def test_another_size_or_kind_of_item_is_measured_anew(desk, other):
    desk.ask()
    assert desk.ask(other, func=str).cache == "miss"


def test_another_function_is_measured_anew(desk):
    desk.ask()
    assert desk.ask(func=float).cache == "miss"
    assert desk.probe.asked["sample"] == 2


def test_a_changed_machine_is_replanned_without_running_the_function(desk):
    assert desk.ask().n_jobs == 4
    desk.inspector.machine = attrs.evolve(MACHINE, usable_cpus=2.0)
    desk.anew()
    replanned = desk.ask()
    assert (replanned.cache, replanned.cache_hit, replanned.n_jobs) == ("replanned", False, 2)
    assert "usable CPUs" in replanned.cache_reason
    assert desk.probe.asked["sample"] == 1
    desk.anew()
    assert desk.ask().cache == "hit"


def test_another_kind_of_machine_keeps_an_entry_of_its_own(desk):
    desk.ask()
    desk.inspector.machine = attrs.evolve(MACHINE, cpu_model="another")
    desk.anew()
    assert desk.ask().cache == "miss"
    desk.inspector.machine = MACHINE
    desk.anew()
    assert desk.ask().cache == "hit"


def test_an_entry_past_its_time_is_stale(desk):
    desk.ask()
    desk.clock.now += 7 * DAY + 1
    answer = desk.ask()
    assert answer.cache == "miss"
    assert "stale" in answer.cache_reason


def test_a_clock_set_back_makes_an_entry_stale(desk):
    desk.ask()
    desk.anew()
    desk.clock.now -= DAY
    assert desk.ask().cache == "miss"


def two_variants():
    """Return a desk whose store holds a fast and a slow variant of one workload, and what sets an item's seconds."""
    item_seconds = {"now": 0.0005}
    desk = Desk(sample=lambda _: attrs.evolve(SAMPLE, seconds_per_item=item_seconds["now"]))
    desk.ask()
    (locator,) = {where for where, _ in desk.store.stored if where.startswith("func:")}
    fast = dict(desk.store.inner.fetch(locator))
    desk.store.discard([(locator, variant) for variant in fast])
    item_seconds["now"] = 0.05
    desk.anew()
    desk.ask()
    for variant, text in fast.items():
        desk.store.store(locator, variant, text)
    desk.anew()
    desk.probe.asked.clear()
    return desk, item_seconds, locator


@pytest.mark.parametrize("seconds", [0.0005, 0.05])
def test_of_several_variants_the_one_that_an_item_falls_in_is_taken(seconds):
    desk, item_seconds, _ = two_variants()
    item_seconds["now"] = seconds
    answer = desk.ask()
    assert answer.cache == "hit"
    assert answer.serial_seconds == pytest.approx(2000 * seconds)
    assert desk.probe.asked == {"sample": 1}


def test_a_duration_that_no_variant_has_becomes_a_variant():
    desk, item_seconds, locator = two_variants()
    item_seconds["now"] = 0.5
    answer = desk.ask()
    assert answer.cache == "miss"
    assert "very_slow" in answer.cache_reason
    assert len(desk.store.inner.fetch(locator)) == 3


@pytest.mark.parametrize(
    ("data", "options", "reason"),
    [
        (range(2000), {"use_cache": False}, "use_cache=False"),
        (range(2000), {"profile": True}, "profile=True"),
        (iter(range(2000)), {}, "no len()"),
    ],
)
def test_what_bypasses_the_cache_neither_reads_nor_keeps_an_entry(desk, data, options, reason):
    for _ in range(2):
        answer = desk.ask(data, **options)
        assert answer.cache == "bypassed"
        assert reason in answer.cache_reason
    assert not [where for where, _ in desk.store.stored if where.startswith("func:")]


def test_without_the_cache_it_is_neither_asked_nor_written_to(desk):
    desk.ask(use_cache=False)
    desk.ask(use_cache=False)
    assert desk.store.stored == desk.store.fetched == []


def test_a_profile_shows_what_was_compared(desk):
    profile = desk.ask(profile=True).profile
    assert profile.sample.seconds_per_item == SAMPLE.seconds_per_item
    assert profile.overheads == OVERHEADS
    assert profile.candidates[0].n_jobs in {one.n_jobs for one in profile.candidates} <= {2, 3, 4}


def test_a_miss_a_hit_and_a_repeat_say_alike_what_holds_the_plan_back(desk):
    missed = desk.ask().advice()
    assert missed.constraint == "cores"
    repeated = desk.ask().advice()
    desk.anew()
    found = desk.ask()
    desk.store.fetched.clear()
    assert missed == repeated == found.advice() == desk.ask().advice()
    assert len(desk.store.fetched) == 1  # the overheads, read when they are asked for and then known
    assert desk.probe.asked == {"sample": 1}


def test_other_numbers_of_items_are_advised_for_themselves(desk):
    desk.ask(range(2000))
    assert desk.ask(range(9000)).advice().constraint == "cores"
    bound = Constraints(max_workers=2)
    assert "max_workers=2" in desk.ask(range(9000), constraints=bound).advice().change


def test_advice_holds_on_to_neither_function_nor_data(desk):
    class Data(list):
        pass

    data = Data(range(2000))
    kept = weakref.ref(data)
    basis = desk.ask(data).basis
    del data
    gc.collect()
    assert kept() is None
    assert basis() is not None


def test_no_items_make_a_serial_plan_and_no_call(desk):
    for empty in ([], iter([])):
        answer = desk.ask(empty)
        assert (answer.n_jobs, answer.chunksize, answer.cache) == (1, 1, "bypassed")
    assert not desk.probe.asked


def test_the_items_taken_from_an_iterator_come_first_again(desk):
    answer = desk.ask(iter(range(100)))
    assert list(answer.data) == list(range(100))


class Sized:
    """Its own iterator, with a len()."""

    def __init__(self):
        self.left = 2000

    def __len__(self):
        return 2000

    def __iter__(self):
        return self

    def __next__(self):
        self.left -= 1
        if self.left < 0:
            raise StopIteration
        return self.left


@pytest.mark.parametrize("make", [lambda: iter(range(2000)), lambda: (x for x in range(2000)), Sized])
def test_a_result_over_an_iterator_runs_once_and_then_says_that_the_items_are_gone(desk, make):
    for _ in range(2):  # the second is answered from memory where the data has a length
        answer = desk.ask(make())
        runs = attrs.evolve(answer, runner=lambda func, data, plan, progress: list(map(func, data)))
        assert sorted(runs.run()) == list(range(2000))
        with pytest.raises(ValueError, match="run: the items of an iterator can be taken once"):
            runs.run()
    begun = attrs.evolve(desk.ask(make()), runner=lambda *_: [])
    next(iter(begun.data))
    with pytest.raises(ValueError, match="keep the results of the first run, or pass a list to optimize"):
        begun.run()


def test_a_result_over_a_list_runs_as_often_as_one_likes(desk):
    runs = attrs.evolve(desk.ask([1, 2]), runner=lambda func, data, plan, progress: list(map(func, data)))
    assert [runs.run(), runs.run()] == [[1, 2]] * 2


def test_an_iterator_of_unknown_length_says_what_was_assumed(desk):
    answer = desk.ask(x for x in range(100))
    assert any("number of items is unknown" in warning for warning in answer.warnings)
    assert answer.serial_seconds == pytest.approx(1000 * SAMPLE.seconds_per_item)


def test_an_iterator_that_ends_while_sampled_is_counted(desk):
    answer = desk.ask(x for x in range(1))
    assert answer.n_jobs == 1
    assert not any("unknown" in warning for warning in answer.warnings)


def test_an_entry_found_fresh_is_confirmed_once_a_day(desk):
    desk.ask()
    stored = len(desk.store.stored)
    for _ in range(3):
        desk.anew()
        desk.ask()
    assert len(desk.store.stored) == stored
    desk.clock.now += DAY + 1
    for _ in range(3):
        desk.anew()
        desk.ask()
    assert len(desk.store.stored) == stored + 1


def test_a_miss_tells_what_differs_from_the_nearest_entry(desk):
    desk.ask(["x" * 64] * 2000, func=len)
    assert "number of items went from large to medium" in desk.ask(["x" * 64] * 200, func=len).cache_reason
    assert "str" in desk.ask(["x" * 1_000_000] * 2000, func=len).cache_reason


def test_a_miss_tells_which_constant_changed(desk):
    scope = {"__name__": "jobs"}
    exec("def work(x):\n    return x * 3", scope)
    desk.ask(func=scope["work"])
    exec("def work(x):\n    return x * 4", scope)
    assert "3 → 4" in desk.ask(func=scope["work"]).cache_reason


def test_lookup_says_what_would_happen_without_running_anything(desk):
    assert desk.optimizer.lookup(abs, range(2000), Constraints()) == ("miss", "no entry for this function")
    desk.ask()
    desk.probe.asked.clear()
    assert desk.optimizer.lookup(abs, range(2000), Constraints())[0] == "hit"
    assert desk.optimizer.lookup(abs, iter([]), Constraints())[0] == "bypassed"
    assert not desk.probe.asked


def test_lookup_among_several_variants_says_that_an_item_would_be_timed():
    desk, _, _ = two_variants()
    ran = []
    found = desk.optimizer.lookup(abs, range(2000), Constraints())
    assert found == ("hit", "2 variants; one item would be timed to choose")
    assert desk.optimizer.lookup(ran.append, [], Constraints())[0] == "bypassed"
    assert ran == []


def test_the_memory_of_recent_answers_does_not_grow_without_end(desk, monkeypatch):
    monkeypatch.setattr(recent, "_MOST_REMEMBERED", 3)
    for count in range(1000, 1010):
        desk.ask(range(count))
        assert len(desk.optimizer._recent._answers) <= 3
    desk.store.fetched.clear()
    assert desk.ask(range(1009)).cache == "hit"
    assert desk.store.fetched == []


def test_hits_misses_and_seconds_saved_are_counted(desk):
    desk.ask()
    desk.ask()
    desk.ask()
    assert (desk.optimizer.hits, desk.optimizer.misses) == (2, 1)
    assert desk.optimizer.seconds_saved >= 0
