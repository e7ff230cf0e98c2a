"""Reads the environment variables whose names stand in the code that asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from amorsize.domain.effects import codes_in
from amorsize.domain.fingerprint import objects
from amorsize.domain.fingerprint.encoding import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.domain.fingerprint.loaded import Loaded
    from amorsize.domain.fingerprint.reading import Reading

ASKING: Final = frozenset({"environ", "environb", "getenv", "getenvb", "expandvars"})
"""Names by which code gets at environment variables."""
_LETTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
"""Characters of the usual name of a variable."""


def is_environment(kind: type, loaded: Loaded) -> bool:
    """Tell whether a class is that of ``os.environ``."""
    return objects.class_name(kind) == "os._Environ" and loaded.is_genuine(kind, "os")


def read_environment(reading: Reading) -> None:
    """Append the variables that the code names: by texts in it, and by globals that are texts."""
    names = sorted({name for name in _texts(reading) if name})
    known, keys = _table(names, reading.origins.loaded)
    for name, key in zip(names, keys, strict=True):
        if key in known:
            reading.out += (b"E" + text(name), str(known[key]).encode("utf-8", "surrogatepass"))
    if not any(name[-1] != "_" and _LETTERS.issuperset(name) for name in names):
        reading.origins.note("os.environ, whose names do not stand in the code")

    def values(data: Any) -> tuple[Any, ...]:
        return tuple(map(data.get, keys))

    reading.measure(known, values)


def _table(names: list[str], loaded: Loaded) -> tuple[dict[Any, Any], list[Any]]:
    """Return the table of variables behind ``os.environ``, and names as it holds them."""
    home = loaded.get("os")
    environment = {} if home is None else objects.module_space(home)["environ"]
    if type(environment) is dict:  # the program has replaced it
        return environment, list(names)
    known = objects.own_space(environment)["_data"]
    if all(type(key) is bytes for key in known):
        return known, [name.encode("utf-8", "surrogatepass") for name in names]
    return known, [name.upper() for name in names]  # pragma: no cover  on Windows


def _texts(reading: Reading) -> Iterator[str]:
    for func, names, _, _ in reading.functions:
        space = func.__globals__
        yield from (space[name] for name in names if type(space.get(name)) is str)
        for code in codes_in(func.__code__):
            yield from (value for value in code.co_consts if type(value) is str)
