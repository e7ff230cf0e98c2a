"""What this machine charges for workers."""

from __future__ import annotations

from math import floor

import attrs

from amorsize.domain.values import BYTES, SECONDS, number, one_of


@attrs.frozen
class Overheads:
    """What this machine charges for workers of one start method, in seconds (per worker, chunk, byte) and bytes.

    Starting a pool of p processes takes ``start_seconds + p * start_worker_seconds`` of the parent, which ends each
    worker too, and then ``boot_seconds`` of each worker to get ready, side by side as far as there are CPUs.
    A chunk costs a worker ``chunk_worker_seconds``, and ``chunk_crowded_seconds`` where computing workers leave the
    parent no CPU of its own. ``byte_seconds`` is for large messages, beyond what a pipe holds; what small ones cost is
    in the chunk.
    ``thread_pool_seconds`` starts and ends a pool of threads, its workers apart. ``slowdown`` is how much longer a
    computation takes when every usable CPU is busy with one, ``slowdown_half`` when half of them are (1.0: no longer);
    ``jitter`` is the relative standard deviation of a CPU's speed from one moment to the next. The first pool of a
    process imports what it needs for ``first_pool_seconds``. Each forked worker costs ``fork_byte_seconds`` more for
    every byte of the parent's own memory. ``measured_at`` is in Unix seconds, 0.0 when nobody has said.
    """

    start_method: str = attrs.field(validator=one_of("fork", "spawn", "forkserver"))
    start_seconds: float = attrs.field(validator=SECONDS)
    start_worker_seconds: float = attrs.field(validator=SECONDS)
    end_seconds: float = attrs.field(validator=SECONDS)
    chunk_parent_seconds: float = attrs.field(validator=SECONDS)
    chunk_worker_seconds: float = attrs.field(validator=SECONDS)
    item_seconds: float = attrs.field(validator=SECONDS)
    byte_seconds: float = attrs.field(validator=number(0, 1))
    thread_start_seconds: float = attrs.field(validator=SECONDS)
    thread_chunk_seconds: float = attrs.field(validator=SECONDS)
    worker_bytes: float = attrs.field(validator=BYTES)
    slowdown: float = attrs.field(default=1.0, validator=number(1, 1000))
    slowdown_half: float = attrs.field(default=1.0, validator=number(1, 1000))
    boot_seconds: float = attrs.field(default=0.0, validator=SECONDS)
    thread_pool_seconds: float = attrs.field(default=0.0, validator=SECONDS)
    jitter: float = attrs.field(default=0.0, validator=number(0, 1000))
    first_pool_seconds: float = attrs.field(default=0.0, validator=SECONDS)
    fork_byte_seconds: float = attrs.field(default=0.0, validator=number(0, 1))
    chunk_crowded_seconds: float = attrs.field(default=0.0, validator=SECONDS)
    measured_at: float = attrs.field(default=0.0, validator=number(0, 1e11), eq=False)

    def running(self) -> Overheads:
        """Return these as processes charge that are there already: nothing to start, to get ready or to end."""
        return attrs.evolve(
            self,
            start_seconds=0.0,
            start_worker_seconds=0.0,
            boot_seconds=0.0,
            end_seconds=0.0,
            fork_byte_seconds=0.0,
        )

    def with_first_pool(self) -> Overheads:
        """Return these as a process pays that has not started any pool."""
        return attrs.evolve(self, start_seconds=self.start_seconds + self.first_pool_seconds)

    def dated(self, now: float) -> Overheads:
        """Return these as measured now, in Unix seconds."""
        return attrs.evolve(self, measured_at=float(floor(now)))

    def pool_seconds(self, kind: str) -> float:
        """Return seconds that a pool of processes or of threads takes to start and to end, its workers apart."""
        return self.thread_pool_seconds if kind == "thread" else self.start_seconds + self.end_seconds

    @property
    def least_seconds(self) -> float:
        """The least that using a process costs: to start and to end a pool of one."""
        return self.start_seconds + self.start_worker_seconds + self.boot_seconds + self.end_seconds
