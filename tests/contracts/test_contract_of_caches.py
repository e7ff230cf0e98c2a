"""The cache contract is worth something: stores that are wrong in one way each are caught."""

from __future__ import annotations

import inspect
from itertools import count

import pytest

from amorsize.adapters.caches.memory import MemoryCache, MemoryOptions
from amorsize.errors import CacheError
from amorsize.testing import CacheContract
from amorsize.testing.concurrency import is_whole, mixed_operations, whole_text


class Sound(MemoryCache):
    def __init__(self):
        super().__init__(MemoryOptions())


class FoldsCase(Sound):
    def fetch(self, locator):
        return super().fetch(locator.lower())

    def store(self, locator, variant, text):
        super().store(locator.lower(), variant, text)


class KeepsOneVariant(Sound):
    def store(self, locator, variant, text):
        self.discard([(locator, old) for old in self.fetch(locator)])
        super().store(locator, variant, text)


class KeepsTheFirstText(Sound):
    def store(self, locator, variant, text):
        if variant not in self.fetch(locator):
            super().store(locator, variant, text)


class CountsWhatIsAbsent(Sound):
    def discard(self, addresses):
        return sum(1 for address in addresses if super(CountsWhatIsAbsent, self).discard([address]) < 2)


class ForgetsOnClosing(Sound):
    def close(self):
        self._texts.clear()


class TranslatesNewlines(Sound):
    def store(self, locator, variant, text):
        super().store(locator, variant, text.replace("\r\n", "\n"))


class NamesALocatorForEachVariant(Sound):
    def locators(self):
        for locator in super().locators():
            yield from [locator] * len(self.fetch(locator))


class HandsOutItsOwnDict(Sound):
    def fetch(self, locator):
        super().fetch(locator)
        return self._texts.get(locator, {})


class TakesAnyName(Sound):
    def fetch(self, locator):
        return self._texts.get(locator, {}).copy()


class ReadsAllAddressesWhileItRemoves(Sound):
    def locators(self):
        yield from self._texts


class SharesEverything(Sound):
    everything: dict = {}  # noqa: RUF012  the fault under test

    def __init__(self):
        super().__init__()
        self._texts = self.everything


class LosesEachFiftieth(Sound):
    def __init__(self):
        super().__init__()
        self._count = count(1)

    def store(self, locator, variant, text):
        if next(self._count) % 50:
            super().store(locator, variant, text)


def failures_of(kind):
    """Return the names of the contract's tests that a kind of store fails."""

    class Contract(CacheContract):
        def make(self):
            return kind()

    names = [name for name, _ in inspect.getmembers(CacheContract, inspect.isfunction) if name.startswith("test_")]
    failed = []
    for name in names:
        try:
            getattr(Contract(), name)()
        except (AssertionError, RuntimeError):
            failed.append(name)
    assert len(names) > 10
    return failed


def test_a_sound_store_passes():
    assert failures_of(Sound) == []


@pytest.mark.parametrize("kind", [kind for kind in Sound.__subclasses__()], ids=lambda kind: kind.__name__)  # noqa: C416  a copy
def test_a_store_with_a_fault_fails(kind):
    assert failures_of(kind) != []


def test_mixed_operations_see_a_torn_text():
    class Tears(Sound):
        def store(self, locator, variant, text):
            super().store(locator, variant, text[: len(text) // 2])

    assert mixed_operations(Sound(), seed=1, operations=300).torn == []
    assert mixed_operations(Tears(), seed=1, operations=300).torn != []


def test_an_operation_given_up_may_or_may_not_have_happened():
    class Busy(Sound):
        def store(self, *_):
            raise CacheError("busy")

    tally = mixed_operations(Busy(), seed=1, operations=300)
    assert tally.given_up > 10
    assert all(None in states for states in tally.last.values())


def test_a_whole_text_is_whole_only_in_its_own_place():
    text = whole_text("here", "v", "body")
    assert is_whole("here", "v", text)
    assert not is_whole("here", "w", text)
    assert not is_whole("here", "v", text[:-1])
