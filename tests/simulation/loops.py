"""Simulated runs of the loop: the caller works, forked workers join, and everybody takes the next chunks."""

from __future__ import annotations

from collections import deque
from itertools import accumulate
from math import ceil, log10, sqrt
from random import Random

import attrs
from simulation.drawn import SHAPES
from simulation.events import CPU, WAIT, Events, Gate

from amorsize.execution import loop, policy, run
from amorsize.execution.chunks import cut
from amorsize.execution.workers import child


@attrs.frozen
class Costs:
    """Seconds that a run takes beside its items; ``tests/benchmarks/loops.py real`` compares them with real runs.

    ``fork`` is what the caller pays for each worker, ``begin`` what the worker then does before it takes anything.
    Everybody pays ``take`` for a take, a worker ``tell`` and the caller ``take_in`` for what becomes of it, both
    ``item`` for each result in it and ``byte`` for each of its bytes. ``beat`` is a look of the caller at its workers.
    ``end`` is what the end of each worker takes.
    """

    fork: float = 0.0007
    begin: float = 0.0008
    take: float = 8e-6
    tell: float = 4e-5
    take_in: float = 4e-5
    item: float = 2e-7
    byte: float = 2.5e-10
    beat: float = 1.5e-5
    end: float = 0.0003


@attrs.frozen
class Ran:
    """Chunks as they ran: who ran them (0 is the caller), from when until when."""

    numbers: range
    taker: int
    began: float
    ended: float


@attrs.frozen
class Outcome:
    """What a simulated run took.

    ``taking_in`` is the caller's seconds of taking in. ``waited`` is how long the caller went on after the last chunk
    had ended, to take in what was there.
    """

    seconds: float
    cpu_seconds: float
    workers: int
    taking_in: float
    waited: float
    takes: list[Ran]


