"""The public functions: they find the settings, have an Optimizer put together and hand over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from amorsize import config as configuration
from amorsize.adapters.distributions import version_of
from amorsize.assembly import Assembly
from amorsize.domain.fingerprint import Fingerprint
from amorsize.domain.fingerprint import fingerprint as fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor
    from pathlib import Path

    from amorsize.assembly import CacheChoice, Config
    from amorsize.config import Settings
    from amorsize.domain.values import Constraints
    from amorsize.ports import Probe, SystemInspector
    from amorsize.question import Chosen
    from amorsize.result import OptimizationResult
    from amorsize.upkeep import Cache

T = TypeVar("T")
R = TypeVar("R")

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
            the name of any other executor backend adds its workers to the choice, or puts them in place of this
            machine's own when they are on this machine; ``auto`` leaves it to the config file, which leaves it to the
            model.
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
        ExecutionError: the executor backend that was named cannot be reached.
        Exception: whatever func raises while sampled, unchanged, with a note that names the item.
    """
    settings = _assembly.settings(config)
    constraints, chosen = settings.constraints, None
    if executor != "auto" or settings.executor != "auto":
        executor, chosen = _assembly.chosen(settings, executor)
    if chosen or max_workers is not None or executor != "auto" or min_speedup is not None or memory_limit is not None:
        constraints = _constrained(constraints, max_workers, executor, min_speedup, memory_limit, chosen=chosen)
    optimizer = _assembly.optimizer(settings, cache, probe, inspector)
    result = optimizer.optimize(func, data, constraints, use_cache=use_cache, profile=profile, chosen=chosen)
    if verbose:
        result.explain()
    return result


def execute(  # noqa: PLR0913  as optimize, and how to go about failures, time and progress
    func: Callable[[T], R],
    data: Iterable[T],
    *,
    progress: bool | Callable[[int, int | None], None] = False,
    errors: str = "raise",
    timeout: float | None = None,
    item_timeout: float | None = None,
    use_cache: bool = True,
    max_workers: int | None = None,
    executor: str | Executor = "auto",
    min_speedup: float | None = None,
    memory_limit: int | None = None,
    config: Config | None = None,
    cache: CacheChoice | None = None,
    probe: str | Probe | None = None,
    inspector: str | SystemInspector | None = None,
) -> Any:
    """Return ``[func(x) for x in data]``, run serially, in threads or in processes, whichever takes the least time.

    Each item is run exactly once, those that are run to find out how included. Workers are kept for the next call.

    What an executor backend does when it loses a worker is its own: Dask runs what the worker had again elsewhere. Each
    item then still has its one result, but some may have been run twice; a warning says so when it has happened.

    Args:
        func: takes one item.
        data: the items; any iterable.
        progress: True shows a bar (tqdm, extra ``progress``); a callable is told the items done and their number.
        errors: ``raise`` raises what the first failing item raised and gives up the rest; ``collect`` runs everything
            and returns ``(results, failures)``: results with None in place of failed items, and a FailedItems (an
            ExceptionGroup with ``positions``), or None when nothing failed.
        timeout: most seconds for everything. Processes are ended; threads and this one stop after the item they are at.
        item_timeout: most seconds for an item. In a process the item is interrupted, or ended with its worker; a thread
            cannot be: the call raises and the thread goes on; where items run here, it is noticed afterwards. Workers
            elsewhere are not ours to interrupt: with this given, everything stays on this machine.
        use_cache: as for optimize, as are all below but ``executor``.
        max_workers: most workers.
        executor: a kind of worker or the name of a backend, as for optimize, or any live
            ``concurrent.futures.Executor``, which is measured, used when it pays, and left running.
        min_speedup: least predicted gain worth leaving serial for.
        memory_limit: bytes that all workers together may take.
        config: a path or a mapping.
        cache: name of a cache backend or a CacheStore, or a list of these, the nearest first.
        probe: name of a probe backend or a Probe.
        inspector: name of an inspector backend or a SystemInspector.

    Raises:
        ExecutionTimeout: a time was up; ``finished`` holds the results there were.
        WorkerError: a worker was killed or ended itself; likewise.
        Exception: whatever func raises, unchanged, with a note that names the item; and what optimize raises.
    """
    from amorsize.execution.job import manner_of  # noqa: PLC0415  optimize runs nothing
    from amorsize.execution.progress import shown  # noqa: PLC0415  likewise
    from amorsize.execution.runner import Execution  # noqa: PLC0415  likewise

    settings = _assembly.settings(config)
    means, kind, live, chosen = _assembly.workers(settings, executor)
    constraints = _constrained(settings.constraints, max_workers, kind, min_speedup, memory_limit, "execute", chosen)
    optimizer = _assembly.optimizer(settings, cache, probe, inspector)
    with shown(progress, "execute") as told:
        manner = manner_of("execute", errors, timeout, item_timeout, told, time.monotonic)
        run = Execution(
            optimizer, means, func, data, constraints, manner, use_cache=use_cache, live=live, chosen=chosen
        )
        return run.run()


