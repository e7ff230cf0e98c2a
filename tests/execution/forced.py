"""Runs by a plan that is given, so that a test of workers has workers however busy the machine is."""

from __future__ import annotations

import time

import attrs

from amorsize import api
from amorsize.execution.job import manner_of
from amorsize.execution.runner import Execution
from amorsize.question import EMPTY_PLAN


def execute(  # noqa: PLR0913  what a test may choose, one by one
    func, data, *, kind="process", workers=2, probe=None, expected=0.0, **manner
):
    """Run func over data on so many workers of a kind, with other options of execute's.

    ``expected`` is what all items are said to take when they are run serially; 0: nothing is said.
    """
    assembly = api._assembly
    settings = assembly.settings(manner.get("config"))
    optimizer = assembly.optimizer(settings, None, probe, None)
    asked = [manner.get("errors", "raise"), manner.get("timeout"), manner.get("item_timeout"), manner.get("told")]
    plan = attrs.evolve(EMPTY_PLAN, executor=kind, n_jobs=workers, serial_seconds=expected)
    run = Execution(
        optimizer,
        assembly.means(settings),
        func,
        data,
        settings.constraints,
        manner_of("execute", *asked, time.monotonic),
        plan=plan,
    )
    return run.run()
