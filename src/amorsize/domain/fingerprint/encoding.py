"""A type-tagged, length-prefixed encoding of plain values and bytecode that is the same in every process."""

from __future__ import annotations

import opcode
from array import array
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

_DOUBLE: Final = Struct("<d").pack
_COUNTS: Final = Struct("<9I").pack
_MOST_ELEMENTS: Final = 64
"""Elements of a tuple or frozenset that is encoded at once; a larger one is read as a collection."""
_MOST_LENGTH: Final = 1 << 16
"""Bytes of a text that is encoded whole: our choice, some 50 us of hashing."""
_MOST_BITS: Final = 8 * _MOST_LENGTH
"""The same for a whole number."""
_DEEPEST: Final = 3
"""Levels of tuples and frozensets that are encoded at once: more are rare, and read as collections."""

_OPTIMIZED, _VARARGS, _VARKEYWORDS = 0x1, 0x4, 0x8
"""Flags of a code object: CO_OPTIMIZED, CO_VARARGS and CO_VARKEYWORDS of the inspect module."""
_HAS_DOCSTRING: Final = 0x4000000
"""Set by Python 3.13 and later only."""
_MEANT_FLAGS: Final = 0x3AF
"""Kinds of function and of arguments; not whether it is nested or which future statements its file holds."""

_SEES_LOCALS: Final = frozenset({"locals", "vars", "dir", "eval", "exec"})
"""Names of builtins by which code can look at the names of its local variables."""
_INCIDENTAL: Final = frozenset({"__qualname__", "__firstlineno__", "__static_attributes__", "__doc__"})
"""What the body of a class stores about its location and text."""

_CONST_OPS: Final = frozenset(operation for operation in opcode.hasconst if operation < 256)  # noqa: PLR2004  a byte
"""Numbers of the instructions that load a constant, those of this interpreter; more numbers of instructions follow."""
_IMPORT_NAME: Final = opcode.opmap["IMPORT_NAME"]
_STORE_NAME: Final = opcode.opmap["STORE_NAME"]
_STORE_GLOBAL: Final = opcode.opmap["STORE_GLOBAL"]
_STORE_DEREF: Final = opcode.opmap["STORE_DEREF"]
_LOAD_GLOBAL: Final = opcode.opmap["LOAD_GLOBAL"]
_LOAD_NAMES: Final = tuple(
    opcode.opmap[name] for name in ("LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS") if name in opcode.opmap
)
_EXTENDED_ARG: Final = opcode.opmap["EXTENDED_ARG"]
_LOADS: Final = _CONST_OPS | {opcode.opmap.get("LOAD_SMALL_INT", opcode.opmap["LOAD_CONST"])}


def framed(parts: list[bytes]) -> bytes:
    """Join parts, their number and lengths ahead, so that no other parts join to the same."""
    return array("Q", [len(parts), *map(len, parts)]).tobytes() + b"".join(parts)


def text(value: str) -> bytes:
    """Encode a str."""
    return b"s" + value.encode("utf-8", "surrogatepass")


def _joined(names: tuple[str, ...]) -> bytes:
    """Encode names, of which none is empty or holds a NUL."""
    return "\x00".join(names).encode("utf-8", "surrogatepass")


def _integer(value: int) -> bytes:
    return b"i" + value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)


def _complex(value: complex) -> bytes:
    return b"c%b%b" % (_DOUBLE(value.real), _DOUBLE(value.imag))


# Looked up by the identity of the type: hashing a type may run code of its metaclass.
_ATOMS: Final[dict[int, Callable[[Any], bytes]]] = {
    id(type(None)): lambda _: b"N",
    id(type(...)): lambda _: b"E",
    id(bool): lambda value: b"1" if value else b"0",
    id(int): _integer,
    id(float): lambda value: b"f" + _DOUBLE(value),
    id(complex): _complex,
    id(str): text,
    id(bytes): lambda value: b"b" + value,
    id(range): lambda value: b"r" + framed([*map(_integer, (value.start, value.stop, value.step))]),
}


def is_atom(value: object) -> bool:
    """Tell whether a value is plain and contains no other."""
    return id(type(value)) in _ATOMS


def encode(value: object) -> bytes | None:
    """Encode a small plain value; None for anything else.

    Plain are None, Ellipsis, bool, int, float (by its bits), complex, str, bytes and range of exactly these types, and
    tuples and frozensets of plain values. Small are up to 64 KiB, and in tuples and frozensets up to 64 elements, all
    in all, on 3 levels.
    """
    kind = type(value)
    atom = _ATOMS.get(id(kind))
    if atom is not None:
        return _atom(atom, kind, value)
    if kind is tuple or kind is frozenset:
        return _encode_within(value, _DEEPEST, _Budget())
    return None


def _atom(atom: Callable[[Any], bytes], kind: type, value: Any) -> bytes | None:
    if (kind is str or kind is bytes) and len(value) > _MOST_LENGTH:
        return None
    if kind is int and value.bit_length() > _MOST_BITS:
        return None
    return atom(value)


class _Budget:
    """How many elements and bytes of a value may still be encoded."""

    __slots__ = ("_bytes", "elements")

    def __init__(self) -> None:
        self.elements = _MOST_ELEMENTS
        self._bytes = _MOST_LENGTH

    def spend(self, length: int) -> bool:
        """Take an element of so many bytes from it; False when it has less left."""
        self.elements -= 1
        self._bytes -= length
        return self.elements >= 0 and self._bytes >= 0


