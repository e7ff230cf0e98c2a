"""Words for a person: seconds, bytes, workers, errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from amorsize.domain.neighbours import Neighbour
    from amorsize.domain.planner import Candidate
    from amorsize.domain.values import Plan

_KIBI: Final = 1024
_THOUSAND: Final = 999.5
_BRIEF: Final = 120
_KINDS: Final = {"process": "processes", "thread": "threads"}


def _figure(value: float) -> str:
    return f"{value:.3g}" if value < _THOUSAND else f"{value:,.0f}"  # from there on the former has an exponent


def seconds(value: float) -> str:
    """Say seconds in a unit that reads well."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= size:
            return f"{_figure(value / size)} {unit}"
    return f"{_figure(value * 1e9)} ns"


def size(value: float) -> str:
    """Say bytes in binary units."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < _KIBI:
            return f"{_figure(value)} {unit}"
        value /= _KIBI
    return f"{_figure(value)} TiB"


def workers(plan: Plan | Candidate | Neighbour) -> str:
    """Say who runs the items and in what chunks."""
    if plan.n_jobs == 1:
        return "serial"
    return f"{crew(plan)}, chunks of {plan.chunksize}"


def crew(plan: Plan | Candidate | Neighbour) -> str:
    """Say how many workers of which kind, or whose."""
    return f"{plan.n_jobs} {_KINDS.get(plan.executor) or f'workers of {plan.executor}'}"


def brief(error: BaseException) -> str:
    """Return the kind of an error and the beginning of what it says."""
    try:
        return f"{type(error).__name__}: {error}"[:_BRIEF]
    except Exception:  # noqa: BLE001  a hostile __str__ must not hide the error
        return type(error).__name__
