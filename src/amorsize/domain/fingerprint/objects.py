"""Looks at any objects without running any of their code."""

from __future__ import annotations

import functools
import sys
from array import array
from collections import deque
from hashlib import sha256
from types import BuiltinFunctionType, FunctionType, GetSetDescriptorType, MemberDescriptorType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

mro_of: Final[Callable[[type], tuple[type, ...]]] = type.__dict__["__mro__"].__get__
"""The classes of a class, even if its metaclass says otherwise."""
members_of: Final[Callable[[type], Mapping[str, Any]]] = type.__dict__["__dict__"].__get__
"""The namespace of a class itself."""
module_space: Final[Callable[[ModuleType], dict[str, Any]]] = vars(ModuleType)["__dict__"].__get__
"""The namespace of a module, even of one that loads itself late."""
STANDARD: Final = sys.stdlib_module_names
PLAIN_BASES: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (int, int.__pos__),
    (float, float.__pos__),
    (str, lambda value: str.__getitem__(value, slice(None))),
    (bytes, lambda value: bytes.__getitem__(value, slice(None))),
)
"""Plain types, each with what makes an exact one of an instance of a subclass."""
COLLECTIONS: Final[tuple[Any, ...]] = (list, dict, set, tuple, frozenset, deque, bytearray, array)
"""Built-in collections whose elements can be read without running any Python code, even of a subclass."""
EXACT: Final = frozenset(map(id, COLLECTIONS))
"""Them by identity: hashing a type may run code of its metaclass."""
FEW: Final = 32
"""Elements of a collection up to which they are read one by one: our choice."""
MANY: Final = 256
"""Attributes beyond which an object is known by how many it has: our choice."""
QUIET: Final = frozenset({"logging", "threading", "_thread", "weakref", "_weakrefset"})
"""Modules whose objects say nothing of what a function does or costs: loggers, locks, tables that forget."""
BINDING: Final = (FunctionType, staticmethod, classmethod)
"""Types of members of a class that are bound to an object or a class when they are asked for."""
_SPACES: Final = (GetSetDescriptorType, MemberDescriptorType)
EMPTY: Final = object()
"""Stands for a closure cell that holds nothing yet."""
_flags_of: Final[Callable[[type], int]] = type.__dict__["__flags__"].__get__
_HEAP_TYPE: Final = 1 << 9
"""Py_TPFLAGS_HEAPTYPE: set for every class of Python code, and for few of compiled code."""
_attribute_of: Final = object.__getattribute__
qualname_of: Final[Callable[[type], str]] = type.__dict__["__qualname__"].__get__
"""The qualified name of a class, even if its metaclass says otherwise."""
_class_module: Final[Callable[[type], Any]] = type.__dict__["__module__"].__get__

_SYSTEMS: Final = ("posix", "nt")
_MOST_SHOWN: Final = 40
"""Characters of a value that an outline shows."""
_MOST_LAYERS: Final = 32
"""Partials and methods, one inside the other, that are unwrapped."""
_LEAST_SHOWN: Final = 16
"""Characters of a long value that stand before its digest."""
_MOST_ENCODED: Final = 160
"""Bytes of an encoded value from which on it is not written out in full: its text would be cut anyway."""


def name_everywhere(name: Any) -> str:
    """Return the name of a module in every process: a script is ``__main__`` in spawned workers too, ``?`` is none."""
    if type(name) is not str:
        return "?"
    return "__main__" if name == "__mp_main__" else name


def module_name(space: Mapping[str, Any]) -> str:
    """Return the ``__name__`` of a namespace, as every process has it."""
    return name_everywhere(space.get("__name__"))


def class_module(cls: type) -> str:
    """Return the name of the module a class says it is from, ``?`` if it says nothing readable."""
    return name_everywhere(_class_module(cls))


def class_name(cls: type) -> str:
    """Return ``module.qualname`` of a class; builtins go without module."""
    module = class_module(cls)
    return qualname_of(cls) if module == "builtins" else f"{module}.{qualname_of(cls)}"


def is_thread_local(cls: type) -> bool:
    """Return whether a class is ``threading.local`` or a subclass: threads do not share attributes of its objects."""
    return any(class_name(each) == "_thread._local" for each in mro_of(cls))


def top_of(name: str) -> str:
    """Return the top-level package of a module's name."""
    return name.partition(".")[0]


def class_attribute(kind: type, name: str) -> Any:
    """Return what a class holds under a name, unbound; None if it holds nothing."""
    for cls in mro_of(kind):
        members = members_of(cls)
        if name in members:
            return members[name]
    return None


def class_content(cls: type) -> tuple[Any, ...]:
    """Return the classes of a class and what it holds itself: the functions in its members, where they are no others.

    What merely tells where attributes lie is left out, as it holds the class itself.
    """
    members = members_of(cls)
    content: list[Any] = [*mro_of(cls), *members]
    for member in members.values():
        kind = type(member)
        if kind is FunctionType:  # nearly always
            content.append(member)
        elif kind is not GetSetDescriptorType and kind is not MemberDescriptorType:
            content += functions_of(member)
    return tuple(content)


