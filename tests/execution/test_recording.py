"""What each worker did in a run, as the workers noted it."""

from __future__ import annotations

import multiprocessing
import os
import time
from threading import get_ident

import pytest

from amorsize.domain.planning.neighbours import Neighbour
from amorsize.execution.recording import recorded

METHOD = multiprocessing.get_all_start_methods()[0]
SERIAL, THREADS, PROCESSES = Neighbour("serial", 1, 9), Neighbour("thread", 2, 2), Neighbour("process", 2, 2)


def noted(folder_and_item):
    """Write down which worker ran an item, and when."""
    folder, item = folder_and_item
    began = time.perf_counter()
    time.sleep(0.01)
    line = f"{os.getpid()} {get_ident()} {began!r} {time.perf_counter()!r}"
    with open(os.path.join(folder, str(item)), "w", encoding="utf-8") as file:  # noqa: PTH118, PTH123  it runs in workers
        file.write(line)


def seen(folder):
    """Return what each item wrote: its worker, and its begin and end on the clock of all processes."""
    for path in folder.iterdir():
        process, thread, began, ended = path.read_text(encoding="utf-8").split()
        yield (process, thread), float(began), float(ended)


@pytest.mark.parametrize("way", [SERIAL, THREADS, PROCESSES], ids=lambda way: way.executor)
def test_each_kind_of_worker_runs_the_items_and_what_they_raise_comes_out(way):
    assert sum(span.items for span in recorded(int, ["1", "2", "3"], way, METHOD).spans) == 3
    with pytest.raises(ValueError, match="invalid literal"):
        recorded(int, ["1", "two", "3"], way, METHOD)


@pytest.mark.parametrize("way", [SERIAL, THREADS, PROCESSES], ids=lambda way: way.executor)
def test_spans_are_when_the_items_ran_and_on_which_worker(way, tmp_path):
    earliest = time.perf_counter()
    timeline = recorded(noted, [(str(tmp_path), item) for item in range(9)], way, METHOD)
    items = sorted(seen(tmp_path), key=lambda each: each[1])
    assert sum(span.items for span in timeline.spans) == len(items) == 9
    assert len(timeline.lanes) == len({worker for worker, *_ in items})
    first, last = min(began for _, began, _ in items), max(ended for *_, ended in items)
    begin = min(span.begin for span in timeline.spans)
    assert 0 <= begin <= first - earliest
    assert max(span.end for span in timeline.spans) - begin >= last - first
    for spans in timeline.lanes.values():
        ends = [0.0, *(each for span in spans for each in (span.begin, span.end)), timeline.seconds]
        assert ends == sorted(ends)  # no worker runs two chunks at once, and none outside of the run


def test_chunks_are_those_of_the_way():
    sizes = [span.items for span in recorded(abs, range(9), THREADS, METHOD).spans]
    assert sorted(sizes) == [1, 2, 2, 2, 2]
    (alone,) = recorded(abs, range(9), SERIAL, METHOD).spans
    assert alone.items == 9


def test_a_run_of_many_chunks_keeps_some_2000_spans():
    timeline = recorded(abs, range(9000), Neighbour("thread", 2, 1), METHOD)
    assert len(timeline.spans) <= 2004
    assert sum(span.chunks for span in timeline.spans) == sum(span.items for span in timeline.spans) == 9000
