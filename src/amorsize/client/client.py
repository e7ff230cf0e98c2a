"""The reusable client object, and the one that the public functions use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, overload

from amorsize.client.arguments import checked
from amorsize.client.calls import CallLimits, CallOptions, Calls
from amorsize.composition import Assembly
from amorsize.domain.iterables import together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from amorsize.application.cache.maintenance import Cache
    from amorsize.application.ports import Probe, SystemInspector
    from amorsize.application.result import OptimizationResult
    from amorsize.composition import CacheChoice, Config
    from amorsize.errors import FailedItems

R = TypeVar("R")


class Client:
    """One config, cache, probe and inspector for any number of calls.

    A client has the public functions as methods. Each takes the same arguments as the function, without ``config``,
    ``cache``, ``probe`` and ``inspector``. The functions themselves use the default client. All clients of a process
    share its CPUs. A client may be used by several threads at once, and again after ``close()``.

    Args:
        config: path of a config file, or a mapping with what a file would say, read once, at the first call. None: the
            file found from the working directory, looked for again as the public functions do.
        cache: name of a cache backend or a CacheStore, or a list of these, the nearest first; None: the config's.
        probe: name of a probe backend or a Probe; None: the config's.
        inspector: name of an inspector backend or a SystemInspector; None: the config's.

    Raises:
        TypeError: cache, probe or inspector is of another kind.

    Example:
        >>> from amorsize import Client
        >>> with Client(config={"limits": {"max_workers": 2}}, cache="memory") as client:
        ...     client.execute(abs, [-1, 2])
        [1, 2]
    """

    @checked
    def __init__(
        self,
        *,
        config: Config | None = None,
        cache: CacheChoice | None = None,
        probe: str | Probe | None = None,
        inspector: str | SystemInspector | None = None,
    ) -> None:
        self._calls = Calls(Assembly(config), None, cache, probe, inspector)

    @checked
    def optimize(  # noqa: PLR0913  each is one limit or one choice, keyword-only
        self,
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
    ) -> OptimizationResult:
        """Say how to run func over data on this machine, as ``amorsize.optimize`` does."""
        limits = CallLimits(max_workers, executor, min_speedup, memory_limit)
        return self._calls.optimize(
            *together(func, data, more), limits, use_cache=use_cache, profile=profile, verbose=verbose
        )

    @overload
    def execute(
        self,
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
    ) -> list[R]: ...

    @overload
    def execute(
        self,
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
    ) -> tuple[list[R | None], FailedItems | None]: ...

    @checked
    def execute(  # noqa: PLR0913  as optimize, and how to treat failures, time and progress
        self,
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
    ) -> Any:
        """Return ``[func(x) for x in data]``, run in the quickest way, as ``amorsize.execute`` does."""
        limits = CallLimits(max_workers, executor, min_speedup, memory_limit)
        options = CallOptions(progress, errors, timeout, item_timeout, rerun, initializer, initargs)
        return self._calls.execute(*together(func, data, more), limits, options, use_cache=use_cache)

    @checked
    def iexecute(  # noqa: PLR0913  as execute, for a stream
        self,
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
    ) -> Iterator[R]:
        """Return an iterator over func(x) for x in data, as ``amorsize.iexecute`` does."""
        limits = CallLimits(max_workers, executor, min_speedup, memory_limit)
        options = CallOptions(initializer=initializer, initargs=initargs)
        return self._calls.iexecute(*together(func, data, more), limits, options, in_flight=in_flight, ordered=ordered)

    @checked
    def lookup(self, func: Callable[..., Any], data: Iterable[Any], *more: Iterable[Any]) -> tuple[str, str]:
        """Say what the cache would do for func over data and why; run and store nothing."""
        return self._calls.lookup(*together(func, data, more))

    def open_cache(self) -> Cache:
        """Return this client's cache, to look into and to maintain."""
        return self._calls.open_cache()

    def clear_cache(self) -> int:
        """Remove everything from this client's cache; return how many entries there were."""
        return self._calls.clear_cache()

    @checked
    def prune_expired_cache(self, ttl_seconds: float | None = None) -> int:
        """Remove entries older than ttl_seconds from this client's cache; return how many. None: the config's age."""
        return self._calls.prune_expired_cache(ttl_seconds)

    def warm_cache(self) -> list[tuple[str, OptimizationResult | Exception]]:
        """Measure this machine and the functions under ``[[warm]]``, as ``amorsize.warm_cache`` does."""
        return self._calls.warm_cache()

    def get_cache_dir(self) -> Path:
        """Return the folder in which this client's caches keep their files; it may not exist yet."""
        return self._calls.cache_directory()

    def close(self) -> None:
        """End idle workers and wait for them, and close the caches that were opened.

        A cache that you made yourself stays open. Answers that are kept in memory only are gone. The client may be used
        again: it then reads its config and opens its cache anew.
        """
        self._calls.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class _DefaultClient(Client):
    """The client of the public functions.

    Args:
        calls: what it does once arguments are checked.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls


default_calls: Final = Calls(Assembly())
"""The calls of the public functions, which check their arguments themselves."""

_default: Final = _DefaultClient(default_calls)


def default_client() -> Client:
    """Return the client that the public functions use: ``default_client().close()`` ends the workers they keep."""
    return _default
