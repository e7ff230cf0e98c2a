"""What the planner decides against the best of a dense grid of simulated plans, from 4 to 1,024 cores."""

from __future__ import annotations

from itertools import pairwise

from simulation.drawn import CORES, Judged, best_of_all, draw, geometric_mean, judge, plans, seconds, worker_grid

DRAWS = range(1000, 1040)
MOST_ITEMS = 1000


def test_regret_is_small_on_the_whole_and_large_nowhere():
    judged = [judge(draw(seed, MOST_ITEMS), samples=2) for seed in DRAWS]
    assert {exact.plan[0] for exact, _ in judged} == {"serial", "thread", "process"}
    exact, sampled = ([one.regret for one in ones] for ones in zip(*judged, strict=True))
    assert min(exact) >= 1.0
    assert geometric_mean(exact) <= 1.05
    assert max(exact) <= 1.3
    assert geometric_mean(sampled) <= 1.1


def test_the_draws_reach_every_size_of_machine():
    assert {int(draw(seed, MOST_ITEMS).machine.usable_cpus) for seed in DRAWS} == set(CORES)


def test_a_draw_is_the_same_every_time():
    assert draw(7, 100) == draw(7, 100) != draw(8, 100)


def test_the_best_of_all_is_that_of_every_plan_simulated():
    drawn = draw(1003, 60)
    jobs = drawn.jobs
    every = [seconds(jobs, plan) for plan in (("serial", 1, len(drawn.costs)), *plans(drawn))]
    assert best_of_all(drawn, jobs, [])[0] == min(every)


def test_the_grid_reaches_the_cap_in_small_steps():
    assert worker_grid(1) == []
    assert worker_grid(8) == [2, 3, 4, 5, 6, 7, 8]
    wide = worker_grid(1024)
    assert wide[-1] == 1024
    assert all(after <= before * 1.15 + 1 for before, after in pairwise(wide))


def test_regret_is_seconds_over_the_least():
    assert Judged(("thread", 2, 3), 1.0, 3.0, ("serial", 1, 9), 2.0).regret == 1.5
