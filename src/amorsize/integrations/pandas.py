"""An engine for pandas: ``DataFrame.apply`` and ``Series.map`` run serially, in threads or in processes.

It needs pandas 3 or later (extra ``pandas``).
"""

from __future__ import annotations

import time
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import attrs
import numpy as np
import pandas as pd
from pandas.api.executors import BaseExecutionEngine

from amorsize.api import execute
from amorsize.client.client import default_calls
from amorsize.plugins.registry import AUTO

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from amorsize.composition import CacheChoice, Config

__all__ = ["Engine"]

_MOST_PARTS: Final = 64
"""Most parts that a frame is cut into: each costs about 0.2 ms, all together less than the 20 ms that we may lose."""

_CPU_PARTS: Final = 12
"""Parts for each CPU: the last one to end keeps the others waiting for a part at most."""

_HEAD_SHARE: Final = 64
"""Rows for each row that is run alone first."""

_MANY: Final = 256
"""Values or rows from which on a few that are run alone, to see what they cost, hardly count."""

_SHORT_SECONDS: Final = 0.05
"""Seconds of all rows up to which they run here: a first call that forks a process with pandas may cost as much."""

_HEAD: Final = 63
"""Most values that are run to see what one costs."""

_CHEAP_SECONDS: Final = 2e-6
"""Seconds of a call up to which no worker pays: to send a result takes a worker and the caller about as long."""

_AXES: Final = {0: 0, 1: 1, "index": 0, "rows": 0, "columns": 1}


class _Functions(BaseExecutionEngine):  # type: ignore[misc]  # pandas comes without types
    """What pandas calls; ``decorator`` is the Engine that the user gave."""

    @staticmethod
    def map(  # noqa: PLR0913, PLR0917  pandas' signature
        data: Any,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        decorator: Engine | None,
        skip_na: bool,
    ) -> Any:
        """Return ``data.map(func)`` of a series or a frame."""
        na_action = "ignore" if skip_na else None
        bound = partial(func, *args, **kwargs) if args or kwargs else func
        engine, cheap = decorator or Engine(), False
        results: list[Any] = []
        try:
            values = _values(data, na_action)
        except _RefusedError:
            return data.map(bound, na_action=na_action)
        if engine.may_look(data):
            results, cheap = engine.looked(bound, values[:_HEAD])
        left = values[len(results) :]
        results += map(bound, left) if cheap else engine.run(bound, left)
        return _mapped(data, results, na_action)

    @staticmethod
    def apply(  # noqa: PLR0913, PLR0917  pandas' signature
        data: Any,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        decorator: Engine | None,
        axis: int | str,
    ) -> Any:
        """Return ``data.apply(func, axis)``, where data is a frame or, with ``raw=True``, an array."""
        engine, along = decorator or Engine(), _AXES[axis]
        if isinstance(data, np.ndarray):
            run = partial(_of_lines, func, args, kwargs)
            return _assembled(engine.run_parts(run, data if along else data.T), along)
        if not callable(func) or isinstance(func, np.ufunc):  # names, lists and ufuncs: pandas does not loop
            return data.apply(func, axis=along, args=args, **kwargs)
        results = engine.run_parts(partial(_of_part, func, along, args, kwargs), data, along)
        if type(data) is pd.DataFrame and pd.api.types.is_scalar(results[0]):
            result = pd.Series(dict(enumerate(results)))
            result.index = data.index if along else data.columns
            return result.__finalize__(data, method="apply")
        replayed = iter(results)
        return data.apply(lambda _: next(replayed), axis=along)  # pandas builds the frame as it always does


