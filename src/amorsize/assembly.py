"""Puts together what a call needs from settings, and keeps it for as long as they stay as they are."""

from __future__ import annotations

import os
import time
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from amorsize import config as configuration
from amorsize.adapters.caches.locks import lock_held_over_forks
from amorsize.adapters.distributions import version_of
from amorsize.domain.fingerprint import Fingerprints
from amorsize.domain.values import EXECUTORS
from amorsize.entries import Entries
from amorsize.errors import AmorsizeError, AmorsizeWarning, CacheError, MeasurementError
from amorsize.optimizer import Optimizer
from amorsize.plugins import AUTO, Backends
from amorsize.question import Chosen
from amorsize.solving import Solver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Executor

    from amorsize.config import Settings
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.values import Plan
    from amorsize.execution.crews import Crews
    from amorsize.execution.runner import Means
    from amorsize.plugins import Kind
    from amorsize.ports import CacheStore, Executors, Probe, SystemInspector

    Config = str | os.PathLike[str] | Mapping[str, Any]
    CacheChoice = str | CacheStore | Sequence[str | CacheStore]

_LOOK_AGAIN_SECONDS: Final = 1.0
_MOST_OPTIMIZERS: Final = 32


class Assembly:
    """Optimizers put together from settings, kept for as long as the settings they came from stay as they are."""

    def __init__(self) -> None:
        self._found: Settings | None = None
        self._looked_at = 0.0
        self._variables: tuple[str | None, str | None] = (None, None)
        self._optimizers: dict[tuple[Any, ...], Optimizer] = {}
        self._executors: dict[tuple[str, str], Executors] = {}
        self._crews: Crews | None = None
        self._lock = lock_held_over_forks()  # so that threads that call at once share one store

    def settings(self, config: Config | None) -> Settings:
        """Return the settings of a config, or those found from here, looked for again at most once in a second."""
        if config is not None:
            return configuration.load(config)
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
        """Drop every Optimizer with what it keeps in its near memory."""
        self._optimizers.clear()

    def means(self, settings: Settings) -> Means:
        """Return what a run under settings may use; crews that are warm are this process's, whatever the settings."""
        from amorsize.execution.crews import Crews  # noqa: PLC0415  optimize runs nothing
        from amorsize.execution.runner import Means  # noqa: PLC0415  likewise

        with self._lock:
            if self._crews is None:
                self._crews = Crews(time.monotonic)

        def executors(name: str) -> Executors:
            key = (name, repr(settings.backends.get("executors", {}).get(name)))
            with self._lock:
                if key not in self._executors:
                    self._executors[key] = configuration.build("executors", name, settings)
                return self._executors[key]

        return Means(executors, self._crews, settings.keep_seconds, time.monotonic)

    def end_workers(self) -> None:
        """End all workers that are kept for the next run, and wait for them."""
        if self._crews is not None:
            self._crews.end()

    def workers(
        self, settings: Settings, executor: str | Executor
    ) -> tuple[Means, str, Executors | None, Chosen | None]:
        """Return what a run may use, the kind of worker that plans are restricted to, and what was chosen.

        ``executor`` is as for ``chosen``, or a live executor, which is then all that is used.
        """
        means = self.means(settings)
        if isinstance(executor, str):
            kind, chosen = self.chosen(settings, executor)
            return means, kind, None, chosen
        from amorsize.execution.live import LiveExecutors  # noqa: PLC0415  most calls bring no executor

        given = LiveExecutors(executor)
        return means, given.kind, given, None

    def chosen(self, settings: Settings, executor: str) -> tuple[str, Chosen | None]:
        """Return the kind of worker that plans are restricted to, and the backend that is in the running too.

        ``executor`` is a kind, the name of a backend, or ``auto`` for the settings' choice.
        """
        name = settings.executor if executor == AUTO else executor
        if name in (AUTO, *EXECUTORS):
            return name, None
        from amorsize.execution.parcel import is_sendable  # noqa: PLC0415  few calls choose a backend

        means = self.means(settings)
        executors = means.executors(name)

        def charges(workers: int, start_method: str) -> Overheads:
            try:
                return means.crews.price(executors, workers, start_method)
            except AmorsizeError:
                raise
            except Exception as error:
                said = f"executors.{name} must run small tasks, got {type(error).__name__}: {error}"
                raise MeasurementError(said) from error

        return AUTO, Chosen(name, executors, charges, is_sendable)

    def optimizer(
        self,
        settings: Settings,
        cache: CacheChoice | None,
        probe: str | Probe | None,
        inspector: str | SystemInspector | None,
    ) -> Optimizer:
        """Return the Optimizer for settings with some backends named or given in their place."""
        name = probe if isinstance(probe, str) else settings.probe
        if probe is None or isinstance(probe, str):
            probe = _probe_name(name)
        if settings is not self._found:
            return self._able_to_run(settings, _optimizer(settings, cache, probe, inspector))
        key = (
            tuple(each if isinstance(each, str) else id(each) for each in _layers(cache)),
            probe if isinstance(probe, str) else id(probe),
            inspector if inspector is None or isinstance(inspector, str) else id(inspector),
        )
        known = self._optimizers.get(key)
        if known is not None:
            return known
        with self._lock:
            if key not in self._optimizers:
                if len(self._optimizers) >= _MOST_OPTIMIZERS:
                    self._optimizers.clear()
                made = _optimizer(settings, cache, probe, inspector)
                self._optimizers[key] = self._able_to_run(settings, made)
            return self._optimizers[key]

    def _able_to_run(self, settings: Settings, optimizer: Optimizer) -> Optimizer:
        optimizer.runner = partial(self._run, settings, optimizer)
        return optimizer

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
        from amorsize.execution.job import Manner  # noqa: PLC0415  optimize runs nothing
        from amorsize.execution.progress import shown  # noqa: PLC0415  likewise
        from amorsize.execution.runner import Execution  # noqa: PLC0415  likewise

        with shown(progress, "run") as told:
            manner = Manner(told=told)
            means = self.means(settings)
            _, chosen = self.chosen(settings, plan.executor)
            return Execution(optimizer, means, func, data, settings.constraints, manner, plan=plan, chosen=chosen).run()


