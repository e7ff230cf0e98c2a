"""Reads instances and classes, without running their code."""

from __future__ import annotations

import functools
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.fingerprint import objects
from amorsize.domain.fingerprint.containers import bits_of, is_wholly_plain
from amorsize.domain.fingerprint.encoding import constant, encode, text
from amorsize.domain.fingerprint.environment import is_environment
from amorsize.domain.fingerprint.reading import SMALL

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.domain.fingerprint.loaded import Loaded
    from amorsize.domain.fingerprint.reading import Reading

_EDGE: Final = 1 << 14
"""Bytes at each end of a very long text or number that are read."""
_EDGE_BITS: Final = 8 * _EDGE
"""The same in bits."""
_EDGE_ELEMENTS: Final = 2 * _EDGE // SMALL
"""What both ends take of the budget, in elements."""
_NOT_BEHAVIOUR: Final = frozenset({"__doc__", "__module__", "__dict__", "__weakref__", "__qualname__"})
"""Names of members and attributes that say nothing of what an object does."""
_VALUES: Final = frozenset({"val", "value"})
"""Attributes that an object is there for."""
_LEAST_DATE: Final = 1e9
"""A number from which on a float may be a time: in Unix seconds it is one of the year 2001."""
_SAID: Final = 3
"""Skipped attributes that are named in a note."""
_STATELESS: Final = frozenset(
    {
        "_thread.lock",
        "_thread.RLock",
        "object",
        "_collections._tuplegetter",  # its name up to Python 3.11
        "collections._tuplegetter",  # and from 3.12 on
    }
)
"""Classes of compiled code whose objects hold nothing that counts."""
_HOLDERS: Final = frozenset({"types.SimpleNamespace", "argparse.Namespace", "optparse.Values"})
"""Classes whose objects are nothing but what was put into them."""
_REFERENCE: Final = "weakref.ReferenceType"
"""The name of the class of weak references."""
_ASKED: Final = ("__qualname__", "__name__", "shape", "dtype")
"""What compiled code says of its objects at no cost: numpy's functions and arrays, Cython's functions."""
_TELLING: Final = frozenset(map(id, (FunctionType, BuiltinFunctionType, MethodType)))
"""Types of code, by identity."""


class Kind:
    """What reading the instances of a class needs to know of it: found out once for a callable."""

    __slots__ = ("layout", "name", "own", "quiet", "read", "takes")

    def __init__(self, kind: type, reading: Reading) -> None:
        module = objects.class_module(kind)
        self.name = objects.class_name(kind)
        self.own = not reading.origins.is_installed(module)
        self.quiet = objects.top_of(module) in objects.QUIET
        self.layout = objects.Layout(kind)
        self.read = _special(kind, reading.origins.loaded)
        """Appends an instance that says by itself what it is; None where its attributes have to."""
        self.takes: frozenset[str] = frozenset() if self.own else _VALUES | _parameters(kind)
        """Names of what the constructors of an installed class take."""


def kind_of(reading: Reading, cls: type) -> Kind:
    """Return what reading the instances of a class needs to know of it."""
    known: Kind | None = reading.kinds.get(id(cls))
    if known is None:
        known = reading.kinds[id(cls)] = Kind(cls, reading)
        reading.alive.append(cls)
    return known


def read_instance(reading: Reading, value: Any, depth: int) -> None:
    """Append any other object: its class and what it holds, as far as that says what it does."""
    reading.out.append(b"O")
    is_plain, is_all = _plain_base(reading, value)
    if is_all:
        return
    reading.value(type(value), depth + 1)
    kind = kind_of(reading, type(value))
    if kind.read is not None:
        kind.read(reading, value, depth)
    elif not kind.quiet and not read_state(reading, value, depth) and not is_plain:
        _compiled(reading, value, depth)


def _special(kind: type, loaded: Loaded) -> Callable[[Reading, Any, int], None] | None:
    if loaded.has_text(kind):
        return _read_text
    if loaded.is_frame(kind):
        return _read_frame
    if loaded.is_genuine(kind, "_contextvars") or (
        objects.class_name(kind) == _REFERENCE and loaded.is_genuine(kind, "weakref")
    ):
        return _read_current
    return _read_environment if is_environment(kind, loaded) else None


def _read_text(reading: Reading, value: Any, _: int) -> None:
    reading.out.append(text(reading.origins.loaded.exact_text(value)))


def _read_frame(reading: Reading, value: Any, depth: int) -> None:
    reading.value(objects.frame_shape(value), depth)
    reading.measure(value, objects.frame_shape)
    reading.origins.note(f"a {objects.class_name(type(value))}, known by its type and shape only", of=(value,))


def _read_current(reading: Reading, variable: Any, depth: int) -> None:
    """Append what a context variable holds here and now, or what a weak reference refers to."""
    reading.out.append(text(str(objects.compiled_attribute(variable, "name"))))
    for held in _current(variable):
        reading.value(held, depth)
    reading.look(variable, _current)


