"""The settings of a config as one value: checked strictly and all at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs
from attrs.validators import optional

from amorsize.config.renamed import RENAMED
from amorsize.config.structuring import structure, unknown_key
from amorsize.domain.planning.sampling import Budget
from amorsize.domain.rules import RuleSettings
from amorsize.domain.values import SECONDS, SHORT_TEXT, Constraints, Value, text, whole
from amorsize.errors import ConfigError, PluginError
from amorsize.plugins.registry import AUTO, AUTOMATIC, CHOICES, KINDS

if TYPE_CHECKING:
    from amorsize.plugins.registry import Backends

DEFAULTS: Final = "defaults"
"""The source of settings without a file or a mapping."""

MAPPING: Final = "config"
"""The source of settings given as a mapping."""

_WARM_DATA: Final = ("range", "lines", "glob", "json")
"""The options of Warm that name data."""
_name: Final = text(SHORT_TEXT)
"""Validates the name of a backend."""


def _names(_: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    """Validate the name of one cache, or those of several layers."""
    if isinstance(value, str):
        return _name(_, attribute, value)
    are_names = all(type(name) is str and len(name) <= SHORT_TEXT for name in value)
    if not value or len(set(value)) < len(value) or not are_names:
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
    ``source`` is the path of the file read, or says where else the settings come from. ``untrusted`` holds what that
    file says of options that reach out, by dotted name, while it is not trusted: they are in no table. ``stamp`` is
    what ``is_current`` of the config module compares.
    """

    cache: str | tuple[str, ...] = attrs.field(default="json", validator=_names)
    probe: str = attrs.field(default=AUTO, validator=_name)
    inspector: str = attrs.field(default="psutil", validator=_name)
    executor: str = attrs.field(default=AUTO, validator=_name)
    constraints: Constraints = attrs.field(factory=Constraints)
    rules: RuleSettings = attrs.field(factory=RuleSettings)
    budget: Budget = attrs.field(factory=Budget)
    max_entries: int | None = attrs.field(default=None, validator=optional(whole(1)))
    idle_seconds: float = attrs.field(default=60.0, validator=SECONDS)
    warm: tuple[Warm, ...] = ()
    backends: dict[str, dict[str, dict[str, Any]]] = attrs.field(factory=dict)
    cache_dir: str | None = None
    source: str = DEFAULTS
    untrusted: dict[str, Any] = attrs.field(factory=dict)
    stamp: tuple[Any, ...] = attrs.field(default=(), eq=False, repr=False)


CHOSEN: Final = tuple(CHOICES.values())
"""The options at the top of a config, outside of any table."""

TABLES: Final[dict[str, tuple[str, type, tuple[str, ...]]]] = {
    "limits": ("constraints", Constraints, ("max_workers", "min_speedup", "memory_limit")),
    "rules": ("rules", RuleSettings, ("ttl_seconds", "memory_tolerance")),
    "sampling": ("budget", Budget, ("fraction", "min_seconds", "assumed_items", "where", "item_seconds")),
    "store": ("max_entries", Settings, ("max_entries",)),
    "workers": ("idle_seconds", Settings, ("idle_seconds",)),
}
"""The fixed tables of a config: the field of Settings each fills, the class that checks it, and its options."""


def read(document: Mapping[str, Any], where: str, backends: Backends) -> dict[str, Any]:
    """Return the fields of Settings that a config's document gives.

    ``where`` begins each message, up to the name of a key. Raises ConfigError that lists every fault, one a line.
    """
    faults: list[str] = []
    given: dict[str, Any] = {}
    known = (*CHOSEN, *TABLES, "warm", *KINDS)
    faults += [unknown_key(where, key, known) for key in document if key not in known]

    chosen = {key: document[key] for key in CHOSEN if key in document}
    checked = structure(chosen, Settings, where, faults, CHOSEN)
    given |= {key: getattr(checked, key) for key in chosen} if checked else {}
    for name, (field, kind, options) in TABLES.items():
        if name in document and (made := structure(document[name], kind, where + name, faults, options)) is not None:
            given[field] = getattr(made, field) if isinstance(made, Settings) else made
    for old in sorted(RENAMED.keys() & document.keys()):  # check their keys too: one error lists all there is to do
        _, kind, options = TABLES[RENAMED[old]]
        structure(document[old], kind, where + old, faults, options)
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
        for name, setting in asked.items():
            try:
                options = backends.backend(kind, name, setting).options
            except PluginError as error:
                faults.append(str(error) if str(error).startswith(setting) else f"{setting}: {error}")
                continue
            structure(given.get(name, {}), options, f"{where}{kind}.{name}", faults)
            if name in given and isinstance(given[name], Mapping):
                tables.setdefault(kind, {})[name] = dict(given[name])
    return tables
