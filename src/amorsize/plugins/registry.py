"""Finds a backend by its kind and name: built-ins first, plugins only for a name that is not built in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import attrs

from amorsize.errors import PluginError
from amorsize.plugins import builtin as hooks
from amorsize.plugins.backend import API, OLDEST_API, Backend
from amorsize.processes.warning import warn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from importlib.metadata import EntryPoint

    from pluggy import PluginManager

Kind = Literal["caches", "probes", "inspectors", "executors"]
"""What a backend is; also the name of the TOML table that holds its options."""

CHOICES: Final[dict[Kind, str]] = {
    "caches": "cache",
    "probes": "probe",
    "inspectors": "inspector",
    "executors": "executor",
}
"""The setting that chooses a backend of each kind."""

KINDS: Final = tuple(CHOICES)
"""All kinds."""

AUTO: Final = "auto"
"""The choice that leaves a probe to what is right here, and an executor to the plan. No such backend has this name."""

AUTOMATIC: Final = ("probes", "executors")
"""The kinds of which ``auto`` may be chosen."""

GROUP: Final = "amorsize"
"""The group of entry points that plugins register in."""

_NAME: Final = r"[a-z][a-z0-9_-]{0,39}"
"""The name of a backend: a short text, which an entry can keep."""
_OURS: Final[dict[Kind, dict[str, str]]] = {
    "caches": {"redis": "amorsize-redis", "lmdb": "amorsize-lmdb"},
    "executors": {"dask": "amorsize-dask"},
}
"""Backends of the plugins in amorsize's own repository.

An error names no other package to install: a misspelt name may be the name of somebody else's package.
"""


class Row(NamedTuple):
    """One backend, or one plugin that gives none, as ``describe`` lists them.

    ``name`` is the backend's, or the entry point's when a plugin gives none. ``state`` is ``ready`` or says what is
    wrong. ``options`` maps each option to its default, ``attrs.NOTHING`` where one must be given.
    """

    name: str
    kind: str
    distribution: str
    version: str
    state: str = "ready"
    options: Mapping[str, object] = MappingProxyType({})

    @property
    def owner(self) -> str:
        """The distribution and its version, in words."""
        return f"{self.distribution} {self.version}".rstrip()


class Backends:
    """All backends by kind and name.

    Built-ins cost one import each, when asked for. Entry points are loaded once, and only when a name is not built in.
    ``entry_points`` stands in for those installed.
    """

    def __init__(self, entry_points: Callable[[], Iterable[EntryPoint]] | None = None) -> None:
        self._entry_points = entry_points or _installed
        self._registry: PluginManager | None = None
        self._owners: dict[str, Row] | None = None
        self._broken: list[Row] = []
        self._offers: dict[Kind, dict[str, tuple[Backend, Row]]] = {}
        self._clashes: dict[Kind, list[Row]] = {}
        self._warned = 0

    def backend(self, kind: Kind, name: str, where: str = "") -> Backend:
        """Return the backend of this kind and name; ``where`` begins the message when there is none.

        Raises PluginError when the name is unknown, or when any name of this kind is claimed twice. A plugin that is
        broken and not the one asked for costs one AmorsizeWarning.
        """
        for built_in in self._built_in(kind):
            if built_in.name == name:
                return built_in
        offers = self._plugged(kind)
        if self._clashes[kind]:
            raise PluginError("; ".join(row.state for row in self._clashes[kind]))
        if name not in offers:
            raise PluginError(self._unknown(kind, name, where or CHOICES[kind]))
        for row in self._broken[self._warned :]:
            warn(f"{row.owner}: plugin {row.name!r} is ignored: {row.state}")
        self._warned = len(self._broken)
        return offers[name][0]

    def names(self, kind: Kind) -> list[str]:
        """Return the names of this kind, sorted, those of plugins included."""
        return sorted([*(backend.name for backend in self._built_in(kind)), *self._plugged(kind)])

    def describe(self) -> list[Row]:
        """Return a row for each backend, and one for each plugin or claim that is broken; never raises or warns."""
        rows = []
        for kind in KINDS:
            rows += [
                Row(backend.name, kind, "amorsize", _own_version(), options=defaults_of(backend.options))
                for backend in self._built_in(kind)
            ]
            rows += [row for _, row in self._plugged(kind).values()]
            rows += self._clashes[kind]
        return rows + self._broken

    def _built_in(self, kind: Kind) -> Iterator[Backend]:
        """Yield lazily: each backend's module is imported only when the one before it was not the one wanted."""
        yield from getattr(hooks, f"amorsize_{kind}")()

    @property
    def _pluggy(self) -> PluginManager:
        if self._registry is None:
            import pluggy

            from amorsize.plugins import hook_specifications as hookspecs

            self._registry = pluggy.PluginManager(hookspecs.hookspec.project_name)
            self._registry.add_hookspecs(hookspecs)
        return self._registry

    def _loaded(self) -> dict[str, Row]:
        """Load all entry points once; return a row for each sound plugin under its pluggy name."""
        if self._owners is not None:
            return self._owners
        self._owners = {}
        for number, point in enumerate(self._entry_points()):
            dist = point.dist
            owner = Row(point.name, "", dist.name if dist else "a plugin", dist.version if dist else "")
            key = f"{number}:{point.name}"
            try:
                plugin = point.load()
                if self._pluggy.is_registered(plugin):  # two entry points may lead to one plugin
                    continue
                self._pluggy.register(plugin, key)
                self._check_hooks(plugin)
            except Exception as error:  # noqa: BLE001  a plugin can raise anything while imported, and none may stop us
                self._broken.append(owner._replace(state=_words(error)))
            else:
                self._owners[key] = owner
        return self._owners

    def _check_hooks(self, plugin: object) -> None:
        for caller in self._pluggy.get_hookcallers(plugin) or ():
            impls = [impl for impl in caller.get_hookimpls() if impl.plugin is plugin]
            if not caller.has_spec() and not all(impl.optionalhook for impl in impls):
                known = ", ".join(repr(f"amorsize_{kind}") for kind in KINDS)
                raise PluginError(f"its hooks must be of {known}, got {caller.name!r}")

    def _plugged(self, kind: Kind) -> dict[str, tuple[Backend, Row]]:
        """Ask each plugin's hook of this kind once; sort out what is broken and what is claimed twice."""
        if kind in self._offers:
            return self._offers[kind]
        owners = self._loaded()
        reserved = {backend.name for backend in self._built_in(kind)} | ({AUTO} if kind in AUTOMATIC else set())
        offers: dict[str, tuple[Backend, Row]] = {}
        clashes: list[Row] = []
        for impl in getattr(self._pluggy.hook, f"amorsize_{kind}").get_hookimpls():
            if (owner := owners.get(impl.plugin_name)) is None:
                continue
            try:
                given = _checked(impl.function())
            except Exception as error:  # noqa: BLE001  as above: a hook is the plugin's code
                self._broken.append(owner._replace(kind=kind, state=_words(error)))
                continue
            for backend in given:
                row = owner._replace(name=backend.name, kind=kind, options=defaults_of(backend.options))
                if backend.name in reserved or backend.name in offers:
                    other = offers[backend.name][1].owner if backend.name in offers else "amorsize"
                    must = f"{kind}.{backend.name} must have one owner, got {other} and {row.owner}"
                    clashes.append(row._replace(state=f"{must}: uninstall the plugin that is not wanted"))
                else:
                    offers[backend.name] = (backend, row)
        self._clashes[kind] = clashes
        self._offers[kind] = offers
        return offers

    def _unknown(self, kind: Kind, name: str, where: str) -> str:
        auto = [AUTO] if kind in AUTOMATIC and where.endswith(CHOICES[kind]) else []
        known = sorted([*self.names(kind), *auto])
        message = f"{where} must be one of {', '.join(map(repr, known))}, got {name!r:.80}"
        broken = [row for row in self._broken if row.kind in ("", kind)]
        taken = {*known, *(row.distribution for row in broken)}
        missing = {ours: plugin for ours, plugin in _OURS.get(kind, {}).items() if not {ours, plugin} & taken}
        close = name if name in missing else _most_like(name, {*known, *missing})
        if close == name:
            message += f": {name!r} comes with the plugin {missing[name]}, which is not installed here"
        elif close in missing:
            message += f" (did you mean {close!r}, of the plugin {missing[close]}, which is not installed here?)"
        elif close:
            message += f" (did you mean {close!r}?)"
        if broken:
            message += f"; could not be loaded: {', '.join(f'{row.owner} ({row.state})' for row in broken)}"
        return message


