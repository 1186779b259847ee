"""A batch is its events' JSON, one line each, and nothing else passes for one."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import NodeError, StoreError
from riverrun.events.codec import encode
from riverrun.events.kinds import Custom
from riverrun.stores.batch import pack, unpack


def custom(seq, value):
    return Custom(seq=seq, ts=1, run="r", node="n", exec="n:1", value=value)


@given(values=st.lists(st.text(), min_size=1, max_size=5), first=st.integers(1, 1000))
def test_a_batch_survives_the_round_trip(values, first):
    lines = [encode(custom(first + index, value)) for index, value in enumerate(values)]
    records = unpack(first, first + len(lines) - 1, pack(lines))
    assert lines == [record.data for record in records]
    assert values == [getattr(record.event, "value", None) for record in records]
    assert [record.event.seq for record in records] == [record.seq for record in records]


def test_ready_made_json_with_a_line_break_is_refused():
    line = encode(custom(2, msgspec.Raw(b'{"a":\n1}')))
    with pytest.raises(NodeError, match="E3008"):
        pack([line])


@pytest.mark.parametrize("body", [b"", b"{}", b"{}\n{}\n{}", b"\0\n{}", b"{\r}\n{}"])
def test_a_batch_that_does_not_hold_what_its_row_says_is_damage(body):
    with pytest.raises(StoreError, match=r"E4003.*5\.\.6"):
        unpack(5, 6, body)
