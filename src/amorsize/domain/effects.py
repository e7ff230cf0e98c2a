"""What code changes outside itself, from its bytecode: attributes that it assigns, collections that it changes."""

from __future__ import annotations

import opcode
from types import CodeType
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    Origin = tuple[str, str]
    """Where a value comes from, and its name.

    It is ``first`` (the first argument), ``argument`` (another), ``global``, ``free``, ``attr`` (what is in an
    attribute of the last two) or ``within`` (what is in an attribute of the first argument).
    """

MUTATORS: Final = frozenset(
    {
        *("add", "append", "appendleft", "clear", "discard", "extend", "extendleft", "insert", "move_to_end", "pop"),
        *("popitem", "popleft", "remove", "reverse", "rotate", "setdefault", "sort", "subtract", "update"),
    }
)
"""Methods that change the lists, dicts, sets and deques they are called on."""
_ADDERS: Final = frozenset({"add", "append", "appendleft", "extend", "extendleft", "insert"})
"""Those of them that only add elements."""
_FIRST: Final = ("first", "")
_INSIDE: Final = {"first": "within", "within": "within", "global": "attr", "free": "attr", "attr": "attr"}
"""Where the value of an attribute comes from, by where its owner comes from; other arguments are items."""
_METHOD_BIT: Final = opcode.opmap.get("LOAD_METHOD", 256) > 255  # noqa: PLR2004  what no byte can be is no instruction
"""True when the lowest bit of the argument of LOAD_ATTR says that a method is loaded (Python 3.12 and later)."""


def _numbers(*names: str) -> frozenset[int]:
    """Return the numbers of those instructions that this Python has."""
    return frozenset(opcode.opmap[name] for name in names if opcode.opmap.get(name, 256) < 256)  # noqa: PLR2004  as above


# Numbers of instructions.
_CACHE: Final = opcode.opmap["CACHE"]
_EXTENDED_ARG: Final = opcode.opmap["EXTENDED_ARG"]
_LOAD_GLOBAL: Final = opcode.opmap["LOAD_GLOBAL"]
_COPY: Final = opcode.opmap["COPY"]
_SWAP: Final = opcode.opmap["SWAP"]
_STORE_THEN_LOAD: Final = opcode.opmap.get("STORE_FAST_LOAD_FAST")
_LOAD_LOCAL: Final = _numbers("LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_FAST_CHECK", "LOAD_FAST_AND_CLEAR")
_LOAD_TWO: Final = _numbers("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW", "STORE_FAST_LOAD_FAST")
_LOAD_OUTER: Final = _numbers("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF")
_LOAD_ATTRIBUTE: Final = _numbers("LOAD_ATTR", "LOAD_METHOD")
_SUBSCRIPT: Final = _numbers("BINARY_SUBSCR")
_OPERATION: Final = opcode.opmap["BINARY_OP"]
_OPERATION_SUBSCRIPT: Final = 26
"""The argument by which BINARY_OP reads an item, from Python 3.14 on."""
_CHANGES: Final = {
    opcode.opmap[name]: depth
    for name, depth in (
        ("STORE_ATTR", 1),
        ("DELETE_ATTR", 1),
        ("STORE_SUBSCR", 2),
        ("DELETE_SUBSCR", 2),
        ("STORE_SLICE", 3),
    )
    if name in opcode.opmap
}
"""Instructions that change something, with the depth on the stack of what they change; 1 is its top."""
_RELEVANT: Final = frozenset(_CHANGES) | (_SUBSCRIPT or {_OPERATION})
"""Code with none of these instructions, and without a method that changes collections, has no effects."""
_UNTOUCHED: Final = frozenset(
    number
    for name, number in opcode.opmap.items()
    if name.startswith(
        ("POP_", "STORE_", "DELETE_", "RETURN_", "JUMP_", "RAISE", "RESUME", "NOP", "MAKE_CELL", "COPY_F")
    )
)
"""Instructions that do not change the values that stay on the stack."""


def codes_in(code: CodeType) -> Iterator[CodeType]:
    """Yield code, and the code of the functions and classes inside it."""
    yield code
    for constant in code.co_consts:
        if type(constant) is CodeType:
            yield from codes_in(constant)


class Effects(NamedTuple):
    """What code changes outside itself.

    Attributes:
        assigned: attributes that it assigns, with whose they are.
        filled: collections that it changes in place.
        asked: collections of which it reads items.
        replaced: those of ``filled`` of which it sets or removes items, and does not only add some.
    """

    assigned: frozenset[tuple[Origin, str]] = frozenset()
    filled: frozenset[Origin] = frozenset()
    asked: frozenset[Origin] = frozenset()
    replaced: frozenset[Origin] = frozenset()


_NOTHING: Final = Effects()


