"""The clock of the simulator: shares of CPUs and of the lock, waiting, and who is let through a gate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulation.events import CPU, LOCK, WAIT, Events, Gate


def ends(cpus, *spendings, slowdown=1.0):
    """Return when each of some processes, which spend one after another, has ended."""
    events = Events(cpus, slowdown)
    ended = [None] * len(spendings)

    def process(at, spending):
        yield from spending
        ended[at] = events.now

    for at, spending in enumerate(spendings):
        events.start(process(at, spending))
    events.run()
    return ended, events


def test_a_cpu_each_is_shared_with_nobody():
    assert ends(2, [(CPU, 3.0)], [(CPU, 5.0)])[0] == [3.0, 5.0]


def test_more_runners_than_cpus_share_them_evenly():
    ended, events = ends(1, [(CPU, 1.0)], [(CPU, 2.0)])
    assert ended == pytest.approx([2.0, 3.0])
    assert events.cpu_seconds == pytest.approx(3.0)


def test_a_fraction_of_a_cpu_takes_as_much_longer():
    assert ends(0.5, [(CPU, 1.0)])[0] == pytest.approx([2.0])


def test_the_lock_is_held_by_one_at_a_time_in_the_order_of_asking():
    assert ends(8, [(LOCK, 1.0)], [(LOCK, 1.0)], [(LOCK, 2.0)])[0] == pytest.approx([1.0, 2.0, 4.0])


def test_who_holds_the_lock_needs_a_cpu_like_others():
    assert ends(1, [(LOCK, 1.0)], [(CPU, 1.0)])[0] == pytest.approx([2.0, 2.0])


def test_any_number_waits_side_by_side():
    assert ends(1, *([(WAIT, 1.0)] for _ in range(50)))[0] == [1.0] * 50


def test_computing_slows_down_as_cpus_fill_and_not_beyond():
    assert ends(3, [(CPU, 1.0)], slowdown=2.0)[0] == pytest.approx([1.0])
    assert ends(3, [(CPU, 1.0)], [(CPU, 1.0)], slowdown=2.0)[0] == pytest.approx([1.5, 1.5])
    assert ends(3, *([(CPU, 1.0)] for _ in range(6)), slowdown=2.0)[0] == pytest.approx([4.0] * 6)


def test_a_gate_lets_through_in_the_order_of_arrival_and_only_when_opened():
    events, gate, passed = Events(4), Gate(), []

    def guest(name):
        yield gate
        passed.append((name, events.now))

    def porter():
        events.open(Gate())
        for _ in range(2):
            yield WAIT, 1.0
            events.open(gate)

    for process in (guest("first"), guest("second"), guest("third"), porter()):
        events.start(process)
    events.run()
    assert passed == [("first", 1.0), ("second", 2.0)]


spending = st.lists(st.tuples(st.sampled_from([CPU, LOCK, WAIT]), st.floats(0, 10)), max_size=6)


@given(cpus=st.floats(0.5, 8), spendings=st.lists(spending, min_size=1, max_size=8))
def test_no_cpu_second_is_lost_and_nobody_ends_before_what_he_spends(cpus, spendings):
    ended, events = ends(cpus, *spendings)
    busy = sum(seconds for one in spendings for kind, seconds in one if kind != WAIT)
    assert events.cpu_seconds == pytest.approx(busy)
    assert max(ended) >= busy / cpus * 0.999999
    for end, one in zip(ended, spendings, strict=True):
        assert end >= sum(seconds for _, seconds in one) * 0.999999
    assert max(ended) <= sum(seconds for one in spendings for _, seconds in one) / min(1.0, cpus) * 1.000001
