"""Entries, overheads and outlines as versioned JSON text that carries a digest of itself, and back."""

from __future__ import annotations

import json
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.values import Constraints, Entry, Machine, Plan, Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.domain.overheads import Overheads

MAX_TEXT: Final = 2048
"""Characters of the longest record that is written or believed."""

_HEAD: Final = '{"digest":"'
_DIGEST_DIGITS: Final = 16
_BODY_AT: Final = len(_HEAD) + _DIGEST_DIGITS + len('","record":')
_LARGE: Final = 1e8


def _digest(body: str) -> str:
    return sha256(body.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_DIGITS]


def seal(body: str) -> str:
    """Return a JSON object that holds a JSON body and its digest."""
    return f'{_HEAD}{_digest(body)}","record":{body}}}'


def unseal(text: str) -> dict[str, Any]:
    """Return the record in sealed text; ValueError when a single character is not as it was written."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"record must be at most {MAX_TEXT} characters, got {len(text)}")
    body = text[_BODY_AT:-1]
    if text != seal(body):
        raise ValueError("record must match its digest")
    try:
        record = _decoder.decode(body)
    except RecursionError:
        raise ValueError("record must not be nested that deep") from None
    if type(record) is not dict:
        raise ValueError(f"record must be an object, got {type(record).__name__}")
    return record


def _refuse_constant(name: str) -> float:
    raise ValueError(f"numbers must be finite, got {name}")


@cache
def _converter() -> Callable[[Any], Any]:
    from cattrs.preconf.json import make_converter  # noqa: PLC0415  only writing needs it: a hit stays fast

    converter = make_converter(omit_if_default=True)
    converter.register_unstructure_hook(float, _short)
    return converter.unstructure


def _short(value: float) -> float:
    """Round to 8 digits, which is more than was measured; dates and counts of bytes keep all that are whole."""
    return float(format(value, ".8g" if value < _LARGE else ".12g"))


_decoder: Final = json.JSONDecoder(parse_constant=_refuse_constant)


def encode(value: Entry | Overheads) -> str:
    """Return the text of an entry or of overheads; ValueError when it is too long to be kept."""
    text = seal(json.dumps(_converter()(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False))
    if len(text) > MAX_TEXT or len(text.encode("utf-8", "backslashreplace")) > MAX_TEXT:
        raise ValueError(f"record must be at most {MAX_TEXT} characters, got {len(text)}")
    return text


def decode_entry(text: str) -> Entry:
    """Return the entry in a text; ValueError says what is wrong with it.

    The values check themselves when built, so that nothing but their own constructors is needed to read one.
    """
    record = unseal(text)
    try:
        for name, kind in (("constraints", Constraints), ("sample", Sample), ("plan", Plan), ("machine", Machine)):
            record[name] = kind(**record.get(name, {}))
        return Entry(**record)
    except TypeError as error:
        raise ValueError(f"record must be an entry, got one in which {error}") from None


def decode_overheads(text: str) -> Overheads:
    """Return the overheads in a text; ValueError says what is wrong with it."""
    from amorsize.domain.overheads import Overheads  # noqa: PLC0415  a hit has no use for it

    record = unseal(text)
    try:
        return Overheads(**record)
    except TypeError as error:
        raise ValueError(f"record must be overheads, got one in which {error}") from None
