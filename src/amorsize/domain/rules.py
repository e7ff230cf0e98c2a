"""The rules that decide whether a cache entry is still valid: each is one function and one line in one list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import attrs

from amorsize.domain.values import DAY_SECONDS, FORMAT, YEAR_SECONDS, Value, number

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.domain.values import Entry, Machine, Sample

    Rule = Callable[[Entry, Machine, float, "RuleSettings"], str | None]

_MEBIBYTE: Final = 2**20
"""The unit of memory in a reason."""
_TIMES: Final = 4.0
"""Factor by which one item may take more or less than the entry says: half of a step of item kinds, as a power."""
_TIMING_SECONDS: Final = 1e-4
"""Error of timing a single item: cold caches, a page that is copied."""


@attrs.frozen(eq=False, repr=False)
class RuleSettings(Value):
    """How long an entry is valid, in seconds, and by what share the available memory may change meanwhile."""

    ttl_seconds: float = attrs.field(default=7 * DAY_SECONDS, validator=number(0, 100 * YEAR_SECONDS))
    memory_tolerance: float = attrs.field(default=0.2, validator=number(0, 1000))


class Verdict(NamedTuple):
    """What the rules say about an entry now: ``fresh``, ``replan`` or ``stale``, with the reason in words."""

    kind: str
    reason: str = ""


_FRESH: Final = Verdict("fresh")


def _format(entry: Entry, _machine: Machine, _now: float, _settings: RuleSettings) -> str | None:
    if entry.format == FORMAT:
        return None
    return f"format changed from {entry.format} to {FORMAT}"


def _age(entry: Entry, _machine: Machine, now: float, settings: RuleSettings) -> str | None:
    age = now - entry.measured_at
    if age <= settings.ttl_seconds:
        return None
    return f"measured {age / DAY_SECONDS:.3g} days ago, kept for {settings.ttl_seconds / DAY_SECONDS:.3g} days"


def _future(entry: Entry, _machine: Machine, now: float, _settings: RuleSettings) -> str | None:
    if entry.measured_at <= now:
        return None
    return f"dated {entry.measured_at - now:.3g} s in the future"


def _same(what: str, field: str, shown: Callable[[Any], str] = str) -> Rule:
    """Return the rule that a fact about the machine, in words and by its field, must be what it was."""

    def rule(entry: Entry, machine: Machine, _now: float, _settings: RuleSettings) -> str | None:
        then, now = getattr(entry.machine, field), getattr(machine, field)
        return None if then == now else f"{what} changed from {shown(then)} to {shown(now)}"

    return rule


def _doubt(entry: Entry, machine: Machine, _now: float, _settings: RuleSettings) -> str | None:
    if entry.doubt is None or machine.is_busy:
        return None
    return f"measured while {entry.doubt}"


def _memory(entry: Entry, machine: Machine, _now: float, settings: RuleSettings) -> str | None:
    then = entry.machine.available_memory_bytes
    now = machine.available_memory_bytes
    if abs(now - then) <= settings.memory_tolerance * then:
        return None
    return (
        f"available memory changed from {then / _MEBIBYTE:.1f} MiB to {now / _MEBIBYTE:.1f} MiB, "
        f"by more than {settings.memory_tolerance * 100:.3g} %"
    )


def has_expired(measured_at: float, now: float, settings: RuleSettings) -> bool:
    """Tell whether overheads are too old, or dated in the future."""
    return not 0 <= now - measured_at <= settings.ttl_seconds


def agrees(one: Sample, known: Sample) -> bool:
    """Tell whether the time of one item agrees with a known sample.

    The one item may be the first call of a process, items differ among themselves, and a single item is timed only to
    a fraction of a millisecond.
    """
    seconds = one.seconds_per_item
    least = min(known.seconds_per_item, known.first_call_seconds)
    most = max(known.seconds_per_item + known.spread_seconds, known.first_call_seconds)
    return least / _TIMES <= seconds <= most * _TIMES + _TIMING_SECONDS


RULES: Final[tuple[tuple[str, Rule], ...]] = (
    ("stale", _format),
    ("stale", _age),
    ("stale", _future),
    ("stale", _same("Python", "python_version")),
    ("stale", _same("Python", "python_tag")),
    ("stale", _same("GIL", "gil_enabled", lambda on: "on" if on else "off")),
    ("stale", _doubt),
    ("replan", _same("physical cores", "physical_cores")),
    ("replan", _same("usable CPUs", "usable_cpus", "{:.10g}".format)),
    ("replan", _same("start method", "start_method")),
    ("replan", _memory),
    ("replan", _same("BLAS threads", "blas_threads", lambda text: text or "unset")),
)
"""Every rule with its verdict. The first rule that gives a reason decides, so the rules for ``stale`` come first."""


def measured_since(entry: Entry, measured_at: float) -> Verdict:
    """Say whether the overheads of this machine were measured after the entry's plan was made.

    It is separate from the other rules because only a plan that depends on overheads is worth this look-up.

    Args:
        entry: what the cache keeps.
        measured_at: Unix seconds, 0.0 for never.
    """
    if entry.overheads_at is None or measured_at <= entry.overheads_at:
        return _FRESH
    return Verdict("replan", "what workers cost here was measured since")


def judge(entry: Entry, machine: Machine, now: float, settings: RuleSettings) -> Verdict:
    """Say whether an entry is still valid.

    An entry is stale when it is older than the time to live (at exactly that age it is valid) or dated in the future,
    because a clock that was set back says nothing about its age. Memory may change by exactly the tolerance.

    Args:
        entry: what the cache keeps.
        machine: facts now.
        now: Unix seconds.
        settings: how long an entry is valid, and how much memory may change.

    Returns:
        ``fresh``, or ``stale`` or ``replan`` with the first reason found, in words.
    """
    for kind, rule in RULES:
        reason = rule(entry, machine, now, settings)
        if reason is not None:
            return Verdict(kind, reason)
    return _FRESH