def _layers(cache: CacheChoice | None) -> Sequence[str | CacheStore]:
    """Return the names and stores in a choice of cache, the nearest first; ValueError when it is an empty list."""
    if cache is None:
        return ()
    if not isinstance(cache, list | tuple):
        return (cast("str | CacheStore", cache),)  # a store is no sequence here, whatever else it may be
    if not cache:
        raise ValueError("cache must be a name, a store or a list of these, got an empty list")
    return cache


def _probe_name(name: str) -> str:
    if name != "auto":
        return name
    from amorsize.adapters.probes.place import start_method_in_use  # noqa: PLC0415  a named probe does not need it

    return start_method_in_use()


def _optimizer(
    settings: Settings,
    cache: CacheChoice | None,
    probe: str | Probe,
    inspector: str | SystemInspector | None,
) -> Optimizer:
    backends = Backends()

    def build(kind: Kind, name: str) -> Any:
        return configuration.build(kind, name, settings, backends=backends)

    def store() -> CacheStore:
        """Return the store asked for, of layers if they are several; what cannot be had here is left out and said.

        When nothing is left, memory takes its place.
        """
        layers: list[tuple[str, CacheStore]] = []
        chosen = _layers(settings.cache if cache is None else cache)
        for each in chosen:
            try:
                layers.append((each, build("caches", each)) if isinstance(each, str) else (type(each).__name__, each))
            except (OSError, CacheError) as error:
                instead = "the other layers go on" if len(chosen) > 1 else "answers are kept in memory only"
                warnings.warn(f"amorsize cache: {error}; {instead}", AmorsizeWarning, stacklevel=2)
        if len(layers) > 1:
            from amorsize.adapters.caches.layered import LayeredCache  # noqa: PLC0415  a single store does without

            return LayeredCache(layers)
        return layers[0][1] if layers else build("caches", "memory")

    reader = inspector or settings.inspector
    solver = Solver(
        probe=build("probes", probe) if isinstance(probe, str) else probe,
        inspector=build("inspectors", reader) if isinstance(reader, str) else reader,
        entries=Entries(store(), settings.max_entries, time.time),
        now=time.time,
        monotonic=time.monotonic,
        limits=settings.limits,
        budget=settings.budget,
    )
    return Optimizer(solver, Fingerprints(version_of))
