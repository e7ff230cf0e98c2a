"""Reads a callable and what it calls, part by part, into bytes that are the same in every process."""

from __future__ import annotations

import functools
from types import BuiltinFunctionType, CodeType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.fingerprint import objects
from amorsize.domain.fingerprint.callables import IN_DICT, read_builtin, read_cached, read_method, read_partial
from amorsize.domain.fingerprint.containers import SMALL, base_of, read_many, read_proxy
from amorsize.domain.fingerprint.encoding import code_parts, constant, encode, framed, names_of, text
from amorsize.domain.fingerprint.environment import ASKING, read_environment
from amorsize.domain.fingerprint.instances import BINDING, Kind, read_class, read_instance, read_members, read_state
from amorsize.domain.fingerprint.modules import PLACES, read_module, read_module_alone
from amorsize.domain.fingerprint.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from amorsize.domain.fingerprint.origins import Origins

DEEPEST: Final = 8
"""How many calls deep callees are followed: our choice."""
MOST_PARTS: Final = 400
"""How many functions, classes and other objects one fingerprint looks at: our choice, some milliseconds."""
MOST_LEVELS: Final = 32
"""How deep objects may lie in each other, so that reading them does not run out of stack."""
METHOD: Final = "__amorsize_fingerprint__"
"""The method by which an object states its own fingerprint."""

_OPAQUE: Final = frozenset({"eval", "exec"})
_NONE: Final[frozenset[str]] = frozenset()
_LEAST: Final = 64
"""Bytes of an encoded value from which on it takes up room."""
_EACH: Final = 16
"""Bytes by which an encoded tuple or frozenset takes as much room as an element: about those of a number in it."""


