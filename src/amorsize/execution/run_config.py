"""What a run may use, and what is known of it beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from amorsize.domain.values import Sample
    from amorsize.execution.pool_provider import PoolProvider


@attrs.frozen
class RunConfig:
    """What a run may use, and what is known of it beforehand.

    ``kind`` is ``auto`` or the only kind of worker wanted. ``workers`` counts all that run items, the caller too; None
    leaves it to the run. ``isolated`` keeps every item out of the caller. ``fork_blocked_reason`` says why no process
    can be forked, empty where one can. ``sample`` is what earlier runs showed. ``pools`` provides pools of workers that
    start empty, None where there are none.
    """

    usable_cpus: float
    available_bytes: int
    kind: str = "auto"
    workers: int | None = None
    most_workers: int | None = None
    isolated: bool = False
    fork_blocked_reason: str = ""
    sample: Sample | None = None
    pools: PoolProvider | None = None
    may_thread: bool = True
