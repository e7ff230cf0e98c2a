"""Care for a cache and insight into it: count, list, prune, verify, export and import."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from heapq import nsmallest
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

import attrs

from amorsize import records
from amorsize.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from amorsize.domain.values import Entry
    from amorsize.ports import CacheStore

EXPORT_FORMAT: Final = 1
_MOST_EXPORT_BYTES: Final = 1 << 30
_ASIDE: Final = "aside:"
_MOST_ASIDE: Final = 8192
_ADDRESS: Final = re.compile(r"(func|name|machine):[!-~]{1,72}")
_VARIANT: Final = re.compile(r"[!-~]{1,80}")


@attrs.frozen
class Stats:
    """What a cache holds, and what it did in this process.

    ``bytes`` counts the text of all records, ``oldest`` and ``newest`` are Unix seconds, ``functions`` counts entries
    by function; ``seconds_saved`` is what the hits' answers took to find when they were measured.
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
    """Who counts hits, misses and the seconds saved."""

    hits: int
    misses: int
    seconds_saved: float


@attrs.frozen
class Verified:
    """What verifying found: readable records, and the addresses (locator, variant) of those set aside."""

    readable: int
    set_aside: tuple[tuple[str, str], ...]


@attrs.frozen
class Imported:
    """What importing did: records taken, those not newer than what was there, and a line for each refused."""

    taken: int
    kept: int
    refused: tuple[str, ...]


class Cache:
    """A person's view of a cache store.

    Args:
        store: the store looked after; what it raises comes out.
        now: Unix seconds.
        usage: counts what this process made of the store; None: nobody does.
    """

    def __init__(self, store: CacheStore, now: Callable[[], float], usage: Usage | None = None) -> None:
        self.store = store
        self._now = now
        self._usage = usage

    def records(self) -> Iterator[tuple[str, str, str]]:
        """Yield (locator, variant, text) of everything kept, readable or not."""
        for locator in self.store.locators():
            for variant, text in self._fetch(locator).items():
                yield locator, variant, text

    def _fetch(self, locator: str) -> Mapping[str, str]:
        """Return all variants, of a layered store those of all layers: of each the nearest."""
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
        """Return the entries under a key: a whole one, a locator, or the beginning of one; empty when there is none."""
        exact = [entry for entry in self._under(key.partition("_time:")[0]) if key in (entry.locator, key_of(entry))]
        return exact or [entry for entry in self.entries() if key_of(entry).startswith(key)]

    def _under(self, locator: str) -> Iterator[Entry]:
        if not _VARIANT.fullmatch(locator):
            return
        for variant, text in self._fetch(locator).items():
            entry = read_entry(locator, variant, text)
            if entry is not None:
                yield entry

    def stats(self) -> Stats:
        """Count what the cache holds."""
        entries = size = 0
        oldest: float | None = None
        newest: float | None = None
        functions: dict[str, int] = {}
        for locator, variant, text in self.records():
            size += len(text.encode("utf-8", "surrogatepass"))
            entry = read_entry(locator, variant, text)
            if entry is None:
                continue
            entries += 1
            oldest = entry.measured_at if oldest is None else min(oldest, entry.measured_at)
            newest = entry.measured_at if newest is None else max(newest, entry.measured_at)
            functions[entry.function] = functions.get(entry.function, 0) + 1
        used = self._usage
        did = (used.hits, used.misses, used.seconds_saved) if used else (0, 0, 0.0)
        return Stats(entries, size, oldest, newest, functions, *did)

    def prune(self, ttl_seconds: float) -> int:
        """Remove entries measured longer ago than ttl_seconds, or unreadable, or dated in the future; return how many.

        Streams: memory does not grow with the number of entries. Machines' overheads and outlines stay.
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

    def shrink(self, most: int) -> int:
        """Remove the entries least recently confirmed until at most so many are left; return how many went."""
        ages = [(entry.confirmed_at, entry.locator, entry.variant) for entry in self.entries()]
        return self.store.discard([age[1:] for age in nsmallest(len(ages) - most, ages)]) if len(ages) > most else 0

    def clear(self) -> int:
        """Remove everything and return how many entries are gone; what is read-only stays."""
        entries = 0

        def everything() -> Iterator[tuple[str, str]]:
            nonlocal entries
            for locator, variant, _ in self.records():
                entries += locator.startswith("func:")
                yield locator, variant

        self.store.discard(everything())
        left = sum(locator.startswith("func:") for locator, _, _ in self.records())
        return max(0, entries - left)

    def verify(self) -> Verified:
        """Read everything, set aside what is unreadable (it is kept under ``aside:``, out of every look-up's way)."""
        readable = 0
        damaged: list[tuple[str, str]] = []
        for locator, variant, text in self.records():
            if locator.startswith(_ASIDE):
                continue
            if fault_in(locator, variant, text) is None:
                readable += 1
                continue
            address = sha256(f"{locator}\0{variant}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
            body = json.dumps({"locator": locator, "variant": variant, "text": text[:_MOST_ASIDE]})
            self.store.store(f"{_ASIDE}{address}", f"at:{int(self._now())}", body)
            damaged.append((locator, variant))
        self.store.discard(damaged)
        return Verified(readable, tuple(damaged))

    def export(self, file: IO[str]) -> int:
        """Write all readable records as one JSON document, a record a line; return how many."""
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
        """Take in an export record by record: what is wrong is refused and said, what is newer here is kept.

        Raises:
            CacheError: the file as a whole is no export.
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
        decode = records.decode_entry if locator.startswith("func:") else records.decode_overheads
        return decode(text).measured_at > decode(present).measured_at


def key_of(entry: Entry) -> str:
    """Return the whole key of an entry as one text."""
    return f"{entry.locator}_{entry.variant}"


def read_entry(locator: str, variant: str, text: str) -> Entry | None:
    """Return the entry in a record; None when it is none or unreadable."""
    if not locator.startswith("func:") or fault_in(locator, variant, text) is not None:
        return None
    return records.decode_entry(text)


def fault_in(locator: str, variant: str, text: str) -> str | None:
    """Say what is wrong with a record, None when it is as it was written."""
    try:
        if locator.startswith("func:"):
            entry = records.decode_entry(text)
            if (entry.locator, entry.variant) != (locator, variant):
                return "must lie where its own key says"
        elif locator.startswith("machine:"):
            records.decode_overheads(text)
        else:
            records.unseal(text)
    except ValueError as error:
        return str(error)
    return None


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