class Reader(Reading):
    """Reads all parts of a callable; the functions that read one kind of part call it for the parts of that."""

    __slots__ = ("_alive", "_kinds", "_levels", "_outlined", "_parts", "_seen")

    def __init__(self, origins: Origins, *, outlined: bool = False) -> None:
        super().__init__(origins)
        self._outlined = outlined
        self._kinds: dict[int, Kind] = {}
        self._parts = 0
        self._seen: dict[int, int] = {}
        self._alive: list[Any] = []
        self._levels = 0

    def run(self, root: Any) -> None:
        """Read everything."""
        self.root = root
        if self.origins.version:
            self.out.append(text(self.origins.version))
        self.value(root, 0)
        if self.classes:
            start = len(self.out)
            read_members(self)
            if self._outlined and len(self.out) > start:
                self.outline.append(("methods", self._digest(start)))
        if self.reads_environment or not ASKING.isdisjoint(self.names):
            read_environment(self)

    def _plain(self, value: Any) -> bytes | None:
        """Append a plain value and return its encoding; None when it is not plain, or too large for the room left."""
        plain = encode(value)
        if plain is not None and len(plain) >= _LEAST:
            each = _EACH if type(value) in (tuple, frozenset) else SMALL
            if not self.spend(len(plain) // each):
                return None
        if plain is not None:
            self.out.append(plain)
        return plain

    def state(self, value: Any, depth: int) -> None:
        """Append the attributes of an object."""
        read_state(self, value, depth)

    def is_telling(self, value: Any) -> bool:
        """Tell whether an object is code, one of one's own, or says by itself what it is."""
        kind = type(value)
        if id(kind) in _TELLING or issubclass(kind, (type, functools.partial)):
            return True
        if issubclass(kind, ModuleType):
            return False
        known = self.kind_of(kind)
        return known.own or known.read is not None or objects.is_enum(kind) or objects.shape_of(value) is not None

    def kind_of(self, cls: type) -> Kind:
        """Return what reading the instances of a class needs to know of it."""
        known = self._kinds.get(id(cls))
        if known is None:
            known = self._kinds[id(cls)] = Kind(cls, self)
            self._alive.append(cls)
        return known

    def value(self, value: Any, depth: int) -> None:
        """Append the encoding of any object; at depth 0 its parts are outlined too."""
        if self._plain(value) is not None:
            return
        number = self._seen.get(id(value))
        if number is not None:
            self.out.append(b"@%d;" % number)
            return
        kind = type(value)
        self._parts += base_of(kind) is None
        if depth > DEEPEST or self._parts > MOST_PARTS or self._levels >= MOST_LEVELS:
            beyond = f"what lies more than {DEEPEST} calls deep or beyond {MOST_PARTS} parts"
            self.origins.note(beyond, of=(value,), bound=True)
            self.out.append(b"X" + text(objects.class_name(kind)))
            return
        self._seen[id(value)] = len(self._seen)
        self._alive.append(value)
        if self._has_own_text(value):
            return
        self._levels += 1
        # Comparing types by identity: a hash or == of a type may run code of its metaclass.
        if kind is FunctionType:
            within, self.within = self.within, False
            self._function(value, depth)
            self.within = within
        else:
            self._other(kind)(self, value, depth)
        self._levels -= 1

    def _other(self, kind: type) -> Callable[[Reader, Any, int], None]:
        for base, rule in _RULES:
            if issubclass(kind, base):
                return rule
        return read_instance

    def part(self, label: str, value: Any, depth: int) -> None:
        """Append a value that is a part of something, outlined under its label if that is the callable itself."""
        plain = self._plain(value)
        if plain is not None:
            if self._outlined and not depth:
                self.outline.append((label, objects.shown(value, plain)))
            return
        if depth:
            self.value(value, depth + 1)
            return
        self.origins.where = label
        start = len(self.out)
        kept = self.room // 2  # so that the first large thing does not take the room of all others
        self.room -= kept
        self.value(value, 1)
        self.room += kept
        self.origins.where = ""
        if self._outlined:
            self.outline.append(self._described(label, value, start))

    def _described(self, label: str, value: Any, start: int) -> tuple[str, str]:
        kind = type(value)
        if kind is FunctionType:
            label = f"calls {objects.module_name(value.__globals__)}.{value.__qualname__}"
        elif issubclass(kind, type):
            label = f"calls {objects.class_name(value)}"
        elif issubclass(kind, ModuleType):
            name = objects.module_name(objects.module_space(value))
            if self.origins.is_installed(name):
                return label, objects.crop(f"{name} {self.origins.version_of(name)}".rstrip(), 40)
        return label, self._digest(start)

    def _digest(self, start: int) -> str:
        return objects.digest(framed(self.out[start:]))

    def _has_own_text(self, value: Any) -> bool:
        kind = type(value)
        if kind is FunctionType:
            method = getattr(value, METHOD, None)
        else:
            method = objects.class_attribute(kind, METHOD)
            if type(method) in BINDING:
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

    # Functions.

    def _function(self, func: FunctionType, depth: int) -> None:
        space = func.__globals__
        module = objects.module_name(space)
        if depth and self.origins.is_installed(module):
            self.from_elsewhere(module, func.__qualname__)
            self.wrapped(func, depth)
            for content in objects.contents_of(func):
                if content is not objects.EMPTY:
                    self.value(content, depth + 1)
            self.functions.append((func, (), frozenset(), True))
            return
        self.out.append(b"F")
        self.wrapped(func, depth)
        code = func.__code__
        names: dict[str, None] = {}
        loaded: dict[str, None] = {}
        stored: set[str] = set()
        self._code(code, names, loaded, stored, depth)
        if func.__dict__:
            self._attributes(func, depth)
        self._defaults(func, code, depth)
        free = code.co_freevars
        if free:
            for name, content in zip(free, objects.contents_of(func), strict=True):
                self._variable(f"closure {name}", content, depth, stored=name in stored, names=names)
        present = tuple([name for name in loaded if name in space and name not in PLACES])
        for name in present:
            self.out.append(text(name))
            self._variable(f"global {name}", space[name], depth, stored=name in stored, names=names)
        absent = frozenset(loaded).difference(present, PLACES) if len(loaded) > len(present) else _NONE
        if not absent.isdisjoint(_OPAQUE):
            self.origins.note("what it runs through eval or exec")
        if "globals" in absent:
            self.origins.note("what it looks up through globals()")
        watched = tuple([name for name in present if name not in stored]) if stored else present
        self.functions.append((func, watched, absent, stored.isdisjoint(free)))

    def wrapped(self, func: Any, depth: int) -> None:
        """Append what a function says that it wraps."""
        if type(func) is FunctionType:
            wrapped = getattr(func, "__wrapped__", None)
        else:
            wrapped = dict.get(func.__dict__, "__wrapped__")
        if wrapped is not None:
            self.out.append(b"w")
            self.value(wrapped, depth)
            if type(func) is not FunctionType:
                self.look(func, lambda func: (dict.get(func.__dict__, "__wrapped__"),))

    def _code(
        self, code: CodeType, names: dict[str, None], loaded: dict[str, None], stored: set[str], depth: int
    ) -> None:
        """Append code with the code inside it, and collect its names, those of globals, and those it assigns to."""
        raw = code.co_code
        head, constants = code_parts(code, raw)
        self.out += head
        if code.co_names or code.co_freevars:
            self._names(code, raw, names, loaded, stored)
        outlined = self._outlined and not depth
        if outlined:
            self.outline.append(("code", objects.digest(framed(head))))
        for index, value in enumerate(constants):
            plain = constant(value)
            if plain is not None:
                self.out.append(plain)
                if outlined and value is not None:
                    self.outline.append((f"constant {index}", objects.shown(value, plain)))
            elif type(value) is CodeType:
                start = len(self.out)
                self._code(value, names, loaded, stored, depth + 1)
                if outlined:
                    self.outline.append((f"inner {value.co_name}", self._digest(start)))
            else:
                self.value(value, depth + 1)

    def _names(
        self, code: CodeType, raw: bytes, names: dict[str, None], loaded: dict[str, None], stored: set[str]
    ) -> None:
        names.update(dict.fromkeys(code.co_names))
        self.names.update(code.co_names)
        read, assigned, imports = names_of(code, raw)
        loaded.update(dict.fromkeys(read))
        stored.update(assigned)
        for name in imports:
            if objects.top_of(name) not in objects.STANDARD:
                self.origins.note(f"{name or 'its package'}, which is imported when it runs")

    def _attributes(self, func: FunctionType, depth: int) -> None:
        """Append the attributes that a function was given, those that any code met so far names."""
        attributes = func.__dict__
        for name in sorted(self.names.intersection(attributes)):
            if not (name.startswith("__") or self.changes.leaves_out(FunctionType, name, attributes[name])):
                self.out.append(text(name))
                self.part(f"attribute {name}", attributes[name], depth)

    def _defaults(self, func: FunctionType, code: CodeType, depth: int) -> None:
        defaults = func.__defaults__
        self.out.append(b"d%d" % len(defaults) if defaults else b"d")
        if defaults:
            for index, value in enumerate(defaults, code.co_argcount - len(defaults)):
                self.part(f"default {code.co_varnames[index] if index >= 0 else index}", value, depth)
        keywords = func.__kwdefaults__
        if keywords:
            self.out.append(b"k%d" % len(keywords))
            for name in sorted(name for name in keywords if type(name) is str):
                self.out.append(text(name))
                self.part(f"default {name}", keywords[name], depth)
            self.look(keywords, IN_DICT)

    def _variable(self, label: str, value: Any, depth: int, *, stored: bool, names: Mapping[str, None]) -> None:
        """Append what a name stands for; what the code itself assigns to is known by its type only."""
        if stored:
            self.origins.note(f"{label}, which its own code changes, is left out")
            self.out.append(b"v" + text(objects.class_name(type(value))))
        elif value is objects.EMPTY:
            self.out.append(b"e")
        elif label == "global __name__":
            self.part(label, objects.name_everywhere(value), depth)
        elif issubclass(type(value), ModuleType):
            start = len(self.out)
            read_module(self, value, names, depth)
            if self._outlined and not depth:
                self.outline.append(self._described(label, value, start))
        else:
            self.part(label, value, depth)


_TELLING: Final = frozenset(map(id, (FunctionType, BuiltinFunctionType, MethodType)))
_RULES: Final[tuple[tuple[Any, Callable[[Reader, Any, int], None]], ...]] = (
    (MethodType, read_method),
    (BuiltinFunctionType, read_builtin),
    (type(functools.lru_cache(len)), read_cached),
    (functools.partial, read_partial),
    (ModuleType, read_module_alone),
    (type, read_class),
    (objects.COLLECTIONS, read_many),
    (MappingProxyType, read_proxy),
)
