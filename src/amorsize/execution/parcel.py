"""Puts functions and items in a form that reaches workers, and results back in theirs."""

from __future__ import annotations

import pickle
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.execution.job import Manner, Terms
    from amorsize.execution.work import Head


_MAIN: Final = b"__main__"


def pickled(thing: object, *, elsewhere: bool = False) -> bytes:
    """Pickle by reference where that is possible; what refuses goes by value if cloudpickle is installed.

    For workers elsewhere, who have another main module, so does what comes from this one's. Raises what pickle raises,
    with a note that names the extra.
    """
    try:
        plain = pickle.dumps(thing, pickle.HIGHEST_PROTOCOL)
        if not elsewhere or _MAIN not in plain:
            return plain
        raise pickle.PicklingError("it comes from the main module, which workers elsewhere have not")  # noqa: TRY301
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


def is_sendable(func: Callable[[Any], Any]) -> bool:
    """Tell whether a function can be sent to workers elsewhere."""
    try:
        pickled(func, elsewhere=True)
    except Exception:  # noqa: BLE001  __reduce__ of the user's may raise anything
        return False
    return True


def head_of(func: Callable[[Any], Any], manner: Manner, terms: Terms, *, elsewhere: bool = False) -> Head:
    """Return what all chunks of a run have in common."""
    by_reference = pickled(func, elsewhere=elsewhere)
    name = sha256(by_reference).digest()[:16]
    return name, by_reference, "", manner.collect, manner.item_timeout, terms.threads, terms.is_threaded
