"""The fingerprint of a function: 16 hex digits that change when what it does or costs can have changed."""

from __future__ import annotations

import sys
from collections import deque
from hashlib import sha256
from types import MethodType
from typing import TYPE_CHECKING, Any, Final

import attrs

from amorsize.domain.fingerprint.encoding import framed, text
from amorsize.domain.fingerprint.memo import Watch
from amorsize.domain.fingerprint.objects import crop, digest, name_of
from amorsize.domain.fingerprint.reader import read
from amorsize.domain.iterables import StarFunction
from amorsize.domain.values import LONG_TEXT, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from amorsize.domain.fingerprint.loaded import Loaded
    from amorsize.domain.fingerprint.reading import Reading

_DIGITS: Final = 16
"""Hex digits of a fingerprint: 64 bits, so that two functions of one cache hardly ever share one."""
_MOST_LABEL: Final = 48
"""Characters of a label in an outline: our choice."""
_MOST_OUTLINE: Final = 900
"""Characters of an outline: with labels it fits into a record."""
_MOST_REMEMBERED: Final = 4096
"""Fingerprints that are remembered: some megabytes at most."""
_MOST_HELD: Final = 64
"""Of them, those of callables that allow no weak reference and stay alive with it."""
_MOST_CHANGES: Final = 4
"""Changes that a miss names: our choice."""
_PYTHON: Final = sys.implementation.cache_tag or sys.implementation.name
_FIRST: Final = text(_PYTHON)
"""What every fingerprint begins with: another Python compiles other code."""


@attrs.frozen(eq=False, repr=False, slots=False)
class Fingerprint(Value):
    """What identifies a function's behaviour.

    Attributes:
        hex: 16 digits, the same in every process and for every folder of the file; the name is not part of it.
        name: ``module.qualname`` in at most 120 characters.
        shallow: what could not be read.
        outline: the parts of the function itself, each with a label and its text, or a digest that starts with ``#``;
            about 1 KB at most. ``Fingerprints.of`` leaves it empty because a hit needs none.
    """

    hex: str
    name: str
    shallow: tuple[str, ...] = ()
    outline: tuple[tuple[str, str], ...] = attrs.field(default=(), eq=False)

    def __str__(self) -> str:
        return self.hex


def fingerprint(func: Callable[..., Any], loaded: Loaded) -> Fingerprint:
    """Return the fingerprint of any callable, read afresh.

    Args:
        func: the callable. None of its code runs, nor any code of what it refers to, but ``__amorsize_fingerprint__``.
        loaded: the modules that are loaded.

    Raises:
        TypeError: an ``__amorsize_fingerprint__()`` returned neither str nor bytes.
    """
    if type(func) is StarFunction:
        return _of_star_function(fingerprint(func.func, loaded), func.count)
    reading = read(func, loaded, outlined=True)
    return attrs.evolve(_fingerprint(func, reading), outline=_bounded(reading.outline))


def with_unread(func: Callable[..., Any], loaded: Loaded) -> tuple[str, list[Any]]:
    """Return the digits of a callable's fingerprint, read afresh, and the values that they do not know in full.

    What the callable itself changes is left out.
    """
    if type(func) is StarFunction:
        digits, unread = with_unread(func.func, loaded)
        return _of_star_function(Fingerprint(digits, ""), func.count).hex, unread
    reading = read(func, loaded)
    changed = reading.changes.objects if reading.origins.unread else ()
    return _fingerprint(func, reading).hex, [each for each in reading.origins.unread if id(each) not in changed]


def _of_star_function(inner: Fingerprint, count: int) -> Fingerprint:
    """Return the fingerprint of a function that is called with so many items, one from each of several iterables."""
    digits = sha256(f"{inner.hex}*{count}".encode()).hexdigest()[:_DIGITS]
    outline = (*inner.outline, ("iterables", str(count))) if inner.outline else ()
    return attrs.evolve(inner, hex=digits, outline=outline)


def _fingerprint(func: Any, reading: Reading) -> Fingerprint:
    digits = sha256(framed([_FIRST, *reading.out])).hexdigest()[:_DIGITS]
    return Fingerprint(digits, crop(name_of(func), LONG_TEXT), tuple(reading.origins.notes))


