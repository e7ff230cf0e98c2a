"""Simulated pools: what a map over items of known costs takes, and which worker ran what when."""

from __future__ import annotations

from collections import deque
from itertools import accumulate
from math import ceil

import attrs
from simulation.events import CPU, LOCK, WAIT, Events, Gate

from amorsize.domain.planning.situation import gil_fraction

PIPE_BYTES = 1 << 16
CHUNK_BYTES = 100
SLICES = 4


@attrs.frozen
class Ran:
    """One chunk as it ran: its items, who ran them, from when until when."""

    first: int
    items: int
    worker: int
    began: float
    ended: float


@attrs.frozen
class Run:
    """What a simulated map took, in seconds of the clock and of all CPUs, and its chunks in the order they ended."""

    seconds: float
    cpu_seconds: float
    chunks: list[Ran]


class Job:
    """Items of known costs, in seconds each, of a function known by a sample, on a machine with its overheads.

    Of the sample only what does not follow from the costs is read: shares of computing and lock, pickling, bytes, what
    a fresh worker pays.
    """

    def __init__(self, costs, sample, overheads, machine):
        self.sums = [0.0, *accumulate(costs)]
        self.sample = sample
        self.overheads = overheads
        self.machine = machine
        self.computing = min(1.0, sample.cpu_fraction)
        self.held = gil_fraction(sample, machine)

    @property
    def items(self):
        return len(self.sums) - 1

    def chunks(self, k):
        return [(first, min(k, self.items - first)) for first in range(0, self.items, k)]

    def cost(self, first, items):
        return self.sums[first + items] - self.sums[first]

    def serial(self):
        """Return the seconds of running all items one after another."""
        return self.sums[-1]

    def processes(self, p, k):
        """Run on a pool of p processes."""
        return _Processes(self, p, k).run()

    def threads(self, p, k):
        """Run on a pool of p threads."""
        return _Threads(self, p, k).run()

    def seconds(self, executor, p, k):
        """Return the seconds of a plan."""
        if executor == "serial":
            return self.serial()
        return (self.processes if executor == "process" else self.threads)(p, k).seconds

    def least(self, executor, p, k):
        """Return seconds below which no run of a plan can end: each resource's own sum of work."""
        overheads, sample, items = self.overheads, self.sample, self.items
        chunks = ceil(items / k)
        own = self.serial()
        if executor == "thread":
            held = own * self.held + chunks * overheads.thread_chunk_seconds
            computing = max(self.computing, self.held)
            cores = (own * computing + chunks * overheads.thread_chunk_seconds) / self.machine.usable_cpus
            return max(p * overheads.thread_start_seconds + max(own / p, held), cores)
        carried = (sample.item_bytes + sample.result_bytes) * overheads.byte_seconds
        parent = items * (sample.pickle_item_seconds + sample.unpickle_result_seconds + carried)
        parent += chunks * overheads.chunk_parent_seconds
        each = sample.unpickle_item_seconds + sample.pickle_result_seconds + overheads.item_seconds
        workers = own + items * each + chunks * overheads.chunk_worker_seconds
        cores = (workers - own * (1 - self.computing) + parent) / self.machine.usable_cpus
        start = overheads.start_seconds + p * overheads.start_worker_seconds
        return start + max(workers / p, parent, cores) + overheads.end_seconds


class _Pool:
    def __init__(self, job, p, k):
        self.job = job
        self.p = p
        self.chunks = job.chunks(k)
        self.events = Events(job.machine.usable_cpus, job.overheads.slowdown)
        self.tasks = deque()
        self.arrival, self.space = Gate(), Gate()
        self.finished = deque()
        self.reader = Gate()
        self.log = []
        self.end = None

    def run(self):
        self.events.start(self.parent())
        self.events.run()
        return Run(self.end, self.events.cpu_seconds, self.log)

    def items(self, first, items, held, computing):
        """Spend what the items of a chunk cost, its kinds taking turns a few times, as they do with each item."""
        cost = self.job.cost(first, items)
        kinds = ((LOCK, held), (CPU, computing - held), (WAIT, 1.0 - computing))
        spent = [(kind, cost * share) for kind, share in kinds if share > 0]
        turns = 1 if len(spent) == 1 else min(items, SLICES)
        for _ in range(turns):
            for kind, seconds in spent:
                yield kind, seconds / turns


