"""Measures what calls of a function cost in threads of an Executor, to see whether processes pay for the next ones."""

from __future__ import annotations

import pickle
import sys
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from amorsize.domain.cpus import MOSTLY_WAITS
from amorsize.domain.effects import effects_of
from amorsize.domain.process_state import sets_process_state
from amorsize.domain.wording import counted
from amorsize.processes.distributions import loaded
from amorsize.processes.explaining import explain, is_explaining
from amorsize.processes.process_bound import find_process_bound

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType

R = TypeVar("R")

_LEAST_SECONDS: Final = 0.001
"""CPU seconds of a call from which a process may pay: our choice; a call through a pool costs 0.1 to 0.3 ms."""

_START_SECONDS: Final = 0.3
"""CPU seconds that calls take before processes are started for them: our choice, what starting a pool takes."""

_FULL: Final = 0.7
"""CPU seconds per second of this process that mean waiting for the GIL: our choice, below 1 for short pauses."""

_LONG_SECONDS: Final = 0.01
"""CPU seconds of a call that hide, in a thread beside others, that it never waits: our choice, two turns of the GIL."""

_MOVES: Final = 0.5
"""Share of a call's CPU seconds that pickling its result may take: our choice; it is unpickled here too."""


class CallCost:
    """What calls of a function have cost in threads, and whether processes may run it."""

    def __init__(self, fn: FunctionType) -> None:
        self.code = fn.__code__
        self.calls = 0
        self.cpu_seconds = 0.0
        self.cpu_share = 0.0
        """The largest share of computing that a call had: calls that compute side by side wait for one another."""
        self.is_result_light = False
        self.decided = ""
        """Where calls ran last: ``threads`` or ``processes``."""
        self.may_move = may_move(fn)
        self._began, self._process_began = time.perf_counter(), time.process_time()

    def note(self, fn: Callable[..., Any], kind: str) -> None:
        """Take note of where a call runs; say it where that is asked for and has changed."""
        if self.decided != kind:
            self.decided = kind
            if is_explaining():
                explain("Executor.submit", fn, counted(self.calls, "earlier call"), kind, self.cpu_seconds)

    def rule_out_processes(self) -> None:
        """Have no process run later calls."""
        self.may_move = False

    def pays(self) -> bool:
        """Return whether processes pay by what calls have cost so far."""
        each = self.cpu_seconds / max(1, self.calls)
        if not self.is_result_light or self.cpu_seconds < _START_SECONDS or each < _LEAST_SECONDS:
            return False
        if self.cpu_share >= MOSTLY_WAITS:
            return True
        process_share = (time.process_time() - self._process_began) / max(time.perf_counter() - self._began, 1e-9)
        return each >= _LONG_SECONDS and process_share > _FULL

    def add(self, seconds: float, cpu_seconds: float, result: Any) -> None:
        """Take note of a call."""
        self.calls += 1
        self.cpu_seconds += cpu_seconds
        self.cpu_share = max(self.cpu_share, cpu_seconds / max(seconds, 1e-9))
        if self.is_result_light or cpu_seconds < _LEAST_SECONDS or not self.may_move:
            return
        began = time.thread_time()
        try:
            pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
        except Exception:  # noqa: BLE001  __reduce__ of the user's may raise anything
            self.rule_out_processes()
            return
        self.is_result_light = time.thread_time() - began < _MOVES * cpu_seconds


def may_move(fn: FunctionType) -> bool:
    """Return whether a function can be found by its name, and is not seen to change what it shares with others."""
    found: Any = sys.modules.get(fn.__module__)
    for name in fn.__qualname__.split("."):
        found = getattr(found, name, None)
    effects = effects_of(fn.__code__)
    changes = effects.assigned or effects.filled or sets_process_state(fn, loaded())
    return found is fn and not changes and find_process_bound(fn) is None


def timed(cost: CallCost, fn: Callable[..., R], args: Any, kwargs: Any) -> R:
    """Run a call in a thread and take note of what it costs."""
    began, cpu_began = time.perf_counter(), time.thread_time()
    result = fn(*args, **kwargs)
    cost.add(time.perf_counter() - began, time.thread_time() - cpu_began, result)
    return result
