"""A checksum tells a row that is not what was written, whatever part of it changed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from riverrun.stores.checksum import batch_name, checksum, fits


@given(body=st.binary(min_size=1), bit=st.integers(0, 10_000), numbers=st.tuples(*[st.integers(0, 2**63 - 1)] * 3))
def test_one_bit_that_fell_over_is_found(body, bit, numbers):
    name = batch_name(*numbers)
    crc = checksum(name, body)
    assert -(2**31) <= crc < 2**31
    assert fits(crc, name, body)
    other = bytearray(body)
    other[bit // 8 % len(body)] ^= 1 << bit % 8
    assert not fits(crc, name, bytes(other))
    assert not fits(crc ^ 1, name, body)


@given(numbers=st.tuples(*[st.integers(0, 2**40)] * 3), place=st.integers(0, 2))
def test_a_body_in_the_place_of_another_is_found(numbers, place):
    others = [*numbers]
    others[place] += 1
    assert not fits(checksum(batch_name(*numbers), b"x"), batch_name(*others), b"x")


def test_a_row_from_before_there_were_checksums_is_taken():
    assert fits(None, b"", b"anything")