def nearest(name: object, known: Iterable[str]) -> str:
    """Return words that suggest the known name most like this one, or nothing."""
    close = _most_like(name, known)
    return "" if close is None else f" (did you mean {close!r}?)"


def _most_like(name: object, known: Iterable[str]) -> str | None:
    """Return the known name most like this one, or that begins with it; None when there is none."""
    from difflib import get_close_matches

    given, names = str(name).lower(), sorted(known)
    close = get_close_matches(given, names, 1) or [each for each in names if len(given) > 1 and each.startswith(given)]
    return close[0] if close else None


def _checked(given: object) -> list[Backend]:
    """Return what a hook gave as a list, or raise PluginError when it is not what a hook must return."""
    backends: list[Backend] = []
    for backend in given if isinstance(given, Iterable) else [given]:
        if not isinstance(backend, Backend):
            raise PluginError(f"its hook must return a list of Backend, got {given!r:.80}")
        _check_api(backend)
        if not isinstance(backend.name, str) or not re.fullmatch(_NAME, backend.name):
            raise PluginError(f"name must be lower-case letters, digits, - and _, got {backend.name!r:.80}")
        if not isinstance(backend.options, type) or not attrs.has(backend.options):
            raise PluginError(f"options of {backend.name!r} must be an attrs class, got {backend.options!r:.80}")
        if not callable(backend.build):
            raise PluginError(f"build of {backend.name!r} must be callable, got {backend.build!r:.80}")
        backends.append(backend)
    return backends


def _check_api(backend: Backend) -> None:
    """Raise PluginError for a backend that this amorsize cannot work with, and say what to upgrade."""
    api = backend.api
    if type(api) is not int:
        raise PluginError(f"api of {backend.name!r:.80} must be a whole number, got {api!r:.80}")
    if api > API:
        raise PluginError(
            f"api must be at most {API}, got {api}: it was written for a newer amorsize "
            "(upgrade amorsize, or install an older version of the plugin)"
        )
    if api < OLDEST_API:
        raise PluginError(
            f"api must be at least {OLDEST_API}, got {api}: it was written for an older amorsize "
            "(upgrade the plugin, or install an older version of amorsize)"
        )


def defaults_of(options: type) -> dict[str, object]:
    """Return each option with its default; one made anew each time is made once."""
    found: dict[str, object] = {}
    for field in attrs.fields(options):
        default: Any = field.default
        if isinstance(default, attrs.Factory) and not default.takes_self:  # type: ignore[arg-type]  # typed as a function
            default = default.factory()
        if field.init:
            found[field.name] = default
    return found


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"


def _installed() -> Iterable[EntryPoint]:
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)


def _own_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("amorsize")
    except PackageNotFoundError:  # run from a source tree
        return ""