def iexecute(  # noqa: PLR0913  as execute, for a stream
    func: Callable[[T], R],
    data: Iterable[T],
    *,
    ordered: bool = True,
    in_flight: int = 1000,
    max_workers: int | None = None,
    executor: str | Executor = "auto",
    min_speedup: float | None = None,
    memory_limit: int | None = None,
    config: Config | None = None,
    cache: CacheChoice | None = None,
    probe: str | Probe | None = None,
    inspector: str | SystemInspector | None = None,
) -> Iterator[R]:
    """Return an iterator over func(x) for x in data, which may be without end; otherwise as execute.

    Nothing is run before the first result is asked for. Workers go on while the caller looks at results, until
    ``in_flight`` items are taken from data whose results were not asked for yet.

    Args:
        func: takes one item.
        data: the items; any iterable.
        ordered: False gives out results as they come.
        in_flight: most items taken and not given out, 1 or more.
        max_workers: as for execute, as are all below.
        executor: a kind of worker, the name of a backend, or a live executor.
        min_speedup: least predicted gain worth leaving serial for.
        memory_limit: bytes that all workers together may take.
        config: a path or a mapping.
        cache: name of a cache backend or a CacheStore.
        probe: name of a probe backend or a Probe.
        inspector: name of an inspector backend or a SystemInspector.

    Raises:
        WorkerError: a worker was killed or ended itself.
        Exception: whatever func raises, unchanged, with a note that names the item; and what optimize raises.
    """
    from amorsize.execution.job import Manner  # noqa: PLC0415  optimize runs nothing
    from amorsize.execution.runner import Execution  # noqa: PLC0415  likewise

    if type(in_flight) is not int or in_flight < 1:
        raise ValueError(f"iexecute: in_flight must be a whole number from 1, got {in_flight!r:.80}")
    settings = _assembly.settings(config)
    means, kind, live, chosen = _assembly.workers(settings, executor)
    constraints = _constrained(settings.constraints, max_workers, kind, min_speedup, memory_limit, "iexecute", chosen)
    optimizer = _assembly.optimizer(settings, cache, probe, inspector)
    run = Execution(optimizer, means, func, data, constraints, Manner(), live=live, chosen=chosen)
    return run.stream(in_flight, ordered=ordered)


def _constrained(  # noqa: PLR0913, PLR0917  four limits, where from and whose
    constraints: Constraints,
    max_workers: int | None,
    executor: str,
    min_speedup: float | None,
    memory_limit: int | None,
    where: str = "optimize",
    chosen: Chosen | None = None,
) -> Constraints:
    """Return the constraints with the arguments given in place of the config's; ValueError names a wrong one."""
    given: dict[str, Any] = {"max_workers": max_workers, "min_speedup": min_speedup, "memory_limit": memory_limit}
    changes = {name: value for name, value in given.items() if value is not None}
    if executor != "auto":
        changes["executor"] = executor
    if chosen is not None:
        changes["engine"] = chosen.name
    try:
        return attrs.evolve(constraints, **changes)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


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
    *, config: Config | None = None, cache: CacheChoice | None = None
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
