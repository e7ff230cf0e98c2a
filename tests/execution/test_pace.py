"""A run whose workers turn out slower than the caller's own process goes on there, and back when that was wrong."""

from __future__ import annotations

import os

import pytest
from execution import forced
from execution.jobs import Marked, Placed, times_run

from amorsize import FailedItems
from amorsize.execution.pace import Pace

KINDS = ["thread", "process"]
HERE = "going on here"
BACK = "going back to workers"


def turns(caplog):
    return [word for message in caplog.messages for word in (HERE, BACK) if word in message]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", [list, dict.fromkeys], ids=["list", "dict"])
def test_what_workers_are_slow_at_is_finished_here(kind, make, caplog):
    job, items = Placed(0.0005, 0.02), 400
    with caplog.at_level("DEBUG", logger="amorsize"):
        ran = forced.execute(job, make(range(items)), kind=kind, expected=0.0005 * items)
    assert [item for item, _ in ran] == list(range(items))
    assert turns(caplog) == [HERE]
    assert sum(is_here for _, is_here in ran) > items / 2


def test_what_workers_are_quick_at_stays_with_them(caplog):
    with caplog.at_level("DEBUG", logger="amorsize"):
        ran = forced.execute(Placed(0.02, 0.002), range(400), expected=0.02 * 400)
    assert not any(is_here for _, is_here in ran)
    assert turns(caplog) == []


@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_back_to_workers_that_were_slow_for_a_reason_that_holds_here_too(kind, caplog):
    items = 150
    with caplog.at_level("DEBUG", logger="amorsize"):
        ran = forced.execute(Placed(0.03, 0.01), range(items), kind=kind, expected=0.004 * items)
    assert [item for item, _ in ran] == list(range(items))
    assert turns(caplog)[:2] == [HERE, BACK]
    assert 0 < sum(is_here for _, is_here in ran) < items / 2


@pytest.mark.parametrize("kind", KINDS)
def test_each_item_is_run_once_whoever_runs_it_and_failures_are_collected(kind, tmp_path, caplog):
    bad = frozenset({0, 20, 150, 399})
    job = Marked(str(tmp_path / "runs"), os.getpid(), raising=bad, seconds=0.004)
    with caplog.at_level("DEBUG", logger="amorsize"):
        results, failures = forced.execute(job, range(400), kind=kind, expected=0.0004 * 400, errors="collect")
    assert turns(caplog)[:2] == [HERE, BACK]
    assert times_run(job.path) == dict.fromkeys(range(400), 1)
    assert results == [None if x in bad else 2 * x for x in range(400)]
    assert isinstance(failures, FailedItems)
    assert failures.positions == tuple(sorted(bad))


def test_what_is_not_known_of_a_run_here_is_not_held_against_workers():
    pace = Pace(None, 2)
    for now in range(100):
        pace.came(1, float(now))
    assert not pace.is_behind(1000)


def behind(pace, since=0.0):
    """Have 2 workers bring an item a second, 20 of them."""
    for now in range(21):
        pace.came(1, since + now)
    return pace


def test_workers_are_behind_when_an_item_takes_longer_on_all_of_them_than_here():
    assert behind(Pace(0.5, 2)).is_behind(1000)
    assert behind(Pace(0.5, 2)).is_behind(None)
    assert not behind(Pace(0.95, 2)).is_behind(1000)


def test_workers_are_judged_by_many_items_and_when_enough_is_left():
    assert not behind(Pace(0.5, 4)).is_behind(1000)
    assert not behind(Pace(0.001, 2)).is_behind(10)


def test_what_was_wrong_about_here_is_remembered_and_asked_again_only_after_twice_the_time():
    pace = behind(Pace(0.1, 2))
    assert not pace.is_slower_here(1, 7.9)  # a single item says little
    assert not pace.is_slower_here(20, 19.9)
    assert pace.is_slower_here(10, 15.0)
    assert pace.here_seconds == 1.5
    pace.here_seconds = 0.1
    assert not behind(pace, since=100.0).is_behind(1000)
    for now in range(80):
        pace.came(1, 121.0 + now)
    assert pace.is_behind(1000)


def fails_here(parent):
    job = Placed(0.0005, 0.02)

    def run(item):
        if os.getpid() == parent and item < 250:
            raise LookupError(item)
        return job(item)

    return run


def test_what_fails_here_comes_out_as_itself(caplog):
    with caplog.at_level("DEBUG", logger="amorsize"), pytest.raises(LookupError) as caught:
        forced.execute(fails_here(os.getpid()), range(400), expected=0.2)
    assert turns(caplog) == [HERE]
    assert any(f"at position {caught.value.args[0]}" in note for note in caught.value.__notes__)


def test_data_that_fails_while_items_run_here_is_not_the_items_fault(caplog):
    class Data(list):
        def __getitem__(self, at):
            if isinstance(at, int) and turns(caplog):
                raise OSError("no more")
            return super().__getitem__(at)

    with caplog.at_level("DEBUG", logger="amorsize"), pytest.raises(OSError, match="no more"):
        forced.execute(Placed(0.0005, 0.02), Sequenced(Data(range(400))), expected=0.2)


class Sequenced:
    """A sequence of the user's own, read one position at a time."""

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, at):
        return self.data[at]
