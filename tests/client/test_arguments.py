"""What people type by mistake gets an answer at once: in a public function's own name, and with what to do."""

from __future__ import annotations

import inspect
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
from fakes import FakeProbe

import amorsize
from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions
from amorsize.client.arguments import _ELSEWHERE, _MEANT, checked
from amorsize.errors import AmorsizeError

RUNS = [amorsize.optimize, amorsize.execute, amorsize.iexecute]
PUBLIC = [*RUNS, amorsize.lookup, amorsize.open_cache, amorsize.warm_cache, amorsize.fingerprint]


def name_of(function):
    return function.__name__


def said(call):
    """Return what a call says that is refused at once."""
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    return str(caught.value)


def never(_):
    raise AssertionError("an argument was wrong, and the function ran")


@pytest.mark.parametrize("function", PUBLIC, ids=name_of)
def test_the_signature_and_the_docstring_stay_as_they_are_written(function):
    written = function.__wrapped__
    assert inspect.signature(function) == inspect.signature(written)
    assert function.__doc__ == written.__doc__
    assert function.__annotations__ == written.__annotations__


@pytest.mark.parametrize("function", RUNS, ids=name_of)
@pytest.mark.parametrize(
    "name",
    str.split(
        "n_jobs workers num_workers n_workers nworkers processes n_processes num_processes max_processes threads "
        "n_threads max_threads num_proc procs jobs njobs cpus n_cpus cpu_count num_cpus cores n_cores pool_size "
        "concurrency max_concurrency max_worker max_wrokers"
    ),
)
def test_any_usual_name_for_the_number_of_workers_leads_to_max_workers(function, name):
    words = said(lambda: function(never, [1], **{name: 4}))
    assert words.startswith(f"{function.__name__}: there is no argument {name!r}")
    assert "max_workers" in words


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("chunksize", "leave it out"),
        ("chunk_size", "leave it out"),
        ("batch_size", "leave it out"),
        ("backend", "use executor"),
        ("prefer", "use executor"),
        ("caching", "use use_cache=False"),
        ("cach", "did you mean 'cache'?"),
        ("verbose", "use progress"),
        ("strict", "the shortest ends the run"),
        ("mp_context", "use probe"),
        ("initialiser", "did you mean 'initializer'?"),
        ("maxtasksperchild", "executor=..."),
        ("return_exceptions", "errors='collect'"),
        ("return_as", "use iexecute"),
        ("in_flight", "iexecute has it"),
        ("profile", "optimize has it"),
        ("time_out", "did you mean 'timeout'?"),
        ("zzz", "it takes func, data, progress, errors"),
    ],
)
def test_an_unknown_argument_says_what_to_do_in_its_place(name, instead):
    assert instead in said(lambda: amorsize.execute(never, [1], **{name: 1}))


def test_func_and_data_have_their_own_names():
    assert said(lambda: amorsize.execute(function=never, data=[1])).endswith("use func")
    assert said(lambda: amorsize.execute(never, iterable=[1])).endswith("use data")


@pytest.mark.parametrize("function", RUNS, ids=name_of)
def test_no_advice_names_an_argument_that_the_function_lacks(function):
    names = inspect.signature(function).parameters
    for pattern, needed, _ in _MEANT:
        for word in ("workers", "backend", "caching", "context", "verbose", "progress_bar", "errors", "stream", "fn"):
            if needed not in names and re.fullmatch(pattern, word):
                assert f"use {needed}" not in said(lambda word=word: function(never, [1], **{f"{word}": 1}))


def test_arguments_of_the_other_functions_are_where_the_message_says():
    for name, words in _ELSEWHERE.items():
        have = {function.__name__ for function in RUNS if name in inspect.signature(function).parameters}
        assert have == {word for word in words.split() if word.endswith(("execute", "optimize"))}, name


def test_a_setting_by_position_says_that_it_has_a_name():
    assert said(lambda: amorsize.execute(never, [1], 4)).endswith("got 4 too; write max_workers=...")
    assert "write config=..." in said(lambda: amorsize.lookup(never, [1], [4], 4))
    assert said(lambda: amorsize.fingerprint(never, 4)) == "fingerprint: it takes func by position, got 4 too"


def test_a_function_of_any_number_of_iterables_takes_them():
    @checked
    def many(func, data, *more, max_workers=None):
        return more

    assert many(abs, [1], [2], [3]) == ([2], [3])
    assert "use max_workers" in said(lambda: many(abs, [1], [2], n_jobs=1))


async def later(_):
    """Give back a coroutine."""


async def stream(_):
    """Give back an async generator."""
    yield


class Later:
    async def __call__(self, _):
        """Give back a coroutine."""


class Endless:
    def __getitem__(self, at):
        return at


