"""Situations drawn by seed, from 4 to 1,024 cores, and the regret of what the planner decides in them."""

from __future__ import annotations

from math import ceil, exp, log, log10, sqrt
from random import Random
from statistics import fmean

import attrs
from fakes import MACHINE, OVERHEADS
from simulation.pools import Job

from amorsize.domain.overheads import Overheads
from amorsize.domain.planning.planner import decide
from amorsize.domain.planning.situation import Situation, worker_cap
from amorsize.domain.values import Constraints, Machine, Sample

CORES = (4, 8, 16, 32, 64, 128, 256, 1024)
MOST_CHUNKS = 3000
ROUNDS = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 26, 32, 45, 64, 90, 128, 256, 512, 1024)
FORK = attrs.evolve(
    OVERHEADS,
    start_seconds=0.002,
    chunk_parent_seconds=3.5e-5,
    chunk_worker_seconds=2e-5,
    item_seconds=3e-7,
    byte_seconds=1.4e-9,
    thread_start_seconds=2e-4,
    thread_chunk_seconds=5e-6,
    worker_bytes=1e7,
)
SPAWN = attrs.evolve(FORK, start_method="spawn", start_seconds=0.06, start_worker_seconds=0.02, end_seconds=0.01)


def _equal(draw, at):
    return 1.0


def _exponential(draw, at):
    return -log(1.0 - draw.random())


def _lognormal(draw, at):
    return exp(draw.normalvariate(0.0, 1.0) - 0.5)


def _bimodal(draw, at):
    return 0.2 if draw.random() < 0.8 else 4.2


def _rare(draw, at):
    return 1.0 if draw.random() < 0.98 else 100.0


def _rising(draw, at):
    return 0.1 + 1.8 * at


def _falling(draw, at):
    return 1.9 - 1.8 * at


SHAPES = (_equal, _exponential, _lognormal, _bimodal, _rare, _rising, _falling)


@attrs.frozen
class Drawn:
    """A situation of which every item's cost is known."""

    name: str
    costs: list[float]
    ordered: bool
    sample: Sample
    overheads: Overheads
    machine: Machine

    @property
    def situation(self):
        return Situation(len(self.costs), self.sample, self.machine, Constraints())

    def sampled(self, seed, count=12):
        """Return the same with a sample of a few items spread over all, as a probe would take one."""
        few = min(count, len(self.costs))
        step = len(self.costs) / few
        draw = Random(seed)
        seen = [self.costs[int((at + draw.random()) * step)] for at in range(few)]
        return attrs.evolve(self, sample=attrs.evolve(self.sample, count=few, **_mean_and_spread(seen)))

    @property
    def jobs(self):
        """Return the job, and where the items' order is chance in two more orders of the same items.

        What is best for one order only is luck, which nobody can plan for.
        """
        orders = [self.costs]
        if not self.ordered:
            orders += [Random(turn).sample(self.costs, len(self.costs)) for turn in (1, 2)]
        return [Job(costs, self.sample, self.overheads, self.machine) for costs in orders]


def _mean_and_spread(costs):
    mean = fmean(costs)
    squares = sum((cost - mean) ** 2 for cost in costs)
    return {"seconds_per_item": mean, "spread_seconds": sqrt(squares / max(1, len(costs) - 1))}


