"""Typed and checked entries in a cache store. A failing store never makes a call fail."""

from __future__ import annotations

import errno
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from amorsize.application.cache import records
from amorsize.domain.keys import machine_locator, name_locator
from amorsize.domain.values import DAY_SECONDS, FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from amorsize.application.ports import CacheStore
    from amorsize.domain.fingerprint.fingerprint import Fingerprint
    from amorsize.domain.overheads import Overheads
    from amorsize.domain.values import Entry

T = TypeVar("T")
_WRITES_TO_TIDY: Final = 32
"""Writes after which old entries are looked for, so that the work of looking is spread."""
_FIRST_TIDY: Final = 16
"""The same for the first time in a process, as many processes write only a few entries."""
_TIDIED: Final = 128
"""Entries that are looked at then: four a write, more than are ever added."""

_LEAST_TTL_SECONDS: Final = 7 * DAY_SECONDS
"""Programs with other settings may share a cache, so younger entries are never removed automatically."""

_HOPELESS: Final = frozenset({errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EDQUOT})
"""Errors after which a further write to the medium fails too."""


class Outline(NamedTuple):
    """What a function looked like when it was last measured: it tells why there is no entry now.

    Attributes:
        hex: the fingerprint.
        parts: its labelled parts.
        seen: the kinds and sizes of items that it was measured on, the latest first.
    """

    hex: str
    parts: list[tuple[str, str]]
    seen: list[str]


