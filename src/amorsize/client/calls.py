"""What the public functions and clients do once their arguments are checked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import attrs

from amorsize.config import loader as configuration
from amorsize.config.files import DISABLE_VARIABLE, is_disabled
from amorsize.domain.source import length_of
from amorsize.domain.values import EXECUTORS
from amorsize.domain.wording import counted, seconds, workers
from amorsize.errors import MeasurementError
from amorsize.processes import descriptor_limit
from amorsize.processes.explaining import explain, is_explaining
from amorsize.processes.warning import warn

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from concurrent.futures import Executor
    from pathlib import Path

    from amorsize.application.cache.maintenance import Cache
    from amorsize.application.optimizer import Optimizer
    from amorsize.application.overheads import Chosen
    from amorsize.application.ports import Probe, SystemInspector
    from amorsize.application.result import OptimizationResult
    from amorsize.composition import Assembly, CacheChoice, Config
    from amorsize.config.loader import Settings
    from amorsize.domain.values import Constraints
    from amorsize.execution.execution import Execution
    from amorsize.execution.job import Options
    from amorsize.execution.resources import Resources
    from amorsize.execution.workers.external import LiveExecutors

    OnProgress = bool | Callable[[int, int | None], None]


class CallLimits(NamedTuple):
    """The limits that the arguments of a call set. None, and an executor of ``auto``, leave a limit to the settings."""

    max_workers: int | None = None
    executor: str | Executor = "auto"
    min_speedup: float | None = None
    memory_limit: int | None = None


class CallOptions(NamedTuple):
    """What the arguments of a call say of failures, time, progress and initializers, as for execute."""

    progress: OnProgress = False
    errors: str = "raise"
    timeout: float | None = None
    item_timeout: float | None = None
    rerun: bool = True
    initializer: Callable[..., object] | None = None
    initargs: Iterable[Any] = ()


class _Prepared(NamedTuple):
    """What a run needs beside its function, its data and its options."""

    optimizer: Optimizer
    resources: Resources
    constraints: Constraints
    live: LiveExecutors | None
    chosen: Chosen | None

    def execution(
        self, func: Callable[[Any], Any], data: Iterable[Any], options: Options, *, use_cache: bool = True
    ) -> Execution:
        """Return a run of func over data."""
        from amorsize.execution.execution import Execution

        return Execution(
            self.optimizer,
            self.resources,
            func,
            data,
            self.constraints,
            options,
            use_cache=use_cache,
            live=self.live,
            chosen=self.chosen,
        )


_NOTHING: Final = CallLimits()

_IN_FLIGHT: Final = 1000
"""Most items of ``with_positions`` that are taken and not given out, as for iexecute."""


class Calls:
    """The calls of one client, or of one call of a public function.

    Args:
        assembly: builds what a call needs and keeps it for the next one.
        config: a config for these calls only, read at each; None: that of the assembly.
        cache: name of a cache backend or a CacheStore, or a list of these; None: the config's.
        probe: name of a probe backend or a Probe; None: the config's.
        inspector: name of an inspector backend or a SystemInspector; None: the config's.
    """

    def __init__(
        self,
        assembly: Assembly,
        config: Config | None = None,
        cache: CacheChoice | None = None,
        probe: str | Probe | None = None,
        inspector: str | SystemInspector | None = None,
    ) -> None:
        self._assembly = assembly
        self._config = config
        self._cache = cache
        self._probe = probe
        self._inspector = inspector

    def having(
        self,
        config: Config | None,
        cache: CacheChoice | None,
        probe: str | Probe | None = None,
        inspector: str | SystemInspector | None = None,
    ) -> Calls:
        """Return the calls of the same assembly with what a single call was given in place of its own."""
        if config is None and cache is None and probe is None and inspector is None:
            return self
        return Calls(self._assembly, config, cache, probe, inspector)

    def optimize(  # noqa: PLR0913  what optimize takes
        self,
        func: Callable[[Any], Any],
        data: Iterable[Any],
        limits: CallLimits = _NOTHING,
        *,
        use_cache: bool = True,
        profile: bool = False,
        verbose: bool = False,
    ) -> OptimizationResult:
        """Do what ``amorsize.optimize`` does."""
        began, said = time.perf_counter(), "no plan: the function or the data raised"
        try:
            if is_disabled():
                from amorsize.client.alone import answered_here

                result = answered_here(func, data)
            else:
                result = self._answered(func, data, limits, use_cache=use_cache, profile=profile)
            plan = f"{workers(result.plan)}, {seconds(result.predicted_seconds)} predicted"
            said = f"{plan}; cache {result.cache} ({result.cache_reason})"
        finally:
            if is_explaining():
                items = counted(length_of(data), "item")
                explain("optimize", func, items, said, time.perf_counter() - began)
        if verbose:
            result.explain()
        return result

    def _answered(
        self, func: Callable[[Any], Any], data: Iterable[Any], limits: CallLimits, *, use_cache: bool, profile: bool
    ) -> OptimizationResult:
        settings = self.settings()
        constraints, chosen = settings.constraints, None
        if limits != _NOTHING or settings.executor != "auto":
            kind, chosen = self._assembly.chosen(settings, str(limits.executor))
            constraints = _constrained(constraints, limits, kind, "optimize", chosen)
        optimizer = self._optimizer(settings)
        try:
            return optimizer.optimize(func, data, constraints, use_cache=use_cache, profile=profile, chosen=chosen)
        finally:
            self._release(optimizer)

    def execute(
        self,
        func: Callable[[Any], Any],
        data: Iterable[Any],
        limits: CallLimits,
        given: CallOptions,
        *,
        use_cache: bool,
    ) -> Any:
        """Do what ``amorsize.execute`` does."""
        from amorsize.client.alone import initialized_here  # now: a later call may have no descriptor to load it
        from amorsize.execution.execution import run_alone
        from amorsize.execution.job import options_of, shown

        checked = ("execute", given.errors, given.timeout, given.item_timeout)
        if is_disabled() or self._lacks_descriptors("execute"):
            with shown(given.progress, "execute") as on_progress:
                options = options_of(*checked, on_progress, time.monotonic)
                func = initialized_here(func, given.initializer, given.initargs, limits.executor)
                return run_alone(func, data, options, time.monotonic)
        prepared = self._prepared("execute", limits)
        try:
            with shown(given.progress, "execute") as on_progress:
                options = options_of(
                    *checked, on_progress, time.monotonic, given.rerun, given.initializer, given.initargs
                )
                return prepared.execution(func, data, options, use_cache=use_cache).run()
        finally:
            self._release(prepared.optimizer)

    def iexecute(  # noqa: PLR0913  what iexecute takes
        self,
        func: Callable[[Any], Any],
        data: Iterable[Any],
        limits: CallLimits,
        given: CallOptions,
        *,
        in_flight: int,
        ordered: bool,
        collect: bool = False,
    ) -> Iterator[Any]:
        """Do what ``amorsize.iexecute`` does; with ``collect`` go on after an item that fails, with a Failed for it."""
        from amorsize.client.alone import initialized_here, stream_here  # now, as above
        from amorsize.execution.job import Options, checked_initargs

        if type(in_flight) is not int or in_flight < 1:
            raise ValueError(f"iexecute: in_flight must be a whole number from 1, got {in_flight!r:.80}")
        if is_disabled() or self._lacks_descriptors("iexecute"):
            func = initialized_here(func, given.initializer, given.initargs, limits.executor)
            return stream_here(func, data, collect=collect)
        initargs = checked_initargs("iexecute", given.initializer, given.initargs)
        options = Options(collect, initializer=given.initializer, initargs=initargs)
        return self._prepared("iexecute", limits).execution(func, data, options).stream(in_flight, ordered=ordered)

    def with_positions(
        self, func: Callable[[Any], Any], data: Iterable[Any], limits: CallLimits = _NOTHING, *, ordered: bool
    ) -> Generator[tuple[int, Any]]:
        """Return an iterator over the position of each item and its result, or a Failed for an item that fails."""
        from amorsize.client.alone import stream_here  # now, as above
        from amorsize.execution.job import Options

        if is_disabled() or self._lacks_descriptors("run"):
            return (pair for pair in enumerate(stream_here(func, data, collect=True)))
        options = Options(collect=True)
        return self._prepared("run", limits).execution(func, data, options).with_positions(_IN_FLIGHT, ordered=ordered)

    @staticmethod
    def _lacks_descriptors(where: str) -> bool:
        """Return whether only the caller can run items, since nothing can be opened; warn of it."""
        if descriptor_limit.has_descriptor():
            return False
        warn(f"{where}: items run in the caller's process: {descriptor_limit.NONE_FREE}")
        return True

    def lookup(self, func: Callable[[Any], Any], data: Iterable[Any]) -> tuple[str, str]:
        """Do what ``amorsize.lookup`` does."""
        if is_disabled():
            return "bypassed", f"{DISABLE_VARIABLE} is set"
        settings = self.settings()
        kind = settings.executor if settings.executor in EXECUTORS else "auto"
        optimizer = self._optimizer(settings)
        try:
            return optimizer.lookup(func, data, _constrained(settings.constraints, _NOTHING, kind, "lookup"))
        finally:
            self._release(optimizer)

    def open_cache(self) -> Cache:
        """Do what ``amorsize.open_cache`` does."""
        from amorsize.application.cache.maintenance import Cache

        optimizer = self._optimizer(self.settings())
        return Cache(optimizer.store, time.time, optimizer)

    def clear_cache(self) -> int:
        """Do what ``amorsize.clear_cache`` does."""
        entries = self.open_cache().clear()
        self._assembly.forget()
        return entries

    def prune_expired_cache(self, ttl_seconds: float | None) -> int:
        """Do what ``amorsize.prune_expired_cache`` does."""
        ttl = self.settings().rules.ttl_seconds if ttl_seconds is None else ttl_seconds
        if not ttl >= 0:
            raise ValueError(f"prune_expired_cache: ttl_seconds must be a number from 0, got {ttl!r}")
        return self.open_cache().prune(ttl)

    def warm_cache(self) -> list[tuple[str, OptimizationResult | Exception]]:
        """Do what ``amorsize.warm_cache`` does."""
        from amorsize.config.inputs import data_named, function_named

        settings = self.settings()
        try:
            self._optimizer(settings).measure_overheads()
        except MeasurementError as error:
            said = f"warm_cache: {error}; plans still rest on what is assumed of machines like this one"
            warn(said)
        warmed: list[tuple[str, OptimizationResult | Exception]] = []
        for job in settings.warm:
            try:
                data = data_named(numbers=job.range, lines=job.lines, pattern=job.glob, document=job.json)
                outcome: OptimizationResult | Exception = self.optimize(function_named(job.function), data)
            except Exception as error:  # noqa: BLE001  one that fails must not keep the others from being warmed
                outcome = error
            warmed.append((job.function, outcome))
        return warmed

    def cache_directory(self) -> Path:
        """Do what ``amorsize.get_cache_dir`` does."""
        from pathlib import Path

        return Path(configuration.cache_directory(self.settings()))

    def settings(self) -> Settings:
        """Return the settings in force for these calls."""
        return self._assembly.settings(self._config)

    def optimizer(self) -> Optimizer:
        """Return what answers these calls, for integrations that decide while they run."""
        return self._optimizer(self.settings())

    def resources(self) -> Resources:
        """Return what runs of these calls may use, for integrations that run workers of their own."""
        return self._assembly.resources(self.settings())

    def close(self) -> None:
        """End idle workers and close the stores that the assembly has opened."""
        self._assembly.close()

    def _prepared(self, where: str, limits: CallLimits) -> _Prepared:
        settings = self.settings()
        resources, kind, live, chosen = self._assembly.workers(settings, limits.executor)
        constraints = _constrained(settings.constraints, limits, kind, where, chosen)
        return _Prepared(self._optimizer(settings), resources, constraints, live, chosen)

    def _optimizer(self, settings: Settings) -> Optimizer:
        return self._assembly.optimizer(settings, self._cache, self._probe, self._inspector)

    def _release(self, optimizer: Optimizer) -> None:
        """Close what was opened for a config of a single call; everything else is kept."""
        if self._config is not None:
            self._assembly.release(optimizer, self._cache)


def _constrained(
    constraints: Constraints, limits: CallLimits, kind: str, where: str, chosen: Chosen | None = None
) -> Constraints:
    """Return the settings' constraints with what a call wants in their place; ValueError names a wrong limit.

    Args:
        constraints: those of the settings.
        limits: the limits that the call sets.
        kind: the only kind of worker beside serial, or ``auto``.
        where: the public function that was called, for the message.
        chosen: the executor backend that was chosen.
    """
    given = {
        "max_workers": limits.max_workers,
        "min_speedup": limits.min_speedup,
        "memory_limit": limits.memory_limit,
        "executor": None if kind == "auto" else kind,
        "backend": None if chosen is None else chosen.name,
    }
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    try:
        return attrs.evolve(constraints, **changes) if changes else constraints
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
