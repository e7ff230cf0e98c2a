"""What a config says as one value, checked strictly and all of it at once, and written back as TOML."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, Union, get_args, get_origin

import attrs

from amorsize.domain.sampling import Budget
from amorsize.domain.values import SECONDS, Constraints, Limits, Value, text, whole
from amorsize.errors import ConfigError, PluginError
from amorsize.plugins import AUTO, AUTOMATIC, CHOICES, KINDS, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.plugins import Backends

DEFAULTS: Final = "defaults"
"""The source of settings that no file or mapping has a say in."""

MAPPING: Final = "config"
"""The source of settings given as a mapping."""

_WARM_DATA: Final = ("range", "lines", "glob", "json")
_name = text(40)


def _names(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    """Validate the name of one cache, or those of several layers."""
    if isinstance(value, str):
        return _name(_, attribute, value)
    if not value or len(set(value)) < len(value) or not all(type(name) is str and len(name) <= 40 for name in value):  # noqa: PLR2004  as _name has it
        raise ValueError(f"{attribute.name} must be one name or several different ones, got {list(value)!r:.80}")
    return None


def _span(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is not None and len(value) != 2:  # noqa: PLR2004  a start and a stop
        raise ValueError(f"{attribute.name} must be [start, stop], got {list(value)!r:.80}")


def _importable(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    module, colon, function = value.partition(":")
    if not colon or not all(part.isidentifier() for part in (*module.split("."), *function.split("."))):
        raise ValueError(f"{attribute.name} must be 'module:function', got {value!r:.80}")


@attrs.frozen(eq=False, repr=False)
class Warm(Value):
    """A function to measure ahead of time and the data to do it on: exactly one of the four is given.

    ``range`` is [start, stop); ``lines`` a text file whose lines are the items; ``glob`` a pattern of paths that are
    the items; ``json`` a file that holds an array. Paths are taken from the folder of the config file; the items that a
    relative pattern gives are those seen from the working directory, as the command line's are.
    """

    function: str = attrs.field(validator=_importable)
    range: tuple[int, ...] | None = attrs.field(default=None, validator=_span)
    lines: str | None = None
    glob: str | None = None
    json: str | None = None

    def __attrs_post_init__(self) -> None:
        given = [name for name in _WARM_DATA if getattr(self, name) is not None]
        if len(given) != 1:
            known = ", ".join(map(repr, _WARM_DATA))
            raise ValueError(f"data must be given as one of {known}, got {' and '.join(map(repr, given)) or 'none'}")


@attrs.frozen(eq=False, repr=False)
class Settings(Value):
    """Everything that can be configured.

    ``cache`` is a name, or those of the layers of a cache, the nearest first.
    ``cache_dir`` is what AMORSIZE_CACHE_DIR says. ``backends`` holds the checked, raw option tables by kind and name.
    ``source`` is the path of the file read, or says where else the settings come from. ``stamp`` is what ``is_current``
    of the config module compares.
    """

    cache: str | tuple[str, ...] = attrs.field(default="json", validator=_names)
    probe: str = attrs.field(default=AUTO, validator=_name)
    inspector: str = attrs.field(default="psutil", validator=_name)
    executor: str = attrs.field(default=AUTO, validator=_name)
    constraints: Constraints = attrs.field(factory=Constraints)
    limits: Limits = attrs.field(factory=Limits)
    budget: Budget = attrs.field(factory=Budget)
    max_entries: int | None = attrs.field(default=None, validator=whole(1, optional=True))
    keep_seconds: float = attrs.field(default=60.0, validator=SECONDS)
    warm: tuple[Warm, ...] = ()
    backends: dict[str, dict[str, dict[str, Any]]] = attrs.field(factory=dict)
    cache_dir: str | None = None
    source: str = DEFAULTS
    stamp: tuple[Any, ...] = attrs.field(default=(), eq=False, repr=False)


CHOSEN: Final = tuple(CHOICES.values())
"""The options at the top of a config, outside of any table."""

TABLES: Final[dict[str, tuple[str, type, tuple[str, ...]]]] = {
    "advice": ("constraints", Constraints, ("max_workers", "executor", "min_speedup", "memory_limit")),
    "rules": ("limits", Limits, ("ttl_seconds", "memory_tolerance")),
    "sampling": ("budget", Budget, ("fraction", "min_seconds", "assumed_items", "where", "item_seconds")),
    "keeping": ("max_entries", Settings, ("max_entries",)),
    "workers": ("keep_seconds", Settings, ("keep_seconds",)),
}
"""The fixed tables of a config: the field of Settings each fills, the class that checks it, and its options."""


def read(document: Mapping[str, Any], where: str, backends: Backends) -> dict[str, Any]:
    """Return the fields of Settings that a config's document gives.

    ``where`` begins each message, up to the name of a key. Raises ConfigError that lists every fault, one a line.
    """
    faults: list[str] = []
    given: dict[str, Any] = {}
    known = (*CHOSEN, *TABLES, "warm", *KINDS)
    faults += [f"{where}{_unknown_key(key, known)}" for key in document if key not in known]

    chosen = {key: document[key] for key in CHOSEN if key in document}
    checked = structure(chosen, Settings, where, faults, CHOSEN)
    given |= {key: getattr(checked, key) for key in chosen} if checked else {}
    for name, (field, kind, options) in TABLES.items():
        if name in document and (made := structure(document[name], kind, where + name, faults, options)) is not None:
            given[field] = getattr(made, field) if isinstance(made, Settings) else made
    if "warm" in document:
        given["warm"] = _warm(document["warm"], where, faults)
    given["backends"] = _backends(document, where, backends, faults)
    if faults:
        raise ConfigError("\n".join(dict.fromkeys(faults)))
    return given


def _warm(tables: Any, where: str, faults: list[str]) -> tuple[Warm, ...]:
    if not isinstance(tables, list | tuple):
        faults.append(f"{where}warm must be a list of tables, got {tables!r:.80}")
        return ()
    made = [structure(table, Warm, f"{where}warm[{at}]", faults) for at, table in enumerate(tables)]
    return tuple(warm for warm in made if warm is not None)


def _backends(
    document: Mapping[str, Any], where: str, backends: Backends, faults: list[str]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Check the choices and every backend's table against its own options; return the tables as they are."""
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    for kind in KINDS:
        given = document.get(kind, {})
        if not isinstance(given, Mapping):
            faults.append(f"{where}{kind} must be a table, got {given!r:.80}")
            continue
        chosen = document.get(CHOICES[kind])
        asked = dict.fromkeys(given, f"{where}{kind}")
        for name in chosen if isinstance(chosen, list | tuple) and kind == "caches" else [chosen]:
            if isinstance(name, str) and not (kind in AUTOMATIC and name == AUTO):
                asked.setdefault(name, f"{where}{CHOICES[kind]}")
        for name, place in asked.items():
            try:
                options = backends.backend(kind, name, place).options
            except PluginError as error:
                faults.append(str(error) if str(error).startswith(place) else f"{place}: {error}")
                continue
            structure(given.get(name, {}), options, f"{where}{kind}.{name}", faults)
            if name in given and isinstance(given[name], Mapping):
                tables.setdefault(kind, {})[name] = dict(given[name])
    return tables


