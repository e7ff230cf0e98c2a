"""An engine for pandas: ``DataFrame.apply`` and ``Series.map`` run serially, in threads or in processes.

It needs pandas 3 or later (extra ``pandas``).
"""

from __future__ import annotations

import time
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, cast

import attrs
import numpy as np
import pandas as pd
from pandas.api.executors import BaseExecutionEngine

from amorsize.api import execute
from amorsize.client.client import default_calls
from amorsize.plugins.registry import AUTO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

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

_MOST_TIMED: Final = 4096
"""Most values that are timed together while they run here: each at most 2 us, all together 8 ms."""

_CHEAP_SECONDS: Final = 2e-6
"""Seconds of a call up to which no worker pays: to send a result takes a worker and the caller about as long."""

_PANDAS: Final = (pd.Series, pd.DataFrame)
"""What takes long to pickle."""

_AXES: Final = {0: 0, 1: 1, "index": 0, "rows": 0, "columns": 1}
"""The axes by the names that pandas gives them."""


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
        engine = decorator or Engine()
        try:
            values = _values(data, na_action)
        except _RefusedError:
            return data.map(bound, na_action=na_action)
        results = engine.run_cheap(bound, values) if engine.may_run_first(data) else []
        if len(results) < len(values) or not values:
            results += engine.run(bound, values[len(results) :])
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
            parts = engine.run_parts(run, data if along else data.T)
            return _assembled([result for part in parts for result in part], along)
        if not callable(func) or isinstance(func, np.ufunc):  # names, lists and ufuncs: pandas does not loop
            return data.apply(func, axis=along, args=args, **kwargs)
        bound = partial(_with_arguments, func, args, kwargs) if args or kwargs else func
        results = _joined(engine.run_parts(partial(_of_part, bound, along), data, along))
        if isinstance(results, _Table):
            if type(data) is pd.DataFrame:
                frame = pd.DataFrame(results.array, data.index, results.labels, results.array.dtype)
                return frame.infer_objects().__finalize__(data, method="apply")
            results = results.series()
        names = data.index if along else data.columns
        if type(data) is pd.DataFrame and len(results) == len(names) and pd.api.types.is_scalar(results[0]):
            series = pd.Series(dict(enumerate(results)))
            series.index = names
            return series.__finalize__(data, method="apply")
        return _built_by_pandas(bound, data, along, results)


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

    def run_parts(self, func: Callable[[Any], Iterable[Any]], data: Any, along: int = 1) -> list[Any]:
        """Return the results of each part of a frame or an array; ``along`` is 1 for rows, 0 for columns.

        Of many rows the first few run here, of columns the first one: most functions of a column are quick. The rest
        runs here too where all of it takes no longer than workers may cost. Where the first rows give series that no
        table holds, nothing else runs: to send them takes longer than pandas takes to go on.
        """
        length = data.shape[1 - along]
        if (along and length < _MANY) or not self._may_run_here():
            return self.run(func, _cut(data, along, self._parts()))
        head = max(1, length // _HEAD_SHARE)
        began = time.perf_counter()
        first = func(_part(data, along, slice(0, head)))
        if head == length or (along and isinstance(first, list) and any(isinstance(each, _PANDAS) for each in first)):
            return [first]
        if (time.perf_counter() - began) * length < _SHORT_SECONDS * head:
            return [first, func(_part(data, along, slice(head, None)))]
        return [first, *self.run(func, _cut(data, along, self._parts(), head))]

    @staticmethod
    def _parts() -> int:
        """Return how many parts a frame is cut into."""
        usable = default_calls.optimizer().machine().usable_cpus
        return max(1, min(_MOST_PARTS, int(_CPU_PARTS * usable)))

    def may_run_first(self, data: Any) -> bool:
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

    @staticmethod
    def run_cheap(func: Callable[[Any], Any], values: list[Any]) -> list[Any]:
        """Return the results of the first values: of all of them while a call is so cheap that no worker pays.

        It ends after two parts in a row that are not: the first call may prepare something, and other programs may have
        the CPU for a while. Later values may take longer than the first.
        """
        results: list[Any] = []
        size, late = 1, 0
        while len(results) < len(values) and late <= 1:
            part = values[len(results) : len(results) + size]
            began = time.perf_counter()
            results += [func(value) for value in part]
            late = late + 1 if time.perf_counter() - began > _CHEAP_SECONDS * len(part) else 0
            size = min(2 * size, _MOST_TIMED)
        return results


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


class _Table(NamedTuple):
    """The values of a series, or of series that have the same labels and dtype, a line for each.

    Pickling takes as long as a hundred lines of simple Python for a series, and next to nothing for a table of many.
    """

    labels: Any
    array: Any

    def fits(self, other: object) -> bool:
        """Tell whether the other one is a table too, of the same labels and dtype."""
        if not isinstance(other, _Table) or self.array.dtype != other.array.dtype:
            return False
        return self.labels is other.labels or bool(self.labels.identical(other.labels))

    def series(self) -> list[Any]:
        """Return a series for each line of a table of many."""
        return [pd.Series(line, self.labels) for line in self.array]


def _is_plain_series(result: Any) -> bool:
    """Tell whether a table can hold a result without a difference to what pandas makes of it."""
    return (
        type(result) is pd.Series
        and isinstance(result.dtype, np.dtype)
        and result.dtype.kind in "iufbO"
        and type(result.index) in {pd.Index, pd.RangeIndex}
        and len(result) > 0
    )


def _with_arguments(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], series: Any) -> Any:
    return func(series, *args, **kwargs)