@attrs.frozen
class Engine:
    """An ``engine=`` for ``DataFrame.apply`` and ``Series.map``; values, dtypes and index are those of pandas.

    What is given here means what it means for ``amorsize.execute``. Each row, column or value is run once.

    Args:
        max_workers: most workers.
        executor: a kind of worker, or the name of a backend.
        min_speedup: least predicted gain worth leaving serial for.
        memory_limit: bytes that all workers together may take.
        use_cache: False neither reads nor writes the cache.
        config: a path or a mapping.
        cache: name of a cache backend or a CacheStore, or a list of these.
    """

    max_workers: int | None = None
    executor: str = AUTO
    min_speedup: float | None = None
    memory_limit: int | None = None
    use_cache: bool = True
    config: Config | None = None
    cache: CacheChoice | None = None

    __pandas_udf__: ClassVar[type[_Functions]] = _Functions

    def run(self, func: Callable[[Any], Any], data: Sequence[Any]) -> list[Any]:
        """Return func of each item, as ``execute`` does."""
        options = attrs.asdict(self, recurse=False)
        return cast("list[Any]", execute(func, data, **options))

    def run_parts(self, func: Callable[[Any], list[Any]], data: Any, along: int = 1) -> list[Any]:
        """Return the results of all parts of a frame or an array; ``along`` is 1 for rows, 0 for columns.

        Of many rows the first few run here, of columns the first one: most functions of a column are quick. The rest
        runs here too where all of it takes no longer than workers may cost.
        """
        length = data.shape[1 - along]
        if (along and length < _MANY) or not self._may_run_here():
            return [result for part in self.run(func, _cut(data, along, self._parts())) for result in part]
        head = max(1, length // _HEAD_SHARE)
        began = time.perf_counter()
        results = func(_part(data, along, slice(0, head)))
        if head == length or (time.perf_counter() - began) * length < _SHORT_SECONDS * head:
            return results + (func(_part(data, along, slice(head, None))) if head < length else [])
        return results + [result for part in self.run(func, _cut(data, along, self._parts(), head)) for result in part]

    @staticmethod
    def _parts() -> int:
        """Return how many parts a frame is cut into."""
        usable = default_calls.optimizer().machine().usable_cpus
        return max(1, min(_MOST_PARTS, int(_CPU_PARTS * usable)))

    def may_look(self, data: Any) -> bool:
        """Tell whether data is a series of many plain values, of which the first may run here."""
        if len(data) < _MANY or type(data) is not pd.Series:
            return False
        # other arrays may call in another order, or more often
        return isinstance(data.dtype, np.dtype | pd.StringDtype) and self._may_run_here()

    def _may_run_here(self) -> bool:
        """Tell whether nobody asked to keep the function out of this process or on one kind of worker."""
        if self.executor != AUTO:
            return False
        found = default_calls.having(self.config, None).settings()
        return found.executor == AUTO and found.budget.where != "worker"

    def looked(self, func: Callable[[Any], Any], values: list[Any]) -> tuple[list[Any], bool]:
        """Return the results of the first values, and whether a call is so cheap that no worker pays.

        As many are run as there are, or until two parts of them are not cheap: the first call may prepare something,
        and other programs may have the CPU for a while.
        """
        results: list[Any] = []
        size, late = 1, 0
        while len(results) < len(values):
            part = values[len(results) : len(results) + size]
            began = time.perf_counter()
            results += [func(value) for value in part]
            late += time.perf_counter() - began > _CHEAP_SECONDS * len(part)
            if late > 1:
                return results, False
            size *= 2
        return results, bool(results)


class _RefusedError(Exception):
    """An array that cannot be asked for its values; nothing of func has run yet."""


def _is_plain(data: Any, na_action: str | None) -> bool:
    """Tell whether data is a series of numpy's numbers or of objects, and each value is mapped."""
    return (
        type(data) is pd.Series
        and isinstance(data.dtype, np.dtype)
        and data.dtype.kind in "iufbO"
        and na_action is None
    )


def _values(data: Any, na_action: str | None) -> list[Any]:
    """Return the values that pandas hands to a function that is mapped over data, in order."""
    if _is_plain(data, na_action):
        return cast("list[Any]", data.tolist())  # many times faster than the rest
    values: list[Any] = []
    try:
        data.map(values.append, na_action=na_action)
    except Exception as error:  # an array that takes no None, such as a sparse one
        raise _RefusedError from error
    return values


def _mapped(data: Any, results: list[Any], na_action: str | None) -> Any:
    """Return what pandas makes of the results of a function that is mapped over data."""
    if _is_plain(data, na_action) and set(map(type, results)) in ({int}, {float}, {bool}):
        found = np.array(results)  # what pandas comes to as well, in a fraction of the time
        if found.dtype.kind in "ifb":
            return pd.Series(found, index=data.index, name=data.name)
    return data.map(partial(next, iter(results)), na_action=na_action)


def _cut(data: Any, along: int, most: int, start: int = 0) -> list[Any]:
    """Return the parts of data from a row or column on, in order: rows where ``along`` is 1, columns where it is 0."""
    length = data.shape[1 - along] - start
    count = min(length, most)
    edges = [start + length * at // count for at in range(count + 1)]
    return [_part(data, along, slice(low, high)) for low, high in pairwise(edges)]


def _part(data: Any, along: int, span: slice) -> Any:
    """Return some rows of data where ``along`` is 1, some columns where it is 0; without copying."""
    if isinstance(data, np.ndarray):
        return data[span]
    return data.iloc[span] if along else data.iloc[:, span]


def _of_part(func: Callable[..., Any], along: int, args: tuple[Any, ...], kwargs: dict[str, Any], part: Any) -> Any:
    """Return what func gives for each row or column of a part of a frame, as pandas hands them to it."""
    results: list[Any] = []
    append, series_type, is_plain = results.append, pd.Series, not (args or kwargs)  # each row pays for what keep does

    def keep(series: Any) -> None:
        result = func(series) if is_plain else func(series, *args, **kwargs)
        if isinstance(result, series_type):
            result = result.copy(deep=series is result)  # pandas puts the next row into the same series
        append(result)

    try:
        part.apply(keep, axis=along)
    except Exception as error:
        names = part.index if along else part.columns
        if len(results) < len(names):
            name = names[len(results)]
            error.add_note(f"amorsize was running the {'row' if along else 'column'} {name!r:.80}")
        raise
    return results


def _of_lines(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], lines: Any) -> list[Any]:
    """Return func of each row or column of an array; a text as an object, so that numpy cuts nothing off."""
    results = [func(line, *args, **kwargs) for line in lines]
    return [np.array(result, dtype=object) if isinstance(result, str) else result for result in results]


def _assembled(results: list[Any], along: int) -> Any:
    """Return an array of results; the first decides on the dtype, as in ``numpy.apply_along_axis``."""
    first = np.asanyarray(results[0])
    whole = np.zeros((len(results), *first.shape), first.dtype)
    for at, result in enumerate(results):
        whole[at, ...] = np.asanyarray(result)
    return whole if along else np.moveaxis(whole, 0, -1)