class LoopRun:
    """One run over items of known costs that compute.

    Args:
        costs: seconds of each item.
        cpus: CPUs that may be used.
        overheads: what is paid beside the items.
        static: fork so many workers less one at the start and call them at once; None: as the loop decides.
        wanted: most takers, the caller too; None: a CPU each.
        result_bytes: bytes of a result.
        bound_bytes: results of one worker that may wait to be taken in.
        slowdown: times as long as an item takes while all CPUs are busy.
        one_by_one: workers take a single chunk at a time.
    """

    def __init__(  # noqa: PLR0913  one argument a concern
        self,
        costs,
        cpus,
        overheads=Costs(),
        *,
        static=None,
        wanted=None,
        result_bytes=0.0,
        bound_bytes=float(policy.LEAST_BOUND_BYTES),
        slowdown=1.0,
        one_by_one=False,
    ):
        self.sums = [0.0, *accumulate(costs)]
        self.total = len(costs)
        self.chunks = cut(self.total)
        self.overheads = overheads
        self.wanted = min(ceil(wanted or cpus), self.total) if static is None else static
        self.static = static is not None
        self.result_bytes = result_bytes
        self.bound_bytes = bound_bytes
        self.one_by_one = one_by_one
        self.events = Events(cpus, slowdown)
        self.next, self.stop, self.has_last = 0, self.chunks.count, True
        self.born = self.expected = 0
        self.spaces, self.held = {}, {}
        self.is_called = self.is_stopped = self.has_server = False
        self.bell = Gate()  # of the fork server
        self.news, self.reader = deque(), Gate()
        self.done, self.last_end, self.taking_in, self.taken_in_items = 0, 0.0, 0.0, 0
        self.seconds, self.items, self.first, self.judged, self.next_items = 0.0, 0, 0.0, 0.0, 1
        self.log, self.end = [], 0.0

    def run(self):
        """Return what the run takes."""
        self.events.start(self.caller())
        self.events.run()
        waited = max(0.0, self.end - self.overheads.end * self.born - self.last_end)
        return Outcome(self.end, self.events.cpu_seconds, self.born, self.taking_in, waited, self.log)

    # What everybody does

    @property
    def takers(self):
        return 1 + self.born

    @property
    def each(self):
        """Seconds of an item as the caller has seen them."""
        rest = self.items - 1
        return (self.seconds - self.first) / rest if rest > 0 else self.first

    def left(self):
        """Return how many chunks nobody has taken, without the last."""
        return max(0, self.stop - 1 - self.next)

    def take(self, most):
        """Return the next chunks, the last one when there are no others."""
        if self.next < self.stop - 1:
            taken = range(self.next, min(self.next + most, self.stop - 1))
            self.next = taken.stop
            return taken
        return self.take_last()

    def take_last(self):
        """Return the last chunk where nobody has taken it yet."""
        if not self.has_last:
            return None
        self.has_last = False
        return range(self.stop - 1, self.stop)

    def cost(self, first, stop):
        return self.sums[stop] - self.sums[first]

    def finish(self, numbers, taker, began):
        self.done += len(numbers)
        self.last_end = max(self.last_end, self.events.now)
        self.log.append(Ran(numbers, taker, began, self.events.now))

    # The caller

    def caller(self):
        if self.static:
            yield from self.fork(self.wanted - 1)
        elif 1 < self.total <= policy.few_items(self.events.cpus) and self.wanted > 1:
            yield from self.fork_server()
        while (numbers := self.take(self.count())) is not None:
            yield CPU, self.overheads.take
            yield from self.run_here(numbers)
        while self.done < self.chunks.count or self.news:
            while not self.news:
                yield self.reader
            yield from self.take_in()
        self.end = self.events.now + self.overheads.end * self.born

    def fork(self, workers):
        """Fork workers one after another; each begins at once, and they know how many there are about to be."""
        self.expected = max(self.expected, self.takers + workers)
        for _ in range(workers):
            yield CPU, self.overheads.fork
            self.born += 1
            self.events.start(self.work(self.born))

    def fork_server(self):
        """Fork a first worker that forks the others."""
        yield CPU, self.overheads.fork
        self.has_server, self.born = True, 1
        self.expected = max(self.expected, self.takers)
        self.events.start(self.server())

    def call(self):
        """Tell the fork server that the caller has looked."""
        self.is_called = True
        self.events.open(self.bell)

    def count(self):
        """Return how many chunks the caller takes."""
        each = self.each * self.chunks.size
        if not self.items or not each:
            return 1
        left = self.left() + self.has_last
        if not self.born:
            return max(1, left if self.in_one_go(left * each) else min(left, int(self.block_seconds / each)))
        share, fair = left // (policy.SHARE * self.takers), -(-left // self.takers)
        return max(1, min(fair, int(run.LEAST_SECONDS / each)), min(share, int(run.BLOCK_SECONDS / each)))

    @property
    def is_undecided(self):
        if not self.items or self.seconds < policy.LOOK_SECONDS:
            return True
        worker = policy.WORKER_FORKS * self.overheads.fork
        return not self.born and self.seconds < (worker if self.items == 1 else worker / 2)

    @property
    def block_seconds(self):
        if self.static and not self.born:
            return run.ALONE_SECONDS
        return policy.LOOK_SECONDS if not self.born and self.is_undecided else run.BLOCK_SECONDS

    def in_one_go(self, seconds):
        return self.static and self.items > 1 and seconds < loop.REST_SECONDS

    def run_here(self, numbers):
        first, stop = self.chunks.range_of(numbers.start, numbers.stop)
        began = self.events.now
        while first < stop:
            end = min(stop, first + self.next_items)
            if not self.born and self.in_one_go((stop - first) * self.each):
                end = stop
            before = self.events.now
            yield CPU, self.cost(first, end)
            self.note(self.events.now - before, end - first)
            first = end
            if first == stop:
                self.finish(numbers, 0, began)
            most = self.items if self.seconds >= policy.LOOK_SECONDS else self.next_items * run.GROWTH
            self.next_items = max(1, min(most, int(self.block_seconds / max(self.each, 1e-9))))
            yield CPU, self.overheads.beat
            yield from self.take_in()
            yield from self.look()

    def note(self, seconds, items):
        if not self.items:
            self.first = seconds
        self.seconds += seconds
        self.items += items

    def take_in(self):
        while self.news:
            numbers, worker, size = self.news.popleft()
            items = self.items_of(numbers)
            seconds = self.overheads.take_in + items * self.overheads.item + size * self.overheads.byte
            yield CPU, seconds
            self.taking_in += seconds
            self.taken_in_items += items
            self.held[worker] -= size
            self.events.open(self.spaces[worker])

    def items_of(self, numbers):
        first, stop = self.chunks.range_of(numbers.start, numbers.stop)
        return stop - first

    def look(self):
        """Decide who should work; see amorsize.execution."""
        if self.static or self.is_undecided or self.is_stopped:
            return
        left = self.left() * self.chunks.size * self.each
        least = policy.WORTH_SECONDS + max(0.0, self.first - self.each)
        if self.is_called:
            if self.seconds - self.judged >= policy.PAYS_SECONDS:
                self.judged = self.seconds
                self.judge()
                if not self.is_stopped:
                    yield from self.fork_in_time(left)
        elif left >= least and self.each >= 0.3e-6:  # Run.cheap_seconds
            wanted = self.wanted - 1
            if self.born or left * wanted / (1 + wanted) > policy.WORKER_FORKS * self.overheads.fork + least:
                yield from self.fork_in_time(left)
                self.call()

    def fork_in_time(self, left):
        self.expected = max(self.takers, min(self.wanted, policy.takers_in_time(left, self.overheads.fork)))
        if self.has_server:
            self.events.open(self.bell)
        else:
            yield from self.fork(self.expected - self.takers)

    def judge(self):
        """Have workers leave when taking in takes as long as running."""
        items = self.taken_in_items
        if items >= policy.JUDGED_ITEMS and self.taking_in / items > policy.TAKING_IN_SHARE * self.each:
            self.is_stopped = True

    # The fork server

    def server(self):
        """Fork the workers that are wanted; work where one is all. It takes no time of the caller's."""
        began, forked, pause = self.events.now, 0, policy.SILENT_SECONDS
        while not self.is_stopped and self.done < self.chunks.count:
            if not self.is_called:
                self.events.start(self.silence(pause))
                yield self.bell
            more = (self.expected - 1 if self.is_called else self.worth(self.events.now - began, forked)) - forked
            if more == 1 and not forked and (self.is_called or self.wanted == 2):
                self.has_server = False
                yield from self.work(1)
                return
            for _ in range(more):
                yield CPU, self.overheads.fork
                forked += 1
                self.born = forked
                self.events.start(self.work(forked))
            if self.is_called and forked >= self.expected - 1:
                yield self.bell
            pause = 2 * (self.events.now - began)

    def worth(self, seconds, forked):
        """Return how many workers a caller wants that is at its first item; see ForkServer."""
        left = self.left() + self.has_last
        return min(self.wanted - 1, forked + min(left, max(1, int(sqrt(seconds * left / self.overheads.fork)))))

    def silence(self, seconds):
        yield WAIT, seconds
        self.events.open(self.bell)

    # A worker

    def work(self, number):
        self.spaces[number], self.held[number] = Gate(), 0.0
        yield CPU, self.overheads.begin
        each, ran, taken = 0.0, 0, self.take_last()
        while not self.is_stopped:
            numbers = taken or self.take(self.worker_count(each, ran))
            taken = None
            if numbers is None:
                return
            yield CPU, self.overheads.take
            began = self.events.now
            yield CPU, self.cost(*self.chunks.range_of(numbers.start, numbers.stop))
            spent = (self.events.now - began) / len(numbers)
            each, ran = (each + spent) / 2 if each else spent, ran + len(numbers)
            size = self.items_of(numbers) * self.result_bytes
            yield CPU, self.overheads.tell + self.items_of(numbers) * self.overheads.item + size * self.overheads.byte
            while self.held[number] and self.held[number] + size > self.bound_bytes:
                yield self.spaces[number]
            self.held[number] += size
            self.finish(numbers, number, began)
            self.news.append((numbers, number, size))
            self.events.open(self.reader)

    def worker_count(self, each, ran):
        """Return how many chunks a worker takes; see amorsize.execution.workers.child."""
        if not each or self.one_by_one:
            return 1
        takers = max(self.takers, self.expected)
        least = max(policy.LEAST_TAKE_SECONDS, takers * child._TAKING_IN_SECONDS)
        share = self.left() // (policy.WORKERS_SHARE * takers)
        count = max(1, int(least / each), min(share, int(child._MOST_SECONDS / each)))
        return min(count, max(1, share * policy.WORKERS_SHARE), child._GROWTH * ran)


