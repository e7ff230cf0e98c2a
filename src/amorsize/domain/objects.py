"""Looking at anybody's objects without running any of their code."""

from __future__ import annotations

import functools
import sys
from hashlib import sha256
from operator import attrgetter
from types import BuiltinFunctionType, FunctionType, GetSetDescriptorType, MemberDescriptorType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.encoding import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

mro_of: Final[Callable[[type], tuple[type, ...]]] = type.__dict__["__mro__"].__get__
"""The classes of a class, even if its metaclass says otherwise."""
members_of: Final[Callable[[type], Mapping[str, Any]]] = type.__dict__["__dict__"].__get__
"""The namespace of a class itself."""
module_space: Final[Callable[[ModuleType], dict[str, Any]]] = vars(ModuleType)["__dict__"].__get__
"""The namespace of a module, even of one that loads itself late."""
function_space: Final = attrgetter("__dict__")
"""The attributes of a function."""
STANDARD: Final = sys.stdlib_module_names
EMPTY: Final = object()
"""Stands for a closure cell that holds nothing yet."""
_class_qualname: Final[Callable[[type], str]] = type.__dict__["__qualname__"].__get__
_class_module: Final[Callable[[type], Any]] = type.__dict__["__module__"].__get__

_MOST_SHOWN: Final = 40
_MOST_LAYERS: Final = 32
_LEAST_SHOWN: Final = 16
_MOST_ENCODED: Final = 160
_INSTALLED: Final = ("/site-packages/", "/dist-packages/")


def module_name(space: Mapping[str, Any]) -> str:
    """Return the ``__name__`` of a namespace; a script is ``__main__`` in spawned workers too, ``?`` is none."""
    name = space.get("__name__")
    if type(name) is not str:
        return "?"
    return "__main__" if name == "__mp_main__" else name


def class_module(cls: type) -> str:
    """Return the name of the module a class says it is from, ``?`` if it says nothing readable."""
    return module_name({"__name__": _class_module(cls)})


def class_name(cls: type) -> str:
    """Return ``module.qualname`` of a class; builtins go without module."""
    module = class_module(cls)
    return _class_qualname(cls) if module == "builtins" else f"{module}.{_class_qualname(cls)}"


def loaded(name: str) -> ModuleType | None:
    """Return a module that is loaded already."""
    module = sys.modules.get(name)
    return module if issubclass(type(module), ModuleType) else None


def top_of(name: str) -> str:
    """Return the top-level package of a module's name."""
    return name.partition(".")[0]


def is_installed(name: str) -> bool:
    """Tell whether a module is not being worked on: standard library, compiled, or installed as a distribution.

    Where it lies decides, so that a package under development is looked into whatever version it states.
    """
    top = top_of(name)
    if top == "__main__":
        return False
    if top in STANDARD:
        return True
    module = loaded(name)
    if module is None:
        module = loaded(top)
    if module is None:
        return False
    file = module_space(module).get("__file__")
    if type(file) is not str:
        return False
    path = file.replace("\\", "/")
    return any(place in path for place in _INSTALLED) or not path.endswith((".py", ".pyc"))


def stated_version(name: str) -> str | None:
    """Return the ``__version__`` of the top-level package of a loaded module, None if it states none as text."""
    module = loaded(top_of(name))
    version = None if module is None else module_space(module).get("__version__")
    return version if type(version) is str else None


def raw_attribute(value: object, name: str) -> Any:
    """Return what the class of a value holds under a name, unbound; None if it holds nothing."""
    for cls in mro_of(type(value)):
        members = members_of(cls)
        if name in members:
            return members[name]
    return None


def own_space(value: object) -> dict[str, Any] | None:
    """Return the attributes an object itself holds, None if it has no place for any."""
    for cls in mro_of(type(value)):
        raw = members_of(cls).get("__dict__")
        if type(raw) is GetSetDescriptorType:
            space = raw.__get__(value)
            return space if type(space) is dict else None
    return None


def slots_of(value: object) -> dict[str, Any]:
    """Return the attributes that lie in slots or in plain C fields, those that are set."""
    found: dict[str, Any] = {}
    for cls in mro_of(type(value)):
        for name, raw in members_of(cls).items():
            if type(raw) is MemberDescriptorType and not name.startswith("__") and name not in found:
                try:
                    found[name] = raw.__get__(value)
                except AttributeError:
                    continue
    return found


def compiled_attribute(value: object, name: str) -> Any:
    """Return an attribute that compiled code computes, None if there is none of that kind."""
    raw = raw_attribute(value, name)
    if type(raw) is GetSetDescriptorType or type(raw) is MemberDescriptorType:
        try:
            return raw.__get__(value)
        except Exception:  # noqa: BLE001  compiled code may refuse in any way
            return None
    return None


def contents_of(func: FunctionType) -> list[Any]:
    """Return what the cells of a function hold, EMPTY for an empty one."""
    found = []
    for cell in func.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:
            found.append(EMPTY)
    return found


def elements(base: type, value: Any) -> list[Any] | None:
    """Return the elements of a collection in an order that every process agrees on, None if there is no such order.

    A dict gives its keys and values in turn. ``base`` is the builtin type, so that no method of a subclass runs.
    """
    if base is dict:
        pairs = [(encode(key), key, held) for key, held in dict.items(value)]
        if any(known is None for known, _, _ in pairs):
            return None
        pairs.sort(key=lambda pair: pair[0] or b"")
        return [one for _, key, held in pairs for one in (key, held)]
    if base is set or base is frozenset:
        known = [(encode(one), one) for one in base.__iter__(value)]
        if any(code is None for code, _ in known):
            return None
        return [one for _, one in sorted(known, key=lambda pair: pair[0] or b"")]
    return list(base.__iter__(value))  # type: ignore[attr-defined]  # every collection has it


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
    """Return what lies under partials, and under bound methods too unless told otherwise."""
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
        return f"{module_name({'__name__': module})}.{value.__qualname__}"
    if kind is MethodType:
        owner = value.__self__
        cls = owner if issubclass(type(owner), type) else type(owner)
        func = value.__func__
        return f"{class_name(cls)}.{func.__name__ if type(func) is FunctionType else '?'}"
    if issubclass(kind, type):
        return class_name(value)
    wrapped = (own_space(value) or {}).get("__wrapped__")
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
