"""All runs of a process share the CPUs, and a worker has none to give."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from amorsize.execution.budget import Budget


@given(cpus=st.floats(0.5, 8), wanted=st.lists(st.integers(0, 8), min_size=2, max_size=6))
def test_calls_beside_one_another_get_no_more_than_there_is(cpus, wanted):
    budget = Budget()
    granted = []
    for each in wanted:
        budget.begin()
        granted.append(budget.take(each, cpus))
    assert granted[0] == wanted[0]
    assert sum(granted[1:]) == 0 or sum(granted) + len(wanted) <= cpus + 1 + len(wanted)
    for each in granted:
        budget.give_back(each)
        budget.end()
    budget.begin()
    assert budget.take(5, cpus) == 5


def test_a_worker_has_nothing_to_give_even_where_the_lock_was_held_at_the_fork():
    budget = Budget()
    budget.begin()
    with budget._lock:
        budget.become_worker()
        assert budget.take(3, 8) == 0
        budget.begin()
        budget.end()


def test_threads_that_ask_at_once_start_at_most_the_cpus():
    budget, granted, barrier = Budget(), [], threading.Barrier(6)

    def call():
        budget.begin()
        barrier.wait()
        granted.append(budget.take(7, 4))

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) + 6 <= max(6, 4)
