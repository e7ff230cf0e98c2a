"""The public functions: they check their arguments and hand them to the default client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from amorsize.client.arguments import checked
from amorsize.client.calls import CallLimits, CallOptions
from amorsize.client.client import default_calls
from amorsize.domain.fingerprint.fingerprint import Fingerprint
from amorsize.domain.fingerprint.fingerprint import fingerprint as fingerprint_of
from amorsize.domain.iterables import together
from amorsize.processes.distributions import loaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor
    from pathlib import Path

    from amorsize.application.cache.maintenance import Cache
    from amorsize.application.ports import Probe, SystemInspector
    from amorsize.application.result import OptimizationResult
    from amorsize.composition import CacheChoice, Config
    from amorsize.errors import FailedItems

R = TypeVar("R")


@checked
def optimize(  # noqa: PLR0913  each is one limit or one port, keyword-only
    func: Callable[..., Any],
    data: Iterable[Any],
    *more: Iterable[Any],
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
    """Return the quickest plan to run func over data on this machine: kind and number of workers, and size of chunks.

    A call runs func on a few items, unless the cache knows the answer. It runs them in a forked child where that is
    safe and quick, so that changes to this process are gone with the child. ``result.sampled_in`` says where they ran.
    What items do elsewhere stays done, such as a request that was sent. No item of an iterator is lost: run the plan
    over ``result.data``. While AMORSIZE_DISABLE is set, the plan is serial, and nothing is run or looked up.

    Example:
        >>> from amorsize import optimize
        >>> result = optimize(len, ["one", "three"])
        >>> result.executor, result.n_jobs, result.chunksize
        ('serial', 1, 2)
        >>> result.run()
        [3, 5]

    Args:
        func: a function that takes one item, and one of each further iterable.
        data: the items; any iterable.
        more: further iterables, as for ``map``: the shortest ends the run.
        use_cache: False neither reads nor writes the cache.
        profile: True measures anew and keeps in ``result.profile`` what the decision rests on.
        verbose: True prints the explanation.
        max_workers: most workers, 1 or more; None: as many as pay.
        executor: the kind of workers. ``auto`` takes the config's choice, which by default is the quickest kind.
            ``thread`` or ``process`` allows that kind and serial only; ``serial`` allows nothing else. The name of an
            executor backend, such as ``dask``, compares its workers with those of this machine and takes the quicker.
        min_speedup: minimum predicted speedup, 1 or more; below it the plan is serial. None: the config's (1.1).
        memory_limit: most bytes that all workers together may take; None: what is free.
        config: path of a config file, or a mapping with what a file would say; None: the file found from the working
            directory.
        cache: name of a cache backend or a CacheStore, or a list of these, the nearest first; None: the config's.
        probe: name of a probe backend or a Probe; None: the config's.
        inspector: name of an inspector backend or a SystemInspector; None: the config's.

    Returns:
        An OptimizationResult: ``executor`` (``serial``, ``thread``, ``process`` or the name of a backend), ``n_jobs``,
        ``chunksize``, the predicted seconds and speedup, ``reason`` and ``data``. ``explain()`` prints the reasons,
        ``run()`` runs the plan.

    Raises:
        TypeError: func is not callable or a coroutine function, or data is not iterable.
        ValueError: a limit is out of range, or (ConfigError) a setting is wrong.
        PluginError: a backend is unknown or cannot be loaded.
        ExecutionError: the executor backend that was named cannot be reached.
        Exception: what func raises while it is sampled, unchanged, with a note that names the item.
    """
    limits = CallLimits(max_workers, executor, min_speedup, memory_limit)
    calls = default_calls.having(config, cache, probe, inspector)
    return calls.optimize(*together(func, data, more), limits, use_cache=use_cache, profile=profile, verbose=verbose)


@overload
def execute(
    func: Callable[..., R],
    data: Iterable[Any],
    *more: Iterable[Any],
    progress: bool | Callable[[int, int | None], None] = ...,
    errors: Literal["raise"] = ...,
    timeout: float | None = ...,
    item_timeout: float | None = ...,
    rerun: bool = ...,
    initializer: Callable[..., object] | None = ...,
    initargs: Iterable[Any] = ...,
    use_cache: bool = ...,
    max_workers: int | None = ...,
    executor: str | Executor = ...,
    min_speedup: float | None = ...,
    memory_limit: int | None = ...,
    config: Config | None = ...,
    cache: CacheChoice | None = ...,
    probe: str | Probe | None = ...,
    inspector: str | SystemInspector | None = ...,
) -> list[R]: ...


@overload
def execute(
    func: Callable[..., R],
    data: Iterable[Any],
    *more: Iterable[Any],
    progress: bool | Callable[[int, int | None], None] = ...,
    errors: Literal["collect"],
    timeout: float | None = ...,
    item_timeout: float | None = ...,
    rerun: bool = ...,
    initializer: Callable[..., object] | None = ...,
    initargs: Iterable[Any] = ...,
    use_cache: bool = ...,
    max_workers: int | None = ...,
    executor: str | Executor = ...,
    min_speedup: float | None = ...,
    memory_limit: int | None = ...,
    config: Config | None = ...,
    cache: CacheChoice | None = ...,
    probe: str | Probe | None = ...,
    inspector: str | SystemInspector | None = ...,
) -> tuple[list[R | None], FailedItems | None]: ...


@checked
def execute(  # noqa: PLR0913  as optimize, and how to go about failures, time and progress
    func: Callable[..., R],
    data: Iterable[Any],
    *more: Iterable[Any],
    progress: bool | Callable[[int, int | None], None] = False,
    errors: str = "raise",
    timeout: float | None = None,
    item_timeout: float | None = None,
    rerun: bool = True,
    initializer: Callable[..., object] | None = None,
    initargs: Iterable[Any] = (),
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

    With further iterables it returns what ``list(map(func, data, *more))`` returns.

    The caller runs items from the first moment on, and workers join when they pay. Forked workers are fresh for every
    call: they see everything as it is now, and end with the call.

    Each item has one result and runs once. An item runs again in a few cases only: its result does not pickle, its
    worker dies or is stuck, it fails only in a worker, or an executor backend repeats what a lost worker had (Dask). A
    warning says so, except when the failure proves to be real. ``rerun=False`` raises instead. The documentation lists
    all cases (docs/explanation/execute.md).

    A time limit, an initializer, ``executor="process"`` and ``[sampling] where = "worker"`` keep all items out of the
    caller's process.

    Example:
        >>> from amorsize import execute
        >>> execute(len, ["one", "three"])
        [3, 5]
        >>> execute(int, ["1", "x"], errors="collect")[0]
        [1, None]

    Args:
        func: a function that takes one item, and one of each further iterable.
        data: the items; any iterable.
        more: further iterables, as for ``map``: the shortest ends the run.
        progress: True shows a bar (tqdm, extra ``progress``); a callable is given the number of items done and of all.
        errors: ``raise`` raises what the first failing item raised and drops the rest; ``collect`` runs everything and
            returns the failures beside the results.
        timeout: most seconds for the whole call. Processes are ended; threads and the caller finish their item first.
        item_timeout: most seconds for an item. The process that runs it is ended. A thread cannot be ended: the call
            raises, and the thread goes on. Where items run in the caller, the limit is noticed after the item. With
            this limit everything stays on this machine, as workers elsewhere cannot be ended.
        rerun: False raises where an item would have to run again.
        initializer: a function that is called once in each worker before its first item. Then no item runs in the
            caller's process. Workers are processes where these can be started, and threads otherwise.
        initargs: the initializer's arguments.
        use_cache: False neither reads nor writes the cache.
        max_workers: most workers, 1 or more; None: as many as pay.
        executor: the kind of workers, or the name of a backend, as for optimize; or a running
            ``concurrent.futures.Executor``, which is measured, used when it pays, and not shut down.
        min_speedup: minimum predicted speedup; below it the plan is serial.
        memory_limit: most bytes that all workers together may take.
        config: path of a config file, or a mapping with what a file would say.
        cache: name of a cache backend or a CacheStore, or a list of these, the nearest first.
        probe: name of a probe backend or a Probe.
        inspector: name of an inspector backend or a SystemInspector.

    Returns:
        The list of results, in the order of data. With ``errors="collect"`` a pair: the results, None in place of each
        failed item, and a FailedItems (an ExceptionGroup with ``positions``), or None when nothing failed.

    Raises:
        ExecutionTimeout: the time was up; ``finished`` holds the results there are.
        WorkerError: a worker was killed or ended itself, or (InitializerError) the initializer failed; ``finished``
            holds the results there are.
        Exception: what func raises, unchanged, with a note that names the item; and what optimize raises.
    """
    limits = CallLimits(max_workers, executor, min_speedup, memory_limit)
    options = CallOptions(progress, errors, timeout, item_timeout, rerun, initializer, initargs)
    calls = default_calls.having(config, cache, probe, inspector)
    return calls.execute(*together(func, data, more), limits, options, use_cache=use_cache)


