"""What travels through shared memory comes back equal, and as writable as it was."""

from __future__ import annotations

import os
import pickle
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amorsize.execution.out_of_band import LARGE_BYTES, pack, read, size_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is shared on Linux only")

THINGS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda parts: st.lists(parts) | st.tuples(parts, parts) | st.dictionaries(st.text(max_size=3), parts),
    max_leaves=10,
)


def through(thing, offset=0):
    from amorsize.processes.memory import shared_file, write_all  # noqa: PLC0415

    file = shared_file()
    try:
        parts = pack(thing)
        write_all(file, parts, offset)
        return read(file, offset, size_of(parts))
    finally:
        os.close(file)


@given(thing=THINGS, offset=st.integers(0, 10_000))
def test_a_thing_comes_back_equal(thing, offset):
    assert through(thing, offset) == thing


@given(
    sizes=st.lists(st.sampled_from([0, 1, LARGE_BYTES - 1, LARGE_BYTES, 3 * LARGE_BYTES + 5]), max_size=5),
    read_only=st.booleans(),
)
def test_arrays_come_back_as_writable_as_pickle_makes_them(sizes, read_only):
    arrays = [np.arange(size, dtype=np.uint8) for size in sizes]
    for each in arrays:
        each.flags.writeable = not read_only
    back = through(arrays)
    assert all(np.array_equal(one, other) for one, other in zip(back, arrays, strict=True))
    assert not any(np.shares_memory(one, other) for one, other in zip(back, arrays, strict=True) if len(one))
    if not read_only:
        for each in back:
            each[:] = 1


@pytest.mark.parametrize("size", [10, LARGE_BYTES, 5 * LARGE_BYTES])
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_buffers_come_back_as_what_they_were(kind, size):
    (back,) = through([pickle.PickleBuffer(kind(size))])
    assert (bytes(back), memoryview(back).readonly) == (bytes(size), kind is bytes)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_matrix_comes_back_in_its_order(order):
    matrix = np.asarray(np.random.default_rng(1).random((300, 200)), order=order)
    back = through((matrix, [matrix]))
    assert back[0] is back[1][0]
    assert np.array_equal(back[0], matrix)
    assert back[0].flags[f"{order}_CONTIGUOUS"]


def test_what_does_not_pickle_says_so():
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        pack([lambda: 0])
