"""Makes an attrs class from a table of a config, strictly, and says every fault as *where, must be, got*."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, Union, get_args, get_origin

import attrs

from amorsize.config.renamed import RENAMED
from amorsize.plugins.registry import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT_TABLE: Final = "tool.amorsize."
"""What begins the path of each key in a pyproject.toml."""


def structure(table: object, kind: type, where: str, faults: list[str], only: Sequence[str] = ()) -> Any | None:
    """Return an instance of an attrs class made from a table, strictly; None when faults were added.

    Options are structured one by one: cattrs runs no validator where any option has the wrong type, and the first
    validator that refuses hides the others. Here every fault is said at once.

    ``only`` names the options a table may set, where the class has more fields than that.
    """
    if not isinstance(table, Mapping):
        faults.append(f"{where} must be a table, got {table!r:.80}")
        return None
    try:
        fields = {name: field for name, field in option_fields(kind).items() if not only or name in only}
    except NameError as error:
        faults.append(f"{where} must have options whose types can be looked up, got {error}")
        return None
    before = len(faults)
    faults += [unknown_key(where, key, fields) for key in table if key not in fields]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in table:
            try:
                values[name] = _strict().structure(table[name], field.type)
            except Exception as error:  # noqa: BLE001  cattrs and a plugin's own converters raise what they like
                faults += _explain(error, table[name], field.type, _joined(where, name))
        elif field.default is attrs.NOTHING:
            faults.append(f"{_joined(where, name)} must be given, got nothing")
    made, refused, of_the_whole = _made(kind, fields, values)
    faults += [_joined(where, fault) for fault in refused]
    if of_the_whole and len(faults) == before:  # otherwise an earlier fault may be the cause
        faults.append(_joined(where, of_the_whole))
    return made if len(faults) == before else None


def option_fields(kind: type) -> dict[str, attrs.Attribute[Any]]:
    """Return the fields of an attrs class that a table can set, with their types looked up."""
    attrs.resolve_types(kind)
    return {field.name: field for field in attrs.fields(kind) if field.init}


def _made(
    kind: type, fields: Mapping[str, attrs.Attribute[Any]], values: dict[str, Any]
) -> tuple[Any | None, list[str], str]:
    """Call the class; leave out each option that its validators refuse, and call again.

    Returns the instance, a fault for each option refused, and one of no single option, empty when there is none.
    """
    refused: list[str] = []
    while all(name in values or field.default is not attrs.NOTHING for name, field in fields.items()):
        try:
            return kind(**{str(fields[name].alias): value for name, value in values.items()}), refused, ""
        except Exception as error:  # noqa: BLE001  a plugin's validators raise what they like
            name, fault = _fault(error)
            if name not in values:
                return None, refused, fault
            refused.append(fault)
            del values[name]
    return None, refused, ""


def _fault(error: BaseException) -> tuple[str, str]:
    """Return the option that a validator's error names (empty: none), and the fault as *where, must be, got*."""
    message = str(error.args[0] if error.args else type(error).__name__)
    plain = re.fullmatch(r"(\w+) must .*", message, re.DOTALL)
    if plain:
        return plain[1], message
    of_attrs = re.fullmatch(r"'(\w+)' (must .*?)(?:: (.*)| \(got (.*)\))", message, re.DOTALL)
    if of_attrs:
        return of_attrs[1], f"{of_attrs[1]} {of_attrs[2]}, got {of_attrs[3] or of_attrs[4]}"
    return "", message


@cache
def _strict() -> Any:
    """Return a cattrs converter that coerces nothing but whole numbers to fractions.

    The hooks are what cattrs advises for that: by itself it makes the number 5 of the text '5', and a list of a text.
    """
    from cattrs import Converter
    from cattrs.strategies import configure_union_passthrough

    converter = Converter(forbid_extra_keys=True, detailed_validation=True)
    configure_union_passthrough(str | int | float | bool | bytes | None, converter)
    for kind in (str, int, bool, bytes):
        converter.register_structure_hook(kind, _exactly)
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook_func(lambda kind: get_origin(kind) in _LISTS, _list)
    return converter


_UNIONS: Final[tuple[Any, ...]] = (Union, types.UnionType)
_LISTS: Final[tuple[Any, ...]] = (list, tuple, set, frozenset, Sequence, Iterable)
"""The origins of types that are a choice, and of those that a list in TOML gives."""


