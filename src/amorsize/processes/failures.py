"""Brings exceptions from one process to another: with their type, arguments, attributes, text, notes and causes."""

from __future__ import annotations

import io
import pickle
import re
from contextlib import suppress
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any, Final, NamedTuple

from amorsize.errors import ExecutionError, InitializerError

_MOST_LINKS: Final = 8
"""Causes and contexts of a cause that travel; deeper ones are left out."""

_MOST_LINKS_WITHIN: Final = 2
"""Of these, how many travel for an exception that another one holds, such as a member of a group."""

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]+")
"""Where an object is, in the words of its class."""

_IS_HEAP_TYPE: Final = 1 << 9
"""Py_TPFLAGS_HEAPTYPE: the class is made at run time, in general in Python."""

_MEMBERS: Final = frozenset((MemberDescriptorType, GetSetDescriptorType))
"""What a class has for a field that is not in ``__dict__``."""

_SET_OTHERWISE: Final = frozenset((object, BaseException, BaseExceptionGroup))
"""Classes whose fields cannot be set, or are set by name."""

_OBJ: Final = (AttributeError, "obj")

_POSITION: Final = re.compile(r"(?s)^(amorsize was \w+ the item at position )\d+")
"""The beginning of a note that names an item."""


class Packed(NamedTuple):
    """An exception in bytes; where it does not pickle, only its ``traceback`` is left, as text."""

    pickled: bytes | None
    traceback: str = ""
    cause: Packed | None = None
    context: Packed | None = None
    is_quiet: bool = False


def pack(error: BaseException) -> Packed:
    """Return an exception in bytes."""
    from traceback import format_exception

    return _linked(error, _MOST_LINKS)._replace(traceback="".join(format_exception(error)))


def _linked(error: BaseException | None, links: int, *, is_within: bool = False) -> Packed:
    """Return an exception in bytes, without its traceback, with its cause and context.

    With ``is_within`` only those: another pickle holds the exception itself.
    """
    if error is None or links < 0:
        return Packed(None)
    context = None if error.__context__ is error.__cause__ or error.__suppress_context__ else error.__context__
    cause = _linked(error.__cause__, links - 1)
    pickled = None if is_within else _pickled(error, links)
    return Packed(pickled, "", cause, _linked(context, links - 1), error.__suppress_context__)


class LostError(ExecutionError):
    """The traceback of an exception that does not pickle."""


def unpack(packed: Packed, where: str = "in the worker") -> BaseException:
    """Return the exception that was packed; a LostError if it does not pickle.

    A cause that does not pickle is left out.

    Args:
        packed: what ``pack`` returned.
        where: where the exception was raised; a note says so and shows the traceback there.
    """
    error = _unlinked(packed)
    if error is None:
        return LostError(f"the function raised what cannot be pickled; {where}:\n{packed.traceback}")
    _add_note(error, f"{where}:\n{packed.traceback}")
    return error


def _unlinked(packed: Packed | None) -> BaseException | None:
    if packed is None or packed.pickled is None:
        return None
    error: BaseException = pickle.loads(packed.pickled)  # noqa: S301  from a process that this one started
    _link(error, packed)
    return error


def _link(error: BaseException, packed: Packed) -> None:
    """Give an exception its cause and context."""
    error.__cause__, error.__context__ = _unlinked(packed.cause), _unlinked(packed.context)
    error.__suppress_context__ = packed.is_quiet


def note_item(error: BaseException, position: int, item: object, doing: str = "running") -> None:
    """Add to an exception which item it came from, once."""
    if isinstance(error, InitializerError):
        return
    said = f"amorsize was {doing} the item at position {position}"
    if not any(isinstance(note, str) and note.startswith(said) for note in _notes(error)):
        _add_note(error, f"{said}: {shortly(item)}")


def renumber(error: BaseException, position: int) -> None:
    """Change the position that ``note_item`` has noted, for an item of a part of the data."""
    notes = _notes(error)
    notes[:] = [_POSITION.sub(rf"\g<1>{position}", note) if isinstance(note, str) else note for note in notes]


def _notes(error: BaseException) -> list[Any]:
    """Return the list of an exception's notes; an empty one where it has none, or what is no list."""
    notes = getattr(error, "__notes__", None)
    return notes if isinstance(notes, list) else []


