"""The cost model: predicted seconds of running all items serially, in processes or in threads."""

from __future__ import annotations

from functools import cache
from math import ceil, hypot, log, pi, sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

from amorsize.domain.planning.situation import gil_fraction

if TYPE_CHECKING:
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.values import Machine, Sample

_EULER_GAMMA: Final = 0.5772156649015329
"""The Euler-Mascheroni constant: the mean of the standard Gumbel distribution."""

_FEW_ROUNDS: Final = 4
"""Chunks per worker up to which they count in whole rounds: our choice; later the work spreads evenly."""

_FEW_ITEMS: Final = range(3, _FEW_ROUNDS**2 + 1)
"""Items per worker where rounding may leave a quarter of a round empty: our choice; for one or two, few sizes exist."""

_PIPE_BYTES: Final = 1 << 16
"""Bytes that a pipe of Linux holds; a larger message waits for its reader. Other systems have smaller pipes."""

_EXPECTED_MAXIMA: Final = (0.0, 0.0, 0.5642, 0.8463, 1.0294, 1.1630, 1.2672, 1.3522, 1.4236)
"""Expected maximum of p standard normal deviates, by p, from David and Nagaraja, Order Statistics."""


@cache
def expected_maximum(p: int) -> float:
    """Return the expected maximum of p standard normal deviates.

    Exact to 4 digits up to p = 8 (David and Nagaraja, Order Statistics), then by the extreme-value limit, whose error
    is below 4 %.
    """
    if p < len(_EXPECTED_MAXIMA):
        return _EXPECTED_MAXIMA[p]
    root = sqrt(2 * log(p))
    return root - (log(log(p)) + log(4 * pi) - 2 * _EULER_GAMMA) / (2 * root)


def queued(p: int, alone: float, apart: float, unevenness: float) -> float:
    """Return the mean seconds that one of p customers waits for and spends at a server, which serves one at a time.

    Each customer is served for ``alone`` seconds, then is away for ``apart`` seconds. This is mean value analysis of a
    closed network by Schweitzer's approximation (1979), which gives a quadratic equation. The result is ``alone`` for
    one customer and approaches ``p * alone - apart`` for many. A new customer finds ``(1 + c^2) / 2`` of the current
    service left, where c is the coefficient of variation, ``unevenness``, at most 1.
    """
    left = (1.0 + min(1.0, unevenness) ** 2) / 2
    waiting = alone * (1.0 + left * (p - 1)) - apart
    return (waiting + sqrt(waiting * waiting + 4 * alone * apart)) / 2


class Parts(NamedTuple):
    """The parts of a prediction, in seconds. Of the parts between start and end only the largest counts.

    Attributes:
        start: until the workers are ready.
        parent: what one process does for all items: pickling and dispatch, or holding the GIL.
        through: ``parent``, and what the last chunk takes after it.
        workers: the busiest worker's time.
        queue: how long a worker waits for the parent or the lock.
        cores: all CPU seconds divided by the usable CPUs.
        tail: how much later than the others the last worker ends; added to ``workers`` and ``cores``.
        end: until the workers have ended.
    """

    start: float
    parent: float
    through: float
    workers: float
    queue: float
    cores: float
    tail: float
    end: float

    @property
    def seconds(self) -> float:
        """Predicted wall seconds."""
        start, parent, through, workers, queue, cores, tail, end = self
        return start + max(parent, through, max(workers + queue, cores) + tail) + end

    @property
    def binding(self) -> str:
        """Name of the largest part: ``start``, ``parent``, ``workers`` or ``cores``."""
        costs = {
            "workers": self.workers,
            "cores": self.cores,
            "parent": self.parent,
            "start": self.start + self.end,
        }
        return max(costs, key=costs.__getitem__)


