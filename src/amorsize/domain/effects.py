"""What code changes outside itself, from its bytecode: attributes that it assigns, collections that it changes."""

from __future__ import annotations

import opcode
from types import CodeType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    Origin = tuple[str, str]
    """Where a value comes from, and its name.

    It is ``first`` (the first argument), ``argument`` (another), ``global``, ``free``, ``attr`` (what is in an
    attribute of the last two) or ``within`` (what is in an attribute of the first argument).
    """

    Path = tuple[str, ...]
    """The way to a value: ``first``, ``argument``, ``global`` or ``free``, its name, then attributes, items and calls.

    It begins with ``local`` where a local variable holds the value, and is ``other`` where only the last attribute is
    known.
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
CHANGERS: Final = frozenset(
    {
        *("fill", "put", "partition", "resize", "itemset", "setfield"),
        *("seek", "truncate", "read", "read1", "readline", "readlines", "write", "writelines"),
        *("fit", "partial_fit", "fit_transform", "fit_predict"),
    }
)
"""Methods of arrays, streams in memory and estimators that change what they are called on."""
TAKERS: Final = frozenset(
    {
        *("copyto", "place", "put", "putmask", "put_along_axis", "fill_diagonal", "at", "pack_into"),
        *("readinto", "readinto1", "recv_into", "recvfrom_into", "recv_bytes_into"),
    }
)
"""Functions and methods that change memory that they are given; ``pack_into`` of a module takes a format before it."""
OUT: Final = "out"
"""The keyword for memory that a function writes its result to."""
ITEM: Final = "[]"
"""Stands in a path for an item."""
CALL: Final = "()"
"""Stands in a path for what a call returns."""
_LOCAL: Final = "local"
_OTHER: Final = ("other", "")
_FIRST: Final = ("first", "")
_INSIDE: Final = {"first": "within", "within": "within", "global": "attr", "free": "attr", "attr": "attr"}
"""Where the value of an attribute comes from, by where its owner comes from; other arguments are items."""
_ROOTS: Final = frozenset({"first", "argument", "global", "free"})
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
_STORE_FAST: Final = opcode.opmap["STORE_FAST"]
_CALL_WITH_NAMES: Final = opcode.opmap.get("CALL_KW")
"""The call that takes the names of its last arguments from the stack, from Python 3.13 on."""
_NAMES_NEXT: Final = _numbers("KW_NAMES") if _CALL_WITH_NAMES is None else _numbers("LOAD_CONST")
"""Instructions that may give the names of the last arguments of a call that comes next."""
_RESULT_HERE: Final = _numbers("CALL", "CALL_KW")
"""Instructions after which the result of a call lies on the stack."""
_ARGUMENTS_HERE: Final = _numbers("PRECALL") or _RESULT_HERE
"""Instructions before which the arguments of a call do; Python 3.11 has two for a call."""
_CALLS: Final = _ARGUMENTS_HERE | _RESULT_HERE
_UNPACK: Final = _numbers("UNPACK_SEQUENCE", "UNPACK_EX")
_STORE_FIRST: Final = _numbers("STORE_FAST_LOAD_FAST", "STORE_FAST_STORE_FAST")
_STORE_BOTH: Final = opcode.opmap.get("STORE_FAST_STORE_FAST")
_LOAD_LOCAL: Final = _numbers("LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_FAST_CHECK", "LOAD_FAST_AND_CLEAR")
_TWO: Final = _numbers("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW") | _STORE_FIRST
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
        ("POP_", "STORE_", "DELETE_", "RETURN_", "JUMP_", "RAISE", "RESUME", "NOP", "MAKE_CELL", "COPY_F", "KW_")
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
        changed: paths to objects that it may change in place, each with a method of ``CHANGERS``, a function of
            ``TAKERS`` or the keyword ``OUT``; of what a call returns or a local variable holds, collections too.
    """

    assigned: frozenset[tuple[Origin, str]] = frozenset()
    filled: frozenset[Origin] = frozenset()
    asked: frozenset[Origin] = frozenset()
    replaced: frozenset[Origin] = frozenset()
    changed: frozenset[tuple[Path, str]] = frozenset()


_NOTHING: Final = Effects()


def names_changers(code: CodeType) -> bool:
    """Return whether code names what changes an object in place, or has a call with the keyword ``out``."""
    names = code.co_names
    if not (MUTATORS.isdisjoint(names) and CHANGERS.isdisjoint(names) and TAKERS.isdisjoint(names)):
        return True
    return any(type(constant) is tuple and OUT in constant for constant in code.co_consts)


def effects_of(code: CodeType) -> Effects:
    """Return what code changes outside itself, as far as that shows, without the code inside it.

    Seen are ``a.n = 1``, ``a.b.n += 1``, ``del a.n``, ``a[k] = 1``, ``a.b[k].append(1)``, and ``a[k]``, which fills
    some dicts, where ``a`` is an argument, a global or a variable of an enclosing function; not what goes through
    another local variable, of which only ``changed`` tells.
    """
    raw = code.co_code
    if _RELEVANT.isdisjoint(raw[::2]) and not names_changers(code):
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
    filled, asked, replaced = map(frozenset, (walk.filled, walk.asked, walk.replaced))
    return Effects(frozenset(walk.assigned), filled, asked, replaced, frozenset(walk.changed))


def _origin_of(path: Path | None) -> Origin | None:
    """Return where the value at a path comes from, None where it is not known, or a call has returned it."""
    if path is None or path[0] not in _ROOTS or CALL in path:
        return None
    names = [step for step in path[2:] if step != ITEM]
    return (_INSIDE[path[0]], names[-1]) if names else path[:2]  # type: ignore[return-value]  # it has two parts