def _add_note(error: BaseException, note: str) -> None:
    """Add a note where the exception takes any: one whose class is frozen does not."""
    with suppress(Exception):
        error.add_note(note)


def shortly(item: object) -> str:
    """Return an item in a few characters."""
    from reprlib import repr as short

    try:
        return short(item)
    except Exception:  # noqa: BLE001  a hostile __repr__ must not hide the error
        return f"<{type(item).__name__}>"


def _pickled(error: BaseException, links: int) -> bytes | None:
    """Return the pickle of an exception that gives an equal one back, None when there is no such pickle.

    What ``__init__`` makes of the arguments can differ from them. So the exception is made again from its parts,
    without ``__init__``. Where a part does not pickle, the exception is pickled in its own way.
    """
    for pickler in (_PartsPickler, pickle.Pickler):
        try:
            file = io.BytesIO()
            given = (error, links) if pickler is _PartsPickler else ()
            pickler(file, *given).dump(error)
            text = file.getvalue()
            if _is_like(pickle.loads(text), error):  # noqa: S301  dumped two lines above
                return text
        except Exception:  # noqa: BLE001, S112  exceptions of the user's may refuse in any way; the next way may do
            continue
    return None


def _is_like(back: object, error: BaseException) -> bool:
    """Return whether an exception is a copy of another; addresses of objects in its words may differ."""
    if type(back) is not type(error) or back.__dict__.keys() != error.__dict__.keys():
        return False
    if isinstance(back, BaseExceptionGroup) and isinstance(error, BaseExceptionGroup):
        pairs = zip(back.exceptions, error.exceptions, strict=True)
        return all(_is_like(*pair) for pair in pairs)
    return _words(back) == _words(error)


def _words(error: BaseException) -> tuple[str, str]:
    return _ADDRESS.sub("", str(error)), _ADDRESS.sub("", repr(error.args))


class _PartsPickler(pickle.Pickler):
    """Pickles exceptions as their parts, those too that other exceptions hold.

    Args:
        file: where the pickle goes.
        whole: the exception that is pickled; its cause and context travel beside it.
        links: causes and contexts of the exceptions within that travel.
    """

    def __init__(self, file: io.BytesIO, whole: BaseException, links: int) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._whole = whole
        self._links = min(links, _MOST_LINKS_WITHIN)

    def reducer_override(self, obj: Any) -> Any:
        """Return how an exception is made, and what is set on it then; as pickle does for everything else."""
        if not isinstance(obj, BaseException):
            return NotImplemented
        grouped = (obj.message, list(obj.exceptions)) if isinstance(obj, BaseExceptionGroup) else ()
        links = None if obj is self._whole else _linked(obj, self._links, is_within=True)
        state = (obj.args, obj.__dict__, _fields(obj), links)
        return _made, (type(obj), grouped), state, None, None, _set_parts


def _made(kind: type[BaseException], grouped: tuple[Any, ...]) -> BaseException:
    """Return an exception without its parts, from its class in C; a class in Python may want other arguments."""
    base = next(base for base in kind.__mro__ if not base.__flags__ & _IS_HEAP_TYPE)
    made: BaseException = base.__new__(kind, *grouped)
    return made


def _set_parts(error: BaseException, parts: tuple[Any, ...]) -> None:
    """Give an exception its parts, without the code that its class runs when an attribute is set."""
    error.args, attributes, fields, links = parts
    for owner, name, value in fields:
        vars(owner)[name].__set__(error, value)
    error.__dict__.update(attributes)
    if links is not None:
        _link(error, links)


def _fields(error: BaseException) -> list[tuple[type, str, Any]]:
    """Return what an exception holds beside its ``__dict__``: in ``__slots__``, and in classes in C.

    ``AttributeError.obj`` is left out, as pickle does: it may be of any size.
    """
    found = []
    for owner in type(error).__mro__:
        if owner in _SET_OTHERWISE:
            continue
        in_c = not owner.__flags__ & _IS_HEAP_TYPE
        for name, member in vars(owner).items():
            if type(member) not in _MEMBERS or name in {"__weakref__", "__dict__"} or (owner, name) == _OBJ:
                continue
            with suppress(AttributeError):  # not set
                value = member.__get__(error)
                if value is not None or not in_c:  # what is not set in C reads as None
                    found.append((owner, name, value))
    return found
