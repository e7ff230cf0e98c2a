"""What this machine charges for workers."""

from __future__ import annotations

import attrs

from amorsize.domain.values import BYTES, SECONDS, number, one_of


@attrs.frozen
class Overheads:
    """What this machine charges for workers of one start method, in seconds (per worker, chunk, byte) and bytes.

    Starting a pool of p processes takes ``start_seconds + p * start_worker_seconds``. ``slowdown`` is how much longer a
    computation takes when every usable CPU is busy with one (1.0: no longer).
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