def structure(table: object, kind: type, where: str, faults: list[str], only: Sequence[str] = ()) -> Any | None:
    """Return an instance of an attrs class made from a table, strictly; None when faults were added.

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
    faults += [_joined(where, _unknown_key(key, fields)) for key in table if key not in fields]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in table:
            try:
                values[name] = _strict().structure(table[name], field.type)
            except Exception as error:  # noqa: BLE001  cattrs and a plugin's own converters raise what they like
                faults += _explain(error, table[name], field.type, _joined(where, name))
        elif field.default is attrs.NOTHING:
            faults.append(f"{_joined(where, name)} must be given, got nothing")
    made, told, of_the_whole = _made(kind, fields, values)
    faults += [_joined(where, fault) for fault in told]
    if of_the_whole and len(faults) == before:  # otherwise it may only follow from what is told already
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
    told: list[str] = []
    while all(name in values or field.default is not attrs.NOTHING for name, field in fields.items()):
        try:
            return kind(**{str(fields[name].alias): value for name, value in values.items()}), told, ""
        except Exception as error:  # noqa: BLE001  a plugin's validators raise what they like
            name, fault = _fault(error)
            if name not in values:
                return None, told, fault
            told.append(fault)
            del values[name]
    return None, told, ""


def _fault(error: BaseException) -> tuple[str, str]:
    """Return the option that a validator's error is about, empty when it is about none, and the fault in our form."""
    message = str(error.args[0] if error.args else type(error).__name__)
    ours = re.fullmatch(r"(\w+) must .*", message, re.DOTALL)
    if ours:
        return ours[1], message
    theirs = re.fullmatch(r"'(\w+)' (must .*?)(?:: (.*)| \(got (.*)\))", message, re.DOTALL)
    if theirs:
        return theirs[1], f"{theirs[1]} {theirs[2]}, got {theirs[3] or theirs[4]}"
    return "", message


