"""A cache store of several others, the nearest first."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from amorsize.adapters.caches.names import check_address, check_name, text_bytes
from amorsize.application.cache.entries import is_hopeless
from amorsize.errors import CacheError
from amorsize.processes.warning import warn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from amorsize.application.ports import CacheStore

T = TypeVar("T")

_BATCH: Final = 100
"""Addresses that are removed from all layers at once, so that any number of them takes little memory."""


class LayeredCache:
    """Reads the nearest layer that has anything, fills it back into those before, and writes through to all.

    A layer that fails is skipped, with one AmorsizeWarning that names it; when all fail, so does the call. One that
    is ``read_only`` is never written to, and one that is full or forbidden no more. What lies near hides what lies
    behind it: a caller that finds nothing usable there asks ``fetch_each``.

    Args:
        layers: the stores with the name of each, the nearest first.
    """

    def __init__(self, layers: Iterable[tuple[str, CacheStore]]) -> None:
        self._layers = tuple(layers)
        self._closed = {at for at, (_, store) in enumerate(self._layers) if getattr(store, "read_only", False)}
        self._warned: set[str] = set()

    @property
    def read_only(self) -> bool:
        """Whether no layer can be written to."""
        return len(self._closed) == len(self._layers)

    @property
    def kept(self) -> tuple[CacheStore, ...]:
        """The stores that can be written to, each of which is to be cared for by itself."""
        return tuple(store for at, (_, store) in enumerate(self._layers) if at not in self._closed)

    def fetch(self, locator: str) -> Mapping[str, str]:
        """Return the variants in the nearest layer that has any; see the port."""
        check_name("locator", locator)
        failures: list[Exception] = []
        for at in range(len(self._layers)):
            texts: Mapping[str, str] | None = self._try(at, "reading", lambda store: store.fetch(locator), failures)
            if texts:
                for variant, text in texts.items() if at else ():
                    self._fill(at, locator, variant, text)
                return texts
        self._raise_if_all(failures, len(self._layers))
        return {}

    def fetch_each(self, locator: str) -> Iterator[Mapping[str, str]]:
        """Yield the variants of each layer that can be read, the nearest first; fills nothing back."""
        check_name("locator", locator)
        for at in range(len(self._layers)):
            texts = self._try(at, "reading", lambda store: store.fetch(locator), [])
            if texts is not None:
                yield texts

    def store(self, locator: str, variant: str, text: str) -> None:
        """Keep text in each layer that can be written to; see the port."""
        check_address(locator, variant)
        text_bytes(text)
        failures: list[Exception] = []
        open_layers = self._open()
        for at in open_layers:
            self._try(at, "writing", lambda store: store.store(locator, variant, text), failures)
        self._raise_if_all(failures, len(open_layers))

    def discard(self, addresses: Iterable[tuple[str, str]]) -> int:
        """Remove pairs from each layer that can be written to; return how many were in any; see the port.

        All but the farthest layer are asked pair by pair, so that one that lies in several counts once.
        """
        addresses = iter(addresses)
        removed = 0
        while batch := list(islice(addresses, _BATCH)):
            for locator, variant in batch:
                check_address(locator, variant)
            failures: list[Exception] = []
            open_layers = self._open()
            left = batch
            gone: list[tuple[str, str]] = []
            for at in open_layers[:-1]:
                there = [one for one in left if self._removed(at, [one], failures)]
                self._removed(at, gone, failures)
                gone += there
                left = [one for one in left if one not in there] if there else left
            for at in open_layers[-1:]:
                self._removed(at, gone, failures)
                removed += len(gone) + self._removed(at, left, failures)
            self._raise_if_all(failures, len(open_layers))
        return removed

    def locators(self) -> Iterator[str]:
        """Yield each locator of any layer; see the port. The names are kept while it lasts."""
        seen: set[str] = set()
        failures: list[Exception] = []
        for at in range(len(self._layers)):
            names: Iterator[str] | None = self._try(at, "reading", lambda store: iter(store.locators()), failures)
            while names is not None:
                name = self._try(at, "reading", partial(_next, names), failures)
                if name is None:
                    break
                if name not in seen:
                    seen.add(name)
                    yield name
        self._raise_if_all(failures, len(self._layers))

    def close(self) -> None:
        """Close every layer; see the port."""
        for at in range(len(self._layers)):
            self._try(at, "closing", lambda store: store.close(), [])

    def _open(self) -> list[int]:
        """Return which layers can be written to; CacheError when none can."""
        if self.read_only:
            raise CacheError("cache: one layer must be open to writing, got none")
        return [at for at in range(len(self._layers)) if at not in self._closed]

    def _fill(self, before: int, locator: str, variant: str, text: str) -> None:
        for at in range(before):
            if at not in self._closed:
                self._try(at, "writing", lambda store: store.store(locator, variant, text), [])

    def _removed(self, at: int, addresses: list[tuple[str, str]], failures: list[Exception]) -> int:
        return self._try(at, "removing", lambda store: store.discard(addresses), failures) or 0 if addresses else 0

    def _try(self, at: int, what: str, action: Callable[[Any], T], failures: list[Exception]) -> T | None:
        """Return what a layer answers; None, a note among the failures and one warning when it fails."""
        name, store = self._layers[at]
        try:
            return action(store)
        except Exception as error:  # noqa: BLE001  a cache plugin may fail in any way; the other layers stay in use
            failures.append(error)
            if what == "writing" and is_hopeless(error):
                self._closed.add(at)
            if name not in self._warned:
                self._warned.add(name)
                words = f"layer {name!r}: {what} failed ({type(error).__name__}: {error}); the other layers stay in use"
                warn(f"amorsize cache: {words}")
            return None

    def _raise_if_all(self, failures: list[Exception], layers: int) -> None:
        if failures and len(failures) >= layers:
            raise CacheError("cache: every layer failed") from failures[-1]


def _next(names: Iterator[str], _: CacheStore) -> str | None:
    return next(names, None)
