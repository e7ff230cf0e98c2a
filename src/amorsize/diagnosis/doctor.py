"""Runs all checks."""

from __future__ import annotations

import os
import sys
import time
import warnings
from typing import TYPE_CHECKING

from amorsize.adapters.probes.start_conditions import start_method_in_use
from amorsize.composition import Assembly
from amorsize.diagnosis import machine as machines
from amorsize.diagnosis import setup
from amorsize.diagnosis.finding import FIX, Finding
from amorsize.errors import AmorsizeError
from amorsize.plugins.registry import Backends

if TYPE_CHECKING:
    from amorsize.config.loader import Settings


def diagnosed(config: str | None = None, *, function: str = "") -> list[Finding]:
    """Return what all checks find, in order.

    Args:
        config: a config file; None: the one found from here.
        function: the name of a function whose module was imported, so that its libraries are loaded.
    """
    assembly, findings = Assembly(), list[Finding]()
    try:
        settings = assembly.settings(config)
        findings += setup.config(settings, config)
    except AmorsizeError as error:
        findings += [Finding("config", FIX, line, "correct it") for line in str(error).splitlines()]
        settings = assembly.settings({})
    findings += setup.plugins(Backends())
    cached, newest = setup.caches(settings, time.time)
    findings += cached
    findings.append(machines.clock(time.time(), newest))
    try:
        findings += _of_machine(assembly, settings, function)
    except AmorsizeError as error:
        findings.append(Finding("machine", FIX, str(error), "correct the config, or install what it names"))
    findings.append(machines.shared_folder())
    findings.append(machines.shared_memory())
    findings += machines.limits(*_limits())
    findings.append(machines.noise(time.perf_counter))
    return findings


def _of_machine(assembly: Assembly, settings: Settings, function: str) -> list[Finding]:
    method, reason = start_method_in_use()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a cache that cannot be used, which the checks of the cache have named
        optimizer = assembly.optimizer(settings, None, None, None)
        known = optimizer.overheads()
    facts = optimizer.machine()
    return [
        machines.cores(facts, _affinity()),
        machines.quota(facts),
        machines.memory(facts),
        machines.start_method(method, reason),
        machines.python(facts),
        machines.threads_of_libraries(facts, function=function),
        setup.overheads(known, time.time()),
    ]


def _affinity() -> int | None:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return None


def _limits() -> tuple[int | None, int | None]:
    """Return how many open files and how many processes are allowed, None for no limit."""
    if sys.platform == "win32":
        return None, None
    import resource

    allowed = (resource.getrlimit(which)[0] for which in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
    files, processes = (None if limit == resource.RLIM_INFINITY else limit for limit in allowed)
    return files, processes
