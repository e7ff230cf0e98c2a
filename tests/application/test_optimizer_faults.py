"""The use case: what is raised, what cannot be run, and stores that fail."""

from __future__ import annotations

import errno
import warnings

import pytest
from fakes import Desk

from amorsize.errors import AmorsizeWarning, SamplingError


@pytest.fixture
def desk():
    return Desk()


def test_what_the_function_raises_comes_out_unchanged_and_nothing_is_kept(desk):
    def fail(_):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine") as caught:
        desk.ask(func=fail)
    assert "position" in caught.value.__notes__[0]
    assert desk.store.stored == []


class BrokenStore:
    """A store whose medium fails."""

    def __init__(self, error):
        self.error = error
        self.asked = 0

    def fetch(self, locator):
        raise self.error

    def store(self, locator, variant, text):
        self.asked += 1
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "full"),
        OSError(errno.EROFS, "read-only"),
        OSError(errno.EACCES, "no"),
        RuntimeError("bug"),
    ],
    ids=str,
)
def test_a_broken_cache_costs_warnings_but_never_the_call(desk, error):
    desk.store = BrokenStore(error)
    desk.anew()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for step in range(3):
            assert desk.ask(range(2000 + step)).n_jobs == 4
    assert [type(one.message) for one in caught] == [AmorsizeWarning]


def test_writing_stops_when_the_medium_is_full(desk):
    desk.store = BrokenStore(OSError(28, "No space left on device"))
    desk.anew()
    with pytest.warns(AmorsizeWarning):
        desk.ask()
    before = desk.store.asked
    desk.ask([1.5] * 50)
    assert desk.store.asked == before == 1


def test_a_text_that_was_tampered_with_is_a_miss_and_a_warning(desk):
    desk.ask()
    (locator,) = {where for where, _ in desk.store.stored if where.startswith("func:")}
    ((variant, text),) = desk.store.inner.fetch(locator).items()
    desk.store.store(locator, variant, text.replace('"process",4,', '"process",9,'))
    desk.anew()
    with pytest.warns(AmorsizeWarning, match="unreadable"):
        assert desk.ask().cache == "miss"


def test_a_function_that_ends_its_worker_is_planned_serially_with_a_warning_and_nothing_is_kept():
    for seconds, reported in (
        (0.0, "was ended by SIGSEGV"),
        (60.0, "took longer than 60 s; all of it takes at least 60 s"),
    ):
        desk = Desk()
        desk.probe.fate = SamplingError("the item at position 3 (3)", reported.partition(";")[0], seconds)
        for data in (range(2000), iter(range(2000))):
            result = desk.ask(data)
            assert (result.executor, result.n_jobs) == ("serial", 1)
            assert result.cache == ("miss" if data == range(2000) else "bypassed")
            assert f"the item at position 3 (3) {reported}" in result.reason
            assert result.predicted_seconds == seconds
            assert list(result.data) == list(range(2000))
            (warning,) = [one for one in result.warnings if "nothing was kept" in one]
            assert "the item at position 3 (3)" in warning
        assert not [locator for locator, _ in desk.store.stored if locator.startswith("func:")]
        desk.probe.fate = None
        assert desk.ask().cache == "miss"
