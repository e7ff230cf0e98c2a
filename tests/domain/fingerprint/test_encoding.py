"""The encoding of plain values: the same for the same value, and another for any other."""

from __future__ import annotations

import struct

import attrs
from hypothesis import given
from hypothesis import strategies as st

from amorsize.domain.fingerprint.encoding import constant, encode, framed


class HostileInt(int):
    __index__ = None


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.binary()
    | st.just(...)
    | st.builds(range, st.integers()),
    lambda inner: st.tuples(inner, inner) | st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=8,
)


def _same(one, other):
    if type(one) is not type(other):
        return False
    if type(one) is tuple:
        return len(one) == len(other) and all(map(_same, one, other))
    if type(one) is frozenset:
        return sorted(map(constant, one)) == sorted(map(constant, other))
    if type(one) in (float, complex):
        return repr(one) == repr(other)
    if type(one) is range:
        return (one.start, one.stop, one.step) == (other.start, other.stop, other.step)
    return one == other


@given(plain, plain)
def test_plain_values_share_an_encoding_exactly_if_they_are_the_same(one, other):
    assert (constant(one) == constant(other)) == _same(one, other)


@given(plain)
def test_what_is_small_is_encoded_as_a_constant_is(value):
    assert encode(value) in {None, constant(value)}


def test_two_nans_of_different_bits_differ():
    quiet, other = (struct.unpack("<d", struct.pack("<Q", bits))[0] for bits in (0x7FF8 << 48, (0x7FF8 << 48) + 1))
    assert constant(quiet) != constant(other)


@attrs.frozen
class Point:
    x: int


@given(one=st.lists(st.binary(max_size=3), max_size=4), other=st.lists(st.binary(max_size=3), max_size=4))
def test_parts_join_to_the_same_only_if_they_are_the_same(one, other):
    assert (framed(one) == framed(other)) is (one == other)
    assert framed([b"".join(one)]) != framed(one) or len(one) == 1


def test_values_of_other_types_have_no_encoding():
    for value in ([], {}, Point(1), (Point(1),), ((1, [2]),), HostileInt(3), range):
        assert encode(value) is None
        assert constant(value) is None
    assert constant(slice(1, None)) != constant(slice(1, 2))
