"""Crews kept warm between calls: found again, ended when idle, forgotten by whoever is forked."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from amorsize.execution.crew import Crew
from amorsize.execution.live import LiveExecutors, charges

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from amorsize.domain.overheads import Overheads
    from amorsize.ports import Executors

    Key = tuple[int, str, int]

_MOST_CREWS: Final = 4
_CLOSE: Final = 1.34
_PRICED_SECONDS: Final = 5.0


class Crews:
    """Crews of processes by who starts them, start method and number; each is used by one call at a time.

    One that was started in another working directory or environment is ended instead of used: its workers would find
    other files than the caller. Safe for threads. A forked child begins with none.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._idle: dict[Key, tuple[Crew, float]] = {}
        self._charges: WeakKeyDictionary[Executor, Overheads] = WeakKeyDictionary()
        self._inherited: list[Any] = []
        self._begin()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._reaper: threading.Thread | None = None

    def _forget(self) -> None:
        """Leave the parent's crews alone: their pipes are its, so they must not even be finalised here."""
        self._inherited.append((self._idle, self._changed, self._reaper))
        self._idle = {}
        self._begin()

    def hire(self, executors: Executors, workers: int, start_method: str, most: int | None = None) -> Crew:
        """Return a crew that nobody else uses: a warm one of about so many workers (never above most), or a new one."""
        found = None
        with self._changed:
            for key in sorted(self._idle, key=lambda key: abs(key[2] - workers)):
                near = workers <= key[2] * _CLOSE and key[2] <= workers * _CLOSE and key[2] <= (most or key[2])
                if key[:2] == (id(executors), start_method) and near:
                    found = self._idle.pop(key)[0]
                    break
        if found is not None:
            if found.place == _place():
                return found
            found.end()
        return self._new(executors, workers, start_method)

    def _new(self, executors: Executors, workers: int, start_method: str) -> Crew:
        executor = executors.start(workers, start_method)
        owned = not isinstance(executors, LiveExecutors)
        crew = Crew(executors, executor, workers, start_method=start_method, owned=owned)
        crew.place = _place()
        if not owned and not crew.shares_objects:
            from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415  only who brings an executor needs it

            if not isinstance(executor, ProcessPoolExecutor):
                crew.move()  # which main module the workers of others have is not known
        return crew

    @property
    def is_warm(self) -> bool:
        """Whether any crew is idle, which can be told before anything is imported that starts one."""
        return bool(self._idle)

    def most_warm(self, executors: Executors, start_method: str) -> int:
        """Return how many workers could be had without starting any."""
        keys = [key for key in self._idle if key[:2] == (id(executors), start_method)]
        return max((key[2] for key in keys if self._idle[key][0].place == _place()), default=0)

    def charges(self, crew: Crew) -> Overheads:
        """Return what chunks and bytes cost through an executor, measured once for each."""
        known = self._charges.get(crew.executor)
        if known is None:
            known = self._charges[crew.executor] = charges(crew.executor, crew.start_method)
        return known

    def price(self, executors: Executors, workers: int, start_method: str) -> Overheads:
        """Return what chunks and bytes cost through executors; raises what their tasks raise."""
        crew = self.hire(executors, workers, start_method)
        try:
            return self.charges(crew)
        finally:
            self.release(crew, _PRICED_SECONDS)

    def renew(self, crew: Crew) -> Crew:
        """End a crew and return a new one like it."""
        crew.end()
        return self._new(crew.executors, crew.workers, crew.start_method)

    def release(self, crew: Crew, keep_seconds: float) -> None:
        """Take a crew back after a run that went well: keep it for so long, or end it."""
        if crew.shares_objects or not crew.owned or keep_seconds <= 0:
            crew.end(wait=True)
            return
        key = (id(crew.executors), crew.start_method, crew.workers)
        ended = []
        with self._changed:
            while len(self._idle) >= _MOST_CREWS:
                ended.append(self._idle.pop(next(iter(self._idle)))[0])
            if key in self._idle:
                ended.append(crew)
            else:
                self._idle[key] = (crew, self._monotonic() + keep_seconds)
            if self._reaper is None:
                self._reaper = threading.Thread(target=self._reap, daemon=True, name="amorsize-idle")
                self._reaper.start()
        for each in ended:
            each.end()

    def _reap(self) -> None:
        """End crews whose time is over, until there is none."""
        while True:
            with self._changed:
                if not self._idle:
                    self._reaper = None
                    return
                now = self._monotonic()
                over = [key for key, (_, until) in self._idle.items() if until <= now]
                ended = [self._idle.pop(key)[0] for key in over]
                soonest = min((until for _, until in self._idle.values()), default=now)
            for crew in ended:
                crew.end()
            if not ended:
                with self._changed:
                    self._changed.wait(max(0.001, soonest - now))

    def end(self) -> None:
        """End all crews that are idle and wait for their workers."""
        with self._changed:
            ended = [crew for crew, _ in self._idle.values()]
            self._idle.clear()
            self._changed.notify_all()
        for crew in ended:
            crew.end(wait=True)


def _place() -> tuple[Any, ...]:
    """Return what a worker takes over from its parent and a caller may change: working directory and environment."""
    try:
        here = os.getcwd()  # noqa: PTH109  pathlib would take longer than all the rest
    except OSError:  # it was removed
        here = ""
    return here, dict(os.environ)
