"""Reading a callable and what it calls, part by part, into bytes that are the same in every process."""

from __future__ import annotations

import functools
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain import objects
from amorsize.domain.encoding import code_parts, constant, encode, framed, names_of, text
from amorsize.domain.instances import BINDING, MANY, read_class, read_instance, read_many, read_members

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from amorsize.domain.origins import Origins

DEEPEST: Final = 8
"""How many calls deep callees are followed."""
MOST_PARTS: Final = 400
"""How many functions, classes and other objects one fingerprint looks at."""
MOST_LEVELS: Final = 32
"""How deep objects may lie in each other, so that reading them does not run out of stack."""
SPEAKS: Final = "__amorsize_fingerprint__"

_PLACES: Final = frozenset({"__file__", "__spec__", "__loader__", "__cached__", "__path__", "__builtins__"})
_OPAQUE: Final = frozenset({"eval", "exec"})
_NONE: Final[frozenset[str]] = frozenset()


class Reading:
    """One pass over a callable.

    ``out`` holds the parts in order, ``outline`` the labelled ones of the callable itself if that is asked for,
    ``origins`` notes what could not be looked into. The rest is what a memo has to watch: ``functions`` with the
    globals they name (those that are there, those that are not) and whether their cells count, ``spaces`` with the
    names read from them, and the ``contents`` of small collections. ``volatile`` tells that an object spoke for itself
    and must be asked again.
    """

    __slots__ = (
        "_alive",
        "_levels",
        "_outlined",
        "_seen",
        "classes",
        "contents",
        "functions",
        "names",
        "origins",
        "out",
        "outline",
        "spaces",
        "volatile",
    )

    def __init__(self, origins: Origins, *, outlined: bool = False) -> None:
        self.origins = origins
        self._outlined = outlined
        self.out: list[bytes] = []
        self.outline: list[tuple[str, str]] = []
        self.functions: list[tuple[FunctionType, tuple[str, ...], frozenset[str], bool]] = []
        self.spaces: list[tuple[Any, Callable[[Any], Any], tuple[str, ...], frozenset[str]]] = []
        self.contents: list[Any] = []
        self.classes: list[tuple[type, int]] = []
        self.names: set[str] = set()
        self.volatile = False
        self._seen: dict[int, int] = {}
        self._alive: list[Any] = []
        self._levels = 0

    def run(self, root: Any) -> None:
        """Read everything."""
        if self.origins.version:
            self.out.append(text(self.origins.version))
        self.value(root, 0)
        if self.classes:
            start = len(self.out)
            read_members(self)
            if self._outlined and len(self.out) > start:
                self.outline.append(("methods", self._digest(start)))

    def value(self, value: Any, depth: int) -> None:
        """Append the encoding of any object; at depth 0 its parts are outlined too."""
        plain = encode(value)
        if plain is not None:
            self.out.append(plain)
            return
        number = self._seen.get(id(value))
        if number is not None:
            self.out.append(b"@%d;" % number)
            return
        kind = type(value)
        if depth > DEEPEST or len(self._seen) >= MOST_PARTS or self._levels >= MOST_LEVELS:
            self.origins.note(f"what lies more than {DEEPEST} calls deep or beyond {MOST_PARTS} parts", bound=True)
            self.out.append(b"X" + text(objects.class_name(kind)))
            return
        self._seen[id(value)] = len(self._seen)
        self._alive.append(value)
        if self._spoke(value):
            return
        self._levels += 1
        # Comparing types by identity: a hash or == of a type may run code of its metaclass.
        if kind is FunctionType:
            self._function(value, depth)
        else:
            self._other(kind)(self, value, depth)
        self._levels -= 1

    def _other(self, kind: type) -> Callable[[Reading, Any, int], None]:
        for base, rule in _RULES:
            if issubclass(kind, base):
                return rule
        return read_instance

    def part(self, label: str, value: Any, depth: int) -> None:
        """Append a value that is a part of something, outlined under its label if that is the callable itself."""
        plain = encode(value)
        if plain is not None:
            self.out.append(plain)
            if self._outlined and not depth:
                self.outline.append((label, objects.shown(value, plain)))
            return
        if depth:
            self.value(value, depth + 1)
            return
        self.origins.where = label
        start = len(self.out)
        self.value(value, 1)
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

    def from_elsewhere(self, module: str, qualname: str) -> None:
        """Append something installed by its name and version."""
        self.out += (b"I", text(module), text(qualname), text(self.origins.version_of(module)))

    def _spoke(self, value: Any) -> bool:
        kind = type(value)
        if kind is FunctionType:
            speaker = getattr(value, SPEAKS, None)  # as in its __dict__, which would be made for the asking
        else:
            speaker = objects.raw_attribute(value, SPEAKS)
            if type(speaker) in BINDING:
                speaker = speaker.__get__(value, kind)
        if speaker is None:
            return False
        self.volatile = True
        name = objects.name_of(value)
        said = speaker()
        if type(said) is not str and type(said) is not bytes:
            raise TypeError(f"{SPEAKS}() of {name} must return str or bytes, got {objects.class_name(type(said))}")
        self.out += (b"V", text(name), constant(said) or b"")
        return True

    # Functions.

    def _function(self, func: FunctionType, depth: int) -> None:
        space = func.__globals__
        module = objects.module_name(space)
        if depth and self.origins.is_installed(module):
            self.from_elsewhere(module, func.__qualname__)
            self._wrapped(func, depth)
            for content in objects.contents_of(func):
                if content is not objects.EMPTY:
                    self.value(content, depth + 1)
            self.functions.append((func, (), frozenset(), True))
            return
        self.out.append(b"F")
        self._wrapped(func, depth)
        code = func.__code__
        names: dict[str, None] = {}
        loaded: dict[str, None] = {}
        stored: set[str] = set()
        self._code(code, names, loaded, stored, depth)
        self._defaults(func, code, depth)
        free = code.co_freevars
        if free:
            for name, content in zip(free, objects.contents_of(func), strict=True):
                self._variable(f"closure {name}", content, depth, stored=name in stored, names=names)
        present = tuple([name for name in loaded if name in space and name not in _PLACES])
        for name in present:
            self.out.append(text(name))
            self._variable(f"global {name}", space[name], depth, stored=name in stored, names=names)
        absent = frozenset(loaded).difference(present, _PLACES) if len(loaded) > len(present) else _NONE
        if not absent.isdisjoint(_OPAQUE):
            self.origins.note("what it runs through eval or exec")
        watched = tuple([name for name in present if name not in stored]) if stored else present
        self.functions.append((func, watched, absent, stored.isdisjoint(free)))

    def _wrapped(self, func: Any, depth: int) -> None:
        if type(func) is FunctionType:
            wrapped = getattr(func, "__wrapped__", None)  # as above
        else:
            wrapped = dict.get(func.__dict__, "__wrapped__")
        if wrapped is not None:
            self.out.append(b"w")
            self.value(wrapped, depth)
            self.spaces.append((func, objects.function_space, ("__wrapped__",), frozenset()))

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
            self.contents.append(keywords)

    def _variable(self, label: str, value: Any, depth: int, *, stored: bool, names: Mapping[str, None]) -> None:
        """Append what a name stands for; what the code itself assigns to is known by its type only."""
        if stored:
            self.out.append(b"v" + text(objects.class_name(type(value))))
        elif value is objects.EMPTY:
            self.out.append(b"e")
        elif label == "global __name__":
            self.part(label, objects.module_name({"__name__": value}), depth)
        elif issubclass(type(value), ModuleType):
            start = len(self.out)
            self._module(value, names, depth, ())
            if self._outlined and not depth:
                self.outline.append(self._described(label, value, start))
        else:
            self.part(label, value, depth)

    def _module(self, module: ModuleType, names: Mapping[str, None], depth: int, above: tuple[int, ...]) -> None:
        """Append a module: by name and version, or what the code may name of it if it is being worked on."""
        space = objects.module_space(module)
        name = objects.module_name(space)
        if self.origins.is_installed(name):
            self.from_elsewhere(name, "")
            return
        self.out.append(b"M")
        if id(module) in above or len(above) >= DEEPEST:
            return
        present = tuple(one for one in names if one in space and one not in _PLACES)
        for one in present:
            self.out.append(text(one))
            inside = space[one]
            if issubclass(type(inside), ModuleType):
                self._module(inside, names, depth + 1, (*above, id(module)))
            else:
                self.value(inside, depth + 1)
        absent = frozenset(names).difference(present).difference(_PLACES)
        self.spaces.append((module, objects.module_space, present, absent))

    def module_alone(self, module: ModuleType, _: int) -> None:
        """Append a module that is no global and no part of another: nothing tells which names of it count."""
        name = objects.module_name(objects.module_space(module))
        if self.origins.is_installed(name):
            self.from_elsewhere(name, "")
        else:
            self.out.append(b"M")
            self.origins.note(f"the module {name}, held in another object")

    def method(self, method: MethodType, depth: int) -> None:
        """Append a bound method: what it is bound to, and its function."""
        self.out.append(b"m")
        self.part("self", method.__self__, depth)
        self.value(method.__func__, depth)

    def builtin(self, func: Any, depth: int) -> None:
        """Append compiled code by its qualified name, and what it is bound to."""
        owner = func.__self__
        if owner is None or issubclass(type(owner), ModuleType):
            module = func.__module__
            self.from_elsewhere(module if type(module) is str else "builtins", func.__qualname__)
            return
        self.out.append(b"n" + text(func.__name__))
        self.part("self", owner, depth)

    def cached(self, func: Any, depth: int) -> None:
        """Append what ``functools.lru_cache`` made: its limits, and the function inside."""
        self.out.append(b"l")
        self.value(dict.get(func.__dict__, "cache_parameters"), depth + 1)
        self._wrapped(func, depth)

    def partial(self, value: Any, depth: int) -> None:
        """Append a partial: its arguments, and the function inside."""
        members = functools.partial.__dict__
        func, arguments, keywords = (members[name].__get__(value) for name in ("func", "args", "keywords"))
        self.out.append(b"p%d,%d:" % (len(arguments), len(keywords)))
        for index, argument in enumerate(arguments):
            self.part(f"argument {index}", argument, depth)
        for name in sorted(name for name in keywords if type(name) is str):
            self.out.append(text(name))
            self.part(f"argument {name}", keywords[name], depth)
        self.contents.append(keywords)
        self.value(func, depth)


_RULES: Final[tuple[tuple[Any, Callable[[Reading, Any, int], None]], ...]] = (
    (MethodType, Reading.method),
    (BuiltinFunctionType, Reading.builtin),
    (type(functools.lru_cache(len)), Reading.cached),
    (functools.partial, Reading.partial),
    (ModuleType, Reading.module_alone),
    (type, read_class),
    (MANY, read_many),
)
