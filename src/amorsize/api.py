"""The public functions: they find the settings, put an Optimizer together and hand over."""

from __future__ import annotations

import os
import time
import warnings
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from amorsize import config as configuration
from amorsize.adapters.caches.locks import lock_held_over_forks
from amorsize.adapters.distributions import version_of
from amorsize.domain.fingerprint import Fingerprint, Fingerprints
from amorsize.domain.fingerprint import fingerprint as fingerprint_of
from amorsize.entries import Entries
from amorsize.errors import AmorsizeWarning, CacheError
from amorsize.optimizer import Optimizer
from amorsize.plugins import Backends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from amorsize.config import Settings
    from amorsize.domain.values import Constraints
    from amorsize.plugins import Kind
    from amorsize.ports import CacheStore, Probe, SystemInspector
    from amorsize.result import OptimizationResult
    from amorsize.upkeep import Cache

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
            return _optimizer(settings, cache, probe, inspector)
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
                self._optimizers[key] = _optimizer(settings, cache, probe, inspector)
            return self._optimizers[key]


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
    return Optimizer(
        probe=build("probes", probe) if isinstance(probe, str) else probe,
        inspector=build("inspectors", reader) if isinstance(reader, str) else reader,
        entries=Entries(store(), settings.max_entries, time.time),
        fingerprints=Fingerprints(version_of),
        now=time.time,
        monotonic=time.monotonic,
        limits=settings.limits,
        budget=settings.budget,
    )


_assembly: Final = Assembly()
"""The one cached default; everything else is handed along."""


def optimize(  # noqa: PLR0913  each is one limit or one port, keyword-only
    func: Callable[[Any], Any],
    data: Iterable[Any],
    *,
    use_cache: bool = True,
    profile: bool = False,
    verbose: bool = False,
    max_workers: int | None = None,
    executor: str = "auto",
    min_speedup: float | None = None,
    memory_limit: int | None = None,
    config: Config | None = None,
    cache: CacheChoice | None = None,
    probe: str | Probe | None = None,
    inspector: str | SystemInspector | None = None,
) -> OptimizationResult:
    """Say how to run func over data on this machine: how many workers, of which kind, in what chunks, or serially.

    Runs func on a few items unless the cache knows the answer. Nothing of an iterator is lost: run
    over ``result.data``.

    Args:
        func: takes one item.
        data: the items; any iterable.
        use_cache: False neither reads nor writes the cache.
        profile: True measures anew and keeps what the decision was made from in ``result.profile``.
        verbose: True prints the explanation.
        max_workers: most workers, 1 or more; None: as many as pay.
        executor: ``serial``, ``thread`` or ``process`` rules out the other kinds (serial is always in the running);
            ``auto`` leaves the choice to the config file, which leaves it to the model.
        min_speedup: least predicted gain worth leaving serial for, 1 or more; None: the config's, 1.1 by default.
        memory_limit: bytes that all workers together may take; None: what is free.
        config: a path, or a mapping with what a config file would say; None: the file found from here.
        cache: name of a cache backend or a CacheStore, or a list of these, the nearest first; None: the config's.
        probe: name of a probe backend or a Probe; None: the config's.
        inspector: name of an inspector backend or a SystemInspector; None: the config's.

    Raises:
        TypeError: func is not callable or a coroutine function, or data is not iterable.
        ValueError: a limit is out of range, or (ConfigError) a setting is wrong.
        PluginError: a backend is unknown or cannot be loaded.
        Exception: whatever func raises while sampled, unchanged, with a note that names the item.
    """
    settings = _assembly.settings(config)
    constraints = settings.constraints
    if max_workers is not None or executor != "auto" or min_speedup is not None or memory_limit is not None:
        constraints = _constrained(constraints, max_workers, executor, min_speedup, memory_limit)
    optimizer = _assembly.optimizer(settings, cache, probe, inspector)
    result = optimizer.optimize(func, data, constraints, use_cache=use_cache, profile=profile)
    if verbose:
        result.explain()
    return result