class CostModel:
    """Predicts seconds for one workload on one machine.

    Args:
        items: number of items, 1 or more.
        sample: what running the function showed.
        overheads: what workers cost here.
        machine: its free CPUs, GIL and start method are used.
        seconds_per_item: replaces the mean of the sample, for the ends of an interval.
    """

    def __init__(
        self,
        items: int,
        sample: Sample,
        overheads: Overheads,
        machine: Machine,
        seconds_per_item: float | None = None,
    ) -> None:
        self._basis = (items, sample, overheads, machine)
        self.items = items
        self.mean = sample.seconds_per_item if seconds_per_item is None else seconds_per_item
        self.spread = min(sample.spread_seconds, self.mean * sqrt(items))
        self.unevenness = self.spread / self.mean if self.mean else 0.0
        self.message_bytes = max(sample.item_bytes, sample.result_bytes)
        self.cpu_fraction = sample.cpu_fraction
        self.cpus = machine.free_cpus
        self.gil_fraction = gil_fraction(sample, machine)
        self.fresh_worker_seconds = self.warm_up_seconds = sample.warm_up_seconds
        if machine.start_method != "fork":
            first = max(0.0, sample.first_call_seconds - sample.seconds_per_item)
            self.fresh_worker_seconds = first + sample.worker_import_seconds
        self.overheads = overheads
        self.start_worker_seconds = overheads.start_worker_seconds + sample.parent_bytes * overheads.fork_byte_seconds
        send = sample.pickle_item_seconds + sample.item_bytes * overheads.byte_seconds
        read = sample.unpickle_result_seconds + sample.result_bytes * overheads.byte_seconds
        self.parent_item_seconds = send + read
        self.one_way_seconds = max(send, read)
        self.worker_item_seconds = sample.unpickle_item_seconds + sample.pickle_result_seconds + overheads.item_seconds
        # Computed once for all numbers of workers and chunk sizes.
        self._computed = self.mean * self.cpu_fraction + self.worker_item_seconds
        self._parent_seconds = items * self.parent_item_seconds
        self._one_way_seconds = items * self.one_way_seconds
        self._cpu_seconds = items * (self._computed + self.parent_item_seconds)
        cpu = min(1.0, self.cpu_fraction)
        self._waiting = self.mean * (1.0 - cpu)
        self._computing = self.mean * cpu + self.worker_item_seconds

    def at(self, seconds_per_item: float) -> CostModel:
        """Return the same model for items that take ``seconds_per_item`` on average."""
        return CostModel(*self._basis, seconds_per_item)

    def serial(self) -> float:
        """Return seconds for all items one after another, with the first call unless sampling has already paid it."""
        return self.items * self.mean + self.warm_up_seconds

    def slowdown(self, busy: float) -> float:
        """Return how many times longer computing takes with ``busy`` CPUs busy, from 1 to the measured slowdown.

        Linear between the measurements with one, half and all of the usable CPUs busy. Two threads of one core slow
        each other down only when more than about half of the CPUs are busy.
        """
        half, at_half, at_all = self.cpus / 2, self.overheads.slowdown_half, self.overheads.slowdown
        if busy <= 1 or self.cpus <= 1:
            return 1.0
        busy = min(busy, self.cpus)
        if half <= 1:
            return 1.0 + (at_all - 1.0) * (busy - 1) / (self.cpus - 1)
        if busy <= half:
            return 1.0 + (at_half - 1.0) * (busy - 1) / (half - 1)
        return at_half + (at_all - at_half) * (busy - half) / half

    def chunk_pause_seconds(self, p: int) -> float:
        """Return how long each of p processes pauses between chunks when items leave the parent no CPU.

        Linear between one CPU left for the parent and a computing worker on every CPU.
        """
        overheads = self.overheads
        crowded = min(1.0, max(0.0, p * min(1.0, self.cpu_fraction) - (self.cpus - 1.0)))
        return crowded * max(0.0, overheads.chunk_crowded_seconds - overheads.chunk_worker_seconds)

    def predict(self, kind: str, p: int, k: int) -> Parts:
        """Predict p workers of a kind taking chunks of k items."""
        return self.thread(p, k) if kind == "thread" else self.process(p, k)

    def chunk(self, kind: str, p: int) -> tuple[float, float]:
        """Return the seconds that a chunk costs p processes with their parent, and the parent alone.

        Of threads both are the same: all of it is paid while the GIL is held.
        """
        overheads = self.overheads
        if kind == "thread":
            return overheads.thread_chunk_seconds, overheads.thread_chunk_seconds
        alone = overheads.chunk_parent_seconds
        return alone + overheads.chunk_worker_seconds + self.chunk_pause_seconds(p), alone

    def process(self, p: int, k: int) -> Parts:
        """Predict p processes taking chunks of k items from one parent.

        The last chunk runs after everything was sent, and no result is read before the first chunk has run.
        """
        overheads = self.overheads
        per_chunk = overheads.chunk_parent_seconds
        chunks = ceil(self.items / k)
        sending = chunks * per_chunk
        served = self.parent_item_seconds + per_chunk / k
        busy = p * self.cpu_fraction
        slowdown = self.slowdown(min(busy, self._computed / served) if served else busy)
        computing = self._computing * slowdown
        each = self._waiting + computing
        parent = (self._parent_seconds + sending) * slowdown
        pause = self.chunk_pause_seconds(p)
        workers, tail = self._shares(p, k, chunks, each, computing, overheads.chunk_worker_seconds * slowdown + pause)
        through = (self._one_way_seconds + sending / 2) * slowdown
        through += k * each + self.spread * sqrt(k)
        queue = 0.0
        if k * self.message_bytes > _PIPE_BYTES:
            served = parent / self.items
            queue = self.items / p * (queued(p, served, each, self.unevenness) - served)
        cpu_seconds = self._cpu_seconds + chunks * (per_chunk + overheads.chunk_worker_seconds)
        cores = cpu_seconds * slowdown / self.cpus + chunks / p * pause
        start = self._start_seconds(p)
        return Parts(start, parent, through, workers, queue, cores, tail, overheads.end_seconds)

    def thread(self, p: int, k: int) -> Parts:
        """Predict p threads taking chunks of k items.

        One thread at a time holds the GIL, computing without it is shared among the CPUs, and waiting
        overlaps. After its last lock-held part a thread still finishes the rest of that item.
        """
        overheads = self.overheads
        chunks = ceil(self.items / k)
        held, cpu = self.gil_fraction, max(self.gil_fraction, min(1.0, self.cpu_fraction))
        slowdown = self.slowdown(min(p, 1.0 / held if held else p) * max(cpu, self.cpu_fraction))
        locked = self.mean * held * slowdown + overheads.thread_chunk_seconds * chunks / self.items
        computing = locked + self.mean * (cpu - held) * slowdown
        apart = self.mean * (1.0 - cpu) + computing - locked
        workers, tail = self._shares(p, k, chunks, locked + apart, computing, 0.0)
        queue = self.items / p * (queued(p, locked, apart, self.unevenness) - locked)
        cores = self.items * self.mean * self.cpu_fraction * slowdown / self.cpus
        through = self.items * locked + apart + self.spread
        start = p * overheads.thread_start_seconds + self.warm_up_seconds
        return Parts(start, self.items * locked, through, workers, queue, cores, tail, overheads.thread_pool_seconds)

    def least(self, kind: str, p: int) -> float:
        """Return a lower bound of the seconds of p workers of a kind, for every chunk size."""
        overheads = self.overheads
        if kind == "thread":
            shared = max(1.0 / p, self.gil_fraction, self.cpu_fraction / self.cpus)
            return p * overheads.thread_start_seconds + self.items * self.mean * shared + overheads.thread_pool_seconds
        beside = (self._waiting + self._computing) * self.items / p
        bound = max(beside, self._parent_seconds, self._cpu_seconds / self.cpus)
        return self._start_seconds(p) + bound + overheads.end_seconds

    def _start_seconds(self, p: int) -> float:
        """Return seconds until p processes are ready."""
        overheads = self.overheads
        ready = (overheads.boot_seconds + self.fresh_worker_seconds) * max(1.0, p / self.cpus)
        return overheads.start_seconds + p * self.start_worker_seconds + ready

    def _shares(  # noqa: PLR0913, PLR0917  the terms of one formula
        self, p: int, k: int, chunks: int, each: float, computing: float, per_chunk: float
    ) -> tuple[float, float]:
        """Return the busiest worker's seconds, and how much later the last chunk ends.

        ``computing`` is the part of the ``each`` seconds per item that needs a CPU. With few chunks per worker, the
        busiest worker runs whole rounds. With many, all workers run the same share. The last chunk ends later for two
        reasons. Chunks take different times: E_p s sqrt(k) (Kruskal and Weiss 1985), joined with the jitter of CPU
        speed, which all items of a chunk share. And workers do not end their chunks at the same moment. With many
        chunks, that adds half a chunk on average. With few, it adds half of the time by which the spread has moved the
        workers apart, at most half a chunk.
        """
        tail = expected_maximum(min(p, chunks)) * hypot(self.spread * sqrt(k), self.overheads.jitter * k * computing)
        if chunks <= _FEW_ROUNDS * p:
            rounds = ceil(chunks / p)
            apart = min(k * each, tail * sqrt(rounds)) if rounds > 1 else 0.0
            return min(rounds * k, self.items) * each + rounds * per_chunk, tail + 0.5 * apart * (p - 1) / p
        even = self.items / p * each + chunks / p * per_chunk
        return even, tail + 0.5 * k * each * (p - 1) / p

    def chunksizes(self, p: int, per_chunk: float, alone: float) -> set[int]:
        """Return chunk sizes worth comparing for p workers.

        They are near the k that minimises ``h N/(p k) + E_p s sqrt(k) + m k (p-1)/(2p)``, rounded so that the chunks
        fill whole rounds. h is ``per_chunk``, which the workers (or the CPUs, if there are fewer) pay in parallel, and
        then p times ``alone``, which the parent or the holder of the lock pays one chunk after another. With few items
        for each worker, rounding leaves much of a round empty; then the sizes for one to four rounds are compared too.
        """
        share = ceil(self.items / p)
        if p == 1:
            return {share}
        spread = expected_maximum(p) * self.spread
        slope = self.mean * (p - 1) / (2 * p)
        sizes = {ceil(self.items / (p * _FEW_ROUNDS))}
        for gain in {per_chunk * self.items / p, per_chunk * self.items / min(p, self.cpus), alone * self.items}:
            rounds = max(1, int(share / _chunksize(gain, spread, slope, share)))
            sizes.add(ceil(self.items / (p * rounds)))
            sizes.add(ceil(self.items / (p * (rounds + 1))))
        if share in _FEW_ITEMS:
            sizes.update(ceil(self.items / (p * rounds)) for rounds in range(1, _FEW_ROUNDS))
        return sizes


def _chunksize(gain: float, spread: float, slope: float, share: int) -> float:
    """Return the k from 1 to share that minimises ``gain/k + spread sqrt(k) + slope k``."""
    k = most = float(share)
    if slope > 0 and (limit := sqrt(gain / slope)) < k:
        k = limit
    if spread > 0 and (limit := (2 * gain / spread) ** (2 / 3)) < k:
        k = limit
    k = max(1.0, k)
    for _ in range(2):  # Newton on the derivative in k, which is convex up to the root
        square, root = k * k, sqrt(k)
        wrong = slope + spread / (2 * root) - gain / square
        steep = 2 * gain / (square * k) - spread / (4 * k * root)
        if steep <= 0:
            break
        k = min(max(1.0, k - wrong / steep), most)
    return k
