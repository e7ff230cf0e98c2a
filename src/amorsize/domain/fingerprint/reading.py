"""What one pass over a callable has read, and what the functions that read one part of it may ask for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.fingerprint.changing import Changes
from amorsize.domain.fingerprint.encoding import text
from amorsize.domain.fingerprint.parts import Description, Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType

    from amorsize.domain.fingerprint.origins import Origins

MOST_ROOM: Final = 2000
"""How many elements of collections and attributes, and quarters of a KiB of text, one fingerprint reads: our choice."""
_LIBRARIES: Final = ("numpy", "pandas", "polars")


class Reading(ABC):
    """One pass over a callable.

    ``out`` has all parts in order, ``outline`` the labelled parts of the callable itself, and ``origins`` the notes. A
    memo watches ``functions`` (with the globals they name, present and absent, and whether their cells count),
    ``spaces`` (with the names read from them), ``looks`` (objects and what lists their contents) and ``measures``
    (objects and what computes a value). ``volatile`` is true when an object gave its own fingerprint. ``room`` is how
    much may still be read of collections. ``within`` is true while an object of an installed class is read.
    """

    __slots__ = (
        "_changes",
        "classes",
        "functions",
        "looks",
        "measures",
        "names",
        "origins",
        "out",
        "outline",
        "reads_environment",
        "room",
        "root",
        "spaces",
        "volatile",
        "within",
    )

    def __init__(self, origins: Origins) -> None:
        self.origins = origins
        self.root: Any = None
        self._changes: Changes | None = None
        self.room = MOST_ROOM
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
        self.names: set[str] = set()

    @property
    def changes(self) -> Changes:
        """What running the callable changes of what it reads, found out when it is asked for first."""
        if self._changes is None:
            self._changes = Changes(self.root, self.origins)
        return self._changes

    def spend(self, count: int) -> bool:
        """Take room for so many elements; False when there is not as much left."""
        if count > self.room:
            return False
        self.room -= count
        return True

    def look(self, thing: Any, look: Callable[[Any], tuple[Any, ...]]) -> None:
        """Have a memo watch all that a look at something gives, by identity."""
        self.looks.append((thing, look))

    def measure(self, thing: Any, measure: Callable[[Any], Any]) -> None:
        """Have a memo watch what a measure of something gives, by value."""
        self.measures.append((thing, measure))

    def described(self, values: list[Any]) -> str:
        """Describe values by their types and sizes, as items are."""
        modules = {name: one for name in _LIBRARIES if (one := self.origins.loaded.get(name)) is not None}
        return Description(Surroundings(modules)).describe(values, 1)

    def from_elsewhere(self, module: str, qualname: str) -> None:
        """Append something installed by its name and version."""
        self.out += (b"I", text(module), text(qualname), text(self.origins.version_of(module)))

    @abstractmethod
    def state(self, value: Any, depth: int) -> None:
        """Append the attributes of an object."""

    @abstractmethod
    def is_telling(self, value: Any) -> bool:
        """Tell whether an object is code, of the function's own package, or has a complete text."""

    @abstractmethod
    def kind_of(self, cls: type) -> Any:
        """Return the Kind of a class: what reading its instances needs to know of it."""

    @abstractmethod
    def value(self, value: Any, depth: int) -> None:
        """Append the encoding of any object."""

    @abstractmethod
    def part(self, label: str, value: Any, depth: int) -> None:
        """Append a value that is a part of something."""

    @abstractmethod
    def wrapped(self, func: Any, depth: int) -> None:
        """Append the function that another one wraps."""
