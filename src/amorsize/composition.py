"""Builds what a call needs from settings, and keeps it until the settings change."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from amorsize.adapters.caches.locks import lock_held_over_forks
from amorsize.application.cache.entries import Entries
from amorsize.application.dependencies import Dependencies
from amorsize.application.optimizer import Optimizer
from amorsize.application.overheads import Chosen
from amorsize.application.solver import Solver
from amorsize.config import loader as configuration
from amorsize.domain.values import EXECUTORS, START_METHODS
from amorsize.errors import AmorsizeError, CacheError, MeasurementError
from amorsize.plugins.registry import AUTO, Backends
from amorsize.processes.distributions import has_pools, loaded
from amorsize.processes.warning import warn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Executor

    from amorsize.application.ports import CacheStore, Executors, Probe, SystemInspector
    from amorsize.config.loader import Settings
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.values import Plan
    from amorsize.execution.budget import Budget
    from amorsize.execution.resources import LeftBehind, Resources
    from amorsize.execution.workers.external import LiveExecutors
    from amorsize.execution.workers.warm import WarmPools
    from amorsize.plugins.registry import Kind

    Config = str | os.PathLike[str] | Mapping[str, Any]
    CacheChoice = str | CacheStore | Sequence[str | CacheStore]

_LOOK_AGAIN_SECONDS: Final = 1.0
"""How long the config and the start method are used without looking again: our choice."""
_MOST_OPTIMIZERS: Final = 32
"""Optimizers that are kept, one for each choice of cache, probe and inspector: programs use one or two."""


class _Process:
    """What all clients of this process share: its CPUs, and what functions have left behind in it."""

    def __init__(self) -> None:
        self._left_behind: LeftBehind | None = None
        self._budget: Budget | None = None

    @property
    def left_behind(self) -> LeftBehind:
        if self._left_behind is None:
            from amorsize.execution.resources import LeftBehind

            self._left_behind = LeftBehind()
        return self._left_behind

    @property
    def budget(self) -> Budget:
        if self._budget is None:
            from amorsize.execution.budget import Budget

            self._budget = Budget()
        return self._budget


_PROCESS: Final = _Process()
"""One for the process, as its CPUs are: a worker of any client must know that it is one."""


class Assembly:
    """Builds optimizers from settings, and keeps them until the settings change.

    Args:
        config: the only config, read once; None: the one found from the working directory, searched for once a second.
    """

    def __init__(self, config: Config | None = None) -> None:
        self._config = config
        self._found: Settings | None = None
        self._looked_at = 0.0
        self._variables: tuple[str | None, str | None] = (None, None)
        self._optimizers: dict[tuple[Any, ...], Optimizer] = {}
        self._executors: dict[tuple[str, str], Executors] = {}
        self._pools: WarmPools | None = None
        self._method: tuple[float, str, str] | None = None
        self._lock = lock_held_over_forks()  # so that threads that call at once share one store

    def settings(self, config: Config | None) -> Settings:
        """Return the settings of a config; None: those in force here, searched for at most once a second."""
        if config is not None:
            return configuration.load(config)
        if self._config is not None:
            with self._lock:
                self._found = self._found or configuration.load(self._config)
                return self._found
        variables = (os.environ.get(configuration.CONFIG_VARIABLE), os.environ.get(configuration.CACHE_VARIABLE))
        now = time.monotonic()
        if self._found is not None and now - self._looked_at < _LOOK_AGAIN_SECONDS and variables == self._variables:
            return self._found
        with self._lock:
            if self._found is None or not configuration.is_current(self._found):
                self._found = configuration.load()
                self.forget()
            self._looked_at, self._variables = now, variables
            return self._found

    def forget(self) -> None:
        """Drop every Optimizer with the answers that it remembers."""
        self._optimizers.clear()

    def resources(self, settings: Settings) -> Resources:
        """Return what a run under settings may use; warm pools and CPUs are this process's, whatever the settings."""
        from amorsize.adapters.probes.start_conditions import blocked_reason
        from amorsize.execution.resources import Resources
        from amorsize.execution.workers.warm import WarmPools

        with self._lock:
            if self._pools is None:
                self._pools = WarmPools()
            pools, budget, left_behind = self._pools, _PROCESS.budget, _PROCESS.left_behind

        def executors(name: str) -> Executors:
            key = (name, repr(settings.backends.get("executors", {}).get(name)))
            with self._lock:
                if key not in self._executors:
                    self._executors[key] = configuration.build("executors", name, settings)
                return self._executors[key]

        isolates = settings.budget.where == "worker"
        return Resources(
            executors,
            pools,
            settings.idle_seconds,
            time.monotonic,
            budget,
            isolates=isolates,
            blocked_reason=blocked_reason,
            left_behind=left_behind,
        )

    def close(self) -> None:
        """End the workers that are kept for the next run, and close the stores that this object opened."""
        with self._lock:
            kept, self._optimizers, self._found = self._optimizers, {}, None
        if self._pools is not None:
            self._pools.end()
        for (layers, *_), optimizer in kept.items():
            if all(isinstance(each, str) for each in layers):
                _close_store(optimizer)

    def workers(
        self, settings: Settings, executor: str | Executor
    ) -> tuple[Resources, str, LiveExecutors | None, Chosen | None]:
        """Return what a run may use, the only kind of worker allowed, a live executor, and the chosen backend.

        ``executor`` is as for ``chosen``, or a live executor. A live executor is then the only one that is used.
        """
        resources = self.resources(settings)
        if isinstance(executor, str):
            kind, chosen = self.chosen(settings, executor)
            return resources, kind, None, chosen
        from amorsize.execution.workers.external import LiveExecutors

        given = LiveExecutors(executor)
        return resources, given.kind, given, None

    def chosen(self, settings: Settings, executor: str) -> tuple[str, Chosen | None]:
        """Return the only kind of worker allowed (``auto``: any), and the executor backend to compare with.

        ``executor`` is a kind, the name of a backend, or ``auto`` for the choice in the settings.
        """
        name = settings.executor if executor == AUTO else executor
        if name in (AUTO, *EXECUTORS):
            return name, None
        from amorsize.execution.pickling import is_sendable

        resources = self.resources(settings)
        executors = resources.executors(name)

        def overheads(workers: int, start_method: str) -> Overheads:
            try:
                return resources.pools.measure(executors, workers, start_method)
            except AmorsizeError:
                raise
            except Exception as error:
                said = f"executors.{name} failed to run small tasks: {type(error).__name__}: {error}"
                raise MeasurementError(said) from error

        return AUTO, Chosen(name, executors, overheads, is_sendable)

    def optimizer(
        self,
        settings: Settings,
        cache: CacheChoice | None,
        probe: str | Probe | None,
        inspector: str | SystemInspector | None,
    ) -> Optimizer:
        """Return the optimizer for settings. A cache, probe or inspector that is given takes the place of theirs."""
        name, fork_blocked_reason = probe if isinstance(probe, str) else settings.probe, ""
        if probe is None or isinstance(probe, str):
            probe, fork_blocked_reason = self._probe_name(name)
        if settings is not self._found:
            return self._optimizer(settings, _dependencies(settings, cache, probe, inspector, fork_blocked_reason))
        key = (
            tuple(each if isinstance(each, str) else id(each) for each in _layers(cache)),
            probe if isinstance(probe, str) else id(probe),
            inspector if inspector is None or isinstance(inspector, str) else id(inspector),
            fork_blocked_reason,
        )
        known = self._optimizers.get(key)
        if known is not None:
            return known
        with self._lock:
            if key not in self._optimizers:
                if len(self._optimizers) >= _MOST_OPTIMIZERS:
                    self._optimizers.clear()
                dependencies = _dependencies(settings, cache, probe, inspector, fork_blocked_reason)
                self._optimizers[key] = self._optimizer(settings, dependencies)
            return self._optimizers[key]

    def release(self, optimizer: Optimizer, cache: CacheChoice | None) -> None:
        """Close the store of an optimizer that served one call, unless the optimizer is kept or the store was given."""
        kept = any(optimizer is each for each in self._optimizers.values())
        if not kept and all(isinstance(each, str) for each in _layers(cache)):
            _close_store(optimizer)

    def _probe_name(self, name: str) -> tuple[str, str]:
        """Return the name of the probe to use, and why workers should not be forked.

        For ``auto`` it looks at the process, at most once a second.
        """
        if name != AUTO:
            return name, ""
        now = time.monotonic()
        if self._method is None or not self._method[0] <= now < self._method[0] + _LOOK_AGAIN_SECONDS:
            from amorsize.adapters.probes.start_conditions import start_method_in_use

            self._method = (now, *start_method_in_use())
        return self._method[1:]

    def _optimizer(self, settings: Settings, dependencies: Dependencies) -> Optimizer:
        return Optimizer(dependencies, Solver(dependencies), partial(self._run, settings))

    def _run(  # noqa: PLR0913, PLR0917  bound to two, called with four
        self,
        settings: Settings,
        optimizer: Optimizer,
        func: Callable[[Any], Any],
        data: Iterable[Any],
        plan: Plan,
        progress: bool | Callable[[int, int | None], None],
    ) -> Any:
        """Run a plan that is there; what OptimizationResult.run does."""
        from amorsize.execution.execution import Execution
        from amorsize.execution.job import Options, shown

        with shown(progress, "run") as on_progress:
            options = Options(on_progress=on_progress)
            resources = self.resources(settings)
            _, chosen = self.chosen(settings, plan.executor)
            return Execution(
                optimizer, resources, func, data, settings.constraints, options, plan=plan, chosen=chosen
            ).run()


