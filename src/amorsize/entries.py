"""Entries in a cache store: typed, checked, and never the reason why a call fails."""

from __future__ import annotations

import errno
import json
import warnings
from typing import TYPE_CHECKING, Final, TypeVar

from amorsize import records
from amorsize.domain.keys import machine_locator, name_locator
from amorsize.domain.values import FORMAT
from amorsize.errors import AmorsizeWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from amorsize.domain.fingerprint import Fingerprint
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.values import Entry
    from amorsize.ports import CacheStore

T = TypeVar("T")

_HOPELESS: Final = frozenset({errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EDQUOT})


class Entries:
    """The entries, overheads and outlines of one store, at most max_entries of them if that is given.

    Whatever the store does, a look-up answers and a write returns: a failing read is a miss, a failing write is given
    up, with one AmorsizeWarning for both in this object's life, and one for all damaged records. When the medium is
    full, read-only or forbidden, writing stops for good.
    """

    def __init__(
        self, store: CacheStore, max_entries: int | None = None, now: Callable[[], float] = lambda: 0.0
    ) -> None:
        self.store = store
        self.writable = True
        self._max_entries = max_entries
        self._writes_until_shrink = 0
        self._now = now
        self._warned: set[str] = set()

    def find(self, locator: str, suffix: str) -> dict[str, Entry]:
        """Return the readable entries under a locator whose variant ends with suffix, by variant."""
        found: dict[str, Entry] = {}
        for variant, text in self._fetch(locator).items():
            if not variant.endswith(suffix):
                continue
            entry = self._read(records.decode_entry, text)
            if entry is None:
                continue
            if entry.locator == locator and entry.variant == variant:
                found[variant] = entry
            else:
                self.warn(
                    "damaged", f"a cached entry under {locator} was written for {entry.locator}; it is passed over"
                )
        return found

    def keep(self, entry: Entry) -> None:
        """Store an entry under its own key."""
        self._write(entry.locator, entry.variant, lambda: records.encode(entry))
        if self._max_entries is not None and self.writable:
            self._shrink(self._max_entries)

    def drop(self, entry: Entry) -> None:
        """Remove an entry."""
        try:
            self.store.discard([(entry.locator, entry.variant)])
        except Exception as error:  # noqa: BLE001  a cache plugin may fail in any way; the call goes on
            self.warn("store", f"removing failed ({type(error).__name__}: {error}); the entry stays")

    def _shrink(self, most: int) -> None:
        """Hold to the size limit: at the first write of a process, then after each tenth of the limit."""
        self._writes_until_shrink -= 1
        if self._writes_until_shrink >= 0:
            return
        self._writes_until_shrink = most // 10
        from amorsize.upkeep import Cache  # noqa: PLC0415  only a limited cache is counted

        try:
            Cache(self.store, self._now).shrink(most)
        except Exception as error:  # noqa: BLE001  a cache plugin may fail in any way; the call goes on
            self.warn("store", f"holding to max_entries failed ({type(error).__name__}: {error})")

    def overheads(self, machine_id: str, start_method: str) -> Overheads | None:
        """Return what a kind of machine charges for a start method; None when it is not known."""
        text = self._fetch(machine_locator(machine_id)).get(_overheads_variant(start_method))
        return None if text is None else self._read(records.decode_overheads, text)

    def keep_overheads(self, machine_id: str, overheads: Overheads) -> None:
        """Store what a kind of machine charges."""
        variant = _overheads_variant(overheads.start_method)
        self._write(machine_locator(machine_id), variant, lambda: records.encode(overheads))

    def outline(self, function: str) -> tuple[str, list[tuple[str, str]], list[str]] | None:
        """Return the latest fingerprint, outline and item kinds kept for a function's name; None when there is none."""
        text = self._fetch(name_locator(function)).get(_OUTLINE)
        record = None if text is None else self._read(records.unseal, text)
        if record is None:
            return None
        try:
            parts = [(str(label), str(value)) for label, value in record["outline"]]
            return str(record["fingerprint"]), parts, [str(kind) for kind in record["seen"]]
        except (KeyError, TypeError, ValueError):
            return None

    def keep_outline(self, function: str, fingerprint: Fingerprint, seen: list[str]) -> None:
        """Store what a function of this name looks like now, and what it was measured on (``kind_size``)."""
        body: dict[str, object] = {"fingerprint": fingerprint.hex, "outline": list(fingerprint.outline), "seen": seen}
        self._write(name_locator(function), _OUTLINE, lambda: records.seal(_compact(body)))

    def warn(self, kind: str, message: str) -> None:
        """Warn once of each kind."""
        if kind not in self._warned:
            self._warned.add(kind)
            warnings.warn(f"amorsize cache: {message}", AmorsizeWarning, stacklevel=2)

    def _fetch(self, locator: str) -> Mapping[str, str]:
        try:
            return self.store.fetch(locator)
        except Exception as error:  # noqa: BLE001  a cache plugin may fail in any way; the call goes on
            self.warn("store", f"reading failed ({type(error).__name__}: {error}); going on without the cache")
            return {}

    def _read(self, decode: Callable[[str], T], text: str) -> T | None:
        try:
            return decode(text)
        except Exception as error:  # noqa: BLE001  the text may be anything at all
            self.warn("damaged", f"a cached record is unreadable and is passed over ({error})")
            return None

    def _write(self, locator: str, variant: str, encode: Callable[[], str]) -> None:
        if not self.writable:
            return
        try:
            self.store.store(locator, variant, encode())
        except Exception as error:  # noqa: BLE001  a cache plugin may fail in any way; the call goes on
            if getattr(error, "errno", None) in _HOPELESS or getattr(error.__cause__, "errno", None) in _HOPELESS:
                self.writable = False
            self.warn("store", f"writing failed ({type(error).__name__}: {error}); the answer is not kept")


_OUTLINE: Final = f"outline_v:{FORMAT}"


def _overheads_variant(start_method: str) -> str:
    return f"{start_method}_v:{FORMAT}"


def _compact(body: dict[str, object]) -> str:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)
