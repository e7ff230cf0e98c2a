"""Where each setting in force comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from amorsize.config import loader as configuration
from amorsize.config.settings import CHOSEN, TABLES
from amorsize.plugins.registry import AUTO, CHOICES, KINDS, Backends, defaults_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.config.files import Found
    from amorsize.config.loader import Settings


def in_force(settings: Settings, there: Found | None) -> Iterator[tuple[str, object, str]]:
    """Yield each option with the value in force, and where that comes from; ``there`` is the config that was found."""
    document: Any = {} if there is None else there.document

    def origin(name: str, table: Any) -> str:
        return settings.source if name in table else "default"

    for name in CHOSEN:
        yield name, getattr(settings, name), origin(name, document)
    for table, (field, _, options) in TABLES.items():
        part = getattr(settings, field)
        for name in options:
            value = getattr(part, name) if attrs.has(type(part)) else part
            yield f"{table}.{name}", value, origin(name, document.get(table, {}))
    backends = Backends()
    for kind in KINDS:
        chosen = getattr(settings, CHOICES[kind])
        for backend in dict.fromkeys([*([chosen] if isinstance(chosen, str) else chosen), *document.get(kind, {})]):
            if backend == AUTO:
                continue
            given = settings.backends.get(kind, {}).get(backend, {})
            for name, default in defaults_of(backends.backend(kind, backend).options).items():
                value, where = given.get(name, default), origin(name, given)
                if name == "directory" and default is None and (settings.cache_dir or name not in given):
                    value = configuration.cache_directory(settings)
                    where = configuration.CACHE_VARIABLE if settings.cache_dir else "default"
                yield f"{kind}.{backend}.{name}", value, where