def _of_part(func: Callable[[Any], Any], along: int, part: Any) -> list[Any] | _Table:
    """Return what func gives for each row or column of a part of a frame, as pandas hands them to it."""
    results: list[Any] = []
    append, series_type = results.append, pd.Series  # each row pays for what keep does

    def keep(series: Any) -> None:
        result = func(series)
        if isinstance(result, series_type):
            if along and _is_plain_series(result):
                result = _Table(result.index, result.to_numpy(copy=True))
            else:
                result = result.copy(deep=series is result)  # pandas puts the next row into the same series
        append(result)

    try:
        part.apply(keep, axis=along)
    except Exception as error:
        _name_line(error, part, along, len(results))
        raise
    return _packed(results)


def _name_line(error: Exception, data: Any, along: int, position: int) -> None:
    """Note in an error which row or column was run, if one was."""
    names = data.index if along else data.columns
    if position < len(names):
        error.add_note(f"amorsize was running the {'row' if along else 'column'} {names[position]!r:.80}")


def _packed(results: list[Any]) -> list[Any] | _Table:
    """Return the results of rows as one table; where they are no series or differ, as they are."""
    first = results[0] if results else None
    if isinstance(first, _Table) and all(map(first.fits, results)):
        values = np.empty((len(results), len(first.labels)), first.array.dtype)
        for line, result in zip(values, results, strict=True):
            line[:] = result.array
        return _Table(first.labels, values)
    return [pd.Series(each.array, each.labels) if isinstance(each, _Table) else each for each in results]


def _joined(parts: list[Any]) -> list[Any] | _Table:
    """Return the results of all parts as one table, or else as a list."""
    first = parts[0]
    if isinstance(first, _Table) and all(map(first.fits, parts)):
        return _Table(first.labels, np.concatenate([part.array for part in parts]))
    return [result for part in parts for result in (part.series() if isinstance(part, _Table) else part)]


def _built_by_pandas(func: Callable[[Any], Any], data: Any, along: int, results: list[Any]) -> Any:
    """Return what pandas makes of results; where some are missing at the end, pandas runs func for them."""
    left, position = iter(results), 0

    def result_of(series: Any) -> Any:
        nonlocal position
        position += 1
        return next(left) if position <= len(results) else func(series)

    try:
        return data.apply(result_of, axis=along)
    except Exception as error:
        _name_line(error, data, along, position - 1)
        raise


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
