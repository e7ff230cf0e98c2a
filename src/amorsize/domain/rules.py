"""What the rules say of a cache entry now: each rule is one function, and one line in one list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from amorsize.domain.values import FORMAT, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.domain.values import Entry, Limits, Machine

_DAY_SECONDS: Final = 86400.0
_MEBIBYTE: Final = 2**20
_FRESH: Final = Verdict("fresh")


def _format(entry: Entry, _machine: Machine, _now: float, _limits: Limits) -> str | None:
    if entry.format == FORMAT:
        return None
    return f"format changed from {entry.format} to {FORMAT}"


def _age(entry: Entry, _machine: Machine, now: float, limits: Limits) -> str | None:
    age = now - entry.measured_at
    if age <= limits.ttl_seconds:
        return None
    return f"measured {age / _DAY_SECONDS:.3g} days ago, kept for {limits.ttl_seconds / _DAY_SECONDS:.3g} days"


def _future(entry: Entry, _machine: Machine, now: float, _limits: Limits) -> str | None:
    if entry.measured_at <= now:
        return None
    return f"dated {entry.measured_at - now:.3g} s in the future"


def _python(entry: Entry, machine: Machine, _now: float, _limits: Limits) -> str | None:
    then = entry.machine
    if then.python_version != machine.python_version:
        return f"Python changed from {then.python_version} to {machine.python_version}"
    if then.python_tag != machine.python_tag:
        return f"Python changed from {then.python_tag} to {machine.python_tag}"
    return None


def _gil(entry: Entry, machine: Machine, _now: float, _limits: Limits) -> str | None:
    if entry.machine.gil_enabled == machine.gil_enabled:
        return None
    return f"interpreter lock changed from {_switch(entry.machine.gil_enabled)} to {_switch(machine.gil_enabled)}"


def _switch(on: bool) -> str:
    return "on" if on else "off"


def _cores(entry: Entry, machine: Machine, _now: float, _limits: Limits) -> str | None:
    if entry.machine.physical_cores == machine.physical_cores:
        return None
    return f"physical cores changed from {entry.machine.physical_cores} to {machine.physical_cores}"


def _usable_cpus(entry: Entry, machine: Machine, _now: float, _limits: Limits) -> str | None:
    if entry.machine.usable_cpus == machine.usable_cpus:
        return None
    return f"usable CPUs changed from {entry.machine.usable_cpus:.10g} to {machine.usable_cpus:.10g}"


def _start_method(entry: Entry, machine: Machine, _now: float, _limits: Limits) -> str | None:
    if entry.machine.start_method == machine.start_method:
        return None
    return f"start method changed from {entry.machine.start_method} to {machine.start_method}"


def _memory(entry: Entry, machine: Machine, _now: float, limits: Limits) -> str | None:
    then = entry.machine.available_memory_bytes
    now = machine.available_memory_bytes
    if abs(now - then) <= limits.memory_tolerance * then:
        return None
    return (
        f"available memory changed from {then / _MEBIBYTE:.1f} MiB to {now / _MEBIBYTE:.1f} MiB, "
        f"by more than {limits.memory_tolerance * 100:.3g} %"
    )


def _blas(entry: Entry, machine: Machine, _now: float, _limits: Limits) -> str | None:
    if entry.machine.blas_threads == machine.blas_threads:
        return None
    return f"BLAS threads changed from {entry.machine.blas_threads or 'unset'} to {machine.blas_threads or 'unset'}"


def has_lapsed(measured_at: float, now: float, limits: Limits) -> bool:
    """Tell whether overheads are too old to be planned with anew, or dated in the future, as entries would be."""
    return not 0 <= now - measured_at <= limits.ttl_seconds


RULES: Final[tuple[tuple[str, Callable[[Entry, Machine, float, Limits], str | None]], ...]] = (
    ("stale", _format),
    ("stale", _age),
    ("stale", _future),
    ("stale", _python),
    ("stale", _gil),
    ("replan", _cores),
    ("replan", _usable_cpus),
    ("replan", _start_method),
    ("replan", _memory),
    ("replan", _blas),
)
"""Every rule with the verdict it gives; the first that has a reason decides, so the stale ones stand first."""


def judge(entry: Entry, machine: Machine, now: float, limits: Limits) -> Verdict:
    """Say whether an entry still holds.

    An entry is stale when older than the time to live (at exactly that age it still holds) or dated later than now by
    any amount: a clock that was set back says nothing about the entry's age. Memory may move by exactly the tolerance.

    Args:
        entry: what the cache keeps.
        machine: facts now.
        now: Unix seconds.
        limits: how long and under what changes an entry holds.

    Returns:
        ``fresh``, or ``stale`` or ``replan`` with the first reason found, in words.
    """
    for kind, rule in RULES:
        reason = rule(entry, machine, now, limits)
        if reason is not None:
            return Verdict(kind, reason)
    return _FRESH
