"""What a store takes as a locator, a variant and a text, and the file names that stand for the first two."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from amorsize.domain.values import KEY_TEXT, TEXT_BYTES

MOST_VARIANTS: Final = 1000
"""Variants of a locator that a store gives, whatever a hand-made file or folder holds; few ever have ten."""

_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-")
"""Characters that stand for themselves in a file name: no file system confuses them."""
_ESCAPES: Final = {code: chr(code) if chr(code) in _PLAIN else f"%{code:02x}" for code in range(128)}
"""What stands in a file name for each character."""
_DEVICES: Final = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in range(10))]
)
"""Names that Windows keeps for devices."""


def is_name(name: str) -> bool:
    """Return whether a text can be a locator or a variant: 1 to 80 printable ASCII characters."""
    return 0 < len(name) <= KEY_TEXT and name.isascii() and name.isprintable()


def check_name(what: str, name: str) -> None:
    """Raise ValueError when name cannot be a locator or a variant; ``what`` says which."""
    if not is_name(name):
        raise ValueError(f"{what} must be 1 to {KEY_TEXT} printable ASCII characters, got {name!r:.100}")


def check_address(locator: str, variant: str) -> None:
    """Raise ValueError when a text cannot be kept under these two."""
    check_name("locator", locator)
    check_name("variant", variant)


def text_bytes(text: str) -> bytes:
    """Return a text as UTF-8; ValueError when it is longer than 64 KiB or holds half a surrogate pair."""
    try:
        body = text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"text must be encodable as UTF-8, got {error.reason} at {error.start}") from None
    if len(body) > TEXT_BYTES:
        raise ValueError(f"text must be at most {TEXT_BYTES} bytes as UTF-8, got {len(body)}")
    return body


def file_name(name: str) -> str:
    """Return the file name, without an ending, that stands for a locator or a variant.

    Lower-case letters, digits, ``_`` and ``-`` stand for themselves, all else for ``%`` and two hex digits. So names
    that differ stay apart where case does not count, and none begins or ends with a dot or a space. The name of a
    Windows device (``con``, ``lpt1``) has its first letter escaped.
    """
    if name in _DEVICES:
        return f"%{ord(name[0]):02x}{name[1:]}"
    return name.translate(_ESCAPES)


@lru_cache(maxsize=1024)
def name_of(file_name_: str) -> str | None:
    """Return the locator or variant that a file name stands for, None when it is not one that file_name gives."""
    first, *escaped = file_name_.split("%")
    try:
        name = first + "".join(chr(int(part[:2], 16)) + part[2:] for part in escaped)
    except ValueError:
        return None
    return name if is_name(name) and file_name(name) == file_name_ else None