def _current(variable: Any) -> tuple[Any, ...]:
    if objects.class_name(type(variable)) == _REFERENCE:
        return (variable(),)
    held = variable.get(objects.EMPTY) if hasattr(type(variable), "get") else objects.EMPTY
    return () if held is objects.EMPTY else (held,)


def _read_environment(reading: Reading, _value: Any, _depth: int) -> None:
    reading.note_environment()


def _plain_base(reading: Reading, value: Any) -> tuple[bool, bool]:
    """Append a number or text of a subclass as a plain one; tell whether it is one, and whether that says all of it."""
    kind = type(value)
    for base, plain_of in objects.PLAIN_BASES:
        if issubclass(kind, base):
            plain = plain_of(value)
            short = None if kind is base else encode(plain)
            reading.out.append(_at_its_ends(reading, base, plain) if short is None else short)
            return True, kind is base
    return False, False


def _at_its_ends(reading: Reading, base: type, plain: Any) -> bytes:
    """Encode a long number or text by its length and, where the budget allows it, its ends."""
    length = plain.bit_length() if base is int else len(plain)
    words = f"an int of {length} bits" if base is int else f"a {base.__name__} of {length}"
    reading.origins.note(f"{words}, known by its length and its ends only", of=(plain,))
    if not reading.spend(_EDGE_ELEMENTS):
        return constant(length) or b""
    if base is int:
        return constant((length, plain & ((1 << _EDGE_BITS) - 1), plain >> max(0, length - _EDGE_BITS))) or b""
    return constant((length, plain[:_EDGE], plain[-_EDGE:])) or b""


def read_state(reading: Reading, value: Any, depth: int) -> bool:
    """Append the attributes of an object: of one's own class all, of another what tells what it does; False if none."""
    kind = kind_of(reading, type(value))
    layout = kind.layout
    count = len(layout.space(value))
    if count > objects.MANY or not reading.spend(count):
        reading.out.append(b"~%d" % count.bit_length())
        reading.origins.note(f"a {kind.name} of {count} attributes, known by their number only", of=(value,))
        reading.measure(value, objects.count_of)
        return True
    state = layout.state(value)
    left_out = _left_out(reading, type(value), state, own=kind.own)
    names = [name for name in sorted(state) if name not in _NOT_BEHAVIOUR and name not in left_out]
    if kind.own:
        reading.look(value, layout.look(left_out))
        before = reading.enter(installed=False)
        for name in names:
            _attribute(reading, name, state[name], depth)
        reading.leave(before)
        return True
    unread = _read_installed(reading, type(value), {name: state[name] for name in names}, depth)
    by_type = frozenset(name for name in unread if not _is_plain(state[name]))
    reading.look(value, layout.look(left_out, by_type))
    return len(unread) < len(names) or bool(left_out)


def _attribute(reading: Reading, name: str, held: Any, depth: int) -> None:
    """Append an attribute; what lies in an object is no call deeper than the object."""
    reading.out.append(text(name))
    if depth:
        reading.value(held, depth)
    else:
        reading.part(f"state {name}", held, depth)


def _left_out(reading: Reading, kind: type, state: dict[str, Any], *, own: bool) -> frozenset[str]:
    """Return the attributes that say nothing: those that its own code changes, and those it works out when asked."""
    if not state:
        return frozenset()
    changed = [name for name in sorted(state) if reading.changes.leaves_out(kind, name, state[name])]
    for name in changed if own else ():
        reading.origins.note(f"{name}, which its own code changes, is left out")
    derived: list[str] = []
    for cls in objects.mro_of(kind):
        members = objects.members_of(cls)
        derived += [name for name in members.keys() & state.keys() if _is_cached_property(members[name])]
    return frozenset((*changed, *derived))


def _is_cached_property(raw: object) -> bool:
    return objects.class_name(type(raw)).endswith("cached_property")


def _read_installed(reading: Reading, cls: type, state: dict[str, Any], depth: int) -> frozenset[str]:
    """Append what tells what an object of an installed class does, note what else there is to it, and return that.

    That is what its constructor takes and what it is made of for sure: code, plain values (but not of an object inside
    another such, where they may count or time things), and collections of plain values. Of what wraps a function only
    that function and plain values count.
    """
    wraps = "__wrapped__" in state
    kind = kind_of(reading, cls)
    is_holder = kind.name in _HOLDERS
    read = [
        name
        for name, held in state.items()
        if (not wraps and (is_holder or name.lstrip("_") in kind.takes)) or _tells(reading, cls, name, held)
    ]
    unread = frozenset(state).difference(read)
    before = reading.enter(installed=True)
    for name in read:
        _attribute(reading, name, state[name], depth)
    reading.leave(before)
    skipped = [
        name for name in state if name in unread and "cache" not in name.lower() and not _says_nothing(state[name])
    ]
    if skipped and not wraps:
        more = f" and {len(skipped) - _SAID} more" if len(skipped) > _SAID else ""
        words = f"{', '.join(skipped[:_SAID])}{more}"
        said = f"a {objects.qualname_of(cls)}, known in part, not by its {words}"
        reading.origins.note(said, of=tuple(state[name] for name in skipped))
    for name in unread:
        base = objects.base_of(type(state[name]))
        if base is not None:
            reading.measure(state[name], bits_of(base))
    return unread


