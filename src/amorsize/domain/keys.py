"""The key of an entry: a locator that is known before anything runs, and a variant that is measured."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from amorsize.domain.buckets import size_bucket, time_bucket
from amorsize.domain.values import FORMAT

if TYPE_CHECKING:
    from amorsize.domain.values import Machine


def locator(fingerprint_hex: str, item_kind: str, items: int) -> str:
    """Return the part of the key that is known before anything runs."""
    return f"func:{fingerprint_hex}_item:{item_kind}_size:{size_bucket(items)}"


def variant(seconds_per_item: float, machine_id: str) -> str:
    """Return the part of the key that is measured, with the format and the machine that measured it."""
    return f"time:{time_bucket(seconds_per_item)}{variant_suffix(machine_id)}"


def variant_suffix(machine_id: str) -> str:
    """Return the end of every variant of this format and machine."""
    return f"_v:{FORMAT}@{machine_id}"


def machine_id(machine: Machine, stated: str = "") -> str:
    """Return 8 hex digits that name a kind of machine: CPU model, architecture and Python tag.

    ``stated`` is what the config states instead of measurements, so that such entries are separate.
    """
    facts = f"{machine.cpu_model}\x00{machine.architecture}\x00{machine.python_tag}"
    if stated:
        facts += f"\x00{stated}"
    return sha256(facts.encode("utf-8", "backslashreplace")).hexdigest()[:8]


def place_id(machine_id: str, backend: str, place: str) -> str:
    """Return 8 hex digits for the workers of a chosen backend, seen from a kind of machine."""
    return sha256(f"{machine_id}\x00{backend}\x00{place}".encode("utf-8", "backslashreplace")).hexdigest()[:8]


def machine_locator(machine_id: str) -> str:
    """Return where the overheads of a machine, or of a chosen backend's workers, are stored.

    Their variant is the start method with the format.
    """
    return f"machine:{machine_id}"


def name_locator(function: str) -> str:
    """Return where the latest outline of a function of this qualified name is stored."""
    return f"name:{sha256(function.encode('utf-8', 'backslashreplace')).hexdigest()[:16]}"
