"""The use case: what one call asks of its ports, and what it answers."""

from __future__ import annotations

import errno
import gc
import warnings
import weakref

import attrs
import pytest
from fakes import MACHINE, OVERHEADS, SAMPLE, Desk

from amorsize import charges, optimizer
from amorsize.domain.values import Constraints
from amorsize.errors import AmorsizeWarning, SamplingError

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
    assert desk.probe.asked == {"sample": 1, "overheads": 1}


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
    assert desk.probe.asked == {"sample": 1, "overheads": 1}


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


def both_paces():
    """Return a desk whose store holds a fast and a slow variant of the same workload, and how to set the pace."""
    pace = {"now": 0.0005}
    desk = Desk(sample=lambda _: attrs.evolve(SAMPLE, seconds_per_item=pace["now"]))
    desk.ask()
    (locator,) = {where for where, _ in desk.store.stored if where.startswith("func:")}
    fast = dict(desk.store.inner.fetch(locator))
    desk.store.discard([(locator, variant) for variant in fast])
    pace["now"] = 0.05
    desk.anew()
    desk.ask()
    for variant, text in fast.items():
        desk.store.store(locator, variant, text)
    desk.anew()
    desk.probe.asked.clear()
    return desk, pace, locator


@pytest.mark.parametrize("seconds", [0.0005, 0.05])
def test_of_several_variants_the_one_that_an_item_falls_in_is_taken(seconds):
    desk, pace, _ = both_paces()
    pace["now"] = seconds
    answer = desk.ask()
    assert answer.cache == "hit"
    assert answer.serial_seconds == pytest.approx(2000 * seconds)
    assert desk.probe.asked == {"sample": 1}


def test_a_pace_that_no_variant_has_becomes_a_variant():
    desk, pace, locator = both_paces()
    pace["now"] = 0.5
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


def test_without_the_cache_not_even_overheads_are_kept(desk):
    desk.ask(use_cache=False)
    desk.ask(use_cache=False)
    assert desk.store.stored == desk.store.fetched == []
    assert desk.probe.asked["overheads"] == 1


def test_a_profile_shows_what_was_weighed(desk):
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
    assert len(desk.store.fetched) == 1  # the overheads, read when asked for and kept
    assert desk.probe.asked == {"sample": 1, "overheads": 1}


def test_other_numbers_of_items_are_advised_for_themselves(desk):
    desk.ask(range(2000))
    assert desk.ask(range(9000)).advice().constraint == "cores"
    bound = Constraints(max_workers=2)
    assert "max_workers=2" in desk.ask(range(9000), constraints=bound).advice().change


def test_no_advice_is_given_where_what_workers_cost_is_not_known(desk):
    assert desk.ask(range(2)).advice() is None
    assert desk.ask([]).advice is None
    assert desk.probe.asked["overheads"] == 0


def test_advice_holds_on_to_neither_function_nor_data(desk):
    class Data(list):
        pass

    data = Data(range(2000))
    kept = weakref.ref(data)
    advice = desk.ask(data).advice
    del data
    gc.collect()
    assert kept() is None
    assert advice() is not None


def test_overheads_are_measured_once_for_a_machine(desk):
    desk.ask()
    desk.anew()
    desk.ask(func=float)
    assert desk.probe.asked["overheads"] == 1


def test_overheads_of_long_ago_are_measured_again_by_the_next_miss_and_never_by_a_hit(desk):
    desk.ask()
    desk.clock.now += 5 * DAY
    assert desk.ask([1] * 2000, func=float).cache == "miss"
    desk.clock.now += 3 * DAY
    for items in (2000, 2000, 3000):  # the last is solved again
        assert desk.ask([1] * items, func=float).cache == "hit"
        desk.anew()
    assert desk.probe.asked["overheads"] == 1
    for func in (str, repr):
        assert desk.ask(func=func).cache == "miss"
        desk.anew()
        assert desk.probe.asked["overheads"] == 2


def test_overheads_of_long_ago_have_to_do_where_they_cannot_be_measured_again_or_need_not_be(desk):
    desk.ask()
    desk.clock.now += 8 * DAY
    desk.probe.said = attrs.evolve(SAMPLE, seconds_per_item=2e-5, first_call_seconds=2e-5)
    assert desk.ask(func=float).warnings == ()
    assert desk.probe.asked["overheads"] == 1
    desk.probe.said, desk.probe.charges = SAMPLE, None
    answer = desk.ask(func=str)
    assert (answer.executor, answer.n_jobs) == ("process", 4)
    assert any("could not be measured" in warning for warning in answer.warnings)


