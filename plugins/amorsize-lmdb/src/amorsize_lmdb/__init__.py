"""A cache for amorsize in LMDB, an embedded database that many processes read at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from attrs.validators import and_, ge, le

from amorsize.plugins import REACHES_OUT, Backend, hookimpl

if TYPE_CHECKING:
    from amorsize_lmdb.cache import LmdbCache


@attrs.frozen
class LmdbOptions:
    """Options of the ``lmdb`` cache.

    ``directory`` holds the database, in a folder ``lmdb``; left out, it is the directory amorsize keeps its cache in.
    ``size_mib`` is the most it may grow to, in MiB, and ``readers`` how many processes may read at once.

    ``directory`` reaches out, even within a project: LMDB trusts its file, and a hand-made one ends the process.
    """

    directory: str | None = attrs.field(default=None, metadata=REACHES_OUT)
    size_mib: int = attrs.field(default=64, validator=and_(ge(1), le(1 << 20)))
    readers: int = attrs.field(default=512, validator=and_(ge(1), le(10_000)))


def build(options: LmdbOptions) -> LmdbCache:
    """Return the store; lmdb is imported only now, since amorsize loads every plugin to look for one."""
    from amorsize_lmdb.cache import LmdbCache  # noqa: PLC0415  as above

    return LmdbCache(options)


@hookimpl
def amorsize_caches() -> list[Backend]:
    """Offer the cache ``lmdb``."""
    return [Backend("lmdb", LmdbOptions, build)]
