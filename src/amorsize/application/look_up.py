"""Looks up the entries for a question: which are valid, and which of them answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from amorsize.domain import keys
from amorsize.domain.buckets import time_bucket
from amorsize.domain.rules import agrees, judge, measured_since

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from amorsize.application.dependencies import Dependencies
    from amorsize.application.question import Question
    from amorsize.domain.rules import Verdict
    from amorsize.domain.values import Entry, Sample


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
    found = Found([], "", [])
    for read in (entries.find, entries.find_further):
        for entry in read(question.locator, suffix).values():
            verdict = judge(entry, question.machine, now, dependencies.rules)
            if verdict.kind == "fresh" and entry.overheads_at is not None:
                verdict = measured_since(entry, measured_at(ask=entry.overheads_at == 0.0))
            if verdict.kind == "stale":
                found = found._replace(why_stale=f"the entry is stale: {verdict.reason}")
                found.stale.append(entry)
            else:
                found.valid.append((entry, verdict))
        if found.valid:
            break
    found.valid.sort(key=lambda one: -one[0].measured_at)
    return found


def choose(one_item: Sample, valid: Sequence[tuple[Entry, Verdict]]) -> tuple[tuple[Entry, Verdict] | None, str]:
    """Choose among entries of different speed by one timed item, or confirm the only one; else say why none fits."""
    bucket = time_bucket(one_item.seconds_per_item)
    alike = [one for one in valid if time_bucket(one[0].sample.seconds_per_item) == bucket]
    for one in alike or [one for one in valid if agrees(one_item, one[0].sample)]:
        return one, ""
    known = ", ".join(sorted(time_bucket(entry.sample.seconds_per_item) for entry, _ in valid))
    return None, f"no entry: an item was {bucket}, known are {known}"


def plan_holds(entry: Entry, question: Question) -> bool:
    """Tell whether the stored plan answers this question, and this machine still has room for it.

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