def test_overheads_dated_in_the_future_are_measured_again(desk):
    desk.ask()
    desk.clock.now -= DAY
    desk.anew()
    desk.ask(func=float)
    assert desk.probe.asked["overheads"] == 2


def test_the_first_pool_of_a_process_costs_what_it_imports(monkeypatch):
    desk = Desk(overheads=attrs.evolve(OVERHEADS, first_pool_seconds=0.2))
    monkeypatch.setattr(charges, "_POOL_MODULES", ("no.such.module",))
    first = desk.ask(profile=True).profile.overheads
    monkeypatch.setattr(charges, "_POOL_MODULES", ("sys",))
    again = desk.ask(profile=True).profile.overheads
    assert first.start_seconds == pytest.approx(again.start_seconds + 0.2)


def test_overheads_are_not_measured_for_what_is_plainly_serial(desk):
    desk.probe.said = attrs.evolve(SAMPLE, seconds_per_item=1e-8)
    answer = desk.ask()
    assert answer.n_jobs == 1
    assert desk.probe.asked["overheads"] == 0


def test_overheads_that_cannot_be_measured_leave_a_serial_plan_with_a_warning():
    desk = Desk(overheads=None)
    answer = desk.ask()
    assert answer.n_jobs == 1
    assert any("could not be measured" in warning for warning in answer.warnings)


def test_an_obstacle_rules_out_processes_only_where_it_stands(desk):
    desk.ask()
    desk.probe.hindrance = "a daemonic worker"
    hindered = desk.ask()
    assert hindered.executor == "serial"
    assert any("a daemonic worker" in warning for warning in hindered.warnings)
    desk.probe.hindrance = None
    assert desk.ask().executor == "process"
    desk.anew()
    assert desk.ask().executor == "process"


def test_an_obstacle_when_it_was_measured_does_not_stick(desk):
    desk.probe.hindrance = "a daemonic worker"
    assert desk.ask().executor == "serial"
    desk.probe.hindrance = None
    desk.anew()
    answer = desk.ask()
    assert (answer.cache, answer.executor) == ("hit", "process")


def test_an_unpicklable_function_gets_no_processes_and_a_warning():
    desk = Desk(sample=attrs.evolve(SAMPLE, obstacle="the function <lambda> cannot be pickled"))
    answer = desk.ask()
    assert answer.executor == "serial"
    assert answer.warnings == ("no processes: the function <lambda> cannot be pickled",)


def test_what_the_function_raises_comes_out_unchanged_and_nothing_is_kept(desk):
    def fail(_):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine") as caught:
        desk.ask(func=fail)
    assert "position" in caught.value.__notes__[0]
    assert desk.store.stored == []


def test_no_items_make_a_serial_plan_and_no_call(desk):
    for empty in ([], iter([])):
        answer = desk.ask(empty)
        assert (answer.n_jobs, answer.chunksize, answer.cache) == (1, 1, "bypassed")
    assert not desk.probe.asked


def test_the_items_taken_from_an_iterator_come_first_again(desk):
    answer = desk.ask(iter(range(100)))
    assert list(answer.data) == list(range(100))


def test_an_iterator_of_unknown_length_says_what_was_assumed(desk):
    answer = desk.ask(x for x in range(100))
    assert any("number of items is unknown" in warning for warning in answer.warnings)
    assert answer.serial_seconds == pytest.approx(1000 * SAMPLE.seconds_per_item)


def test_an_iterator_that_ends_while_sampled_is_counted(desk):
    answer = desk.ask(x for x in range(1))
    assert answer.n_jobs == 1
    assert not any("unknown" in warning for warning in answer.warnings)


async def coroutine(_):
    """Give back a coroutine."""


@pytest.mark.parametrize(
    ("func", "data", "said"),
    [
        (3, [1], "func must be callable, got int"),
        (abs, 3, "data must be iterable, got int"),
        (coroutine, [1], "func must be an ordinary function, got a coroutine function"),
    ],
)
def test_what_cannot_be_run_is_refused(desk, func, data, said):
    with pytest.raises(TypeError, match=said):
        desk.optimizer.optimize(func, data, Constraints())


