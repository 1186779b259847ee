"""A packed log gives back the same events, or is not packed."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.events.kinds import Custom
from riverrun.events.record import Record
from riverrun.stores import packs
from riverrun.stores.packs import pack_all
from riverrun.testing.store_model import make_events

KINDS = ["chunk", "chunk", "chunk", "odd", "asked", "called", "interrupted"]


@pytest.fixture(autouse=True, scope="module")
def small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packs, "PACK_EVENTS", 7)
        yield


def log(first, kinds):
    return [Record(event.seq, event) for event in make_events("r", first, kinds)]


@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=40),
    floor=st.integers(0, 5),
    after=st.integers(0, 50),
    limit=st.integers(0, 50),
)
def test_every_page_is_as_before(kinds, floor, after, limit):
    records = log(floor + 1, kinds)
    packed = pack_all(records)
    assert packed is not None
    after = floor + after % (len(kinds) + 1)
    page = packed.page(after, limit)
    wanted = records[after - floor :][:limit]
    assert [(one.seq, one.data, one.event) for one in wanted] == [(one.seq, one.data, one.event) for one in page]


@dataclass
class Pair:
    a: int


class Unlike(dict[str, int]):
    def __eq__(self, other):
        raise TypeError(other)

    __hash__ = dict.__hash__


@pytest.mark.parametrize("value", [(1, 2), Pair(1), {1: 2}, object(), float("nan"), {"deep": [(1,)]}, Unlike(a=1)])
def test_what_would_come_back_as_something_else_is_not_packed(value):
    records = log(1, ["chunk"])
    records.append(Record(2, Custom(seq=2, ts=1, run="r", node="n", exec="n:1", value=value)))
    assert pack_all(records) is None


def test_ready_made_json_is_not_packed_where_it_would_become_an_object():
    assert pack_all([Record(1, Custom(seq=1, ts=1, run="r", node="n", exec="n:1", value=msgspec.Raw(b"[1]")))]) is None
