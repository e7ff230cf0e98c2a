"""One pass over a callable: reads it and what it calls, part by part, into bytes that are the same in every process."""

from __future__ import annotations

from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.fingerprint import objects
from amorsize.domain.fingerprint.changing import Changes
from amorsize.domain.fingerprint.encoding import constant, encode, framed, text
from amorsize.domain.fingerprint.parts import Description, Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.domain.fingerprint.origins import Origins

    Rules = tuple[tuple[Any, Callable[["Reading", Any, int], None]], ...]

DEEPEST: Final = 8
"""How many calls deep callees are followed: our choice."""
MOST_PARTS: Final = 400
"""How many functions, classes and other objects one fingerprint looks at: our choice, some milliseconds."""
MOST_LEVELS: Final = 32
"""How deep objects may lie in each other, so that reading them does not run out of stack."""
MOST_ELEMENTS: Final = 2000
"""How many elements of collections and attributes, and quarters of a KiB of text, one fingerprint reads: our choice."""
SMALL: Final = 256
"""Bytes of text that count as one element."""
METHOD: Final = "__amorsize_fingerprint__"
"""The method by which an object states its own fingerprint."""

_LEAST: Final = 64
"""Bytes of an encoded value from which on it counts."""
_EACH: Final = 16
"""Bytes by which an encoded tuple or frozenset counts as one element: about those of a number in it."""


