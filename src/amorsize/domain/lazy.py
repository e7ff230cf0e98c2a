"""Results whose work is not done when the call returns."""

from __future__ import annotations

from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_KINDS: Final[dict[type, str]] = {
    GeneratorType: "a generator",
    AsyncGeneratorType: "an async generator",
    CoroutineType: "a coroutine",
}


def lazy_result(results: Iterable[Any]) -> str | None:
    """Return the name of the first result that does its work later, None when there is none."""
    return next((kind for kind in map(_kind, results) if kind), None)


def _kind(result: Any) -> str | None:
    kind = type(result)
    if kind in _KINDS:
        return _KINDS[kind]
    if hasattr(kind, "add_done_callback"):
        return "a future"
    if hasattr(kind, "__await__"):
        return "an awaitable"
    if hasattr(kind, "__next__") and not hasattr(kind, "read"):  # an open file is meant to be read later
        return "an iterator"
    return None