@cache
def _strict() -> Any:
    """Return a cattrs converter that coerces nothing but whole numbers to fractions."""
    from cattrs import Converter  # noqa: PLC0415  without a config there is nothing to convert

    converter = Converter(forbid_extra_keys=True, detailed_validation=True)
    for kind in (str, int, bool, bytes):
        converter.register_structure_hook(kind, _exactly)
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook_func(lambda kind: get_origin(kind) in _UNIONS, _union)
    converter.register_structure_hook_func(lambda kind: get_origin(kind) in _LISTS, _list)
    return converter


_UNIONS: Final[tuple[Any, ...]] = (Union, types.UnionType)
_LISTS: Final[tuple[Any, ...]] = (list, tuple, set, frozenset, Sequence, Iterable)


def _exactly(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError
    return value


def _number(value: Any, _: type) -> float:
    if type(value) is not float and type(value) is not int:
        raise TypeError
    return float(value)


def _union(value: Any, kind: Any) -> Any:
    """Take the first of a union's types that the value fits strictly; when only one but None can, its own error."""
    members = [member for member in get_args(kind) if member is not type(None)]
    if value is None and len(members) < len(get_args(kind)):
        return None
    for member in members:
        try:
            return _strict().structure(value, member)
        except Exception:
            if len(members) == 1:
                raise
    raise TypeError


def _list(value: Any, kind: Any) -> Any:
    """Structure each item of a list by its type; a text is no list here."""
    from cattrs.errors import IterableValidationError, IterableValidationNote  # noqa: PLC0415  as above

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
    """Yield a line for each fault in what cattrs raised, following it into the value that was given."""
    from cattrs.errors import (  # noqa: PLC0415  as above
        AttributeValidationNote,
        BaseValidationError,
        ForbiddenExtraKeysError,
        IterableValidationNote,
        StructureHandlerNotFoundError,
    )

    if isinstance(error, BaseValidationError):
        for inner in error.exceptions:
            note = next((note for note in getattr(inner, "__notes__", ()) if hasattr(note, "type")), None)
            if isinstance(note, AttributeValidationNote):
                value = got.get(note.name) if isinstance(got, Mapping) else got
                yield from _explain(inner, value, note.type, _joined(where, note.name))
            elif isinstance(note, IterableValidationNote):
                place = _joined(where, note.index) if isinstance(note.index, str) else f"{where}[{note.index}]"
                yield from _explain(inner, got[note.index], note.type, place)
            else:
                yield from _explain(inner, got, kind, where)
    elif isinstance(error, ForbiddenExtraKeysError):
        yield from (_joined(where, _unknown_key(key, option_fields(error.cl))) for key in sorted(error.extra_fields))
    elif isinstance(error, StructureHandlerNotFoundError):
        yield f"{where} must be of a type that TOML can give, got {_words(kind)}"
    elif isinstance(error, KeyError):
        yield f"{where} must be given, got nothing"
    elif _fault(error)[0]:
        yield _joined(where, _fault(error)[1])
    else:
        yield f"{where} must be {_words(kind)}, got {got!r:.80}"


def _words(kind: Any) -> str:
    """Name a type in the words of a config's reader."""
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


def _unknown_key(key: object, known: Iterable[str]) -> str:
    names = list(known)
    keys = f"the known keys are {', '.join(map(repr, names))}" if names else "there are no options here"
    return f"{key} must be left out, got an unknown key{nearest(key, names)}; {keys}"


def _joined(where: str, rest: str) -> str:
    return f"{where}{'' if not where or where.endswith((' ', '.')) else '.'}{rest}"


def dump(settings: Settings) -> str:
    """Return settings as the text of an amorsize.toml; what is not set is left out, as TOML has no null."""
    from tomli_w import dumps  # noqa: PLC0415  only wanted when a person asks

    document: dict[str, Any] = {key: getattr(settings, key) for key in CHOSEN}
    for table, (field, _, options) in TABLES.items():
        part = getattr(settings, field) if field != table and attrs.has(type(getattr(settings, field))) else settings
        given = {name: value for name in options if (value := getattr(part, name)) is not None}
        if given:
            document[table] = given
    for kind, tables in settings.backends.items():
        document[kind] = {
            name: {key: value for key, value in table.items() if value is not None} for name, table in tables.items()
        }
    if settings.warm:
        document["warm"] = [attrs.asdict(warm, filter=lambda _, value: value is not None) for warm in settings.warm]
    return dumps(document)
