"""Maintenance of a cache: count, list, prune, verify, export and import."""

from __future__ import annotations

import json
import re
from collections import Counter
from hashlib import sha256
from heapq import nsmallest
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

import attrs

from amorsize.application.cache import records
from amorsize.domain.keys import name_locator
from amorsize.domain.source import GOLDEN
from amorsize.domain.values import DAY_SECONDS, FORMAT, TEXT_BYTES
from amorsize.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from amorsize.application.ports import CacheStore
    from amorsize.domain.values import Entry

EXPORT_FORMAT: Final = 1
"""Version of the document that export writes."""
_MOST_EXPORT_BYTES: Final = 1 << 30
"""Characters of the largest export that is read, as all of it is in memory: a million entries."""
_ASIDE: Final = "aside:"
"""What the locator of a record begins with that is set aside."""

_OWN: Final = ("func:", "machine:", "name:", _ASIDE)
"""What amorsize's own locators start with; other locators are never touched."""

_ADDRESS: Final = re.compile(r"(func|name|machine):[!-~]{1,72}")
_VARIANT: Final = re.compile(r"[!-~]{1,80}")
"""What an imported record may be stored under."""
_FORMAT: Final = re.compile(r"_v:([0-9]{1,9})@")
"""The format in the variant of an entry."""
_SKEW_SECONDS: Final = DAY_SECONDS
"""Seconds that the clock of another host may be ahead: entries dated less than that ahead are not removed."""


@attrs.frozen
class Stats:
    """What a cache contains, and how this process used it.

    Attributes:
        entries: number of entries.
        bytes: size of all records.
        oldest: Unix seconds of the oldest measurement, None when there is none.
        newest: Unix seconds of the latest measurement, None when there is none.
        functions: number of entries by function.
        hits: answers from the cache in this process.
        misses: answers by measuring in this process.
        seconds_saved: what measuring the answers of the hits had taken.
    """

    entries: int
    bytes: int
    oldest: float | None
    newest: float | None
    functions: dict[str, int]
    hits: int
    misses: int
    seconds_saved: float


class Usage(Protocol):
    """An object that counts hits, misses and saved seconds."""

    hits: int
    misses: int
    seconds_saved: float


@attrs.frozen
class Verified:
    """What verifying found.

    Attributes:
        readable: number of readable records.
        set_aside: addresses (locator, variant) of unreadable records, which were set aside.
        too_long: addresses of unreadable records that are too long to be set aside; they stay.
    """

    readable: int
    set_aside: tuple[tuple[str, str], ...]
    too_long: tuple[tuple[str, str], ...] = ()


@attrs.frozen
class Imported:
    """What importing did: records imported, records not newer than present ones, and a line for each refused one."""

    taken: int
    kept: int
    refused: tuple[str, ...]