class Reading:
    """One pass over a callable. The functions that read one kind of part call it for the parts of that.

    ``out`` has all parts in order, ``outline`` the labelled parts of the callable itself, and ``origins`` the notes. A
    memo watches ``functions`` (with the globals they name, present and absent, and whether their cells count),
    ``spaces`` (with the names read from them), ``looks`` (objects and what lists their contents) and ``measures``
    (objects and what computes a value). ``volatile`` is true when an object gave its own fingerprint. ``budget`` is how
    much may still be read of collections. ``within`` is true while an object of an installed class is read. ``names``
    are those that any code met so far names, ``classes`` the classes met, ``kinds`` what is known of them by identity.

    Args:
        root: the callable.
        origins: tells its own code from installed code.
        rules: by type, what reads a part of that type; the first that fits counts.
        outlined: whether an outline is made.
    """

    def __init__(self, root: Any, origins: Origins, rules: Rules, *, outlined: bool) -> None:
        self._root = root
        self._rules = rules
        self._outlined = outlined
        self._changes: Changes | None = None
        self._levels = 0
        self._parts = 0
        self._seen: dict[int, int] = {}
        self.alive: list[Any] = []
        """Keeps alive what is known by identity."""
        self.origins = origins
        self.budget = MOST_ELEMENTS
        self.reads_environment = False
        self.within = False
        self.volatile = False
        self.out: list[bytes] = []
        self.outline: list[tuple[str, str]] = []
        self.functions: list[tuple[FunctionType, tuple[str, ...], frozenset[str], bool]] = []
        self.spaces: list[tuple[Any, Callable[[Any], Any], tuple[str, ...], frozenset[str]]] = []
        self.looks: list[tuple[Any, Callable[[Any], tuple[Any, ...]]]] = []
        self.measures: list[tuple[Any, Callable[[Any], Any]]] = []
        self.classes: list[tuple[type, int]] = []
        self.kinds: dict[int, Any] = {}
        self.names: set[str] = set()

    @property
    def changes(self) -> Changes:
        """What running the callable changes of what it reads, found out when it is asked for first."""
        if self._changes is None:
            self._changes = Changes(self._root, self.origins)
        return self._changes

    def spend(self, count: int) -> bool:
        """Take so many elements from the budget; False when it has fewer left."""
        if count > self.budget:
            return False
        self.budget -= count
        return True

    def enter(self, *, installed: bool) -> bool:
        """Begin to read an object of an installed class, or one of another; return what ``leave`` takes."""
        before, self.within = self.within, installed
        return before

    def leave(self, before: bool) -> None:
        """End reading what ``enter`` has begun."""
        self.within = before

    def note_environment(self) -> None:
        """Take note that the environment is read."""
        self.reads_environment = True

    def look(self, thing: Any, look: Callable[[Any], tuple[Any, ...]]) -> None:
        """Have a memo watch all that a look at something gives, by identity."""
        self.looks.append((thing, look))

    def measure(self, thing: Any, measure: Callable[[Any], Any]) -> None:
        """Have a memo watch what a measure of something gives, by value."""
        self.measures.append((thing, measure))

    def described(self, values: list[Any]) -> str:
        """Describe values by their types and sizes, as items are."""
        return Description(Surroundings(self.origins.loaded)).describe(values, 1)

    def from_elsewhere(self, module: str, qualname: str) -> None:
        """Append something installed by its name and version."""
        self.out += (b"I", text(module), text(qualname), text(self.origins.version_of(module)))

    def value(self, value: Any, depth: int) -> None:
        """Append the encoding of any object; at depth 0 its parts are outlined too."""
        if self._plain(value) is not None:
            return
        number = self._seen.get(id(value))
        if number is not None:
            self.out.append(b"@%d;" % number)
            return
        kind = type(value)
        self._parts += objects.base_of(kind) is None
        if depth > DEEPEST or self._parts > MOST_PARTS or self._levels >= MOST_LEVELS:
            beyond = f"what lies more than {DEEPEST} calls deep or beyond {MOST_PARTS} parts"
            self.origins.note(beyond, of=(value,), bound=True)
            self.out.append(b"X" + text(objects.class_name(kind)))
            return
        self._seen[id(value)] = len(self._seen)
        self.alive.append(value)
        if self._has_own_text(value):
            return
        self._levels += 1
        # Only methods of the bases run here: a hash or == of a type may run code of its metaclass.
        read = next(rule for base, rule in self._rules if issubclass(kind, base))
        read(self, value, depth)
        self._levels -= 1

    def part(self, label: str, value: Any, depth: int) -> None:
        """Append a value that is a part of something, outlined under its label if that is the callable itself."""
        plain = self._plain(value)
        if plain is not None:
            if self.is_outlined(depth):
                self.outline.append((label, objects.shown(value, plain)))
            return
        if depth:
            self.value(value, depth + 1)
            return
        self.origins.enter(label)
        start = len(self.out)
        kept = self.budget // 2  # so that the first large thing does not take the budget of all others
        self.budget -= kept
        self.value(value, 1)
        self.budget += kept
        self.origins.leave()
        if self._outlined:
            self.outline.append(self.labelled(label, value, start))

    def is_outlined(self, depth: int) -> bool:
        """Tell whether what is read at this depth is to stand in the outline."""
        return self._outlined and not depth

    def labelled(self, label: str, value: Any, start: int) -> tuple[str, str]:
        """Return what stands in the outline of a part that was read from an index in ``out`` on."""
        kind = type(value)
        if kind is FunctionType:
            label = f"calls {objects.module_name(value.__globals__)}.{value.__qualname__}"
        elif issubclass(kind, type):
            label = f"calls {objects.class_name(value)}"
        elif issubclass(kind, ModuleType):
            name = objects.module_name(objects.module_space(value))
            if self.origins.is_installed(name):
                return label, objects.crop(f"{name} {self.origins.version_of(name)}".rstrip(), 40)
        return label, self.digest(start)

    def digest(self, start: int) -> str:
        """Return a digest of what was read from an index in ``out`` on."""
        return objects.digest(framed(self.out[start:]))

    def _plain(self, value: Any) -> bytes | None:
        """Append a plain value and return its encoding; None when it is not plain, or too large for the budget left."""
        plain = encode(value)
        if plain is not None and len(plain) >= _LEAST:
            each = _EACH if type(value) in (tuple, frozenset) else SMALL
            if not self.spend(len(plain) // each):
                return None
        if plain is not None:
            self.out.append(plain)
        return plain

    def _has_own_text(self, value: Any) -> bool:
        kind = type(value)
        if kind is FunctionType:
            method = getattr(value, METHOD, None)
        else:
            method = objects.class_attribute(kind, METHOD)
            if type(method) in objects.BINDING:
                method = method.__get__(value, kind)
        if method is None:
            return False
        self.volatile = True
        name = objects.name_of(value)
        said = method()
        if type(said) is not str and type(said) is not bytes:
            raise TypeError(f"{METHOD}() of {name} must return str or bytes, got {objects.class_name(type(said))}")
        self.out += (b"V", text(name), constant(said) or b"")
        return True
