"""The cost model: predicted seconds of running all items serially, in processes or in threads."""

from __future__ import annotations

from math import ceil, log, pi, sqrt
from typing import TYPE_CHECKING, Final

import attrs

from amorsize.domain.situation import lock_share

if TYPE_CHECKING:
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.values import Machine, Sample

_EULER_GAMMA: Final = 0.5772156649015329
_FEW_ROUNDS: Final = 4
_EXPECTED_MAXIMA: Final = (0.0, 0.0, 0.5642, 0.8463, 1.0294, 1.1630, 1.2672, 1.3522, 1.4236)


def expected_maximum(p: int) -> float:
    """Return the expected maximum of p standard normal deviates.

    Exact to 4 digits up to p = 8 (David and Nagaraja, Order Statistics), then by the extreme-value limit, whose error
    is below 4 %.
    """
    if p < len(_EXPECTED_MAXIMA):
        return _EXPECTED_MAXIMA[p]
    root = sqrt(2 * log(p))
    return root - (log(log(p)) + log(4 * pi) - 2 * _EULER_GAMMA) / (2 * root)


@attrs.frozen
class Parts:
    """What a prediction is made of, in seconds: all but the largest of parent, workers and cores adds up.

    ``parent`` is what one process must do for all items (pickling, dispatch, or holding the interpreter lock),
    ``workers`` is the busiest worker's time, ``cores`` is all CPU seconds over the usable CPUs.
    """

    start: float
    parent: float
    workers: float
    cores: float
    tail: float
    end: float

    @property
    def seconds(self) -> float:
        """Predicted wall seconds."""
        return self.start + max(self.parent, self.workers, self.cores) + self.tail + self.end

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
        machine: usable CPUs, interpreter lock and start method enter as they are.
        seconds_per_item: in place of the sample's mean, to draw an interval.
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
        self.cpu_fraction = sample.cpu_fraction
        self.cpus = machine.usable_cpus
        self.gil_fraction = lock_share(sample, machine)
        self.fresh_worker_seconds = 0.0
        if machine.start_method != "fork":
            first = max(0.0, sample.first_call_seconds - sample.seconds_per_item)
            self.fresh_worker_seconds = first + sample.worker_import_seconds
        self.overheads = overheads
        self.parent_item_seconds = (
            sample.pickle_item_seconds
            + sample.unpickle_result_seconds
            + (sample.item_bytes + sample.result_bytes) * overheads.byte_seconds
        )
        self.worker_item_seconds = sample.unpickle_item_seconds + sample.pickle_result_seconds + overheads.item_seconds

    def at(self, seconds_per_item: float) -> CostModel:
        """Return the same model for items that take so long on average."""
        return CostModel(*self._basis, seconds_per_item)

    def serial(self) -> float:
        """Return seconds for all items one after another, beyond the first call that sampling has paid."""
        return self.items * self.mean

    def slowdown(self, p: int) -> float:
        """Return how much longer computing takes with p workers busy, between 1 and the measured slowdown.

        Linear in the contention term of Gunther's Universal Scalability Law, fixed by the measurement with every usable
        CPU busy.
        """
        if p <= 1 or self.cpus <= 1:
            return 1.0
        return 1.0 + (self.overheads.slowdown - 1.0) * min(1.0, (p - 1) / (self.cpus - 1))

    def process(self, p: int, k: int) -> Parts:
        """Predict p processes taking chunks of k items from one parent."""
        charge = self.overheads
        chunks = ceil(self.items / k)
        slowdown = self.slowdown(p)
        cpu = min(1.0, self.cpu_fraction)
        each = self.mean * (1.0 - cpu + cpu * slowdown) + self.worker_item_seconds
        crowding = max(1.0, p / self.cpus)
        parent = self.items * self.parent_item_seconds + chunks * charge.chunk_parent_seconds
        workers, tail = self._shares(p, k, chunks, each, charge.chunk_worker_seconds)
        cpu_seconds = self.items * (
            self.mean * self.cpu_fraction * slowdown + self.worker_item_seconds + self.parent_item_seconds
        ) + chunks * (charge.chunk_parent_seconds + charge.chunk_worker_seconds)
        start = charge.start_seconds + p * charge.start_worker_seconds + self.fresh_worker_seconds * crowding
        return Parts(start, parent, workers, cpu_seconds / self.cpus, tail, charge.end_seconds)

    def thread(self, p: int, k: int) -> Parts:
        """Predict p threads: the lock-held share one at a time, the CPU share over the CPUs, waiting side by side."""
        charge = self.overheads
        chunks = ceil(self.items / k)
        slowdown = self.slowdown(p)
        workers, tail = self._shares(p, k, chunks, self.mean, charge.thread_chunk_seconds)
        held = self.items * self.mean * self.gil_fraction + chunks * charge.thread_chunk_seconds
        cores = self.items * self.mean * self.cpu_fraction * slowdown / self.cpus
        return Parts(p * charge.thread_start_seconds, held, workers, cores, tail, 0.0)

    def _shares(self, p: int, k: int, chunks: int, each: float, per_chunk: float) -> tuple[float, float]:
        """Return the busiest worker's seconds and the wait for the last chunk to end.

        With few chunks a worker they come in whole rounds; with many the work spreads evenly and half a chunk is left
        over on average. The spread of the last chunks is Kruskal and Weiss's E_p s sqrt(k) (1985).
        """
        tail = expected_maximum(min(p, chunks)) * self.spread * sqrt(k)
        if chunks <= _FEW_ROUNDS * p:
            rounds = ceil(chunks / p)
            return min(rounds * k, self.items) * each + rounds * per_chunk, tail
        even = self.items / p * each + chunks / p * per_chunk
        return even, tail + 0.5 * k * each * (p - 1) / p

    def chunksizes(self, p: int, per_chunk: float) -> set[int]:
        """Return chunk sizes worth weighing for p workers.

        They lie around the k that minimises ``h N/(p k) + E_p s sqrt(k) + m k (p-1)/(2p)``, rounded so that the chunks
        fill whole rounds.
        """
        share = ceil(self.items / p)
        if p == 1:
            return {share}
        spread = expected_maximum(p) * self.spread
        slope = self.mean * (p - 1) / (2 * p)
        gain = per_chunk * self.items / p
        k = float(share)
        if slope > 0:
            k = min(k, sqrt(gain / slope))
        if spread > 0:
            k = min(k, (2 * gain / spread) ** (2 / 3))
        k = max(1.0, k)
        for _ in range(2):  # Newton on the derivative in k, which is convex and decreasing towards the root
            wrong = slope + spread / (2 * sqrt(k)) - gain / (k * k)
            steep = 2 * gain / k**3 - spread / (4 * k**1.5)
            if steep <= 0:
                break
            k = min(max(1.0, k - wrong / steep), float(share))
        rounds = max(1, int(share / k))
        return {ceil(self.items / (p * rounds)), ceil(self.items / (p * (rounds + 1)))}
