"""A result that does its work later is distinguished from one that is there."""

from __future__ import annotations

import asyncio
import io
from concurrent.futures import Future

import pytest

from amorsize.domain.lazy import lazy_result


async def later():
    return 1


async def rows():
    yield 1


class Awaitable:
    def __await__(self):
        yield


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: (x for x in "ab"), "a generator"),
        (rows, "an async generator"),
        (later, "a coroutine"),
        (Future, "a future"),
        (lambda: asyncio.Future(loop=asyncio.new_event_loop()), "a future"),
        (Awaitable, "an awaitable"),
        (lambda: map(int, "12"), "an iterator"),
        (lambda: zip("ab", "cd", strict=True), "an iterator"),
    ],
)
def test_a_result_that_does_its_work_later_has_a_name(make, kind):
    result = make()
    assert lazy_result([None, 3, result]) == kind
    if kind == "a coroutine":
        result.close()
    if isinstance(result, asyncio.Future):
        result.get_loop().close()


@pytest.mark.parametrize("result", [None, 3, "ab", [1], {1: 2}, range(3), len, Future, io.StringIO("ab")])
def test_a_result_that_is_there_has_none(result):
    assert lazy_result([result]) is None


def test_no_results_have_none():
    assert lazy_result([]) is None