@checked
def iexecute(  # noqa: PLR0913  as execute, for a stream
    func: Callable[..., R],
    data: Iterable[Any],
    *more: Iterable[Any],
    ordered: bool = True,
    in_flight: int = 1000,
    initializer: Callable[..., object] | None = None,
    initargs: Iterable[Any] = (),
    max_workers: int | None = None,
    executor: str | Executor = "auto",
    min_speedup: float | None = None,
    memory_limit: int | None = None,
    config: Config | None = None,
    cache: CacheChoice | None = None,
    probe: str | Probe | None = None,
    inspector: str | SystemInspector | None = None,
) -> Iterator[R]:
    """Return an iterator over func(x) for x in data; data may be endless.

    Nothing runs before the first result is asked for. Forked workers see everything as it is then. Workers go on while
    the caller uses results, until ``in_flight`` items are taken from data and not given out. The caller runs an item
    itself when the next result is not there yet. While no worker has joined, it runs each item before it takes the
    next.

    Example:
        >>> from itertools import count
        >>> from amorsize import iexecute
        >>> next(iexecute(abs, count(-3)))
        3

    Args:
        func: a function that takes one item, and one of each further iterable.
        data: the items; any iterable.
        more: further iterables, as for ``map``: the shortest ends the run.
        ordered: False gives out results as they come.
        in_flight: most items that are taken and not given out, 1 or more.
        initializer: as for execute.
        initargs: as for execute.
        max_workers: most workers, 1 or more; None: as many as pay.
        executor: the kind of workers, the name of a backend, or a running executor, as for execute.
        min_speedup: minimum predicted speedup; below it the plan is serial.
        memory_limit: most bytes that all workers together may take.
        config: path of a config file, or a mapping with what a file would say.
        cache: name of a cache backend or a CacheStore, or a list of these, the nearest first.
        probe: name of a probe backend or a Probe.
        inspector: name of an inspector backend or a SystemInspector.

    Returns:
        An iterator over the results, in the order of data unless ``ordered`` is False. Its ``close()`` ends the run.

    Raises:
        WorkerError: a worker was killed or ended itself, or (InitializerError) the initializer failed.
        Exception: what func raises, unchanged, with a note that names the item; and what optimize raises.
    """
    limits = CallLimits(max_workers, executor, min_speedup, memory_limit)
    options = CallOptions(initializer=initializer, initargs=initargs)
    calls = default_calls.having(config, cache, probe, inspector)
    return calls.iexecute(*together(func, data, more), limits, options, in_flight=in_flight, ordered=ordered)


