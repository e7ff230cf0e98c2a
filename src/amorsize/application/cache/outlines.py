"""What a function looked like when it was last measured: it tells why there is no entry now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from amorsize.domain.buckets import size_bucket
from amorsize.domain.fingerprint.fingerprint import changes
from amorsize.domain.items import describe_change

if TYPE_CHECKING:
    from amorsize.application.cache.entries import Entries, Outline
    from amorsize.domain.fingerprint.fingerprint import Fingerprint

_SEEN_KINDS: Final = 4
"""Item kinds that are kept for a function; more would not help to explain a miss."""


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
    known_hex, outline, seen = last
    if known_hex != fingerprint.hex:
        return f"func changed: {changes(outline, fingerprint.outline)}"
    for other in seen:
        other_kind, _, other_size = other.partition("_size:")
        if other_kind == kind and other_size != size_bucket(items):
            return f"no entry: number of items went from {other_size} to {size_bucket(items)}"
    others = [other.partition("_size:")[0] for other in seen if not other.startswith(f"{kind}_size:")]
    return f"no entry: {describe_change(others[0], kind)}" if others else "no entry measured on this machine"


def keep_outline(entries: Entries, last: Outline | None, fingerprint: Fingerprint, locator: str) -> None:
    """Keep the outline of a function, with the kind of items at a locator and up to three kinds before."""
    before = last[2] if last is not None and last[0] == fingerprint.hex else []
    here = locator.partition("_item:")[2]
    seen = [here, *(one for one in before if one != here)][:_SEEN_KINDS]
    entries.keep_outline(fingerprint.name, fingerprint, seen)
