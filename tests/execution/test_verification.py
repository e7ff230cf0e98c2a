"""Plans compared with their neighbours by running them all."""

from __future__ import annotations

import time
from collections import Counter

import attrs
import pytest
from fakes import Desk

from amorsize import Verification, optimize, verify
from amorsize.domain.planning.neighbours import Neighbour
from amorsize.execution.verification import Trial, comparison


def result_of(data, func=abs, **probe):
    return Desk(blocked_reason="only threads here", **probe).ask(data, func, profile=True)


def test_every_way_runs_every_item_in_every_round():
    seen = Counter()
    data = list(range(50))
    result = result_of(data)
    found = verify(lambda item: seen.update([item]), data, result=result, rounds=3)
    assert {trial.way.executor for trial in found.trials} == {"serial", "thread"}
    assert set(seen.values()) == {3 * len(found.trials)}
    assert set(seen) == set(data)
    assert found.result is result
    assert found.chosen.way.executor == result.executor


def test_an_iterator_is_refused_as_it_can_be_run_over_once():
    data = (item for item in range(9))
    with pytest.raises(TypeError, match="got generator: pass a list"):
        verify(abs, data, result=result_of(range(9)))
    assert list(data) == list(range(9))


def test_further_iterables_are_run_over_as_by_map():
    seen = Counter()
    result = optimize(lambda *_: None, [1, 2, 3], "ab", use_cache=False, profile=True, executor="thread")
    found = verify(lambda *row: seen.update([row]), [1, 2, 3], "ab", result=result, rounds=2)
    assert seen == dict.fromkeys([(1, "a"), (2, "b")], 2 * len(found.trials))
    with pytest.raises(TypeError, match="got list_iterator: pass a list"):
        verify(pow, [1], iter([2]), result=result)
    assert {type(trial.seconds) for trial in verify(pow, [1, 2], [3, 4], result=result).trials} == {float}


def test_seconds_are_those_a_way_takes():
    data = [0.002] * 10
    found = verify(time.sleep, data, result=result_of(data), rounds=1)
    assert found.chosen.seconds >= 0.02


def test_a_plan_for_executors_of_a_plugin_runs_there_and_is_held_against_workers_here():
    ran = []
    result = result_of(range(9))
    planned = attrs.evolve(result.plan, executor="far", n_jobs=2, chunksize=3)
    made = attrs.evolve(result, plan=planned)
    with pytest.raises(TypeError, match="the result must come from optimize"):
        verify(abs, range(9), result=made)
    able = attrs.evolve(made, runner=lambda func, data, plan, _: ran.append((plan, list(map(func, data)))))
    found = verify(abs, range(-9, 0), result=able, rounds=2)
    assert ran == [(planned, list(range(9, 0, -1)))] * 2
    assert [trial.way.executor for trial in found.trials] == ["far", "serial", "thread"]
    assert "2 workers of far" in list(comparison(found))[1]
    assert found.timeline is None


def test_the_timeline_is_that_of_the_plans_run_of_median_length():
    data = [0.002] * 10
    found = verify(time.sleep, data, result=result_of(data), rounds=3)
    assert found.timeline.seconds == found.chosen.seconds
    assert sum(span.items for span in found.timeline.spans) == 10


def test_regret_is_over_the_quickest():
    quick, slow = Trial(Neighbour("serial", 1, 9), 1.0), Trial(Neighbour("thread", 2, 3, 1.0), 1.5)
    found = Verification(result_of(range(9)), (slow, quick))
    assert (found.chosen, found.best, found.regret) == (slow, quick, 1.5)
    assert attrs.evolve(found, trials=(Trial(quick.way, 0.0),)).regret == 1.0
    lines = list(comparison(found))
    assert lines[1].split() == ["*", "2", "threads,", "chunks", "of", "3", "1", "s", "1.5", "s", "0.67"]
    assert lines[2].split() == ["serial", "unknown", "1", "s"]
    assert lines[3] == "the plan (*) took 1.50 times the least; the best of these is serial"
    assert "it is the best" in list(comparison(attrs.evolve(found, trials=(quick, slow))))[-1]


def test_a_result_without_a_profile_and_no_rounds_are_refused():
    with pytest.raises(ValueError, match="result must have a profile of a measured function"):
        verify(abs, [1], result=Desk().ask([1]))
    with pytest.raises(ValueError, match="result must have a profile"):
        verify(abs, [], result=Desk().ask([], profile=True))
    with pytest.raises(ValueError, match="rounds must be 1 or more, got 0"):
        verify(abs, [1], result=result_of([1]), rounds=0)
