"""Entries, overheads and outlines as versioned JSON text that carries a digest of itself, and back."""

from __future__ import annotations

import json
from functools import cache, lru_cache
from hashlib import sha256
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import attrs

from amorsize.domain.values import EXECUTORS, Constraints, Entry, Machine, Plan, Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.domain.overheads import Overheads

MAX_TEXT: Final = 2048
"""Characters of the longest record that is written or read: our choice."""

_HEAD: Final = '{"digest":"'
_MIDDLE: Final = '","record":'
_DIGEST_DIGITS: Final = 16
"""Hex digits of a digest: 64 bits, to find damage, not to keep anybody out."""
_DIGEST_AT: Final = len(_HEAD)
_MIDDLE_AT: Final = _DIGEST_AT + _DIGEST_DIGITS
_BODY_AT: Final = _MIDDLE_AT + len(_MIDDLE)
_LARGE: Final = 1e8
"""From here on a number is a date or a number of bytes, of which all whole digits are kept."""


def _digest(body: str) -> str:
    return sha256(body.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_DIGITS]


def seal(body: str) -> str:
    """Return a JSON object that holds a JSON body and its digest."""
    return f"{_HEAD}{_digest(body)}{_MIDDLE}{body}}}"


def unseal(text: str) -> Any:
    """Return the record in sealed text; ValueError when any character has changed."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"record must be at most {MAX_TEXT} characters, got {len(text)}")
    body = text[_BODY_AT:-1]
    if (
        text[_DIGEST_AT:_MIDDLE_AT] != _digest(body)
        or not text.startswith(_HEAD)
        or text[_MIDDLE_AT:_BODY_AT] != _MIDDLE
        or text[-1] != "}"
    ):
        raise ValueError("record must match its digest")
    try:
        record, end = _decoder.raw_decode(body)
    except RecursionError:
        raise ValueError("record must not be nested that deep") from None
    if end != len(body):
        raise ValueError(f"record must be one JSON value, got {len(body) - end} characters more")
    return record


def _refuse_constant(name: str) -> float:
    raise ValueError(f"numbers must be finite, got {name}")


def _plain(value: Any) -> Any:
    """Return a value as lists, texts and numbers: an attrs value is the list of its fields."""
    if isinstance(value, float):
        return _short(value)
    if isinstance(value, _PLAIN):
        return value
    return list(map(_plain, value if isinstance(value, tuple) else _fields_of(value.__class__)(value)))


_PLAIN: Final = (str, int, type(None))


@cache
def _fields_of(kind: type) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*(field.name for field in attrs.fields(kind)))


def _short(value: float) -> float:
    """Round to 8 digits, more than measuring gives; dates and numbers of bytes keep all whole digits."""
    return float(format(value, ".8g" if value < _LARGE else ".12g"))


_decoder: Final = json.JSONDecoder(parse_constant=_refuse_constant)


def encode(value: Entry | Overheads) -> str:
    """Return the text of an entry or of overheads; ValueError when it is too long to be kept."""
    text = seal(json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False))
    if len(text) > MAX_TEXT or len(text.encode("utf-8", "backslashreplace")) > MAX_TEXT:
        raise ValueError(f"record must be at most {MAX_TEXT} characters, got {len(text)}")
    return text


def decode_entry(text: str) -> Entry:
    """Return the entry in a text; ValueError says what is wrong with it.

    A record is a list of an entry's values in the order of its fields, and each part is such a list too. That is
    shorter and faster to read than with names. The constructors check the values.
    """
    record = unseal(text)
    try:
        record[_CONSTRAINTS] = _constraints(*record[_CONSTRAINTS])
        record[_SAMPLE] = Sample(*record[_SAMPLE])
        record[_PLAN] = Plan(*record[_PLAN])
        record[_MACHINE] = Machine(*record[_MACHINE])
        entry = Entry(*record)
    except (TypeError, LookupError) as error:
        raise ValueError(f"record must be an entry, got one in which {error}") from None
    if entry.plan.executor not in EXECUTORS and entry.plan.executor != entry.constraints.backend:
        raise ValueError(
            f"record must have a plan of one of the executors that were compared, got {entry.plan.executor}"
        )
    return entry


_constraints: Final = lru_cache(maxsize=64, typed=True)(Constraints)
"""Few callers set limits, and those that do set the same for many functions."""
_FIELDS: Final = [field.name for field in attrs.fields(Entry)]
_CONSTRAINTS, _SAMPLE, _PLAN, _MACHINE = map(_FIELDS.index, ("constraints", "sample", "plan", "machine"))


def decode_overheads(text: str) -> Overheads:
    """Return the overheads in a text; ValueError says what is wrong with it."""
    from amorsize.domain.overheads import Overheads

    record = unseal(text)
    try:
        return Overheads(*record)
    except TypeError as error:
        raise ValueError(f"record must be overheads, got one in which {error}") from None