def _encode_within(value: Any, levels: int, budget: _Budget) -> bytes | None:
    """Encode a value within so many levels and a budget of elements and bytes."""
    kind = type(value)
    atom = _ATOMS.get(id(kind))
    if atom is not None:
        part = _atom(atom, kind, value)
        return part if budget.spend(len(part or b"")) else None
    if not (kind is tuple or kind is frozenset) or not levels or not budget.spend(0) or len(value) > budget.elements:
        return None
    parts = []
    for one in value:
        part = _encode_within(one, levels - 1, budget)
        if part is None:
            return None
        parts.append(part)
    return _collection(kind is tuple, parts)


def _collection(ordered: bool, parts: list[bytes]) -> bytes:
    if not ordered:
        parts.sort()
    return (b"t" if ordered else b"z") + framed(parts)


def constant(value: Any) -> bytes | None:
    """Encode a constant that the compiler made, whatever its size; None for code and for what no compiler makes."""
    kind = type(value)
    atom = _ATOMS.get(id(kind))
    if atom is not None:
        return atom(value)
    if kind is slice:
        value = (value.start, value.stop, value.step)
    elif kind is not tuple and kind is not frozenset:
        return None
    parts = [constant(one) for one in value]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return (b"S" if kind is slice else b"") + _collection(kind is not frozenset, known)


def code_parts(code: CodeType, raw: bytes) -> tuple[list[bytes], list[Any]]:
    """Return the encoding of code without its constants, in parts, and the constants that matter.

    Left out is what can differ while the function does the same: names of files and of the function, line numbers, the
    names of local variables (unless the code can look at them) and what a docstring says (unless it is used). The names
    of parameters stay: they are how a function can be called. ``raw`` is the bytecode.
    """
    names, flags, variables = code.co_names, code.co_flags, code.co_varnames
    cells, free = code.co_cellvars, code.co_freevars
    constants = list(code.co_consts)
    if flags & _OPTIMIZED:
        if _has_docstring(code) and not _first_constant_is_used(raw) and "__doc__" not in names:
            constants[0] = None
    else:
        raw = _without_incidentals(raw, names, constants)
    if _SEES_LOCALS.isdisjoint(names):
        arguments = code.co_argcount + code.co_kwonlyargcount
        seen = variables[: arguments + bool(flags & _VARARGS) + bool(flags & _VARKEYWORDS)]
    else:
        seen = variables + cells + free
    counts = _COUNTS(
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        len(variables),
        len(cells),
        len(free),
        flags & _MEANT_FLAGS,
        len(seen),
        len(names),
    )
    return [b"C" + counts, _joined(seen), _joined(names), raw, code.co_exceptiontable], constants


def _has_docstring(code: CodeType) -> bool:
    constants = code.co_consts
    is_marked = bool(code.co_flags & _HAS_DOCSTRING)
    return is_marked or (bool(constants) and type(constants[0]) is str and not code.co_name.startswith("<"))


def _first_constant_is_used(raw: bytes) -> bool:
    return any(0 in _arguments(raw, raw[::2], operation) for operation in _CONST_OPS)


def _without_incidentals(raw: bytes, names: tuple[str, ...], constants: list[Any]) -> bytes:
    """Blank out what the body of a class says of its own lines, location and docstring."""
    used = [raw[at + 1] for at in range(0, len(raw), 2) if raw[at] in _CONST_OPS]
    edited = bytearray(raw)
    for at in range(2, len(raw), 2):
        if raw[at] != _STORE_NAME or raw[at + 1] >= len(names) or names[raw[at + 1]] not in _INCIDENTAL:
            continue
        index = raw[at - 1]
        extended = at > 2 and raw[at - 4] == _EXTENDED_ARG  # noqa: PLR2004  the width of an instruction
        if raw[at - 2] not in _LOADS or extended:
            continue
        if raw[at - 2] in _CONST_OPS:  # pragma: no branch  only Python 3.14 and later load small ints otherwise
            if used.count(index) > 1:
                continue
            constants[index] = None
        edited[at - 2 : at] = b"\x00\x00"
    return bytes(edited)


def names_of(code: CodeType, raw: bytes) -> tuple[list[str], list[str], list[str]]:
    """Return the names that the code reads as globals or builtins, those it assigns to outside itself, its imports.

    Assigned are globals and variables of enclosing functions. Imports stand as written there ('' for a bare
    ``from .``). ``raw`` is the bytecode.
    """
    names, free = code.co_names, code.co_freevars
    operations = raw[::2]
    # The lowest bit of a global's argument says whether it is called at once.
    read = [names[argument >> 1] for argument in _arguments(raw, operations, _LOAD_GLOBAL)]
    if not code.co_flags & _OPTIMIZED:
        for operation in _LOAD_NAMES:
            read += [names[argument] for argument in _arguments(raw, operations, operation)]
    assigned: list[str] = []
    imports: list[str] = []
    if _STORE_GLOBAL in operations:
        assigned += [names[argument] for argument in _arguments(raw, operations, _STORE_GLOBAL)]
    if free and _STORE_DEREF in operations:
        variables = code.co_varnames
        first = len(variables) + sum(name not in variables for name in code.co_cellvars)
        assigned += [free[at - first] for at in _arguments(raw, operations, _STORE_DEREF) if at >= first]
    if _IMPORT_NAME in operations:
        imports += [names[argument] for argument in _arguments(raw, operations, _IMPORT_NAME)]
    return read, assigned, imports


def _arguments(raw: bytes, operations: bytes, operation: int) -> list[int]:
    """Return the argument of each instruction of one kind."""
    found = []
    at = operations.find(operation)
    while at >= 0:
        argument = raw[2 * at + 1]
        before, shift = at - 1, 8
        while before >= 0 and operations[before] == _EXTENDED_ARG:
            argument |= raw[2 * before + 1] << shift
            before, shift = before - 1, shift + 8
        found.append(argument)
        at = operations.find(operation, at + 1)
    return found