def _tells(reading: Reading, cls: type, name: str, held: Any) -> bool:
    """Tell whether an attribute of an object of an installed class says what the object does, and stays as it is."""
    if "cache" in name.lower():
        return False
    if _is_plain(held):
        if reading.within:
            return False
        # What scikit-learn has fitted differs at each fit, and what may be a date from process to process.
        return type(held) is not float or not (name.endswith("_") or held > _LEAST_DATE)
    if objects.base_of(type(held)) is None:
        return _is_telling(reading, held) or (not reading.within and objects.is_collection(type(held)))
    if reading.within and not objects.is_collection(cls):
        return False
    return not name.endswith("_") and is_wholly_plain(held)


def _is_telling(reading: Reading, value: Any) -> bool:
    """Tell whether an object is code, one of one's own, or says by itself what it is."""
    kind = type(value)
    if id(kind) in _TELLING or issubclass(kind, (type, functools.partial)):
        return True
    if issubclass(kind, ModuleType):
        return False
    known = kind_of(reading, kind)
    return known.own or known.read is not None or objects.is_enum(kind) or objects.shape_of(value) is not None


def _is_plain(held: Any) -> bool:
    return encode(held) is not None


def _says_nothing(held: Any) -> bool:
    """Tell whether something needs no note: what is plain or empty, locks, loggers."""
    base = objects.base_of(type(held))
    if base is not None:
        return _is_plain(held) or base.__len__(held) == 0
    return _is_plain(held) or objects.top_of(objects.class_module(type(held))) in objects.QUIET


def _parameters(kind: type) -> set[str]:
    """Return the names of what the constructors of a class take."""
    found: set[str] = set()
    for cls in objects.mro_of(kind):
        init = objects.members_of(cls).get("__init__")
        if type(init) is FunctionType:
            code = init.__code__
            found.update(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount])
    return found


def _compiled(reading: Reading, value: Any, depth: int) -> None:
    name = objects.class_name(type(value))
    said = [objects.compiled_attribute(value, attribute) for attribute in _ASKED]
    for one in said:
        reading.value(one, depth + 1)
    reading.measure(value, objects.shape_of)
    is_named = said[0] is not None or said[1] is not None
    if is_named and "(vectorized)" in (said[0], said[1], *str(said[1]).split()):
        reading.origins.note("a Python function inside a numpy ufunc")
    elif not is_named and name not in _STATELESS and not objects.is_plain_class(type(value)):
        known = f"a {name}, known by its type{' and shape' if said[2] is not None else ''} only"
        reading.origins.note(known, of=(value,))


def read_class(reading: Reading, cls: type, depth: int) -> None:
    """Append a class with its bases; its members follow when it is known which of them are named."""
    module = objects.class_module(cls)
    if reading.origins.is_installed(module):
        reading.from_elsewhere(module, objects.class_name(cls))
        return
    reading.out.append(b"K")
    reading.classes.append((cls, depth))
    for base in objects.mro_of(cls)[1:-1]:
        reading.value(base, depth + 1)
    if type(cls) is not type:
        reading.value(type(cls), depth + 1)


def read_members(reading: Reading) -> None:
    """Append the members of all classes met: special methods, and whatever any code met names."""
    done: set[tuple[int, str]] = set()
    before = -1
    while before != len(done):
        before = len(done)
        for number, (cls, depth) in enumerate(reading.classes):
            members = objects.members_of(cls)
            for name in sorted(name for name in members if type(name) is str):
                if (number, name) in done or not _counts(reading, cls, name, members[name]):
                    continue
                done.add((number, name))
                reading.out.append(b".%d" % number + text(name))
                for inside in objects.functions_of(members[name]):
                    reading.value(inside, depth + 1)
    for cls, _ in reading.classes:
        reading.look(cls, objects.class_content)


def _counts(reading: Reading, cls: type, name: str, member: Any) -> bool:
    if name in _NOT_BEHAVIOUR:
        return False
    if name.startswith("__") and name.endswith("__"):
        return type(member) in objects.BINDING
    if name not in reading.names:
        return False
    if type(member) in objects.BINDING or not reading.changes.leaves_out(cls, name, member):
        return True
    reading.origins.note(f"{name}, which its own code changes, is left out")
    return False
