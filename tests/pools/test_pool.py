"""The Pool: its calls agree with those of multiprocessing.Pool."""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import operator
import threading
import time
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import amorsize

SEEN = []


def weigh(number, weight=2):
    return (10 // number) * weight


def scale(*numbers, by=1):
    return sum(numbers) * by


def nap(seconds):
    time.sleep(seconds)
    return seconds


def note(item):
    SEEN.append(item)


@pytest.fixture(autouse=True)
def nothing_seen():
    SEEN.clear()


@pytest.fixture(scope="module")
def theirs():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        yield pool


@pytest.fixture(scope="module")
def ours():
    with amorsize.Pool(2) as pool:
        yield pool


NUMBERS = st.lists(st.integers(-3, 3), max_size=12)
CHUNKSIZES = st.sampled_from([(), (1,), (3,)])
CALLS = st.one_of(
    st.tuples(st.sampled_from(["map", "map_async"]), st.just(weigh), NUMBERS, CHUNKSIZES),
    st.tuples(
        st.sampled_from(["starmap", "starmap_async"]),
        st.sampled_from([scale, operator.floordiv]),
        st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), max_size=12),
        CHUNKSIZES,
    ),
    st.tuples(
        st.sampled_from(["apply", "apply_async"]),
        st.just(scale),
        st.lists(st.integers()).map(tuple),
        st.sampled_from([(), ({"by": 3},), ({"no": 1},)]),
    ),
)


def outcome(pool, call):
    """Return what a call gives, or what it raises."""
    method, func, items, more = call
    try:
        result = getattr(pool, method)(func, items, *more)
        if method.endswith("async"):
            done = result
            result = done.get(60)
            assert done.ready()
            assert done.successful()
    except Exception as error:  # noqa: BLE001  compared
        return type(error)
    return result


@settings(max_examples=60)
@given(call=CALLS)
def test_drawn_calls_agree_with_those_of_multiprocessing(ours, theirs, call):
    assert outcome(ours, call) == outcome(theirs, call)


def outcomes(pool, method, numbers, timeouts):
    """Return what each result of an iterator is, or what it raises; those whose order is open sorted by their text."""
    results = getattr(pool, method)(weigh, numbers)
    seen = []
    for timeout in timeouts:
        try:
            seen.append(results.next() if timeout is None else results.next(timeout=timeout))
        except StopIteration:
            seen.append("end")
        except ZeroDivisionError as error:
            seen.append(type(error))
    return sorted(seen, key=str) if method == "imap_unordered" else seen


@settings(max_examples=60)
@given(
    method=st.sampled_from(["imap", "imap_unordered"]),
    numbers=NUMBERS,
    timeouts=st.lists(st.sampled_from([None, 60]), min_size=14, max_size=14),
)
def test_drawn_iterators_go_on_after_errors_as_those_of_multiprocessing(ours, theirs, method, numbers, timeouts):
    assert outcomes(ours, method, numbers, timeouts) == outcomes(theirs, method, numbers, timeouts)