def _constrained(
    constraints: Constraints,
    max_workers: int | None,
    executor: str,
    min_speedup: float | None,
    memory_limit: int | None,
) -> Constraints:
    """Return the constraints with the arguments given in place of the config's; ValueError names a wrong one."""
    given: dict[str, Any] = {"max_workers": max_workers, "min_speedup": min_speedup, "memory_limit": memory_limit}
    changes = {name: value for name, value in given.items() if value is not None}
    if executor != "auto":
        changes["executor"] = executor
    try:
        return attrs.evolve(constraints, **changes)
    except ValueError as error:
        raise ValueError(f"optimize: {error}") from None


def settings(config: Config | None = None) -> Settings:
    """Return the settings in force here, or those of a config."""
    return _assembly.settings(config)


def lookup(
    func: Callable[[Any], Any],
    data: Iterable[Any],
    *,
    config: Config | None = None,
    cache: CacheChoice | None = None,
) -> tuple[str, str]:
    """Say what the cache would do for func over data (``hit``, ``replanned``, ``miss``, ``bypassed``) and why.

    Nothing is run and nothing is stored.
    """
    found = _assembly.settings(config)
    return _assembly.optimizer(found, cache, None, None).lookup(func, data, found.constraints)


def open_cache(*, config: Config | None = None, cache: CacheChoice | None = None) -> Cache:
    """Return the cache that optimize would use, to look into and to care for.

    Args:
        config: as for optimize.
        cache: as for optimize.
    """
    from amorsize.upkeep import Cache  # noqa: PLC0415  optimize does not need it

    optimizer = _assembly.optimizer(_assembly.settings(config), cache, None, None)
    return Cache(optimizer.entries.store, time.time, optimizer)


def warm_cache(
    *, config: Config | None = None, cache: str | CacheStore | None = None
) -> list[tuple[str, OptimizationResult | Exception]]:
    """Measure the functions that the config lists under ``[[warm]]``, unless the cache knows them already.

    Returns for each, in order, ``module:function`` with the result, or with the exception that it or its data raised.

    Args:
        config: as for optimize.
        cache: as for optimize.
    """
    from amorsize.inputs import data_named, function_named  # noqa: PLC0415  optimize does not need them

    warmed: list[tuple[str, OptimizationResult | Exception]] = []
    for job in _assembly.settings(config).warm:
        try:
            data = data_named(numbers=job.range, lines=job.lines, pattern=job.glob, document=job.json)
            outcome: OptimizationResult | Exception = optimize(
                function_named(job.function), data, config=config, cache=cache
            )
        except Exception as error:  # noqa: BLE001  one that fails must not keep the others from being warmed
            outcome = error
        warmed.append((job.function, outcome))
    return warmed


def clear_cache() -> int:
    """Remove everything from the configured cache; return how many entries there were."""
    entries = open_cache().clear()
    _assembly.forget()
    return entries


def prune_expired_cache(ttl_seconds: float | None = None) -> int:
    """Remove entries from the configured cache that are too old; return how many.

    Args:
        ttl_seconds: seconds an entry lives, 0 or more; None: the config's, 7 days by default.
    """
    settings = _assembly.settings(None)
    ttl = settings.limits.ttl_seconds if ttl_seconds is None else ttl_seconds
    if not ttl >= 0:
        raise ValueError(f"prune_expired_cache: ttl_seconds must be a number from 0, got {ttl!r}")
    return open_cache().prune(ttl)


def get_cache_dir() -> Path:
    """Return the folder in which caches of this configuration keep their files; it may not exist yet."""
    from pathlib import Path  # noqa: PLC0415  optimize does without

    return Path(configuration.cache_directory(_assembly.settings(None)))


def fingerprint(func: Callable[[Any], Any]) -> Fingerprint:
    """Return what identifies a function's behaviour; ``str()`` of it is 16 hex digits.

    The same in every process and wherever the file lies, different after any change that can change what the function
    does or costs.

    Raises:
        TypeError: func is not callable.
    """
    if not callable(func):
        raise TypeError(f"fingerprint: func must be callable, got {type(func).__name__}")
    return fingerprint_of(func, version_of)