class Layout:
    """Where objects of a class keep what they hold: in a dict, in slots or in plain C fields."""

    __slots__ = ("fields", "space_of")

    def __init__(self, kind: type) -> None:
        self.space_of: Callable[[Any], Any] | None = None
        """Returns the dict of an object, None where the class has no slot for one."""
        fields: dict[str, Callable[[Any], Any]] = {}
        for cls in mro_of(kind):
            for name, raw in members_of(cls).items():
                if type(raw) is MemberDescriptorType and not name.startswith("__"):
                    fields.setdefault(name, raw.__get__)
                elif name == "__dict__" and self.space_of is None and type(raw) in _SPACES:
                    self.space_of = raw.__get__
        self.fields = tuple(fields.items())

    def space(self, value: object) -> dict[str, Any]:
        """Return the attributes that lie in an object's dict."""
        space = None if self.space_of is None else self.space_of(value)
        return space if type(space) is dict else {}

    def slots(self, value: object) -> dict[str, Any]:
        """Return the attributes that lie in slots or in plain C fields, those that are set."""
        found: dict[str, Any] = {}
        for name, get in self.fields:
            try:
                found[name] = get(value)
            except AttributeError:
                continue
        return found

    def look(self, left_out: frozenset[str], by_type: frozenset[str] = frozenset()) -> Callable[[Any], tuple[Any, ...]]:
        """Return what gives the class of an object and all that it holds, of some attributes only the type.

        It asks by name for what was found to be no code of a class's: descriptors would hold on to their class.
        """
        has_space = self.space_of is not None
        fields = tuple(name for name, _ in self.fields if name not in left_out)

        def look(value: Any) -> tuple[Any, ...]:
            space = _attribute_of(value, "__dict__") if has_space else {}
            if left_out or by_type:
                kept = {name: held for name, held in space.items() if name not in left_out}
                space = {name: type(held) if name in by_type else held for name, held in kept.items()}
            content = [type(value), *space, *space.values()]
            for name in fields:
                try:
                    held = _attribute_of(value, name)
                except AttributeError:
                    continue
                content += (name, type(held) if name in by_type else held)
            return tuple(content)

        return look

    def state(self, value: object) -> dict[str, Any]:
        """Return all attributes that an object holds by a name that is text."""
        space = self.space(value)
        held = {**self.slots(value), **space} if self.fields else space
        return held if all(type(name) is str for name in held) else {k: v for k, v in held.items() if type(k) is str}


def count_of(value: object) -> int:
    """Return how many attributes an object's dict holds, to the power of two."""
    return len(own_space(value)).bit_length()


def own_space(value: object) -> dict[str, Any]:
    """Return the attributes that lie in an object's dict, none where it has no such dict."""
    return Layout(type(value)).space(value)


def compiled_attribute(value: object, name: str) -> Any:
    """Return an attribute that compiled code computes, None if there is none of that kind."""
    raw = class_attribute(type(value), name)
    if type(raw) is GetSetDescriptorType or type(raw) is MemberDescriptorType:
        try:
            return raw.__get__(value)
        except Exception:  # noqa: BLE001  compiled code may refuse in any way
            return None
    return None


def shape_of(value: object) -> tuple[int, ...] | None:
    """Return the shape that compiled code says an object has, None if it says none."""
    shape = compiled_attribute(value, "shape")
    return tuple(shape) if isinstance(shape, tuple) and all(type(side) is int for side in shape) else None


def is_plain_class(kind: type) -> bool:
    """Tell whether a class is written in Python, so that what its objects hold shows in full."""
    return bool(_flags_of(kind) & _HEAP_TYPE) and Layout(kind).space_of is not None


def frame_shape(value: Any) -> tuple[int, ...]:
    """Return the shape of a data frame or a column."""
    return tuple(value.shape)


def is_enum(kind: type) -> bool:
    """Tell whether a class is an enumeration."""
    return any(_class_module(cls) == "enum" and qualname_of(cls) == "Enum" for cls in mro_of(kind))


def base_of(kind: type) -> Any:
    """Return the built-in collection that a type is or derives from, None if there is none."""
    return next((base for base in COLLECTIONS if issubclass(kind, base)), None)


def is_collection(kind: type) -> bool:
    """Tell whether a class says that its objects are mappings, sequences or sets."""
    return any(class_module(cls) == "collections.abc" for cls in mro_of(kind))


def path_reader(kind: type) -> Callable[[Any], str] | None:
    """Return what gives the text of a path of a class, as it was written; None for what is no path."""
    for cls in mro_of(kind):
        name, module = qualname_of(cls), _class_module(cls)
        if name == "PurePath" and type(module) is str and top_of(module) == "pathlib":
            return _path_text
        if name == "DirEntry" and module in _SYSTEMS:
            return cast("Callable[[Any], str]", members_of(cls)["path"].__get__)
    return None