class Cache:
    """A cache store, with what a user can do with it.

    Args:
        store: the store; what it raises is passed on.
        now: Unix seconds.
        usage: counts how this process used the store; None: nothing does.
    """

    def __init__(self, store: CacheStore, now: Callable[[], float], usage: Usage | None = None) -> None:
        self.store = store
        self._now = now
        self._usage = usage

    def records(self) -> Iterator[tuple[str, str, str]]:
        """Yield (locator, variant, text) of all records of amorsize, readable or not."""
        for locator in self.store.locators():
            if not locator.startswith(_OWN):
                continue
            for variant, text in self._fetch(locator).items():
                yield locator, variant, text

    def _fetch(self, locator: str) -> Mapping[str, str]:
        """Return all variants; of a layered store each variant from the nearest layer that has it."""
        fetch_each = getattr(self.store, "fetch_each", None)
        if fetch_each is None:
            return self.store.fetch(locator)
        texts: dict[str, str] = {}
        for layer in fetch_each(locator):
            texts = {**layer, **texts}
        return texts

    def entries(self, *, function: str = "", older_than_seconds: float | None = None) -> Iterator[Entry]:
        """Yield the readable entries.

        Args:
            function: only those of functions whose qualified name contains this text.
            older_than_seconds: only those measured longer ago.
        """
        before = None if older_than_seconds is None else self._now() - older_than_seconds
        for locator, variant, text in self.records():
            entry = read_entry(locator, variant, text)
            if entry is None or function not in entry.function:
                continue
            if before is None or entry.measured_at < before:
                yield entry

    def show(self, key: str) -> list[Entry]:
        """Return the entries under a key, a locator, or the start of a key; empty when there are none."""
        exact = [entry for entry in self._under(key.partition("_time:")[0]) if key in (entry.locator, key_of(entry))]
        return exact or [entry for entry in self.entries() if key_of(entry).startswith(key)]

    def _under(self, locator: str) -> Iterator[Entry]:
        if not _VARIANT.fullmatch(locator):
            return
        for variant, text in self._fetch(locator).items():
            if (entry := read_entry(locator, variant, text)) is not None:
                yield entry

    def stats(self) -> Stats:
        """Count what the cache contains."""
        size = 0
        measured: list[float] = []
        functions: Counter[str] = Counter()
        for locator, variant, text in self.records():
            size += len(text.encode("utf-8", "surrogatepass"))
            if (entry := read_entry(locator, variant, text)) is not None:
                measured.append(entry.measured_at)
                functions[entry.function] += 1
        used = self._usage
        did = (used.hits, used.misses, used.seconds_saved) if used else (0, 0, 0.0)
        oldest, newest = min(measured, default=None), max(measured, default=None)
        return Stats(len(measured), size, oldest, newest, dict(functions), *did)

    def prune(self, ttl_seconds: float) -> int:
        """Remove entries that are older than ttl_seconds, unreadable or dated in the future; return how many.

        Memory does not grow with the number of entries. Overheads and outlines stay.
        """
        now = self._now()

        def outdated() -> Iterator[tuple[str, str]]:
            for locator, variant, text in self.records():
                if locator.startswith(_ASIDE):
                    yield locator, variant
                elif locator.startswith("func:"):
                    entry = read_entry(locator, variant, text)
                    if entry is None or not 0 <= now - entry.measured_at <= ttl_seconds:
                        yield locator, variant

        return self.store.discard(outdated())

    def tidy(self, ttl_seconds: float, most: int) -> int:
        """Remove the old ones among some entries, and return how many.

        It runs without being asked for, so it is more careful than ``prune``. Records of a newer amorsize stay, and so
        do records dated less than a day ahead by the clock of another host. Unreadable records of an old format go.

        Args:
            ttl_seconds: seconds that an entry is valid.
            most: locators to check, starting at a different one each time.
        """
        now = self._now()
        some = getattr(self.store, "some_locators", None)
        names = some(int(now * 1e3) * GOLDEN % 1.0, most) if some else islice(self.store.locators(), most)

        def outdated() -> Iterator[tuple[str, str]]:
            for locator in names:
                for variant, text in self._fetch(locator).items() if locator.startswith(("func:", _ASIDE)) else ():
                    if _is_outdated(locator, variant, text, now, ttl_seconds):
                        yield locator, variant

        return self.store.discard(outdated())

    def shrink(self, most: int) -> int:
        """Remove the entries confirmed least recently until at most ``most`` are left; return how many."""
        ages = [(entry.confirmed_at, entry.locator, entry.variant) for entry in self.entries()]
        return self.store.discard([age[1:] for age in nsmallest(len(ages) - most, ages)]) if len(ages) > most else 0

    def clear(self, *, function: str = "") -> int:
        """Remove all records and return how many entries are gone; read-only layers stay.

        Args:
            function: only entries and outlines of functions whose qualified name contains this text.
        """
        if function:
            return self._clear_functions(function)
        entries = 0

        def everything() -> Iterator[tuple[str, str]]:
            nonlocal entries
            for locator, variant, _ in self.records():
                entries += locator.startswith("func:")
                yield locator, variant

        self.store.discard(everything())
        left = sum(locator.startswith("func:") for locator, _, _ in self.records())
        return max(0, entries - left)

    def _clear_functions(self, function: str) -> int:
        names: set[str] = set()

        def entries() -> Iterator[tuple[str, str]]:
            for entry in self.entries(function=function):
                names.add(entry.function)
                yield entry.locator, entry.variant

        removed = self.store.discard(entries())
        outlines = map(name_locator, names)
        self.store.discard((locator, variant) for locator in outlines for variant in self._fetch(locator))
        return removed

    def verify(self) -> Verified:
        """Read all records and set aside the unreadable ones, under ``aside:``, where no look-up reads them.

        A record that is too long to be set aside stays.
        """
        readable = 0
        damaged: list[tuple[str, str]] = []
        too_long: list[tuple[str, str]] = []
        for locator, variant, text in self.records():
            if locator.startswith(_ASIDE):
                continue
            if fault_in(locator, variant, text) is None:
                readable += 1
                continue
            address = sha256(f"{locator}\0{variant}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
            body = json.dumps({"locator": locator, "variant": variant, "text": text})
            if len(text.encode("utf-8", "surrogatepass")) >= TEXT_BYTES or len(body) > TEXT_BYTES:
                too_long.append((locator, variant))
                continue
            self.store.store(f"{_ASIDE}{address}", f"at:{int(self._now())}", body)
            damaged.append((locator, variant))
        self.store.discard(damaged)
        return Verified(readable, tuple(damaged), tuple(too_long))

    def export(self, file: IO[str]) -> int:
        """Write all readable records as one JSON document, one record per line; return how many."""
        written = 0
        file.write(f'{{"amorsize_export":{EXPORT_FORMAT},"records":[')
        for locator, variant, text in self.records():
            if fault_in(locator, variant, text) is None:
                file.write(",\n" if written else "\n")
                file.write(json.dumps({"locator": locator, "variant": variant, "text": text}))
                written += 1
        file.write("\n]}\n")
        return written

    def import_(self, file: IO[str]) -> Imported:
        """Import an export record by record. Wrong records are refused, and newer records that are here stay.

        Raises:
            CacheError: the file is not an export.
        """
        taken = kept = 0
        refused: list[str] = []
        for number, record in enumerate(_exported(file), 1):
            fault = _import_fault(record)
            if fault is not None:
                refused.append(f"record {number}: {fault}")
            elif self._is_newer(record["locator"], record["variant"], record["text"]):
                self.store.store(record["locator"], record["variant"], record["text"])
                taken += 1
            else:
                kept += 1
        return Imported(taken, kept, tuple(refused))

    def _is_newer(self, locator: str, variant: str, text: str) -> bool:
        present = self._fetch(locator).get(variant)
        if present is None or fault_in(locator, variant, present) is not None:
            return True
        if locator.startswith("name:"):
            return False
        newer, known = _decoded(locator, variant, text), _decoded(locator, variant, present)
        return bool(newer.measured_at > known.measured_at)


def _is_outdated(locator: str, variant: str, text: str, now: float, ttl_seconds: float) -> bool:
    if locator.startswith(_ASIDE):
        at = variant.removeprefix("at:")
        return at.isdigit() and now - int(at[:12]) > ttl_seconds
    if (entry := read_entry(locator, variant, text)) is not None:
        return not -_SKEW_SECONDS <= now - entry.measured_at <= ttl_seconds and entry.format <= FORMAT
    written = _FORMAT.search(variant)
    return written is not None and int(written[1]) < FORMAT


def key_of(entry: Entry) -> str:
    """Return the whole key of an entry as one text."""
    return f"{entry.locator}_{entry.variant}"


def read_entry(locator: str, variant: str, text: str) -> Entry | None:
    """Return the entry in a record; None when the record is unreadable or no entry."""
    try:
        return _decoded(locator, variant, text) if locator.startswith("func:") else None
    except ValueError:
        return None


def fault_in(locator: str, variant: str, text: str) -> str | None:
    """Say what is wrong with a record, None when nothing is."""
    try:
        _decoded(locator, variant, text)
    except ValueError as error:
        return str(error)
    return None


def _decoded(locator: str, variant: str, text: str) -> Any:
    """Return what a record holds; ValueError says what is wrong with it."""
    if locator.startswith("machine:"):
        return records.decode_overheads(text)
    if not locator.startswith("func:"):
        return records.unseal(text)
    entry = records.decode_entry(text)
    if (entry.locator, entry.variant) != (locator, variant):
        raise ValueError("must be stored under its own key")
    return entry


def _exported(file: IO[str]) -> Iterable[Any]:
    try:
        text = file.read(_MOST_EXPORT_BYTES + 1)
        if len(text) > _MOST_EXPORT_BYTES:
            raise CacheError(f"import: the file must be at most {_MOST_EXPORT_BYTES} characters, got more")
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CacheError(f"import: the file must be JSON written by export, got {error}") from None
    if type(document) is not dict or document.get("amorsize_export") != EXPORT_FORMAT:
        raise CacheError(f"import: the file must be an export of format {EXPORT_FORMAT}, got something else")
    exported = document.get("records")
    if type(exported) is not list:
        raise CacheError(f"import: records must be a list, got {type(exported).__name__}")
    return exported


def _import_fault(record: Any) -> str | None:
    if type(record) is not dict or set(record) != {"locator", "variant", "text"}:
        return "must have locator, variant and text"
    if not all(type(value) is str for value in record.values()):
        return "locator, variant and text must be text"
    if not _ADDRESS.fullmatch(record["locator"]) or not _VARIANT.fullmatch(record["variant"]):
        return "locator and variant must be amorsize's own"
    return fault_in(record["locator"], record["variant"], record["text"])
