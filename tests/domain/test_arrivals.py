"""Items that arrive over time: what is there is given out, and what is not there is not waited for."""

from __future__ import annotations

import pytest

from amorsize.domain.arrivals import Arrivals, Passing


class Given(Arrivals):
    """Arrivals that come in batches: one at each wait, or at each look where the batch says so."""

    def __init__(self, *batches):
        super().__init__()
        self.batches = list(batches)
        self.waited = 0

    def take_in(self, *, waits):
        if self.batches and self.batches[0] == "late":
            if not waits:
                return False
            self.waited += 1
            self.batches.pop(0)
        if self.batches:
            self.arrived.extend(self.batches.pop(0))
        else:
            self.has_ended = True
        return True


class Even(Passing):
    ended = 0

    def passes(self, item):
        return item % 2 == 0

    def end(self):
        self.ended += 1


@pytest.mark.parametrize("batches", [(), ("late",), ([1, 2], "late", [], [3], "late", [4]), ([], [1])])
def test_all_items_come_in_order(batches):
    items = [item for batch in batches if batch != "late" for item in batch]
    assert list(Given(*batches)) == items
    through = Even(Given(*batches))
    assert list(through) == [item for item in items if item % 2 == 0]
    assert (through.ended, through.is_over()) == (1, True)


def test_what_is_not_there_is_not_waited_for():
    given = Given([2, 4], "late", [6], "late")
    for arrivals in (given, Even(Given([1, 2, 3], [4, 5], "late", [6, 7], "late"))):
        assert list(arrivals.take_arrived(1)) == [2]
        assert list(arrivals.take_arrived(9)) == [4]
        assert not arrivals.has_next()
        assert not arrivals.is_over()
        arrivals.wait()
        assert list(arrivals.take_arrived(9)) == [6]
        assert list(arrivals) == []
        assert arrivals.has_next()
        assert list(arrivals.take_arrived(9)) == []
    assert given.waited == 2


def test_an_end_without_a_class_of_its_own_is_passed_on():
    class All(Passing):
        def passes(self, item):
            return True

    assert list(All(Given([1], "late", [2]))) == [1, 2]