class Entries:
    """The entries, overheads and outlines of one store.

    A failing read is a miss, and a failing write is skipped. There is one warning for both, and one for all damaged
    records. When the medium is full, read-only or forbidden, writing stops for good.

    Args:
        store: the store.
        max_entries: the most entries to keep; None: no limit.
        now: returns Unix seconds.
        ttl_seconds: some writes remove entries that are older; None: no write does.
        say: receives the text of each warning.
    """

    def __init__(
        self,
        store: CacheStore,
        max_entries: int | None = None,
        now: Callable[[], float] = lambda: 0.0,
        ttl_seconds: float | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.store = store
        self._say = say
        self.writable = not getattr(store, "read_only", False)
        self._max_entries = max_entries
        self._writes_until_shrink = 0
        self._writes_until_tidy = _FIRST_TIDY - int(now()) % _FIRST_TIDY  # so that one of 16 short processes does it
        self._ttl_seconds = ttl_seconds
        self._now = now
        self._warned: set[str] = set()

    def find(self, locator: str, suffix: str) -> dict[str, Entry]:
        """Return the readable entries under a locator whose variant ends with suffix, by variant."""
        return self._readable(locator, suffix, self._fetch(locator))

    def find_further(self, locator: str, suffix: str) -> dict[str, Entry]:
        """Return the newest of each such entry in all layers of a layered store, and copy it to the nearest layer."""
        layers = [self._readable(locator, suffix, texts) for texts in self._fetch_each(locator)]
        found: dict[str, Entry] = {}
        for entries in layers:
            for variant, entry in entries.items():
                if variant not in found or entry.measured_at > found[variant].measured_at:
                    found[variant] = entry
        for variant, entry in found.items():
            if entry != layers[0].get(variant):
                self.keep(entry)
        return found

    def _readable(self, locator: str, suffix: str, texts: Mapping[str, str]) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for variant, text in texts.items():
            if not variant.endswith(suffix):
                continue
            entry = self._read(records.decode_entry, text)
            if entry is None:
                continue
            if entry.locator == locator and entry.variant == variant:
                found[variant] = entry
            else:
                self.warn("damaged", f"a cached entry under {locator} was written for {entry.locator}; it is ignored")
        return found

    def keep(self, entry: Entry) -> None:
        """Store an entry under its own key."""
        self._write(entry.locator, entry.variant, lambda: records.encode(entry))
        if self._max_entries is not None and self.writable:
            self._shrink(self._max_entries)
        if not entry.confirmations and self._ttl_seconds is not None and self.writable:  # a hit never removes entries
            self._tidy(max(self._ttl_seconds, _LEAST_TTL_SECONDS))

    def drop(self, entry: Entry) -> None:
        """Remove an entry."""
        try:
            self.store.discard([(entry.locator, entry.variant)])
        except Exception as error:  # noqa: BLE001  a cache plugin may fail in any way; the call goes on
            self.warn("store", f"removing failed ({type(error).__name__}: {error}); the entry stays")

    def _shrink(self, most: int) -> None:
        """Remove entries beyond the limit: at the first write of a process, then after each tenth of the limit."""
        self._writes_until_shrink -= 1
        if self._writes_until_shrink >= 0:
            return
        self._writes_until_shrink = most // 10
        from amorsize.application.cache.maintenance import Cache

        try:
            Cache(self.store, self._now).shrink(most)
        except Exception as error:  # noqa: BLE001  a cache plugin may fail in any way; the call goes on
            self.warn("store", f"removing entries beyond max_entries failed ({type(error).__name__}: {error})")

    def _tidy(self, ttl_seconds: float) -> None:
        """Remove some old entries, once in 32 writes; this never fails and never warns."""
        self._writes_until_tidy -= 1
        if self._writes_until_tidy > 0:
            return
        self._writes_until_tidy = _WRITES_TO_TIDY
        from amorsize.application.cache.maintenance import Cache

        for store in getattr(self.store, "kept", (self.store,)):
            if not getattr(store, "expires", False):
                with suppress(Exception):  # what stays is old, and stale when it is found
                    Cache(store, self._now).tidy(ttl_seconds, _TIDIED)

    def overheads(self, machine_id: str, start_method: str) -> Overheads | None:
        """Return the overheads of a kind of machine for a start method, None when they are not known."""
        locator, variant = machine_locator(machine_id), _overheads_variant(start_method)
        text = self._fetch(locator).get(variant)
        if text is None:
            text = next((texts[variant] for texts in self._fetch_each(locator) if variant in texts), None)
        return None if text is None else self._read(records.decode_overheads, text)

    def keep_overheads(self, machine_id: str, overheads: Overheads) -> None:
        """Store the overheads of a kind of machine."""
        variant = _overheads_variant(overheads.start_method)
        self._write(machine_locator(machine_id), variant, lambda: records.encode(overheads))

    def outline(self, function: str) -> Outline | None:
        """Return the latest outline for the name of a function, None when there is none."""
        text = self._fetch(name_locator(function)).get(_OUTLINE)
        record = None if text is None else self._read(records.unseal, text)
        if record is None:
            return None
        try:
            parts = [(str(label), str(value)) for label, value in record["outline"]]
            return Outline(str(record["fingerprint"]), parts, [str(kind) for kind in record["seen"]])
        except (KeyError, TypeError, ValueError):
            return None

    def keep_outline(self, function: str, fingerprint: Fingerprint, seen: list[str]) -> None:
        """Store the outline of a function under its name, with the kinds and sizes of items that it was measured on."""
        body: dict[str, object] = {"fingerprint": fingerprint.hex, "outline": list(fingerprint.outline), "seen": seen}
        text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
        self._write(name_locator(function), _OUTLINE, lambda: records.seal(text))

    def warn(self, kind: str, message: str) -> None:
        """Warn, once for each kind of warning."""
        if kind not in self._warned:
            self._warned.add(kind)
            self._say(f"amorsize cache: {message}")

    def _fetch(self, locator: str) -> Mapping[str, str]:
        try:
            return self.store.fetch(locator)
        except Exception as error:  # noqa: BLE001  a cache plugin may fail in any way; the call goes on
            self.warn("store", f"reading failed ({type(error).__name__}: {error}); going on without the cache")
            return {}

    def _fetch_each(self, locator: str) -> list[Mapping[str, str]]:
        """Return the variants of each layer of a layered store, nothing for any other store."""
        fetch_each = getattr(self.store, "fetch_each", None)
        if fetch_each is None:
            return []
        try:
            return list(fetch_each(locator))
        except Exception as error:  # noqa: BLE001  as above
            self.warn("store", f"reading failed ({type(error).__name__}: {error}); going on without the cache")
            return []

    def _read(self, decode: Callable[[str], T], text: str) -> T | None:
        try:
            return decode(text)
        except Exception as error:  # noqa: BLE001  the text may be anything at all
            self.warn("damaged", f"a cached record is unreadable and is ignored ({error})")
            return None

    def _write(self, locator: str, variant: str, encode: Callable[[], str]) -> None:
        if not self.writable:
            return
        try:
            self.store.store(locator, variant, encode())
        except Exception as error:  # noqa: BLE001  a cache plugin may fail in any way; the call goes on
            if is_hopeless(error):
                self.writable = False
            self.warn("store", f"writing failed ({type(error).__name__}: {error}); the answer is not kept")


def is_hopeless(error: BaseException) -> bool:
    """Tell whether a failed write says that the medium is full, read-only or forbidden."""
    return any(getattr(one, "errno", None) in _HOPELESS for one in (error, error.__cause__))


_OUTLINE: Final = f"outline_v:{FORMAT}"


def _overheads_variant(start_method: str) -> str:
    return f"{start_method}_v:{FORMAT}"
