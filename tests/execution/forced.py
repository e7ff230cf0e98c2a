"""Runs on workers that are asked for, so that a test of workers has workers however busy the machine is."""

from __future__ import annotations

import amorsize


def execute(func, data, *, kind="process", workers=2, **options):
    """Run func over data on so many workers of a kind, with other options of execute's."""
    return amorsize.execute(func, data, executor=kind, max_workers=workers, min_speedup=1.0, **options)