def _bounded(parts: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Keep an outline to about 1 KB; what does not fit leaves one digest."""
    kept = [("python", _PYTHON)]
    budget = _MOST_OUTLINE
    for index, (label, words) in enumerate(parts):
        short = crop(label, _MOST_LABEL)
        budget -= len(short) + len(words)
        if budget < 0:
            rest = "\x00".join(f"{label}\x00{words}" for label, words in parts[index:])
            kept.append(("more", digest(rest.encode("utf-8", "backslashreplace"))))
            break
        kept.append((short, words))
    return tuple(kept)


def changes(old: Iterable[Sequence[str]], new: Iterable[Sequence[str]]) -> str:
    """Say in words how one outline differs from another: ``constant 3 → 4, code changed``."""
    before, after = _numbered(old), _numbered(new)
    said = _changed_constants(before, after)
    for key in [*before, *(key for key in after if key not in before)]:
        label = key[0]
        if label.startswith("constant "):
            continue
        was, now = before.get(key), after.get(key)
        if was == now:
            continue
        if was is None:
            said.append(f"{label} is new")
        elif now is None:
            said.append(f"{label} is gone")
        elif was.startswith("#") or now.startswith("#"):
            said.append(f"{label} changed")
        else:
            said.append(f"{label} {was} → {now}")
    if len(said) > _MOST_CHANGES:
        said[_MOST_CHANGES:] = [f"and {len(said) - _MOST_CHANGES} more"]
    return ", ".join(said) or "something that it calls changed"


def _numbered(outline: Iterable[Sequence[str]]) -> dict[tuple[str, int], str]:
    """Return parts by label and how often that label came before: a wrapper and what it wraps share labels."""
    found: dict[tuple[str, int], str] = {}
    for label, words in outline:
        number = 0
        while (label, number) in found:
            number += 1
        found[label, number] = words
    return found


def _changed_constants(before: dict[tuple[str, int], str], after: dict[tuple[str, int], str]) -> list[str]:
    """Pair off the constants that went with those that came: positions shift when one is added."""
    was = [words for (label, _), words in before.items() if label.startswith("constant ")]
    now = [words for (label, _), words in after.items() if label.startswith("constant ")]
    gone, come = list(was), []
    for words in now:
        if words in gone:
            gone.remove(words)
        else:
            come.append(words)
    said = [f"constant {old} → {new}" for old, new in zip(gone, come, strict=False)]
    said += [f"constant {words} is gone" for words in gone[len(come) :]]
    said += [f"constant {words} is new" for words in come[len(gone) :]]
    return said


class Fingerprints:
    """Fingerprints that are remembered as long as their functions live and nothing they depend on is rebound.

    Of what cannot be weakly referenced (numpy's ufuncs, say) the last 64 are held. What speaks for itself is read each
    time. Threads may share one.
    """

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._known: dict[object, tuple[Fingerprint, Watch]] = {}
        self._held: deque[object] = deque()

    def of(self, func: Callable[..., Any]) -> Fingerprint:
        """Return the fingerprint of any callable; raises what ``fingerprint`` raises."""
        if type(func) is StarFunction:
            return _of_star_function(self.of(func.func), func.count)
        owner: Any = func
        key: object = id(func)
        if type(func) is MethodType:  # a fresh object at each access
            owner = func.__self__
            key = (id(owner), id(func.__func__))
        known = self._known.get(key)
        if known is not None and known[1].holds(owner):
            return known[0]
        return self._read(func, owner, key)

    def outlined(self, func: Callable[..., Any]) -> Fingerprint:
        """Return the fingerprint with its outline, read afresh."""
        return fingerprint(func, self._loaded)

    def _read(self, func: Any, owner: Any, key: object) -> Fingerprint:
        reading = read(func, self._loaded)
        found = _fingerprint(func, reading)
        if reading.volatile:
            return found
        known = self._known
        mark = object()

        def forget(_: object) -> None:
            now = known.get(key)
            if now is not None and now[1].mark is mark:
                known.pop(key, None)

        watch = Watch(reading, owner, mark, forget)
        if len(known) >= _MOST_REMEMBERED:
            known.clear()
        if watch.holds_owner:
            self._held.append(key)
            if len(self._held) > _MOST_HELD:
                known.pop(self._held.popleft(), None)
        known[key] = (found, watch)
        return found
