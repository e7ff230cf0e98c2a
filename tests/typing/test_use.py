"""The public names as a type checker sees them; mypy --strict reads this file, and it runs as a test too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, assert_type

import attrs

import amorsize


@attrs.frozen
class DictOptions:
    """No options."""


class DictCache:
    """The smallest store there is, as a plugin's author would write it."""

    def __init__(self, options: DictOptions) -> None:
        self.options = options
        self.texts: dict[str, dict[str, str]] = {}

    def fetch(self, locator: str) -> Mapping[str, str]:
        return dict(self.texts.get(locator, {}))

    def store(self, locator: str, variant: str, text: str) -> None:
        self.texts.setdefault(locator, {})[variant] = text

    def discard(self, addresses: Iterable[tuple[str, str]]) -> int:
        return sum(self.texts.get(locator, {}).pop(variant, None) is not None for locator, variant in addresses)

    def locators(self) -> Iterator[str]:
        return iter([locator for locator, variants in self.texts.items() if variants])

    def close(self) -> None:
        pass


@amorsize.hookimpl
def amorsize_caches() -> list[amorsize.Backend]:
    """Offer the store, as a plugin would."""
    return [amorsize.Backend("dict", DictOptions, DictCache)]


def test_a_result_has_the_types_it_says() -> None:
    result = amorsize.optimize(len, ["a", "bc"], cache=DictCache(DictOptions()))
    assert_type(result, amorsize.OptimizationResult)
    assert_type(result.n_jobs, int)
    assert_type(result.chunksize, int)
    assert_type(result.executor, str)
    assert_type(result.estimated_speedup, float)
    assert_type(result.speedup_interval, tuple[float, float])
    assert_type(result.warnings, tuple[str, ...])
    assert_type(result.data, Iterable[Any])
    assert list(map(len, result.data)) == [1, 2]


def test_the_other_functions_have_the_types_they_say() -> None:
    assert_type(amorsize.fingerprint(len), amorsize.Fingerprint)
    assert_type(amorsize.get_cache_dir(), Path)
    assert_type(amorsize.clear_cache(), int)
    assert_type(amorsize.prune_expired_cache(ttl_seconds=5), int)
    assert_type(amorsize.lookup(len, ["a"]), tuple[str, str])
    assert_type(amorsize.open_cache(), amorsize.Cache)
    (backend,) = amorsize_caches()
    assert backend.name == "dict"