def _path_text(path: Any) -> str:
    """Return the text that a path was made of, from its own fields: its methods may be the user's code."""
    held = Layout(type(path)).slots(path)
    written = held.get("_raw_paths")  # from Python 3.12 on
    if written is None:  # pragma: no branch
        written = [f"{held.get('_drv', '')}{held.get('_root', '')}", *held.get("_parts", ())[bool(held.get("_root")) :]]
    text = ""
    for part in [part for part in written if type(part) is str]:
        text = part if part.startswith("/") else f"{text}/{part}" if text else part
    start = "/" if text.startswith("/") else ""
    return start + "/".join(name for name in text.split("/") if name not in {"", "."}) or "."


def contents_of(func: FunctionType) -> list[Any]:
    """Return what the cells of a function hold, EMPTY for an empty one."""
    found = []
    for cell in func.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:
            found.append(EMPTY)
    return found


def variables_of(func: FunctionType) -> dict[str, Any]:
    """Return the variables of enclosing functions that a function names, without those that hold nothing yet."""
    held = zip(func.__code__.co_freevars, contents_of(func), strict=False)
    return {name: value for name, value in held if value is not EMPTY}


def defaults_of(func: FunctionType) -> dict[str, Any]:
    """Return the defaults of a function by the names of its arguments."""
    code, defaults = func.__code__, func.__defaults__ or ()
    names = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
    return {**dict(zip(names, defaults, strict=False)), **(func.__kwdefaults__ or {})}


def held_at(origin: tuple[str, str], func: FunctionType) -> Any:
    """Return a global or a free variable, or the default of an argument; EMPTY where there is none.

    Args:
        origin: where it comes from, and its name; see ``Origin``.
        func: the function that names it.
    """
    where, name = origin
    if where == "global":
        return func.__globals__.get(name, EMPTY)
    known = variables_of(func) if where == "free" else defaults_of(func) if where == "argument" else {}
    return known.get(name, EMPTY)


_INSIDE: Final[tuple[tuple[type, tuple[str, ...]], ...]] = (
    (staticmethod, ("__func__",)),
    (classmethod, ("__func__",)),
    (property, ("fget", "fset", "fdel")),
)


def functions_of(member: Any) -> tuple[Any, ...]:
    """Return what a member of a class is made of: the functions of a property or a static method, or the member."""
    for base, names in _INSIDE:
        if issubclass(type(member), base):
            return tuple(base.__dict__[name].__get__(member) for name in names)
    if type(member) is functools.cached_property:
        return (member.func,)
    return (member,)


def unwrapped(value: Any, *, methods: bool = True) -> Any:
    """Return what is inside partials, and inside bound methods too with ``methods``."""
    for _ in range(_MOST_LAYERS):
        if type(value) is FunctionType:  # nearly always
            break
        if issubclass(type(value), functools.partial):
            value = functools.partial.__dict__["func"].__get__(value)
        elif methods and type(value) is MethodType:
            value = value.__func__
        else:
            break
    return value


def name_of(value: Any) -> str:
    """Return ``module.qualname`` of a callable, or of its class if it has no name of its own."""
    value = unwrapped(value, methods=False)
    kind = type(value)
    if kind is FunctionType or kind is BuiltinFunctionType:
        module = value.__module__ or "builtins"  # a method of a builtin object names none
        return f"{name_everywhere(module)}.{value.__qualname__}"
    if kind is MethodType:
        owner = value.__self__
        cls = owner if issubclass(type(owner), type) else type(owner)
        func = value.__func__
        return f"{class_name(cls)}.{func.__name__ if type(func) is FunctionType else '?'}"
    if issubclass(kind, type):
        return class_name(value)
    wrapped = own_space(value).get("__wrapped__")
    if type(wrapped) is FunctionType:
        return name_of(wrapped)
    for attribute in ("__qualname__", "__name__"):
        name = compiled_attribute(value, attribute)
        if type(name) is str:
            return f"{class_module(kind)}.{name}"
    return class_name(kind)


def digest(data: bytes) -> str:
    """Return a mark and 8 hex digits, for parts too long to be shown."""
    return "#" + sha256(data).hexdigest()[:8]


def crop(value: str, most: int) -> str:
    """Return text of at most that many characters; what is cut off leaves a digest."""
    if len(value) <= most:
        return value
    return value[: most - 10] + "…" + digest(value.encode("utf-8", "backslashreplace"))


def shown(value: object, encoded: bytes) -> str:
    """Return a plain value in at most 40 characters; what does not fit leaves a digest of its encoding."""
    if isinstance(value, (str, bytes)) and len(value) > _MOST_SHOWN:
        return repr(value[:_LEAST_SHOWN])[:_LEAST_SHOWN] + "…" + digest(encoded)
    # Sets have no order to show, and very long numbers refuse to be written out.
    if isinstance(value, frozenset) or len(encoded) > _MOST_ENCODED:
        return f"{type(value).__name__} {digest(encoded)}"
    return crop(repr(value), _MOST_SHOWN)
