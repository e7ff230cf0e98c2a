"""Measures a workload every way there is, interleaved, each time in a process of its own."""

from __future__ import annotations

import random
import time
from statistics import median

import attrs
from advice import decided_and_rest_run, decided_and_run, learned, static
from children import TookTooLong, ask
from plans import PROCESSES, SERIAL, THREADS, TOOLS, Static, chunksizes, run

OURS = {"cold": decided_and_run, "once": decided_and_rest_run}
"""With the decision, from nothing but the machine's overheads: all items run, or those that sampling left."""

LEAST_ROUNDS = 3
GRID_LIMIT = 3.0
TOOL_LIMIT = 20.0
SLACK_SECONDS = 0.3
WORTH_CHUNKS = 1.6
CONTENDER = 1.15
MOST_CONTENDERS = 5
RERUN_TOOLS = 3.0
GAIN = 0.97
PATIENCE = 2


@attrs.frozen
class Decided:
    """What one decision gave."""

    plan: object
    sample: object
    seconds: float


@attrs.define
class Row:
    """What was measured of a workload: seconds by way, one figure a round, and what was decided in each round.

    Static plans are keys of ``grid``, and of ``others`` those chosen that the grid does not hold. ``again`` is the
    grid's best timed as often once more. ``stopped`` names the tools that were ended before they were done: their
    seconds are a lower bound.
    """

    name: str
    properties: str
    held_out: bool
    items: int
    grid: dict = attrs.field(factory=dict)
    others: dict = attrs.field(factory=dict)
    ways: dict = attrs.field(factory=dict)
    again: list = attrs.field(factory=list)
    decided: list = attrs.field(factory=list)
    stopped: set = attrs.field(factory=set)

    def best(self):
        """Return the plan of the grid with the least median, of those timed most often."""
        most = max(len(seconds) for seconds in self.grid.values())
        steady = [plan for plan, seconds in self.grid.items() if len(seconds) * 2 >= most]
        return min(steady, key=lambda plan: median(self.grid[plan]))

    def chosen_seconds(self):
        """Return the median seconds of the plans chosen in the rounds, each by all timings of that plan."""
        known = self.others | self.grid
        return median(median(known[static(decided.plan)]) for decided in self.decided)

    def add(self, other):
        """Take in the figures of another run."""
        for mine, theirs in ((self.grid, other.grid), (self.others, other.others), (self.ways, other.ways)):
            for key, seconds in theirs.items():
                mine.setdefault(key, []).extend(seconds)
        self.again += other.again
        self.decided += other.decided
        self.stopped |= other.stopped


def note(where, key, seconds):
    """Keep a figure of a round."""
    where.setdefault(key, []).append(seconds)


def timed_plan(workload, items, plan):
    """Return the seconds of a static plan."""
    workload.fresh()
    data = workload.given(items)
    began = time.perf_counter()
    run(workload.func, data, plan)
    return time.perf_counter() - began


def timed_tool(workload, items, name):
    """Return the seconds of another tool, imported before the clock starts."""
    act, tidy = TOOLS[name](workload.func)
    workload.fresh()
    data = workload.given(items)
    began = time.perf_counter()
    act(data)
    seconds = time.perf_counter() - began
    if tidy is not None:
        tidy()
    return seconds