@pytest.mark.parametrize("numbers", [[1, 2], [1, 0, 2]], ids=str)
@pytest.mark.parametrize("method", ["imap", "imap_unordered"])
def test_an_iterator_with_chunks_gives_all_results_also_where_multiprocessing_drops_a_chunk(ours, method, numbers):
    results = getattr(ours, method)(weigh, numbers, 2)
    got = []
    for _ in numbers:
        try:
            got.append(next(results))
        except ZeroDivisionError:
            got.append(0)
    assert sorted(got) == sorted(10 // number * 2 if number else 0 for number in numbers)


@pytest.mark.parametrize("make", [amorsize.Pool, ThreadPool], ids=["ours", "theirs"])
def test_a_result_that_is_not_there_in_time_is_given_later(make):
    gate = threading.Event()
    with make(2) as pool:
        results = pool.imap(gate.wait, [60, 60])
        for timeout in (0, 0.01):
            with pytest.raises(multiprocessing.TimeoutError):
                results.next(timeout=timeout)
        gate.set()
        assert [results.next(timeout=60), *results] == [True, True]
        with pytest.raises(StopIteration):
            results.next(60)


@pytest.mark.parametrize("make", [amorsize.Pool, ThreadPool], ids=["ours", "theirs"])
def test_join_runs_what_iterators_have_left(make, tmp_path):
    pool = make(2)
    half = pool.imap(weigh, [1, 0, 5])
    assert next(half) == 20
    pool.imap_unordered(Path.touch, [tmp_path / str(number) for number in range(30)])
    pool.close()
    pool.join()
    assert len(list(tmp_path.iterdir())) == 30
    with pytest.raises(ZeroDivisionError):
        next(half)
    assert list(half) == [4]


def test_what_the_data_raise_is_raised_after_the_results_before_it(ours):
    def items():
        yield 1
        raise LookupError("no more")

    results = ours.imap(weigh, items())
    assert results.next(60) == 20
    with pytest.raises(LookupError, match="no more"):
        results.next(60)


def test_no_more_is_pulled_than_may_be_waiting_and_an_iterator_that_is_dropped_ends():
    numbers = itertools.count()
    with amorsize.Pool(1) as pool:
        results = pool.imap(abs, numbers)
        assert results.next(60) == 0
        thread = results._background.thread
        del results
        gc.collect()
        thread.join(60)
        assert not thread.is_alive()
        assert next(numbers) <= 2 * 1000 + 2


def test_an_iterator_goes_on_after_errors_while_amorsize_is_disabled(monkeypatch):
    monkeypatch.setenv("AMORSIZE_DISABLE", "1")
    with amorsize.Pool(2) as pool:
        results = pool.imap(weigh, [0, 1])
        with pytest.raises(ZeroDivisionError):
            next(results)
        assert next(results) == 20


@pytest.mark.parametrize("make", [amorsize.Pool, ThreadPool], ids=["ours", "theirs"])
def test_callbacks_get_results_and_errors(make):
    with make(1) as pool:
        pool.map_async(weigh, [1, 2], callback=note).wait(60)
        pool.apply_async(weigh, (5,), {"weight": 3}, note).get(60)
        failed = pool.apply_async(weigh, (0,), {}, None, note)
        failed.wait(60)
        assert not failed.successful()
        with pytest.raises(ZeroDivisionError):
            failed.get()
        pool.starmap_async(weigh, [(0,)], error_callback=note).wait(60)
    assert [item if isinstance(item, int | list) else type(item) for item in SEEN] == [
        *([20, 10], 6),
        *(ZeroDivisionError, ZeroDivisionError),
    ]


@pytest.mark.parametrize("make", [amorsize.Pool, ThreadPool], ids=["ours", "theirs"])
def test_a_pool_says_where_it_stands(make):
    pool = make(2)
    with pytest.raises(ValueError, match="still running"):
        pool.join()
    slow = pool.apply_async(nap, (0.2,))
    with pytest.raises(ValueError, match="not ready"):
        slow.successful()
    with pytest.raises(multiprocessing.TimeoutError):
        slow.get(0.001)
    results = pool.imap(weigh, [1, 5])
    pool.close()
    for call in (lambda: pool.map(abs, [1]), lambda: pool.imap(abs, [1]), lambda: pool.apply(abs, (1,))):
        with pytest.raises(ValueError, match="not running"):
            call()
    with pytest.raises(ValueError, match="not running"):
        pool.__enter__()
    assert [results.next(), next(results)] == [20, 4]
    pool.join()
    assert slow.get() == 0.2


def test_a_terminated_pool_gives_up_what_is_left():
    pool = amorsize.Pool(2)
    gate = threading.Event()
    maps, stream = pool.map_async(nap, [0.01] * 100_000), pool.imap(nap, [0.001] * 100_000)
    running = pool.apply_async(gate.wait, (60,))
    assert next(stream) == 0.001
    pool.terminate()
    gate.set()
    pool.join()
    for left in (maps.get, stream.next):
        with pytest.raises(amorsize.pools.pool.CancelledError):
            left()
    assert running.get() is True


def test_a_callback_that_fails_does_not_keep_the_result_back(recwarn):
    with amorsize.Pool(1) as pool:
        assert pool.apply_async(abs, (-1,), callback=operator.itemgetter(0)).get(60) == 1


def begin(word):
    SEEN.append(word)


def seen(_):
    return list(SEEN)


def test_the_initializer_runs_in_the_workers_of_each_call():
    with amorsize.Pool(2, begin, ("ready",)) as pool:
        assert pool.map(seen, range(3)) == list(pool.imap(seen, range(3))) == [["ready"]] * 3
        assert SEEN == []
        assert pool.apply(seen, (1,)) == ["ready"]


def test_its_size_is_where_samplers_look():
    with amorsize.Pool(3) as pool:
        assert (pool.size, pool._processes) == (3, 3)
    assert amorsize.Pool().size >= 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((0,), "Pool: processes must be a whole number from 1 to 65536, got 0"),
        (("2",), "Pool: processes must be a whole number from 1 to 65536, got '2'"),
        ((2.5,), "Pool: processes must be a whole number from 1 to 65536, got 2.5"),
        ((1, 3), "Pool: initializer must be callable, got 3"),
        ((1, len, 5), "Pool: initargs must be a tuple, got 5"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(arguments, said):
    with pytest.raises((ValueError, TypeError), match=said):
        amorsize.Pool(*arguments)


def test_wrong_arguments_of_an_iterator_are_refused(ours):
    with pytest.raises(ValueError, match="chunksize"):
        ours.imap(abs, [1], 0)
    with pytest.raises(TypeError, match="imap: func must be callable, got 3"):
        ours.imap(3, [1])


def test_join_after_terminate_does_not_wait_for_a_map_that_goes_on():
    ended = threading.Event()
    pool = amorsize.Pool(2)
    pool.map_async(lambda _: ended.wait(), [1, 2])
    pool.terminate()
    pool.join()
    ended.set()