@pytest.mark.parametrize("function", [*RUNS, amorsize.lookup], ids=name_of)
@pytest.mark.parametrize(
    ("func", "data", "words"),
    [
        (3, [1], "func must be callable, got 3"),
        ("abs", [1], "func must be callable, got 'abs'"),
        ([1], abs, "func must be callable, got list; func comes first, then data"),
        (later, [1], "func must be an ordinary function, got the coroutine function 'later'"),
        (stream, [1], "func must be an ordinary function, got the coroutine function 'stream'"),
        (partial(partial(later)), [1], "func must be an ordinary function, got the coroutine function 'later'"),
        (Later(), [1], "func must be an ordinary function, got the coroutine function 'Later'"),
        (Later().__call__, [1], "func must be an ordinary function, got the coroutine function 'Later.__call__'"),
        (never, 100, "data must be iterable, got 100: for the numbers below it write range(100)"),
        (never, None, "data must be iterable, got None"),
        (never, list, "data must be iterable, got the class list"),
        (never, stream(1), "data must be iterable, got async_generator: collect its items first"),
    ],
)
def test_what_cannot_be_run_is_refused_at_the_call_by_the_function_that_was_called(function, func, data, words):
    assert said(lambda: function(func, data)).startswith(f"{function.__name__}: {words}")


class Silent:
    """A callable that answers no question about itself."""

    def __call__(self, item):
        return item

    def __getattr__(self, name):
        raise RuntimeError(name)


def test_whatever_can_be_called_is_a_function():
    for func in (abs, int, partial(int, base=2), "{}".format, lambda x: x, Silent()):
        amorsize.lookup(func, ["1"])
    with pytest.raises(TypeError, match="no argument"):  # names are looked at first, so that nothing runs
        amorsize.execute(Silent(), [1], n_jobs=2)


def test_whatever_can_be_iterated_is_data():
    assert amorsize.execute(abs, range(-3, 0)) == [3, 2, 1]
    stream = amorsize.iexecute(abs, Endless())
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    stream.close()


POOL = ThreadPool(1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"cache": False}, "got False; to keep nothing write use_cache=False"),
        ({"cache": True}, "cache must be the name of a cache backend, a CacheStore, or a list of these, got True"),
        ({"cache": 3}, "or a list of these, got 3"),
        ({"cache": ["json", 3]}, "or a list of these, got 3"),
        ({"cache": {"json": {}}}, "or a list of these, got dict"),
        ({"cache": MemoryCache}, "got the class MemoryCache: pass an instance of it, MemoryCache(...)"),
        ({"cache": "./cache"}, "got a path: set the folder by AMORSIZE_CACHE_DIR"),
        ({"cache": Path("cache")}, "got a path: set the folder by AMORSIZE_CACHE_DIR"),
        ({"probe": 3}, "probe must be the name of a probe backend or a Probe, got 3"),
        ({"probe": FakeProbe}, "got the class FakeProbe: pass an instance of it, FakeProbe(...)"),
        ({"inspector": 3}, "inspector must be the name of an inspector backend or a SystemInspector, got 3"),
        ({"inspector": FakeProbe()}, "or a SystemInspector, got FakeProbe"),
        ({"max_workers": -1}, "a whole number from 1 to 65536, got -1; leave it out to use as many as pay"),
        ({"max_workers": 0}, "got 0; leave it out"),
        ({"max_workers": "4"}, "got '4'; leave it out"),
        ({"max_workers": True}, "got True; leave it out"),
        ({"use_cache": "no"}, "use_cache must be True or False, got 'no'"),
        ({"executor": None}, "got None"),
        ({"executor": 4}, "got 4"),
        ({"executor": ThreadPoolExecutor}, "got the class ThreadPoolExecutor"),
        ({"executor": POOL}, "got ThreadPool"),
    ],
)
@pytest.mark.parametrize("function", [amorsize.optimize, amorsize.execute], ids=name_of)
def test_an_argument_of_another_kind_is_refused_at_once(function, arguments, words):
    reported = said(lambda: function(never, [1], **arguments))
    assert reported.startswith(f"{function.__name__}: {next(iter(arguments))} must be ")
    assert words in reported


def test_an_executor_that_is_refused_is_reported_where_it_belongs():
    with ThreadPoolExecutor(1) as live:
        words = said(lambda: amorsize.optimize(never, [1], executor=live))
        assert words.endswith("got ThreadPoolExecutor: pass it to execute(func, data, executor=...)")
        assert amorsize.execute(abs, [-1], executor=live) == [1]
    words = said(lambda: amorsize.execute(never, [1], executor=ThreadPoolExecutor))
    assert words.endswith(": pass an instance of it, ThreadPoolExecutor(...)")


def test_what_is_right_is_let_through():
    store = MemoryCache(MemoryOptions())
    result = amorsize.optimize(abs, [-1], cache=[store, "memory"], probe=FakeProbe(), max_workers=None, use_cache=True)
    assert result.n_jobs == 1
    assert amorsize.execute(abs, [-1], cache=("memory",), probe="fork", config={}) == [1]


def test_a_stream_refuses_at_the_call_and_not_at_the_first_result():
    for arguments in ({"executor": "thraed"}, {"cache": "jsno"}, {"in_flight": 0}, {"probe": "frok"}, {"config": 3}):
        with pytest.raises((AmorsizeError, ValueError)):
            amorsize.iexecute(never, [1], **arguments)
