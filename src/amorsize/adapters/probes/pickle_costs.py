"""Measures what pickling objects costs."""

from __future__ import annotations

import pickle
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.wording import brief

if TYPE_CHECKING:
    from collections.abc import Callable

_SHORT_SECONDS: Final = 1e-4
"""Seconds under which an action is timed three times: our choice, a short one is easily disturbed."""

_LONG_SECONDS: Final = 2e-3
"""Seconds above which an action is timed once: our choice; those between twice, as the first may import modules."""

_PICKLING_SECONDS: Final = 5e-4
"""Seconds in which pickling is measured: our choice, a sixth of what sampling may take."""

_SMALL_BYTES: Final = 1 << 14
"""Bytes below which objects are pickled all at once: our choice, one by one the calls would count more."""


def pickle_costs(objects: list[Any]) -> tuple[float, float, float, str | None]:
    """Return seconds to pickle and to unpickle and bytes, each per object, and why one cannot be pickled.

    All of them at once when they are small, else one after another for as long as half a millisecond.
    """
    put, get, size, count = 0.0, 0.0, 0, 0
    try:
        while count < len(objects) and put + get < _PICKLING_SECONDS:
            some = objects[count:] if 0 < size < count * _SMALL_BYTES else objects[count : count + 1]
            seconds, text = _timed(partial(pickle.dumps, some, pickle.HIGHEST_PROTOCOL))
            put += seconds
            get += _timed(partial(pickle.loads, text))[0]
            size += len(text)
            count += len(some)
    except Exception as error:  # noqa: BLE001  __reduce__ of the user's may raise anything
        return 0.0, 0.0, 0.0, brief(error)
    return put / count, get / count, size / count, None


def _timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds of an action, the least of two or three unless it is long, and what it returned."""
    seconds: list[float] = []
    for _ in range(3):
        began = perf_counter()
        value = action()
        seconds.append(perf_counter() - began)
        if seconds[0] > _LONG_SECONDS or (len(seconds) > 1 and seconds[-1] > _SHORT_SECONDS):
            break
    return min(seconds), value
