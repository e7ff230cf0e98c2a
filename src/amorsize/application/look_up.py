"""Looks up the entries for a question: which are valid, which of them answers it, or why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from amorsize.domain import keys
from amorsize.domain.buckets import size_bucket, time_bucket
from amorsize.domain.fingerprint.fingerprint import changes
from amorsize.domain.items import describe_change
from amorsize.domain.rules import agrees, judge, measured_since

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from amorsize.application.cache.entries import Outline
    from amorsize.application.dependencies import Dependencies
    from amorsize.application.question import Question
    from amorsize.domain.fingerprint.fingerprint import Fingerprint
    from amorsize.domain.rules import Verdict
    from amorsize.domain.values import Entry, Sample

_SEEN_KINDS: Final = 4
"""Item kinds that are kept for a function; more would not help to explain a miss."""


class Found(NamedTuple):
    """The entries for a question.

    Attributes:
        valid: the valid ones with their verdicts, the latest first.
        why_stale: why one of the others is stale, empty when there are none.
        stale: the others.
    """

    valid: list[tuple[Entry, Verdict]]
    why_stale: str
    stale: list[Entry]


def find(question: Question, dependencies: Dependencies, measured_at: Callable[..., float]) -> Found:
    """Return the entries for a question. Far layers of a layered cache are read only when the near ones have none.

    Args:
        question: what is asked.
        dependencies: the cache, the clock and the settings of the rules.
        measured_at: returns when this machine was measured; it reads the cache only with ``ask``.
    """
    entries, now = dependencies.entries, dependencies.now()
    suffix = keys.variant_suffix(question.here.machine_id)
    valid: list[tuple[Entry, Verdict]] = []
    stale: list[Entry] = []
    why_stale = ""
    for read in (entries.find, entries.find_further):
        for entry in read(question.locator, suffix).values():
            verdict = judge(entry, question.machine, now, dependencies.rules)
            if verdict.kind == "fresh" and entry.overheads_at is not None:
                verdict = measured_since(entry, measured_at(ask=entry.overheads_at == 0.0))
            if verdict.kind == "stale":
                why_stale = f"the entry is stale: {verdict.reason}"
                stale.append(entry)
            else:
                valid.append((entry, verdict))
        if valid:
            break
    return Found(sorted(valid, key=lambda one: -one[0].measured_at), why_stale, stale)


def choose(one_item: Sample, valid: Sequence[tuple[Entry, Verdict]]) -> tuple[tuple[Entry, Verdict] | None, str]:
    """Choose among entries of different speed by one timed item, or confirm the only one; else say why none fits."""
    bucket = time_bucket(one_item.seconds_per_item)
    alike = [one for one in valid if time_bucket(one[0].sample.seconds_per_item) == bucket]
    for one in alike or [one for one in valid if agrees(one_item, one[0].sample)]:
        return one, ""
    known = ", ".join(sorted(time_bucket(entry.sample.seconds_per_item) for entry, _ in valid))
    return None, f"no entry: an item was {bucket}, known are {known}"


def plan_holds(entry: Entry, question: Question) -> bool:
    """Tell whether the stored plan answers this question, and this machine still has the memory and the CPUs for it.

    Never for a chosen backend: its capacity now is part of the question.
    """
    if question.chosen is not None or entry.items != question.items or entry.blocked_reason != question.blocked_reason:
        return False
    if entry.machine.free_cpus != question.machine.free_cpus:
        return False
    if entry.constraints != question.constraints or entry.plan.chunksize > entry.items:
        return False
    if entry.plan.n_jobs == 1:
        return True
    from amorsize.domain.planning.situation import Situation, worker_cap

    situation = Situation(entry.items, entry.sample, question.machine, question.constraints, question.blocked_reason)
    return entry.plan.n_jobs <= worker_cap(entry.plan.executor, situation)


def why_missing(last: Outline | None, fingerprint: Fingerprint, kind: str, items: int) -> str:
    """Say why there is no entry: what has changed since the function was last measured.

    Args:
        last: the outline that was kept then, None when there is none.
        fingerprint: the fingerprint of the function now, with its outline.
        kind: the kind of the items now.
        items: how many items there are now.
    """
    if last is None:
        return "no entry for this function"
    if last.hex != fingerprint.hex:
        return f"func changed: {changes(last.parts, fingerprint.outline)}"
    for other in last.seen:
        other_kind, _, other_size = other.partition("_size:")
        if other_kind == kind and other_size != size_bucket(items):
            return f"no entry: number of items went from {other_size} to {size_bucket(items)}"
    others = [other.partition("_size:")[0] for other in last.seen if not other.startswith(f"{kind}_size:")]
    return f"no entry: {describe_change(others[0], kind)}" if others else "no entry measured on this machine"


def seen_since(last: Outline | None, fingerprint: Fingerprint, locator: str) -> list[str]:
    """Return the kind of items at a locator, and up to three kinds that the same function was measured on before."""
    before = last.seen if last is not None and last.hex == fingerprint.hex else []
    here = locator.partition("_item:")[2]
    return [here, *(one for one in before if one != here)][:_SEEN_KINDS]