class _Walk:
    """One pass over instructions that records where each value on the stack comes from; None: not known.

    Jumps are not followed: the stack is known from its top, and it is right within a statement.
    """

    def __init__(self, code: CodeType) -> None:
        self._names = code.co_names
        self._constants = code.co_consts
        self._free = code.co_freevars
        variables = code.co_varnames
        self._variables = (*variables, *(name for name in code.co_cellvars if name not in variables), *code.co_freevars)
        count = code.co_argcount + code.co_kwonlyargcount
        self._arguments: list[Path] = [("argument", name) for name in variables[:count]]
        if code.co_argcount:
            self._arguments[0] = _FIRST
        self._locals: dict[int, Path | None] = {}
        self._stack: list[Path | None] = []
        self._keywords: object = ()
        self._result: Path | None = None
        self.assigned: set[tuple[Origin, str]] = set()
        self.filled: set[Origin] = set()
        self.asked: set[Origin] = set()
        self.replaced: set[Origin] = set()
        self.changed: set[tuple[Path, str]] = set()

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
        else:
            self._take(operation, argument)

    def _take(self, operation: int, argument: int) -> None:
        """Follow an instruction that takes values from the stack."""
        if operation == _STORE_FAST:
            self._store(argument)
        elif operation in _CALLS:
            self._call(operation, argument)
        elif operation in _TWO:  # pragma: no cover  from Python 3.13 on
            self._two(operation, argument)
        else:
            if operation in _CHANGES:
                self._change(_CHANGES[operation], argument)
            elif operation in _NAMES_NEXT:
                self._keywords = self._constants[argument]
            self._pass(operation, argument)

    def _subscript(self) -> None:
        """Take the key off: an item counts as the collection that it is in."""
        self._pop(1)
        owner = self._peek(1)
        if owner is None:
            return
        origin = _origin_of(owner)
        if origin is not None:
            self.asked.add(origin)
        self._stack[-1] = (*owner, ITEM)

    def _two(self, operation: int, argument: int) -> None:  # pragma: no cover  from Python 3.13 on
        first, second = argument >> 4, argument & 15
        if operation in _STORE_FIRST:
            self._store(first)
        else:
            self._stack.append(self._local(first))
        if operation == _STORE_BOTH:
            self._store(second)
        else:
            self._stack.append(self._local(second))

    def _store(self, index: int) -> None:
        """Note what a local variable holds; an item may be a copy, as a slice of a list is."""
        path = self._pop(1)
        if path is None or path[0] == "other" or path[-1] == ITEM:
            self._locals[index] = None
        else:
            self._locals[index] = path if path[0] == _LOCAL else (_LOCAL, *path)

    def _local(self, index: int) -> Path | None:
        return self._arguments[index] if index < len(self._arguments) else self._locals.get(index)

    def _call(self, operation: int, count: int) -> None:
        """Note which arguments a call changes, and keep the path to what it returns."""
        if operation in _ARGUMENTS_HERE:
            if operation == _CALL_WITH_NAMES:  # pragma: no cover  from Python 3.13 on
                self._pop(1)
            self._peek(count + 2)
            at = len(self._stack) - count
            called, arguments = self._stack[at - 1] or self._stack[at - 2], self._stack[at:]
            self._pop(count)
            self._result = None if called is None or called[0] == "other" else (*called, CALL)
            self._taken(called[-1] if called else "", arguments, self._keywords_of(operation))
        if operation in _RESULT_HERE:
            self._pop(1)
            self._peek(1)
            self._stack[-1] = self._result

    def _keywords_of(self, operation: int) -> Any:
        """Return the names of the last arguments of a call."""
        names, self._keywords = self._keywords, ()
        return names if type(names) is tuple and _CALL_WITH_NAMES in {None, operation} else ()

    def _taken(self, name: str, arguments: list[Path | None], keywords: Any) -> None:
        """Note the arguments that a function of some name changes."""
        if name in TAKERS:
            for path in arguments[: 2 if name == "pack_into" else 1]:
                self._note(path, name)
        for keyword, path in zip(reversed(keywords), reversed(arguments), strict=False):
            if keyword == OUT:
                self._note(path, OUT)

    def _note(self, path: Path | None, change: str) -> None:
        if path is not None and path[0] != "other":
            self.changed.add((path[1:] if path[0] == _LOCAL else path, change))

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
        path = self._pop(1)
        owner = _origin_of(path)
        if owner is not None and attribute in MUTATORS:
            self.filled.add(owner)
            if attribute not in _ADDERS:
                self.replaced.add(owner)
        if attribute in CHANGERS or (owner is None and attribute in MUTATORS and attribute not in _ADDERS):
            self._note(path, attribute)
        is_known = path is not None and "argument" not in path[:2] and path[0] != "other"
        self._stack.append((*path, attribute) if path is not None and is_known else (*_OTHER, attribute))
        if is_method:
            self._stack.append(None)

    def _change(self, depth: int, argument: int) -> None:
        """Note what an instruction changes."""
        path = self._peek(depth)
        owner = _origin_of(path)
        if owner is None:
            if depth > 1:
                self._note(path, ITEM)
        elif depth == 1:
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
            if operation in _UNPACK:
                self._pop(1)
                effect += 1
            self._stack += [None] * effect
            return
        self._pop(-effect)
        if self._stack and operation not in _UNTOUCHED:
            self._stack[-1] = None

    def _peek(self, depth: int) -> Path | None:
        while len(self._stack) < depth:
            self._stack.insert(0, None)
        return self._stack[-depth]

    def _pop(self, count: int) -> Path | None:
        """Take values off, and return the one that lay deepest."""
        last = None
        for _ in range(count):
            last = self._stack.pop() if self._stack else None
        return last
