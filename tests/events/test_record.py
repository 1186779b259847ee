"""A record makes its object and its bytes once each, and only when asked."""

from __future__ import annotations

import pytest

from riverrun.base.errors import NodeError, ProtocolFault
from riverrun.events.codec import encode
from riverrun.events.kinds import Custom
from riverrun.events.record import Record, lines
from tests.events.samples import RUN, SAMPLES


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: event.type)
def test_a_record_of_an_event_gives_its_bytes_once(event):
    record = Record(event.seq, event=event)
    assert event is record.event
    assert encode(event) == record.data
    assert record.data is record.data


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: event.type)
def test_a_record_of_bytes_gives_the_event_once(event):
    data = encode(event)
    record = Record(event.seq, data=data)
    assert data is record.data
    assert event == record.event
    assert record.event is record.event


def test_a_record_of_rubbish_is_refused_when_the_event_is_asked_for():
    record = Record(1, data=b"rubbish")
    assert b"rubbish" == record.data
    with pytest.raises(ProtocolFault):
        record.event  # noqa: B018 looking is what raises


def test_a_record_of_what_is_not_json_is_refused_when_the_bytes_are_asked_for():
    record = Record(1, event=Custom(seq=1, ts=1, run=RUN, node="n", exec="n:1", value=object()))
    with pytest.raises(NodeError):
        record.data  # noqa: B018 looking is what raises


def test_a_record_shows_its_seq_and_its_json():
    assert "Record(3, b'{}')" == repr(Record(3, data=b"{}"))


def test_the_bytes_of_many_are_those_of_each_whichever_of_them_were_made():
    records = [
        Record(event.seq, event) if place % 2 else Record(event.seq, data=encode(event))
        for place, event in enumerate(SAMPLES)
    ]
    assert [encode(event) for event in SAMPLES] == lines(records) == lines(records)
    assert [] == lines([])