class _Processes(_Pool):
    """Like multiprocessing.Pool.map: the parent starts all workers, then feeds them all through one bounded pipe.

    Pickling, sending, receiving and unpickling in the parent are threads of one process: they share one lock. A chunk
    beyond what the pipe holds waits for a worker to read it, a result beyond it keeps its worker until it is read.
    """

    def __init__(self, job, p, k):
        super().__init__(job, p, k)
        self.in_pipe = self.out_pipe = 0
        self.fresh = 0.0
        if job.machine.start_method != "fork":
            self.fresh = max(0.0, job.sample.first_call_seconds - job.sample.seconds_per_item)

    def parent(self):
        overheads = self.job.overheads
        yield LOCK, overheads.start_seconds
        for worker in range(self.p):
            yield LOCK, overheads.start_worker_seconds
            self.events.start(self.worker(worker))
        self.events.start(self.results())
        sample, size = self.job.sample, self.job.sample.item_bytes
        for first, items in self.chunks:
            yield LOCK, overheads.chunk_parent_seconds / 2 + items * sample.pickle_item_seconds
            carried = items * size + CHUNK_BYTES
            while not self.arrival.waiting and self.in_pipe + carried > PIPE_BYTES:
                yield self.space
            self.in_pipe += carried
            yield LOCK, items * size * overheads.byte_seconds
            self.tasks.append((first, items))
            self.events.open(self.arrival)

    def worker(self, number):
        job, overheads, sample = self.job, self.job.overheads, self.job.sample
        if job.machine.start_method != "fork":
            yield CPU, sample.worker_import_seconds
        unpaid = self.fresh
        while True:
            while not self.tasks:
                self.events.open(self.space)
                yield self.arrival
            first, items = self.tasks.popleft()
            self.in_pipe -= items * sample.item_bytes + CHUNK_BYTES
            self.events.open(self.space)
            began = self.events.now
            yield CPU, overheads.chunk_worker_seconds + items * (sample.unpickle_item_seconds + overheads.item_seconds)
            yield CPU, unpaid
            unpaid = 0.0
            yield from self.items(first, items, 0.0, job.computing)
            yield CPU, items * sample.pickle_result_seconds
            self.log.append(Ran(first, items, number, began, self.events.now))
            carried = items * sample.result_bytes + CHUNK_BYTES
            self.out_pipe += carried
            read = Gate() if self.out_pipe > PIPE_BYTES else None
            self.finished.append((items, carried, read))
            self.events.open(self.reader)
            if read is not None:
                yield read

    def results(self):
        overheads, sample = self.job.overheads, self.job.sample
        for _ in self.chunks:
            while not self.finished:
                yield self.reader
            items, carried, read = self.finished.popleft()
            yield LOCK, items * sample.result_bytes * overheads.byte_seconds
            self.out_pipe -= carried
            if read is not None:
                self.events.open(read)
            yield LOCK, overheads.chunk_parent_seconds / 2 + items * sample.unpickle_result_seconds
        self.end = self.events.now + overheads.end_seconds


class _Threads(_Pool):
    """Like multiprocessing.pool.ThreadPool.map: an unbounded queue, and one GIL for everybody."""

    def parent(self):
        overheads = self.job.overheads
        for worker in range(self.p):
            yield LOCK, overheads.thread_start_seconds
            self.events.start(self.worker(worker))
        self.events.start(self.results())
        for chunk in self.chunks:
            yield LOCK, overheads.thread_chunk_seconds / 2
            self.tasks.append(chunk)
            self.events.open(self.arrival)

    def worker(self, number):
        job = self.job
        computing = max(job.computing, job.held)
        while True:
            while not self.tasks:
                yield self.arrival
            first, items = self.tasks.popleft()
            began = self.events.now
            yield from self.items(first, items, job.held, computing)
            self.log.append(Ran(first, items, number, began, self.events.now))
            self.finished.append(first)
            self.events.open(self.reader)

    def results(self):
        for _ in self.chunks:
            while not self.finished:
                yield self.reader
            self.finished.popleft()
            yield LOCK, self.job.overheads.thread_chunk_seconds / 2
        self.end = self.events.now
