"""Pickles functions and items for workers that start empty."""

from __future__ import annotations

import io
import pickle
import sys
from hashlib import sha256
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_MAIN: Final = b"__main__"
"""What a pickle names that refers to the caller's main module."""


def pickled(thing: object, *, elsewhere: bool = False) -> bytes:
    """Pickle by reference where that is possible; what refuses goes by value if cloudpickle is installed.

    Workers elsewhere have another main module, so what comes from this one goes by value too. Workers here import the
    main module, so that its classes stay one class on both sides. Raises what pickle raises, with a note that names the
    extra.
    """
    try:
        plain = pickle.dumps(thing, pickle.HIGHEST_PROTOCOL)
        if not elsewhere or _MAIN not in plain:
            return plain
        raise pickle.PicklingError("it comes from the main module, which workers elsewhere have not")  # noqa: TRY301
    except Exception as error:  # noqa: BLE001  __reduce__ of the user's may raise anything
        try:
            return _by_value(thing, elsewhere=elsewhere)
        except ImportError:
            error.add_note("lambdas and closures can be sent after: pip install 'amorsize[cloudpickle]'")
            raise error from None
        except Exception:  # noqa: BLE001  what pickle said is about the user's object, this about cloudpickle
            raise error from None


def _by_value(thing: object, *, elsewhere: bool) -> bytes:
    import cloudpickle

    if elsewhere:
        return bytes(cloudpickle.dumps(thing, pickle.HIGHEST_PROTOCOL))

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it comes without types
        """Sends what the main module defines by its name: workers here import it."""

        def reducer_override(self, obj: Any) -> Any:
            """Return how to pickle an object, as cloudpickle does but for what can be found by its name."""
            if isinstance(obj, (type, FunctionType)) and obj.__module__ == "__main__" and _is_found(obj):
                return _found, (obj.__qualname__,)
            return super().reducer_override(obj)

    file = io.BytesIO()
    Pickler(file, pickle.HIGHEST_PROTOCOL).dump(thing)
    return file.getvalue()


def _is_found(thing: Any) -> bool:
    """Return whether the main module's name for a class or function leads to it."""
    try:
        return _found(thing.__qualname__) is thing
    except AttributeError:
        return False


def _found(name: str) -> Any:
    """Return what the main module has under a dotted name."""
    thing: Any = sys.modules["__main__"]
    for part in name.split("."):
        thing = getattr(thing, part)
    return thing


def is_sendable(func: Callable[[Any], Any]) -> bool:
    """Return whether a function can be sent to workers elsewhere."""
    try:
        pickled(func, elsewhere=True)
    except Exception:  # noqa: BLE001  __reduce__ of the user's may raise anything
        return False
    return True


def key_of(text: bytes) -> bytes:
    """Return a short name for the bytes of a function."""
    return sha256(text).digest()[:16]