def numbers_of_workers(cpus):
    """Return numbers of workers to try: all small ones, then each a third more than the one before."""
    counts = [1]
    while counts[-1] < cpus:
        counts.append(min(ceil(cpus), max(counts[-1] + 1, ceil(counts[-1] * 1.3))))
    return counts


def best_static(costs, cpus, overheads=Costs(), **options):
    """Return the least seconds of a static number of workers, and that number."""
    counts = numbers_of_workers(min(ceil(cpus), len(costs)))
    return min((LoopRun(costs, cpus, overheads, static=count, **options).run().seconds, count) for count in counts)


MOST_ITEMS = 4000


@attrs.frozen
class DrawnLoop:
    """A drawn job of which every item's cost is known: items that compute, forked workers, CPUs enough or not."""

    name: str
    costs: list[float]
    cpus: int
    overheads: Costs
    options: dict


def draw_loop(seed, cpus):
    """Return the job of a seed on so many CPUs: 5 ms to 500 s of work, seven shapes, results small and large."""
    drawing = Random(f"{seed} {cpus}")
    shape = drawing.choice(SHAPES)
    items = round(10 ** drawing.uniform(1, log10(MOST_ITEMS)))
    total = 10 ** drawing.uniform(-2.3, 2.7)
    costs = [total / items * shape(drawing, at / items) for at in range(items)]
    typical = attrs.asdict(Costs())
    overheads = Costs(**{name: seconds * 10 ** drawing.uniform(-0.3, 0.3) for name, seconds in typical.items()})
    size = drawing.choice((0.0, 0.0, 100.0, 10_000.0))
    name = f"{seed}: {items} items of {total / items:.2g} s {shape.__name__[1:]}, {cpus} CPUs, {size:g} bytes"
    return DrawnLoop(name, costs, cpus, overheads, {"result_bytes": size, "slowdown": drawing.uniform(1.0, 1.5)})


def judge_loop(drawn):
    """Return the seconds of the loop, and of the best static number of workers."""
    job = (drawn.costs, drawn.cpus, drawn.overheads)
    best = best_static(*job, **drawn.options)[0]
    found = LoopRun(*job, **drawn.options).run().seconds
    return found, min(best, found)


def saturation(workers, chunk_seconds=0.001, chunks_each=100, *, sized=False):
    """Return what so many workers with chunks of so long take over the ideal, and the caller's share of taking in.

    Each worker has a CPU and was forked for nothing before the clock starts. It takes one chunk at a time, or with
    ``sized`` as many as the loop gives it.
    """
    free = attrs.evolve(Costs(), fork=0.0, begin=0.0, end=0.0)
    items = workers * chunks_each
    costs = [chunk_seconds / cut(items).size] * items
    run = LoopRun(costs, workers, free, static=workers, one_by_one=not sized).run()
    return run.seconds / (sum(costs) / workers), run.taking_in / run.seconds
