"""Which kinds of workers must not run the tasks of one call, and why."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from amorsize.adapters.probes.start_conditions import start_method_in_use
from amorsize.client.client import default_calls
from amorsize.domain.process_state import sets_process_state
from amorsize.integrations.joblib.nesting import is_alone
from amorsize.processes import process_info
from amorsize.processes.distributions import loaded
from amorsize.processes.leftovers import Leftovers
from amorsize.processes.process_bound import find_process_bound, is_installed

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_FUNCTIONS: Final = 16
"""Functions that are looked at in a call; nearly all calls have one."""

_LEFT: Final = "tasks have left behind a {} in this process, which a fork would share"
"""Why no process is forked."""


class Restrictions:
    """Why kinds of workers must not run the tasks of one call; each reason is empty where they may.

    Args:
        wants_threads: whether the user has asked for threads. Those may run what sets globals.

    Attributes:
        no_process: why no process may.
        no_fork: why no forked process may.
        no_thread: why no thread beside the caller may.
    """

    def __init__(self, *, wants_threads: bool) -> None:
        self._wants_threads = wants_threads
        self._optimizer = default_calls.optimizer()
        self._checked: dict[tuple[int, int], Any] = {}
        self._setting_state: Callable[..., Any] | None = None
        self._leftovers: Leftovers | None = None
        can_fork = self._optimizer.machine().start_method == "fork" and process_info.can_fork()
        self.no_process = ""
        self.no_fork = "" if can_fork else "the settings say so"
        self.no_thread = ""

    def rule_out_processes(self, why: str) -> None:
        """Have no process run tasks."""
        self.no_process = why

    def rule_out_forks(self, why: str) -> None:
        """Have no forked process run tasks."""
        self.no_fork = why

    def check(self, func: Callable[..., Any]) -> bool:
        """Look at a function before it runs, at its code and at what it reads; return whether that changes anything.

        Attributes count in the user's own functions only: those of libraries assign them to objects of one task.
        """
        func = getattr(func, "__wrapped__", func)
        key = (id(getattr(func, "__self__", None)), id(getattr(func, "__func__", func)))
        if key in self._checked or len(self._checked) >= _MOST_FUNCTIONS:
            return False
        self._checked[key] = func  # kept, as another function could get its id
        before = (self.no_process, self.no_thread)
        bound = find_process_bound(func)
        if bound is not None:
            self.no_process = f"the function uses {bound.words}"
            if not self._wants_threads or bound.is_in_order:
                self.no_thread = self.no_process
        self.no_process = default_calls.resources().blocked_reason(func, "fork") or self.no_process
        if not (self._wants_threads or self.no_thread):
            state = sets_process_state(func, loaded(), attributes=not is_installed(func))
            if state:
                self.no_thread = f"the function sets {state}, which threads share"
                self._watch(func)
        return (self.no_process, self.no_thread) != before

    def _watch(self, func: Callable[..., Any]) -> None:
        """See from now on whether tasks leave behind in this process what they keep: a fork would share it."""
        if self._leftovers is None:
            self._setting_state, self._leftovers = func, Leftovers()
        known = default_calls.resources().left_behind
        with suppress(Exception):  # what has no fingerprint is seen once tasks have run
            if left := known.by(lambda: self._optimizer.fingerprint(func).hex):
                self.no_fork = _LEFT.format(left)

    def note_leftovers(self) -> str:
        """Return in a word what tasks that set globals have left behind, and keep it for later calls."""
        if self._leftovers is None or self._setting_state is None:
            return ""
        left = self._leftovers.found(alone=is_alone())
        if left:
            with suppress(Exception):  # as above
                fingerprint = self._optimizer.fingerprint(self._setting_state)
                default_calls.resources().left_behind.note(fingerprint.hex, left)
        return left

    def why_no_fork_now(self) -> str:
        """Say why a child that is forked now may hang or give wrong results, empty where nothing speaks against it.

        Tasks that have run here may have started the threads of an OpenMP library, or opened a connection.
        """
        left = self.note_leftovers()
        return _LEFT.format(left) if left else start_method_in_use()[1]
