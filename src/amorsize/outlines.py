"""What a function of some name looked like when it was last measured, and on what: why there is no entry now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from amorsize.domain.buckets import size_bucket
from amorsize.domain.fingerprint import changes
from amorsize.domain.items import describe_change

if TYPE_CHECKING:
    from amorsize.entries import Entries, Outline
    from amorsize.question import Question

_SEEN_KINDS: Final = 4


def why_missing(last: Outline | None, question: Question) -> str:
    """Say what differs from the nearest entry there was, as far as its outline, the last one kept, tells."""
    if last is None:
        return "no entry for this function"
    known_hex, outline, seen = last
    if known_hex != question.fingerprint.hex:
        return f"func changed: {changes(outline, question.fingerprint.outline)}"
    kind = question.kind
    for other in seen:
        other_kind, _, other_size = other.partition("_size:")
        if other_kind == kind and other_size != size_bucket(question.items):
            return f"no entry: number of items went from {other_size} to {size_bucket(question.items)}"
    others = [other.partition("_size:")[0] for other in seen if not other.startswith(f"{kind}_size:")]
    return f"no entry: {describe_change(others[0], kind)}" if others else "no entry measured on this machine"


def keep_outline(entries: Entries, last: Outline | None, question: Question) -> None:
    """Note what the function looks like now, and on what it was measured: that, and up to three kinds before."""
    before = last[2] if last is not None and last[0] == question.fingerprint.hex else []
    here = question.locator.partition("_item:")[2]
    seen = [here, *(one for one in before if one != here)][:_SEEN_KINDS]
    entries.keep_outline(question.fingerprint.name, question.fingerprint, seen)