@checked
def map(  # noqa: A001  what takes a map-like argument calls it so
    func: Callable[..., R], data: Iterable[Any], *more: Iterable[Any]
) -> list[R]:
    """Return ``list(builtins.map(func, data, *more))``, as execute does: for arguments that take a function like map.

    Args:
        func: a function that takes one item, and one of each further iterable.
        data: the items; any iterable.
        more: further iterables, as for ``execute``.

    Returns:
        The list of results, in the order of data.

    Raises:
        Exception: as execute.
    """
    return execute(func, data, *more)


@checked
def lookup(
    func: Callable[..., Any],
    data: Iterable[Any],
    *more: Iterable[Any],
    config: Config | None = None,
    cache: CacheChoice | None = None,
) -> tuple[str, str]:
    """Return what the cache would do for func over data, and why. Nothing is run or stored.

    Args:
        func: a function that takes one item, and one of each further iterable.
        data: the items.
        more: further iterables, as for ``map``: the shortest ends the run.
        config: as for optimize.
        cache: as for optimize.

    Returns:
        ``hit``, ``replanned``, ``miss`` or ``bypassed``, and the reason.
    """
    return default_calls.having(config, cache).lookup(*together(func, data, more))


@checked
def open_cache(*, config: Config | None = None, cache: CacheChoice | None = None) -> Cache:
    """Return the cache that optimize would use, to look into and to maintain.

    Args:
        config: as for optimize.
        cache: as for optimize.
    """
    return default_calls.having(config, cache).open_cache()


@checked
def warm_cache(
    *, config: Config | None = None, cache: CacheChoice | None = None
) -> list[tuple[str, OptimizationResult | Exception]]:
    """Measure this machine, and the functions that the config lists under ``[[warm]]``, unless the cache knows them.

    Args:
        config: as for optimize.
        cache: as for optimize.

    Returns:
        For each function, in order, ``module:function`` with its result, or with what it or its data raised.
    """
    return default_calls.having(config, cache).warm_cache()


def clear_cache() -> int:
    """Remove everything from the configured cache; return how many entries there were."""
    return default_calls.clear_cache()


@checked
def prune_expired_cache(ttl_seconds: float | None = None) -> int:
    """Remove entries from the configured cache that are too old; return how many.

    Args:
        ttl_seconds: seconds an entry lives, 0 or more; None: the config's, 7 days by default.
    """
    return default_calls.prune_expired_cache(ttl_seconds)


def get_cache_dir() -> Path:
    """Return the folder in which caches of this configuration keep their files; it may not exist yet."""
    return default_calls.cache_directory()


@checked
def fingerprint(func: Callable[[Any], Any]) -> Fingerprint:
    """Return what identifies a function's behaviour; ``str()`` of it is 16 hex digits.

    A fingerprint is the same in every process and wherever the file lies. It differs after any change that can change
    what the function does or costs.

    Args:
        func: any callable.

    Raises:
        TypeError: func is not callable.
    """
    return fingerprint_of(func, loaded())