def draw(seed, most_items=1_000_000):
    """Return the situation of a seed."""
    drawing = Random(seed)
    cores = drawing.choice(CORES)
    shape = drawing.choice(SHAPES)
    items = round(10 ** drawing.uniform(1, log10(most_items)))
    each = 10 ** drawing.uniform(-6, 0)
    costs = [each * shape(drawing, at / items) for at in range(items)]
    fork = drawing.random() < 0.6
    overheads = _overheads(drawing, FORK if fork else SPAWN)
    computing = drawing.choice((1.0, 1.0, 1.0, 0.5, 0.02))
    held = computing * drawing.choice((1.0, 1.0, 0.05))
    in_bytes, out_bytes = (10 ** drawing.choice((1, 1, 2, 3, 5, 6.5)) for _ in range(2))
    moving = {
        "item_bytes": in_bytes,
        "pickle_item_seconds": 3e-7 + in_bytes * 3e-10,
        "unpickle_item_seconds": 3e-7 + in_bytes * 3e-10,
        "result_bytes": out_bytes,
        "pickle_result_seconds": 3e-7 + out_bytes * 3e-10,
        "unpickle_result_seconds": 3e-7 + out_bytes * 3e-10,
    }
    known = _mean_and_spread(costs)
    sample = Sample(
        count=items,
        **known,
        first_call_seconds=known["seconds_per_item"] + drawing.choice((0.0, 0.01, 0.3)),
        worker_import_seconds=0.0 if fork else drawing.choice((0.0, 0.05, 0.5)),
        cpu_fraction=computing,
        gil_fraction=held,
        **moving,
    )
    name = (
        f"{seed}: {items} items of {each:.2g} s {shape.__name__[1:]}, {cores} cores, {overheads.start_method}, "
        f"computing {computing:g}, held {held:g}, bytes {in_bytes:.0f} and {out_bytes:.0f}"
    )
    ordered = shape in {_equal, _rising, _falling}
    return Drawn(name, costs, ordered, sample, overheads, _machine(cores, overheads.start_method))


def _overheads(drawing, typical):
    varied = {
        field.name: getattr(typical, field.name) * 10 ** drawing.uniform(-0.5, 0.5)
        for field in attrs.fields(Overheads)
        if field.name.endswith("_seconds")
    }
    return attrs.evolve(typical, **varied, slowdown=drawing.uniform(1.0, 1.8))


def _machine(cores, start_method):
    return attrs.evolve(
        MACHINE,
        physical_cores=cores,
        logical_cores=cores,
        usable_cpus=float(cores),
        available_memory_bytes=cores << 31,
        total_memory_bytes=cores << 31,
        start_method=start_method,
    )


def worker_grid(cap):
    """Return all small numbers of workers and every seventh part more beyond, up to cap."""
    counts = list(range(2, min(cap, 8) + 1))
    while counts and counts[-1] < cap:
        counts.append(min(cap, ceil(counts[-1] * 1.15)))
    return counts


def plans(drawn):
    """Yield a dense grid of plans within the limits: executor, workers, items a chunk."""
    items, situation = len(drawn.costs), drawn.situation
    for executor in ("process", "thread"):
        for p in worker_grid(worker_cap(executor, situation, drawn.overheads)):
            for k in sorted({ceil(items / (p * rounds)) for rounds in ROUNDS} | {1}):
                if items / k <= MOST_CHUNKS or (k == ceil(items / p)):
                    yield executor, p, k


def seconds(jobs, plan):
    """Return the mean simulated seconds of a plan."""
    return fmean(job.seconds(*plan) for job in jobs)


def best_of_all(drawn, jobs, known):
    """Return the least simulated seconds of all plans and that plan, leaving out those that cannot be it."""
    best = min((seconds(jobs, plan), plan) for plan in [("serial", 1, len(drawn.costs)), *known])
    for least, plan in sorted((jobs[0].least(*plan), plan) for plan in plans(drawn)):
        if least >= best[0]:
            break
        best = min(best, (seconds(jobs, plan), plan))
    return best


@attrs.frozen
class Judged:
    """What was decided, what it takes when simulated, and the best there was."""

    plan: tuple[str, int, int]
    predicted: float
    seconds: float
    best: tuple[str, int, int]
    best_seconds: float

    @property
    def regret(self):
        return self.seconds / self.best_seconds


def judge(drawn, samples=1):
    """Return what the planner decides from the exact sample and from one of a few items, each beside the best."""
    jobs = drawn.jobs
    decided = [decide(one.situation, one.overheads).plan for one in (drawn, drawn.sampled(1))[:samples]]
    chosen = [(plan.executor, plan.n_jobs, plan.chunksize) for plan in decided]
    best_seconds, best = best_of_all(drawn, jobs, chosen)
    return [
        Judged(choice, plan.predicted_seconds, seconds(jobs, choice), best, best_seconds)
        for choice, plan in zip(chosen, decided, strict=True)
    ]


def geometric_mean(values):
    return exp(fmean(map(log, values)))