class Measuring:
    """Fills a row: the whole grid once, pruned as it goes, then what is left of it for the other rounds."""

    def __init__(self, row, workload, items, texts, rounds, seconds):  # noqa: PLR0913, PLR0917  what one row takes
        self.workload = workload
        self.items = items
        self.texts = texts
        self.rounds = rounds
        self.seconds = seconds
        self.row = row
        self.order = random.Random(workload.name)

    def measure(self):
        """Return the row."""
        began = time.perf_counter()
        for turn in range(self.rounds):
            if turn >= LEAST_ROUNDS and time.perf_counter() - began > self.seconds:
                break
            if turn == 0:
                self._explore()
            self._round(first=turn == 0)
        best = self.row.best()
        for _ in self.row.grid[best]:
            self.row.again.append(ask(timed_plan, self.workload, self.items, best))
        return self.row

    def _explore(self):
        """Time the grid once: numbers of workers with one chunk size each, then other sizes where that is worth it."""
        self._try(SERIAL)
        for executor, counts in (("process", PROCESSES), ("thread", THREADS)):
            patience, least = PATIENCE, self.row.grid[SERIAL][0]
            for workers in counts:
                if workers > max(2, len(self.items)) or not patience:
                    break
                seconds = self._try(Static(executor, workers, chunksizes(len(self.items), workers)[0]))
                patience = PATIENCE if seconds < GAIN * least else patience - 1
                least = min(least, seconds)
        tried = [(plan, seconds[0]) for plan, seconds in self.row.grid.items() if plan != SERIAL]
        least = min(seconds for _, seconds in tried)
        for plan, seconds in sorted(tried, key=lambda pair: pair[1]):
            if seconds <= WORTH_CHUNKS * least:
                for size in chunksizes(len(self.items), plan.n_jobs)[1:]:
                    self._try(attrs.evolve(plan, chunksize=size))

    def _try(self, plan):
        """Time a static plan of the grid once; infinitely long when it takes far longer than the best."""
        known = [seconds[0] for seconds in self.row.grid.values()]
        limit = GRID_LIMIT * min(known) + SLACK_SECONDS if known else None
        try:
            seconds = ask(timed_plan, self.workload, self.items, plan, seconds=limit)
        except TookTooLong:
            seconds = float("inf")
        note(self.row.grid, plan, seconds)
        return seconds

    def _contenders(self):
        """Return the plans of the grid that may be the best, and serial."""
        medians = {plan: median(seconds) for plan, seconds in self.row.grid.items()}
        least = min(medians.values())
        near = sorted((plan for plan in medians if medians[plan] <= CONTENDER * least), key=medians.__getitem__)
        return list(dict.fromkeys([*near[:MOST_CONTENDERS], SERIAL]))

    def _round(self, *, first):
        workload, items, row = self.workload, self.items, self.row
        plan, sample, seconds, texts = ask(learned, workload, items, self.texts)
        row.decided.append(Decided(plan, sample, seconds))
        steps = [(self._ours, decided_and_run, "cached", texts)]
        steps += [(self._ours, action, name, self.texts) for name, action in OURS.items()]
        steps += [(self._tool, name) for name in TOOLS if first or self._worth_again(name)]
        plans = dict.fromkeys([static(plan)] if first else [static(plan), *self._contenders()])
        steps += [(self._static, plan) for plan in plans]
        self.order.shuffle(steps)
        for step, *arguments in steps:
            step(*arguments)

    def _static(self, plan):
        where = self.row.grid if plan in self.row.grid else self.row.others
        note(where, plan, ask(timed_plan, self.workload, self.items, plan))

    def _ours(self, action, name, texts):
        note(self.row.ways, name, ask(action, self.workload, self.items, texts))

    def _worth_again(self, name):
        return name not in self.row.stopped and median(self.row.ways[name]) <= RERUN_TOOLS * self._least()

    def _least(self):
        return min(median(seconds) for seconds in self.row.grid.values())

    def _tool(self, name):
        limit = TOOL_LIMIT * self._least() + 2 * SLACK_SECONDS
        try:
            seconds = ask(timed_tool, self.workload, self.items, name, seconds=limit)
        except TookTooLong:
            seconds = limit
            self.row.stopped.add(name)
        note(self.row.ways, name, seconds)


def measured(workload, texts, held_out, rounds, seconds):
    """Return the row of a workload; to be run in a process of its own, so that its data leave no trace."""
    items = workload.data()
    row = Row(workload.name, workload.properties, held_out, len(items))
    return Measuring(row, workload, items, texts, rounds, seconds).measure()