def _exactly(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError
    return value


def _number(value: Any, _: type) -> float:
    if type(value) is not float and type(value) is not int:
        raise TypeError
    return float(value)


def _list(value: Any, kind: Any) -> Any:
    """Structure each item of a list by its type; a text is no list here."""
    from cattrs.errors import IterableValidationError, IterableValidationNote

    members = get_args(kind) or (Any, ...)
    whole_type = get_origin(kind)
    fixed = whole_type is tuple and members[-1] is not Ellipsis
    if type(value) not in (list, tuple) or (fixed and len(value) != len(members)):
        raise TypeError
    made, faults = [], []
    for at, item in enumerate(value):
        member = members[at] if fixed else members[0]
        try:
            made.append(_strict().structure(item, member))
        except Exception as error:  # noqa: BLE001  as above
            error.add_note(IterableValidationNote("item", at, member))
            faults.append(error)
    if faults:
        raise IterableValidationError("items", faults, kind)
    return whole_type(made) if whole_type in _LISTS[:4] else made


def _explain(error: BaseException, got: Any, kind: Any, where: str) -> Iterator[str]:
    """Yield a line for each fault in what cattrs raised, following it into the value that was given.

    A formatter of cattrs' ``transform_error`` gets neither the place nor the value, and these lines name both.
    """
    from cattrs.errors import (
        AttributeValidationNote,
        BaseValidationError,
        ForbiddenExtraKeysError,
        IterableValidationNote,
        StructureHandlerNotFoundError,
    )

    if get_origin(kind) in _UNIONS and len({*get_args(kind), type(None)}) > 2:  # noqa: PLR2004  a choice of several
        yield f"{where} must be {_words(kind)}, got {got!r:.80}"
    elif isinstance(error, BaseValidationError):
        for inner in error.exceptions:
            note = next((note for note in getattr(inner, "__notes__", ()) if hasattr(note, "type")), None)
            if isinstance(note, AttributeValidationNote):
                value = got.get(note.name) if isinstance(got, Mapping) else got
                yield from _explain(inner, value, note.type, _joined(where, note.name))
            elif isinstance(note, IterableValidationNote):
                path = _joined(where, note.index) if isinstance(note.index, str) else f"{where}[{note.index}]"
                yield from _explain(inner, got[note.index], note.type, path)
            else:
                yield from _explain(inner, got, kind, where)
    elif isinstance(error, ForbiddenExtraKeysError):
        yield from (unknown_key(where, key, option_fields(error.cl)) for key in sorted(error.extra_fields))
    elif isinstance(error, StructureHandlerNotFoundError):
        yield f"{where} must be of a type that TOML can give, got {_words(kind)}"
    elif isinstance(error, KeyError):
        yield f"{where} must be given, got nothing"
    elif _fault(error)[0]:
        yield _joined(where, _fault(error)[1])
    else:
        yield f"{where} must be {_words(kind)}, got {got!r:.80}"


def _words(kind: Any) -> str:
    """Return the name of a type for the reader of a config."""
    plain: dict[Any, str] = {
        str: "text",
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        type(None): "left out",
    }
    origin = get_origin(kind) or kind
    if origin in _UNIONS:
        return " or ".join(_words(member) for member in get_args(kind) if member is not type(None))
    if origin is Literal:
        return "one of " + ", ".join(map(repr, get_args(kind)))
    if origin in _LISTS:
        members = get_args(kind)
        fixed = origin is tuple and members and members[-1] is not Ellipsis
        return f"a list of {len(members)} items" if fixed else "a list"
    if isinstance(origin, type) and (attrs.has(origin) or issubclass(origin, Mapping)):
        return "a table"
    return plain.get(kind) or str(getattr(kind, "__name__", kind))


def unknown_key(where: str, key: object, known: Iterable[str]) -> str:
    """Say that a table has no such key, and which name to use instead, or all that there are."""
    file, colon, table = where.rpartition(": ")
    path, names = _joined(table, str(key)), list(known)
    now = RENAMED.get(path.removeprefix(PROJECT_TABLE))
    instead = f" (now called {now!r})" if now else nearest(key, names)
    if not instead:
        instead = f" (known keys: {', '.join(map(repr, names))})" if names else " (this table has no keys)"
    return f"{file}{colon}unknown key {path!r:.120}{instead}"


def _joined(where: str, rest: str) -> str:
    return f"{where}{'' if not where or where.endswith((' ', '.')) else '.'}{rest}"
