"""What the probes of all start methods share: sampling here, and measuring overheads in a clean interpreter."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import attrs

from amorsize.adapters.probes import place
from amorsize.domain.values import Value, number
from amorsize.errors import MeasurementError, SamplingError

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import Popen

    from amorsize.domain.overheads import Overheads
    from amorsize.domain.sampling import Budget
    from amorsize.domain.source import Source
    from amorsize.domain.values import Sample

_LEAST_START_SECONDS: Final = {"fork": 0.004, "forkserver": 0.02, "spawn": 0.04}
"""What starting a pool costs at the very least, until this machine's own figure is known."""

_OBSTACLE_LENGTH: Final = 200
_ALONE_SECONDS: Final = 2.0
"""How long a child may take to start, and for an item, that only tells whose threads have run."""

_WORKER: Final = __file__.replace("start_method.py", "worker.py")


@attrs.frozen(eq=False, repr=False)
class ProbeOptions(Value):
    """Options of every probe: ``timeout_seconds`` ends a measurement of overheads that hangs."""

    timeout_seconds: float = attrs.field(default=20.0, validator=number(0.1, 3600))


class StartMethodProbe:
    """Samples in the caller's own process and measures overheads in a child that knows nothing of the caller's code.

    Args:
        options: how long a measurement may take.
        start_method: ``fork``, ``spawn`` or ``forkserver``.
    """

    def __init__(self, options: ProbeOptions, start_method: str) -> None:
        self._options = options
        self._start_method = start_method
        self._import_seconds: dict[tuple[str, ...], float] = {}

    @property
    def start_method(self) -> str:
        """The start method measured."""
        return self._start_method

    def sample(self, func: Callable[[Any], Any], source: Source, budget: Budget) -> Sample:
        """Run func on a few items of source; see the port."""
        from amorsize.adapters.probes.sampling import Sampling  # noqa: PLC0415  a hit does not sample

        least = _LEAST_START_SECONDS[self._start_method]
        if budget.worker_start_seconds < least:
            budget = attrs.evolve(budget, worker_start_seconds=least)
        if budget.where == "worker":
            sample = self._sample_there(func, source, budget)
        else:
            forks = self._start_method == "fork"
            alone = partial(self._share_alone, func, source) if forks and source.is_indexed else None
            sample = Sampling(func, source, budget, warms_workers=forks, alone=alone).run()
        serial = (source.total or source.hint or budget.assumed_items) * sample.seconds_per_item
        if self._start_method == "fork" or budget.most_items is not None or serial <= budget.worker_start_seconds:
            return sample
        if self.obstacle(func) or sample.obstacle:
            return sample
        return attrs.evolve(sample, worker_import_seconds=self._imports(func))

    def _share_alone(self, func: Callable[[Any], Any], source: Source, count: int) -> float | None:
        """Return CPU seconds per wall second of so many items in a forked child, which has no thread but one.

        None when no child can be started, or it does not come to an end.
        """
        from amorsize.adapters.probes.child import CannotSendError, sample_in_child  # noqa: PLC0415  seldom needed
        from amorsize.domain.sampling import Budget  # noqa: PLC0415  likewise

        if self.obstacle(func) is not None:
            return None
        budget = Budget(fraction=1.0, most_items=count, item_seconds=_ALONE_SECONDS)
        try:
            return sample_in_child(func, source, budget, "fork", _ALONE_SECONDS).cpu_fraction
        except (CannotSendError, SamplingError):
            return None

    def _sample_there(self, func: Callable[[Any], Any], source: Source, budget: Budget) -> Sample:
        """Sample in a child process, or here, with a warning, when that cannot be."""
        from amorsize.adapters.probes.child import CannotSendError, sample_in_child  # noqa: PLC0415  only when asked
        from amorsize.adapters.probes.sampling import Sampling  # noqa: PLC0415  likewise

        rest, obstacle = source, self.obstacle(func)
        if obstacle is None:
            try:
                return sample_in_child(func, source, budget, self._start_method, self._options.timeout_seconds)
            except CannotSendError as error:
                rest, obstacle = error.rest, str(error)
        import warnings  # noqa: PLC0415  likewise

        from amorsize.errors import AmorsizeWarning  # noqa: PLC0415  likewise

        words = f"sampled here and not in a worker of {self._start_method}: {obstacle}"
        warnings.warn(words, AmorsizeWarning, stacklevel=2)
        return Sampling(func, rest, budget).run()

    def overheads(self) -> Overheads:
        """Measure what pools cost here; see the port."""
        from amorsize.domain.overheads import Overheads  # noqa: PLC0415  likewise

        answer = self._ask(["overheads", self._start_method], "")
        try:
            return Overheads(**answer)
        except (TypeError, ValueError) as error:
            raise MeasurementError(f"the measuring child must answer with overheads, got {error}") from error

    def obstacle(self, func: Callable[[Any], Any]) -> str | None:
        """Say why no process worker can be started from here; see the port."""
        said = place.obstacle(func, self._start_method)
        return None if said is None else said[:_OBSTACLE_LENGTH]

    def _imports(self, func: Callable[[Any], Any]) -> float:
        """Return seconds a fresh worker spends importing, 0.0 when that cannot be measured; once for each set."""
        modules = tuple(place.modules_to_import(func))
        if modules not in self._import_seconds:
            import json  # noqa: PLC0415  only spawn and forkserver ask

            asked = json.dumps({"path": [part for part in sys.path if isinstance(part, str)], "modules": modules})
            try:
                seconds = float(self._ask(["imports"], asked)["seconds"])
            except (MeasurementError, KeyError, TypeError, ValueError):
                seconds = 0.0
            self._import_seconds[modules] = seconds
        return self._import_seconds[modules]

    def _ask(self, arguments: list[str], text: str) -> dict[str, Any]:
        """Run the worker program and return its answer; MeasurementError in bounded time when there is none."""
        import json  # noqa: PLC0415  only a measurement needs these three
        import subprocess  # noqa: PLC0415
        from pathlib import Path  # noqa: PLC0415

        python = sys.executable
        name = Path(python or "").name.lower()
        if getattr(sys, "frozen", False) or not name.startswith(("python", "pypy")):
            raise MeasurementError(f"a Python interpreter must be there to run, got {python!r}")
        window = getattr(subprocess, "CREATE_NO_WINDOW", 0)
        flags = ["-I", "-S"] if arguments[-1] == "fork" else ["-I"]  # forked workers do not pass through site again
        seconds = self._options.timeout_seconds
        command = [python, *flags, _WORKER, *arguments, str(seconds)]
        try:
            with subprocess.Popen(  # noqa: S603  this very interpreter, this very package
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                creationflags=window,
                start_new_session=True,  # a group of its own, so that it can be ended with its workers
            ) as child:
                try:
                    said, _ = child.communicate(text, seconds)
                except BaseException:
                    _end(child)
                    raise
            if child.returncode:
                raise subprocess.CalledProcessError(child.returncode, command)
            answer = json.loads(said)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            raise MeasurementError(f"the measuring child failed ({type(error).__name__}: {error})") from error
        if type(answer) is not dict:
            raise MeasurementError(f"the measuring child must answer with an object, got {type(answer).__name__}")
        return answer


def _end(child: Popen[str]) -> None:
    """Kill a child and its workers, unless it has ended by itself."""
    if sys.platform == "win32":
        child.kill()
        return
    if child.poll() is not None:
        return
    import os  # noqa: PLC0415  as where it is called
    import signal  # noqa: PLC0415  likewise

    os.killpg(child.pid, signal.SIGKILL)
