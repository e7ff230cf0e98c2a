"""Places in shared memory never overlap, and what is written there is what is read."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amorsize.processes import memory
from amorsize.processes.memory import Ring, read_all, shared_file, write_all

STEPS = st.lists(st.one_of(st.integers(0, 60), st.just(1 << 19), st.none()), max_size=120)


@pytest.mark.parametrize("wrap", [1, 100, 1 << 20])
@given(steps=STEPS)
def test_ranges_that_are_held_never_overlap(wrap, steps):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "_WRAP_BYTES", wrap)
        ring, held = Ring(), []
        for length in steps:
            if length is None:
                if held:
                    ring.give_back()
                    held.pop(0)
                continue
            offset = ring.take(length)
            assert offset >= 0
            assert all(offset + length <= other or other + size <= offset for other, size in held if size and length)
            held.append((offset, length))
            assert (ring.held, len(ring._ranges)) == (sum(size for _, size in held), len(held))


@given(count=st.integers(1, 20), size=st.integers(1, 1 << 18))
def test_the_memory_of_a_reader_that_keeps_up_is_used_again(count, size):
    ring, most = Ring(), 0
    for _ in range(count * 20):
        most = max(most, ring.take(size) + size)
        ring.give_back()
    assert most == size


@given(parts=st.lists(st.binary(max_size=50), max_size=1200), offset=st.integers(0, 5000))
def test_what_is_written_is_what_is_read(parts, offset):
    file = shared_file()
    try:
        write_all(file, parts, offset)
        buffers = [bytearray(len(part)) for part in parts]
        read_all(file, buffers, offset)
        assert buffers == parts
        with pytest.raises(OSError, match="ends too early"):
            read_all(file, [bytearray(sum(map(len, parts)) + 1)], offset)
    finally:
        os.close(file)
