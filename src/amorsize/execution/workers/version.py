"""What a function must be in a worker that starts empty: its code, and every value that it reads."""

from __future__ import annotations

import pickle
from hashlib import blake2b
from types import FunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.fingerprint.fingerprint import Fingerprint, with_unread
from amorsize.processes.distributions import loaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_MAIN: Final = frozenset(("__main__", "__mp_main__"))
"""The main module's name in the caller, and in a worker."""


def expected(known: Fingerprint, func: Callable[..., Any]) -> str:
    """Return the version that a function must have in a worker: its fingerprint, where that knows all values."""
    return version_of(func) if known.shallow else known.hex


def version_of(func: Callable[..., Any]) -> str:
    """Return a text that differs where a function or a value that it reads differs.

    It is the function's fingerprint, which knows large values by their shape or length, and a digest of those values.
    A value that does not pickle does not count. It takes a millisecond, and a second for each GB of such values.
    """
    digits, unread = with_unread(func, loaded())
    return f"{digits}-{_digest(unread)}" if unread else digits


def _digest(values: Iterable[Any]) -> str:
    whole = blake2b(digest_size=16)
    for value in values:
        whole.update(_content(value))
    return whole.hexdigest()


def _content(value: Any) -> bytes:
    """Return a digest of a value that is the same in each process, empty where it does not pickle."""
    if type(value) in {set, frozenset}:  # their order differs
        return b"".join(sorted(map(_content, value)))
    digest = blake2b(digest_size=16)
    try:
        _Pickler(digest).dump(value)
    except Exception:  # noqa: BLE001  __reduce__ of the user's may raise anything
        return b""
    return digest.digest()


class _Pickler(pickle.Pickler):
    """Pickles equal values equally, into a digest, whichever of their parts are one object."""

    def __init__(self, digest: Any) -> None:
        file: Any = SimpleNamespace(write=digest.update)
        super().__init__(file, pickle.HIGHEST_PROTOCOL, buffer_callback=lambda buffer: digest.update(buffer.raw()))
        self.fast = True

    def reducer_override(self, obj: Any) -> Any:
        """Name classes and functions as the caller does; a worker calls its main module otherwise."""
        if isinstance(obj, (type, FunctionType)) and obj.__module__ in _MAIN:
            return str, (obj.__qualname__,)
        return NotImplemented
