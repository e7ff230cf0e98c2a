"""Puts functions and items in a form that reaches workers, and results back in theirs."""

from __future__ import annotations

import pickle
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.execution.job import Manner
    from amorsize.execution.work import Head


def pickled(thing: object) -> bytes:
    """Pickle by reference where that is possible; what refuses goes by value if cloudpickle is installed.

    Raises what pickle raises, with a note that names the extra.
    """
    try:
        return pickle.dumps(thing, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001  __reduce__ of the user's may raise anything
        try:
            import cloudpickle  # noqa: PLC0415  an extra, and only for what plain pickle refuses
        except ImportError:
            error.add_note("lambdas, closures and the like can be sent after: pip install 'amorsize[cloudpickle]'")
            raise error from None
        try:
            return bytes(cloudpickle.dumps(thing, pickle.HIGHEST_PROTOCOL))
        except Exception:  # noqa: BLE001  what pickle said is about the user's object, this about cloudpickle
            raise error from None


def head_of(func: Callable[[Any], Any], manner: Manner, threads: int) -> Head:
    """Return what all chunks of a run have in common."""
    by_reference = pickled(func)
    name = sha256(by_reference).digest()[:16]
    return name, by_reference, "", manner.collect, manner.item_timeout, threads
