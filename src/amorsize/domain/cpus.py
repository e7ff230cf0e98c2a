"""What items do with the CPUs: whether they wait."""

from __future__ import annotations

from typing import Final

MOSTLY_WAITS: Final = 0.5
"""CPU seconds per second below which an item mostly waits: our choice, half of its time."""

WAITS_AT_ALL: Final = 0.75
"""CPU seconds per second below which an item waits for some of its time; items that only compute measure 0.9 and more.

Our choice, since some clocks are coarse. ``MOSTLY_WAITS`` asks whether more threads than CPUs pay. This asks whether
the item itself waits, or whether other programs took what is missing to 1.
"""
