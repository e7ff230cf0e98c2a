"""The public names as a type checker sees them; mypy --strict reads this file, and it runs as a test too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, assert_type

import attrs
import pytest

import amorsize
from amorsize.plugins import Backend, hookimpl


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


@hookimpl
def amorsize_caches() -> list[Backend]:
    """Offer the store, as a plugin would."""
    return [Backend("dict", DictOptions, DictCache)]


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


def test_execute_gives_what_its_errors_say() -> None:
    assert_type(amorsize.execute(len, ["a", "bc"]), list[int])
    assert_type(amorsize.execute(len, ["a", "bc"], errors="raise", max_workers=1), list[int])
    results, failed = amorsize.execute(int, ["1", "x"], errors="collect")
    assert_type(results, list[int | None])
    assert_type(failed, amorsize.FailedItems | None)
    assert results == [1, None]
    assert failed is not None
    assert failed.positions == (1,)
    with pytest.raises(ValueError, match="errors must be 'raise' or 'collect'"):
        amorsize.execute(len, ["a"], errors="ignore")  # type: ignore[call-overload]


def test_a_stream_gives_what_the_function_gives() -> None:
    assert_type(amorsize.iexecute(len, ["a", "bc"]), Iterator[int])
    assert list(amorsize.iexecute(len, ["a", "bc"], max_workers=1)) == [1, 2]


def test_a_client_has_the_types_of_the_functions() -> None:
    with amorsize.Client(cache=DictCache(DictOptions())) as client:
        assert_type(client, amorsize.Client)
        assert_type(client.optimize(len, ["a"]), amorsize.OptimizationResult)
        assert_type(client.execute(len, ["a"]), list[int])
        results, failed = client.execute(len, ["a"], errors="collect")
        assert_type(results, list[int | None])
        assert_type(failed, amorsize.FailedItems | None)
        assert_type(client.iexecute(len, ["a"]), Iterator[int])
        assert_type(client.lookup(len, ["a"]), tuple[str, str])
        assert_type(client.open_cache(), amorsize.Cache)
    assert_type(amorsize.default_client(), amorsize.Client)


def test_a_type_checker_knows_the_arguments_as_they_are_written() -> None:
    with pytest.raises(TypeError, match="use max_workers"):
        amorsize.optimize(len, ["a"], n_jobs=4)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="cache must be"):
        amorsize.execute(len, ["a"], cache=3)  # type: ignore[call-overload]
