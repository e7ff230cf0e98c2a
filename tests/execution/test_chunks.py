"""Every chunk number is handed out once, however many ask at once."""

from __future__ import annotations

import os
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amorsize.execution.chunks import LocalChunkQueue, PipeChunkQueue, cut


@given(total=st.integers(0, 10**7), fine=st.booleans())
def test_chunks_cover_every_position_once(total, fine):
    chunks = cut(total, fine=fine)
    assert chunks.count <= (12_000 if fine else 2000)
    assert chunks.range_of(0, chunks.count) == (0, total)
    if chunks.count:
        assert chunks.range_of(chunks.count - 1, chunks.count)[0] < total


@given(first=st.integers(0, 20), count=st.integers(0, 50), takes=st.lists(st.integers(1, 9) | st.none(), max_size=80))
def test_numbers_that_are_put_back_are_handed_out_again(first, count, takes):
    queue, taken, last = LocalChunkQueue(first, first + count), [], None
    for most in takes:
        if most is None:
            if last is not None:
                queue.put_back(last)
                del taken[-len(last) :]
                last = None
            continue
        last = queue.take(most)
        taken += last or ()
        assert queue.left() == count - len(taken)
    while (more := queue.take(3)) is not None:
        taken += more
    assert sorted(taken) == list(range(first, first + count))


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
@settings(max_examples=15)
@given(first=st.integers(0, 100), count=st.integers(0, 12_000), takers=st.integers(1, 4), most=st.integers(1, 40))
def test_several_processes_take_every_number_once(first, count, takers, most):
    queue = PipeChunkQueue(first, first + count)
    assert queue.left() == max(0, count - 1)
    ends, pids = [], []
    for taker in range(takers):
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            try:
                taken = list(queue.take_last() or ()) if taker == 0 else []
                while (more := queue.take(most)) is not None:
                    taken += more
                with os.fdopen(write, "wb") as file:
                    file.write(b"".join(number.to_bytes(4, "little") for number in taken))
            finally:
                os._exit(0)
        os.close(write)
        ends.append(read)
        pids.append(pid)
    taken = []
    for end, pid in zip(ends, pids, strict=True):
        with os.fdopen(end, "rb") as file:
            text = file.read()
        taken += [int.from_bytes(text[at : at + 4], "little") for at in range(0, len(text), 4)]
        os.waitpid(pid, 0)
    assert sorted(taken) == list(range(first, first + count))
    assert queue.take(1) is None
    queue.close()
    queue.close()


def test_several_threads_take_every_number_once():
    queue, taken = LocalChunkQueue(0, 5000), []

    def take():
        while (more := queue.take(3)) is not None:
            taken.extend(more)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(5000))
