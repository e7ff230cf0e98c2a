"""AMORSIZE_DISABLE turns caching, measuring and workers off for a whole program, however broken the rest is."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice

import pytest

import amorsize
from amorsize import ExecutionTimeout, FailedItems
from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions
from amorsize.config.files import is_disabled


@pytest.fixture(autouse=True)
def disabled(monkeypatch, own_place):
    """Disable it where nothing else works: the config is not there and the cache folder is a file."""
    monkeypatch.setenv("AMORSIZE_DISABLE", "1")
    monkeypatch.setenv("AMORSIZE_CONFIG", "gone.toml")
    (own_place / "file").touch()
    monkeypatch.setenv("AMORSIZE_CACHE_DIR", str(own_place / "file"))


class Untouched(MemoryCache):
    def fetch(self, locator):
        raise AssertionError("the cache was asked")

    store = discard = locators = fetch


def never(_):
    raise AssertionError("an item was run")


def here(item):
    return item * 2, os.getpid(), threading.get_ident()


EVERY = [(2 * item, os.getpid(), threading.get_ident()) for item in range(200)]


@pytest.mark.parametrize("options", [{}, {"profile": True}, {"use_cache": False}, {"executor": "x"}, {"config": {}}])
def test_optimize_says_serial_and_why_without_running_or_looking_anything_up(options):
    store = Untouched(MemoryOptions())
    result = amorsize.optimize(never, range(200), cache=store, **options)
    assert (result.executor, result.n_jobs, result.chunksize) == ("serial", 1, 200)
    assert result.reason == result.cache_reason == "AMORSIZE_DISABLE is set"
    assert result.cache == "bypassed"
    assert result.data == range(200)
    assert amorsize.lookup(never, range(200), cache=store) == ("bypassed", "AMORSIZE_DISABLE is set")


def test_an_iterator_is_given_back_untouched():
    items = iter(range(5))
    result = amorsize.optimize(never, items)
    assert result.data is items
    assert result.chunksize == 1
    assert amorsize.optimize(never, []).chunksize == 1


def test_what_optimize_said_is_run_here(capsys):
    seen = []
    result = amorsize.optimize(here, range(200), verbose=True)
    assert result.run(progress=lambda done, total: seen.append((done, total))) == EVERY
    assert seen[-1] == (200, 200)
    assert "AMORSIZE_DISABLE is set" in capsys.readouterr().out


def test_execute_runs_every_item_here_whatever_is_asked_for():
    with ThreadPoolExecutor(2) as pool:
        for options in ({}, {"executor": "process"}, {"executor": pool}, {"cache": Untouched(MemoryOptions())}):
            assert amorsize.execute(here, range(200), **options) == EVERY
            assert list(amorsize.iexecute(here, range(200), **options)) == EVERY
    assert list(islice(amorsize.iexecute(here, count()), 3)) == EVERY[:3]
    assert amorsize.execute(here, iter(range(200))) == EVERY


def test_execute_keeps_its_promises_about_failures_time_and_progress():
    def fail(item):
        if item % 2:
            raise LookupError(item)
        return item

    results, failed = amorsize.execute(fail, range(4), errors="collect")
    assert results == [0, None, 2, None]
    assert isinstance(failed, FailedItems)
    assert failed.positions == (1, 3)
    with pytest.raises(LookupError) as caught:
        amorsize.execute(fail, range(4))
    assert "position 1" in caught.value.__notes__[0]
    with pytest.raises(LookupError):
        list(amorsize.iexecute(fail, range(4)))
    with pytest.raises(ExecutionTimeout):
        amorsize.execute(threading.Event().wait, [0.01] * 1000, timeout=0.05)
    seen = []
    amorsize.execute(abs, range(10), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (10, 10)


def test_wrong_arguments_are_refused_still():
    async def later(item):
        return item

    for func, data in ((None, [1]), (abs, 5), (later, [1])):
        for call in (amorsize.optimize, amorsize.execute, lambda *given: list(amorsize.iexecute(*given))):
            with pytest.raises(TypeError):
                call(func, data)
    with pytest.raises(ValueError, match="errors must be"):
        amorsize.execute(abs, [1], errors="no")


@pytest.mark.parametrize("said", ["1", "true", "YES", "on", "x"])
def test_anything_but_a_no_disables(monkeypatch, said):
    monkeypatch.setenv("AMORSIZE_DISABLE", said)
    assert is_disabled()


@pytest.mark.parametrize("said", ["", "0", "false", "No", " off "])
def test_a_no_does_not(monkeypatch, said):
    monkeypatch.setenv("AMORSIZE_DISABLE", said)
    assert not is_disabled()
    with pytest.raises(amorsize.ConfigError, match=r"AMORSIZE_CONFIG: there is no file"):
        amorsize.optimize(abs, range(3))
    monkeypatch.delenv("AMORSIZE_DISABLE")
    assert not is_disabled()