def _close_store(optimizer: Optimizer) -> None:
    with suppress(Exception):  # a cache plugin may fail in any way
        optimizer.store.close()


def _layers(cache: CacheChoice | None) -> Sequence[str | CacheStore]:
    """Return the names and stores in a choice of cache, the nearest first; ValueError when it is an empty list."""
    if cache is None:
        return ()
    if not isinstance(cache, list | tuple):
        return (cast("str | CacheStore", cache),)  # a single store, even if it is a sequence too
    if not cache:
        raise ValueError("cache must be a name, a store or a list of these, got an empty list")
    return cache


def _dependencies(
    settings: Settings,
    cache: CacheChoice | None,
    probe: str | Probe,
    inspector: str | SystemInspector | None,
    fork_blocked_reason: str,
) -> Dependencies:
    backends = Backends()

    def build(kind: Kind, name: str) -> Any:
        return configuration.build(kind, name, settings, backends=backends)

    store = _store(_layers(settings.cache if cache is None else cache), partial(build, "caches"))
    reader = inspector or settings.inspector
    measures: Probe = build("probes", probe) if isinstance(probe, str) else probe
    start_method = measures.start_method
    if start_method not in START_METHODS:  # it measures in a way of its own, which workers here cannot take
        from amorsize.adapters.probes.start_conditions import start_method_in_use

        start_method, fork_blocked_reason = start_method_in_use()
    return Dependencies(
        probe=measures,
        start_method=start_method,
        inspector=build("inspectors", reader) if isinstance(reader, str) else reader,
        entries=Entries(store, settings.max_entries, time.time, settings.rules.ttl_seconds, warn),
        now=time.time,
        monotonic=time.monotonic,
        loaded=loaded(),
        has_pools=has_pools,
        rules=settings.rules,
        budget=settings.budget,
        fork_blocked_reason=fork_blocked_reason,
    )


def _store(chosen: Sequence[str | CacheStore], build: Callable[[str], CacheStore]) -> CacheStore:
    """Return the store of the chosen layers; a layer that cannot be built is left out, with a warning.

    When no layer is left, answers are kept in memory.
    """
    layers: list[tuple[str, CacheStore]] = []
    for each in chosen:
        try:
            layers.append((each, build(each)) if isinstance(each, str) else (type(each).__name__, each))
        except (OSError, CacheError) as error:
            instead = "the other layers stay in use" if len(chosen) > 1 else "answers are kept in memory only"
            warn(f"amorsize cache: {error}; {instead}")
    if len(layers) > 1:
        from amorsize.adapters.caches.layered import LayeredCache

        return LayeredCache(layers)
    return layers[0][1] if layers else build("memory")