def effects_of(code: CodeType) -> Effects:
    """Return what code changes outside itself, as far as that shows, without the code inside it.

    Seen are ``a.n = 1``, ``a.b.n += 1``, ``del a.n``, ``a[k] = 1``, ``a.b[k].append(1)``, and ``a[k]``, which fills
    some dicts, where ``a`` is an argument, a global or a variable of an enclosing function; not what goes through
    another local variable.
    """
    raw = code.co_code
    if _RELEVANT.isdisjoint(raw[::2]) and MUTATORS.isdisjoint(code.co_names):
        return _NOTHING
    walk = _Walk(code)
    extended = 0
    for at in range(0, len(raw), 2):
        operation = raw[at]
        if operation == _CACHE:
            continue
        argument = extended << 8 | raw[at + 1]
        if operation == _EXTENDED_ARG:
            extended = argument
            continue
        extended = 0
        walk.step(operation, argument)
    return Effects(frozenset(walk.assigned), frozenset(walk.filled), frozenset(walk.asked), frozenset(walk.replaced))


class _Walk:
    """One pass over instructions that records where each value on the stack comes from; None: not known.

    Jumps are not followed: the stack is known from its top, and it is right within a statement.
    """

    def __init__(self, code: CodeType) -> None:
        self._names = code.co_names
        self._free = code.co_freevars
        variables = code.co_varnames
        self._variables = (*variables, *(name for name in code.co_cellvars if name not in variables), *code.co_freevars)
        count = code.co_argcount + code.co_kwonlyargcount
        self._arguments: list[Origin | None] = [("argument", name) for name in variables[:count]]
        if code.co_argcount:
            self._arguments[0] = _FIRST
        self._stack: list[Origin | None] = []
        self.assigned: set[tuple[Origin, str]] = set()
        self.filled: set[Origin] = set()
        self.asked: set[Origin] = set()
        self.replaced: set[Origin] = set()

    def step(self, operation: int, argument: int) -> None:
        """Follow one instruction."""
        stack = self._stack
        if operation in _LOAD_LOCAL:
            stack.append(self._local(argument))
        elif operation in _LOAD_ATTRIBUTE:
            self._load_attribute(operation, argument)
        elif operation in _LOAD_OUTER:
            self._load_outer(operation, argument)
        elif operation == _COPY:
            stack.append(self._peek(argument))
        elif operation == _SWAP:
            self._peek(argument)
            stack[-1], stack[-argument] = stack[-argument], stack[-1]
        elif operation in _SUBSCRIPT or (operation == _OPERATION and argument == _OPERATION_SUBSCRIPT):
            self._subscript()
        elif operation in _LOAD_TWO:  # pragma: no cover  from Python 3.13 on
            self._load_two(operation, argument)
        else:
            if operation in _CHANGES:
                self._change(_CHANGES[operation], argument)
            self._pass(operation, argument)

    def _subscript(self) -> None:
        """Take the key off: an item counts as the collection that it is in."""
        self._pop(1)
        owner = self._peek(1)
        if owner is not None:
            self.asked.add(owner)

    def _load_two(self, operation: int, argument: int) -> None:  # pragma: no cover  from Python 3.13 on
        if operation == _STORE_THEN_LOAD:
            self._pop(1)
        else:
            self._stack.append(self._local(argument >> 4))
        self._stack.append(self._local(argument & 15))

    def _local(self, index: int) -> Origin | None:
        return self._arguments[index] if index < len(self._arguments) else None

    def _load_outer(self, operation: int, argument: int) -> None:
        if operation == _LOAD_GLOBAL:
            self._stack += [None] * (argument & 1)  # a slot for what a call may need
            self._stack.append(("global", self._names[argument >> 1]))
        elif operation == opcode.opmap["LOAD_DEREF"]:
            variable = self._variables[argument]
            self._stack.append(("free", variable) if variable in self._free else self._local(argument))
        else:
            self._stack.append(("global", self._names[argument]))

    def _load_attribute(self, operation: int, argument: int) -> None:
        is_method = operation != opcode.opmap["LOAD_ATTR"] or (_METHOD_BIT and argument & 1)
        attribute = self._names[argument >> 1 if _METHOD_BIT else argument]
        owner = self._pop(1)
        if owner is not None and attribute in MUTATORS:
            self.filled.add(owner)
            if attribute not in _ADDERS:
                self.replaced.add(owner)
        self._stack.append((_INSIDE[owner[0]], attribute) if owner is not None and owner[0] in _INSIDE else None)
        if is_method:
            self._stack.append(None)

    def _change(self, depth: int, argument: int) -> None:
        """Note what an instruction changes."""
        owner = self._peek(depth)
        if owner is None:
            return
        if depth == 1:
            self.assigned.add((owner, self._names[argument]))
        else:
            self.filled.add(owner)
            self.replaced.add(owner)

    def _pass(self, operation: int, argument: int) -> None:
        """Follow an instruction of which only is known how many values it adds or takes away."""
        try:
            effect = opcode.stack_effect(operation, argument if operation >= opcode.HAVE_ARGUMENT else None, jump=False)
        except ValueError:  # pragma: no cover  an instruction that stack_effect does not know
            effect = 0
        if effect > 0:
            self._stack += [None] * effect
            return
        self._pop(-effect)
        if self._stack and operation not in _UNTOUCHED:
            self._stack[-1] = None

    def _peek(self, depth: int) -> Origin | None:
        while len(self._stack) < depth:
            self._stack.insert(0, None)
        return self._stack[-depth]

    def _pop(self, count: int) -> Origin | None:
        """Take values off, and return the one that lay deepest."""
        last = None
        for _ in range(count):
            last = self._stack.pop() if self._stack else None
        return last
