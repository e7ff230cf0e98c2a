"""What the probes of all start methods share: sampling here, and measuring overheads in a clean interpreter."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import attrs

from amorsize.adapters.probes import start_conditions
from amorsize.adapters.probes.counters import peak_memory_bytes
from amorsize.domain.fork_costs import CHILD_BYTE_SECONDS
from amorsize.domain.values import BLOCKED_TEXT, LONG_TEXT, Sample, Value, number
from amorsize.errors import MeasurementError, SamplingError
from amorsize.processes.process_info import own_memory_bytes
from amorsize.processes.warning import warn

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import Popen

    from amorsize.adapters.probes.sampling import Sampling
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.planning.sampling import Budget
    from amorsize.domain.source import Source
    from amorsize.processes.process_bound import ProcessBound

_HIDDEN_BYTES: Final = 64 << 20
"""Bytes below an earlier peak of a process that hide what items need: our choice, less hardly limits workers."""

_LONG_BESIDE_FORK: Final = 50
"""Times what the memory adds to a fork and its end that a job must take: our choice, the fork is 2 % of it or less."""

_PROGRAM: Final = __file__.replace("start_method.py", "overheads_program.py")
"""The program that measures overheads."""


@attrs.frozen(eq=False, repr=False)
class ProbeOptions(Value):
    """Options of every probe: ``timeout_seconds`` ends a measurement of overheads that hangs."""

    timeout_seconds: float = attrs.field(default=20.0, validator=number(0.1, 3600))


class StartMethodProbe:
    """Samples in a child where that is safe, and measures overheads in one that knows nothing of the caller's code.

    Args:
        options: how long a measurement may take.
        start_method: ``fork``, ``spawn`` or ``forkserver``.
    """

    def __init__(self, options: ProbeOptions, start_method: str) -> None:
        self._options = options
        self.start_method = start_method
        self._import_seconds: dict[tuple[str, ...], float] = {}

    def sample(self, func: Callable[[Any], Any], source: Source, budget: Budget) -> Sample:
        """Run func on a few items of source; see the port."""
        from amorsize.processes.process_bound import find_process_bound

        bound = find_process_bound(func)
        if bound is not None and bound.reads_input:
            said = f"reads standard input ({bound.name}), which sampling would use up"
            raise SamplingError("the function", said, 0.0)
        sample = self._sample(func, source, budget, bound)
        serial = (source.total or source.hint or budget.assumed_items) * sample.seconds_per_item
        if self.start_method == "fork" or budget.most_items is not None or serial <= budget.worker_start_seconds:
            return sample
        if self.blocked_reason(func) or sample.blocked_reason:
            return sample
        return attrs.evolve(sample, worker_import_seconds=self._imports(func))

    def _sample(self, func: Callable[[Any], Any], source: Source, budget: Budget, bound: ProcessBound | None) -> Sample:
        """Sample in a child, or in the caller where that was asked for or no child can be trusted, and say why.

        ``bound`` is what binds the function.
        """
        from amorsize.adapters.probes.child import NoChildError

        try:
            return self._sample_there(func, source, budget, bound)
        except NoChildError as error:
            why, rest, in_order = str(error), error.rest, error.in_order or bound is not None
        if budget.where == "worker":
            warn(f"sampled here and not in a worker of {self.start_method}: {why}")
        from amorsize.adapters.probes.sampling import Sampling

        sampling, own_bytes = Sampling(func, rest, budget, in_order=in_order), own_memory_bytes()
        hidden = peak_memory_bytes() - own_bytes
        sample = attrs.evolve(sampling.run(), sampled_why=why[:LONG_TEXT], parent_bytes=own_bytes)
        if budget.where == "auto" and own_bytes > budget.fork_bytes and hidden > _HIDDEN_BYTES:
            sample = self._with_memory(sample, sampling, own_bytes)
        return sample

    def _with_memory(self, sample: Sample, sampling: Sampling, own_bytes: float) -> Sample:
        """Return a sample with the memory that an item needs, where an earlier peak of this process hides it.

        One more item then runs in a forked child, whose peak is its own, if the job is long beside such a fork.
        """
        long = _LONG_BESIDE_FORK * CHILD_BYTE_SECONDS * own_bytes
        if sys.platform != "linux" or sampling.total * sample.seconds_per_item < long:
            return sample
        from amorsize.adapters.probes import forked
        from amorsize.adapters.probes.child import NoChildError

        one = attrs.evolve(sampling.budget, most_items=1)
        with suppress(NoChildError, SamplingError):
            there = forked.sample_in_fork(sampling.func, sampling.source, one, careful=True)
            return attrs.evolve(sample, peak_bytes=max(sample.peak_bytes, there.peak_bytes))
        return sample

    def _sample_there(
        self, func: Callable[[Any], Any], source: Source, budget: Budget, bound: ProcessBound | None
    ) -> Sample:
        """Sample in a child; NoChildError when items are to run in the caller."""
        from amorsize.adapters.probes.child import NoChildError

        if bound is not None and bound.is_of_threads:
            raise NoChildError(f"the function uses {bound.words}, and other threads run in this program", source)
        if budget.where == "worker" and self.start_method != "fork":
            blocked_reason = self.blocked_reason(func)
            if blocked_reason is not None:
                raise NoChildError(blocked_reason, source)
            from amorsize.adapters.probes.fresh import sample_in_process

            return sample_in_process(func, source, budget, self.start_method, self._options.timeout_seconds)
        if budget.where == "caller":
            raise NoChildError("[sampling] where = 'caller'", source)
        if sys.platform != "linux":
            raise NoChildError("this system has no forks that are safe", source)
        own_bytes = own_memory_bytes()
        if budget.where == "auto" and own_bytes > budget.fork_bytes:
            words = f"a fork of this process takes long, which has {own_bytes / (1 << 20):.0f} MiB of memory"
            raise NoChildError(words, source)
        from amorsize.adapters.probes import forked

        return forked.sample_in_fork(func, source, budget, careful=budget.where == "auto")

    def overheads(self) -> Overheads:
        """Measure what pools cost here; see the port."""
        from amorsize.domain.overheads import Overheads

        answer = self._ask(["overheads", self.start_method], "")
        try:
            return Overheads(**answer)
        except (TypeError, ValueError) as error:
            raise MeasurementError(f"the measuring child must answer with overheads, got {error}") from error

    def blocked_reason(self, func: Callable[[Any], Any]) -> str | None:
        """Return why no process worker can be started from here; see the port."""
        said = start_conditions.blocked_reason(func, self.start_method)
        return None if said is None else said[:BLOCKED_TEXT]

    def _imports(self, func: Callable[[Any], Any]) -> float:
        """Return seconds a fresh worker spends importing, 0.0 when that cannot be measured; once for each set."""
        modules = tuple(start_conditions.modules_to_import(func))
        if modules not in self._import_seconds:
            import json

            asked = json.dumps({"path": [part for part in sys.path if isinstance(part, str)], "modules": modules})
            try:
                seconds = float(self._ask(["imports"], asked)["seconds"])
            except (MeasurementError, KeyError, TypeError, ValueError):
                seconds = 0.0
            self._import_seconds[modules] = seconds
        return self._import_seconds[modules]

    def _ask(self, arguments: list[str], text: str) -> dict[str, Any]:
        """Run the worker program and return its answer; MeasurementError in bounded time when there is none."""
        import json
        import subprocess
        from pathlib import Path

        python = sys.executable
        name = Path(python or "").name.lower()
        if getattr(sys, "frozen", False) or not name.startswith(("python", "pypy")):
            raise MeasurementError(f"a Python interpreter must be there to run, got {python!r}")
        window = getattr(subprocess, "CREATE_NO_WINDOW", 0)
        flags = ["-I", "-S"] if arguments[-1] == "fork" else ["-I"]  # forked workers do not pass through site again
        seconds = self._options.timeout_seconds
        command = [python, *flags, _PROGRAM, *arguments, str(seconds)]
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
    import os
    import signal

    os.killpg(child.pid, signal.SIGKILL)
