"""What is raised is what the first failing item raises, in the order of the items, however many fail."""

from __future__ import annotations

from array import array

import pytest
from execution.jobs import spin

from amorsize import execute, iexecute


class Fails:
    """Raises its item for some items, after a moment of computing."""

    def __init__(self, bad):
        self.bad = bad

    def __call__(self, item):
        spin(0.001)
        if item in self.bad:
            raise LookupError(item)
        return item


@pytest.mark.parametrize("kind", ["auto", "thread", "process"])
@pytest.mark.parametrize("bad", [{59}, {30, 59}, {0}, {1, 2}, {10, 30, 31}], ids=str)
def test_the_first_failing_item_is_raised_and_all_before_it_have_run(kind, bad, capsys):
    job = Fails(bad)

    def reported(item):
        print(f"{item}\n", end="")  # noqa: T201  whole lines: threads print at the same time
        return job(item)

    with pytest.raises(LookupError) as caught:
        execute(reported, range(60), executor=kind, max_workers=2)
    assert caught.value.args == (min(bad),)
    assert {str(item) for item in range(min(bad) + 1)} <= set(capsys.readouterr().out.split())


@pytest.mark.parametrize("kind", ["auto", "thread", "process"])
@pytest.mark.parametrize("make", [list, iter], ids=["list", "iterator"])
def test_a_stream_gives_all_results_before_the_first_failing_item(kind, make):
    given = []
    with pytest.raises(LookupError) as caught:
        given.extend(iexecute(Fails({30, 59}), make(range(60)), executor=kind, max_workers=2))
    assert (given, caught.value.args) == (list(range(30)), (30,))


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_a_stream_gives_the_results_before_a_failing_item_of_one_block(kind):
    def job(item):
        if item == 1777:
            raise LookupError(item)
        return item

    given = []
    with pytest.raises(LookupError) as caught:
        given.extend(iexecute(job, iter(range(4000)), executor=kind, max_workers=2))
    assert (given, caught.value.args) == (list(range(1777)), (1777,))


@pytest.mark.parametrize("data", [memoryview(bytes(range(60))), array("d", range(60))], ids=["memoryview", "array"])
def test_the_failing_item_of_a_view_or_an_array_is_named(data):
    with pytest.raises(LookupError) as caught:
        execute(Fails({7}), data, executor="serial")
    assert any("at position 7" in note for note in caught.value.__notes__)
