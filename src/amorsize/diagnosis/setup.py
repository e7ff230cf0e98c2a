"""Checks of what amorsize was given: config, plugins, cache and what it knows of the cost of workers."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from amorsize.application.cache.maintenance import Cache
from amorsize.config import loader as configuration
from amorsize.config.files import found, shown
from amorsize.config.origins import in_force
from amorsize.diagnosis.finding import FIX, NOTE, OK, Finding
from amorsize.domain.wording import size

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.application.ports import CacheStore
    from amorsize.config.loader import Settings
    from amorsize.domain.overheads import Overheads
    from amorsize.plugins.registry import Backends

_TRIAL: Final = ("machine:doctor", "trial")
"""Where the write test leaves a text for a moment."""

_ELSEWHERE: Final = f"set {configuration.CACHE_VARIABLE} to a folder of your own with free space"


def config(settings: Settings, given: str | None = None) -> list[Finding]:
    """Say which file decides, and each value that is not a default with where it comes from."""
    there = found(given, [])
    findings = [
        Finding("config", OK, f"{name} = {value!r:.80}, from {shown(origin)}")
        for name, value, origin in in_force(settings, there)
        if origin != "default"
    ]
    findings.insert(0, Finding("config", OK, "defaults" if there is None else shown(there.path)))
    if settings.untrusted:
        seen = f"not trusted, so that the default counts: {', '.join(settings.untrusted)}"
        findings.append(Finding("config", FIX, seen, f"type {configuration.trust_command(settings.source)}"))
    return findings


def plugins(backends: Backends) -> list[Finding]:
    """Name each plugin that cannot be used."""
    rows = backends.describe()
    broken = [row for row in rows if row.state != "ready"]
    if not broken:
        return [Finding("plugins", OK, f"{len(rows)} backends are ready")]
    remedy = "install the plugin again or another version of it, or remove it"
    return [Finding("plugins", FIX, f"{row.name} ({row.distribution}): {row.state}", remedy) for row in broken]


def caches(settings: Settings, now: Callable[[], float]) -> tuple[list[Finding], float | None]:
    """Say of each configured cache what it is and whether it can be written to; and when its newest entry was made."""
    names = (settings.cache,) if isinstance(settings.cache, str) else settings.cache
    findings: list[Finding] = []
    dates: list[float] = []
    for name in names:
        try:
            store = configuration.build("caches", name, settings)
        except Exception as error:  # noqa: BLE001  a plugin may fail in any way
            findings.append(_broken(name, error))
            continue
        try:
            checked, newest = cache(name, store, now)
        finally:
            with suppress(Exception):  # likewise
                store.close()
        findings += checked
        dates += [] if newest is None else [newest]
    with suppress(Exception):  # without a home the caches have said so
        findings.insert(0, _folder(configuration.cache_directory(settings)))
    return findings, max(dates, default=None)


def cache(name: str, store: CacheStore, now: Callable[[], float]) -> tuple[list[Finding], float | None]:
    """Say what a store holds, what in it is unreadable, and whether it takes a text."""
    view = Cache(store, now)
    try:
        stats = view.stats()
        readable = {(entry.locator, entry.variant) for entry in view.entries()}
        everything = [address for *address, _ in view.records() if address[0].startswith("func:")]
    except Exception as error:  # noqa: BLE001  as above
        return [_broken(name, error)], None
    findings = [Finding("cache", OK, f"{name}: {stats.entries} entries, {size(stats.bytes)}")]
    unreadable = len(everything) - len(readable)
    if unreadable > 0:
        seen = f"{name}: {unreadable} of {len(everything)} entries cannot be read"
        findings.append(Finding("cache", FIX, seen, "type amorsize cache verify, which sets them aside"))
    findings.append(_written(name, store))
    return findings, stats.newest


def _written(name: str, store: CacheStore) -> Finding:
    if getattr(store, "read_only", False):
        return Finding("cache", OK, f"{name}: only read, as configured")
    try:
        store.store(*_TRIAL, "{}")
        kept = dict(store.fetch(_TRIAL[0])).get(_TRIAL[1])
        store.discard([_TRIAL])
    except Exception as error:  # noqa: BLE001  as above
        return Finding("cache", FIX, f"{name}: a text cannot be written: {error}", _ELSEWHERE)
    if kept != "{}":
        return Finding("cache", FIX, f"{name}: a text that was written is not there", _ELSEWHERE)
    return Finding("cache", OK, f"{name}: a text can be written and read")


def _broken(name: str, error: Exception) -> Finding:
    return Finding("cache", FIX, f"{name} cannot be used: {error}", _ELSEWHERE)


def _folder(path: str) -> Finding:
    """Say where caches keep their files, and whose the folder is."""
    try:
        owner = os.stat(path).st_uid  # noqa: PTH116  a plain look
    except FileNotFoundError:
        return Finding("cache", OK, f"folder {path}, not there yet")
    except OSError as error:
        return Finding("cache", FIX, f"folder {path}: {error.strerror}", _ELSEWHERE)
    return Finding("cache", OK, f"folder {path}, owner {owner}")


def overheads(known: Overheads, now: float) -> Finding:
    """Say where the cost of workers is known from, and how old that is."""
    remedy = "type amorsize cache warm, which measures this machine"
    if known.source != "measured":
        return Finding("overheads", NOTE, f"{known.source}, not measured on this machine", remedy)
    return Finding("overheads", OK, f"measured {max(0.0, now - known.measured_at) / 86_400:.1f} days ago")
