"""What calls in threads have cost says whether processes pay for the next ones, and which functions may go there."""

from __future__ import annotations

import time

from amorsize.pools.costs import CallCost, may_move

SEEN = []


def compute(number):
    return sum(range(number))


def wait(seconds):
    time.sleep(seconds)


def note(item):
    SEEN.append(item)


def count():
    global COUNT  # noqa: PLW0603  what the test is about
    COUNT = 1


def test_only_functions_that_change_nothing_of_others_may_move():
    assert may_move(compute)
    assert may_move(wait)
    assert not may_move(note)
    assert not may_move(count)
    assert not may_move(lambda: 1)


def test_costs_say_when_processes_pay():
    cost = CallCost(compute)
    cost.add(0.1, 0.1, None)
    assert not cost.pays()  # not as long as starting processes takes
    for _ in range(4):
        cost.add(0.1, 0.1, None)
    assert cost.pays()
    waits = CallCost(wait)
    for _ in range(100):
        waits.add(1.0, 0.005, None)
    assert not waits.pays()
    heavy = CallCost(compute)
    for _ in range(100):
        heavy.add(0.01, 0.01, lambda: None)
    assert not heavy.may_move