class BrokenStore:
    """A store whose medium fails."""

    def __init__(self, error):
        self.error = error
        self.asked = 0

    def fetch(self, locator):
        raise self.error

    def store(self, locator, variant, text):
        self.asked += 1
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "full"),
        OSError(errno.EROFS, "read-only"),
        OSError(errno.EACCES, "no"),
        RuntimeError("bug"),
    ],
    ids=str,
)
def test_a_broken_cache_costs_warnings_but_never_the_call(desk, error):
    desk.store = BrokenStore(error)
    desk.anew()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for step in range(3):
            assert desk.ask(range(2000 + step)).n_jobs == 4
    assert [type(one.message) for one in caught] == [AmorsizeWarning]


def test_writing_stops_when_the_medium_is_full(desk):
    desk.store = BrokenStore(OSError(28, "No space left on device"))
    desk.anew()
    with pytest.warns(AmorsizeWarning):
        desk.ask()
    before = desk.store.asked
    desk.ask([1.5] * 50)
    assert desk.store.asked == before == 1


def test_a_text_that_was_tampered_with_is_a_miss_and_a_warning(desk):
    desk.ask()
    (locator,) = {where for where, _ in desk.store.stored if where.startswith("func:")}
    ((variant, text),) = desk.store.inner.fetch(locator).items()
    desk.store.store(locator, variant, text.replace('"process",4,', '"process",9,'))
    desk.anew()
    with pytest.warns(AmorsizeWarning, match="unreadable"):
        assert desk.ask().cache == "miss"


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
    desk, _, _ = both_paces()
    ran = []
    found = desk.optimizer.lookup(abs, range(2000), Constraints())
    assert found == ("hit", "2 variants; one item would be timed to choose")
    assert desk.optimizer.lookup(ran.append, [], Constraints())[0] == "bypassed"
    assert ran == []


def test_the_near_memory_does_not_grow_without_end(desk, monkeypatch):
    monkeypatch.setattr(optimizer, "_NEAR_ENTRIES", 3)
    for count in range(1000, 1010):
        desk.ask(range(count))
        assert len(desk.optimizer._near) <= 3
    desk.store.fetched.clear()
    assert desk.ask(range(1009)).cache == "hit"
    assert desk.store.fetched == []


def test_hits_misses_and_seconds_saved_are_counted(desk):
    desk.ask()
    desk.ask()
    desk.ask()
    assert (desk.optimizer.hits, desk.optimizer.misses) == (2, 1)
    assert desk.optimizer.seconds_saved >= 0


def test_a_function_that_ends_its_worker_is_planned_serially_with_a_warning_and_nothing_is_kept():
    for seconds, told in (
        (0.0, "was ended by SIGSEGV"),
        (60.0, "took longer than 60 s; all of it takes at least 60 s"),
    ):
        desk = Desk()
        desk.probe.fate = SamplingError("the item at position 3 (3)", told.partition(";")[0], seconds)
        for data in (range(2000), iter(range(2000))):
            result = desk.ask(data)
            assert (result.executor, result.n_jobs) == ("serial", 1)
            assert result.cache == ("miss" if data == range(2000) else "bypassed")
            assert f"the item at position 3 (3) {told}" in result.reason
            assert result.predicted_seconds == seconds
            assert list(result.data) == list(range(2000))
            (warning,) = [one for one in result.warnings if "nothing was kept" in one]
            assert "the item at position 3 (3)" in warning
        assert not [locator for locator, _ in desk.store.stored if locator.startswith("func:")]
        desk.probe.fate = None
        assert desk.ask().cache == "miss"


def test_a_function_with_threads_of_its_own_gets_fewer_workers_and_hears_which_variable_to_set():
    threaded = attrs.evolve(SAMPLE, cpu_fraction=2.0, gil_fraction=1.0, threads_variable="OPENBLAS_NUM_THREADS")
    desk = Desk(sample=threaded)
    result = desk.ask()
    assert result.n_jobs <= 2
    (warning,) = result.warnings
    assert "keeps 2.0 CPUs busy" in warning
    assert "set OPENBLAS_NUM_THREADS=1 to let" in warning
    desk.anew()
    assert desk.ask().warnings == (warning,)
    (other,) = Desk(sample=attrs.evolve(threaded, threads_variable=None)).ask().warnings
    assert "set OMP_NUM_THREADS=1 (or its library's variable) to let" in other
