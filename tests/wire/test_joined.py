"""Joined chunks stand for the same events: the same view at every border, each seq once, and apart again the same."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import ProtocolFault
from riverrun.events.codec import decode, encode
from riverrun.events.kinds import Custom, Event, NodeChunk, NodeRetrying, RunCompleted, RunStarted, text_length
from riverrun.events.record import Record
from riverrun.log.view import View
from riverrun.wire.joined import KIND, events_of, join

RUN = "a" * 32
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.one_of(WORDS, WORDS, WORDS, st.integers(), st.dictionaries(WORDS, st.integers(), max_size=2))


@st.composite
def logs(draw):
    """A whole log: chunks of three messages mixed as parallel nodes mix them, other events, and text taken back."""
    events: list[Event] = [RunStarted(seq=1, ts=1, run=RUN, graph="g", log="abcdabcd")]
    lengths: dict[str, int | None] = {}
    attempts = dict.fromkeys("abc", 1)
    for _ in range(draw(st.integers(0, 30))):
        name = draw(st.sampled_from("aaabbc"))
        seq, exec_id = len(events) + 1, f"{name}:1"
        node: dict[str, Any] = {"seq": seq, "ts": seq, "run": RUN, "node": name, "exec": exec_id}
        node["attempt"] = attempts[name]
        step = draw(st.sampled_from(["chunk"] * 8 + ["custom", "retry"]))
        if step == "chunk":
            value, start = draw(VALUES), lengths.get(name, 0)
            if not isinstance(value, str):
                start = None
            lengths[name] = None if start is None else start + text_length(value)
            events.append(NodeChunk(message=f"{exec_id}/text", key="text", value=value, start=start, **node))
        elif step == "custom":
            events.append(Custom(name="chunk", value='"node.chunk"', **node))
        else:
            attempts[name] += 1
            lengths[name] = 0
            events.append(NodeRetrying(voids=(f"{exec_id}/text",), **{**node, "attempt": attempts[name]}))
    if draw(st.booleans()):
        events.append(RunCompleted(seq=len(events) + 1, ts=9, run=RUN))
    return events


def records(events):
    return [Record(event.seq, None, encode(event)) for event in events]


def covered(record):
    told = msgspec.json.decode(record.data)
    return (told["from"], told["seq"]) if told["type"] == KIND else (told["seq"], told["seq"])


def seen(view):
    messages = {name: (message.text, message.length, message.key) for name, message in view.messages.items()}
    pieces = {name: message.chunks for name, message in view.messages.items()}
    return (view.place, messages, pieces, view.nodes, view.ending, view.voided, view.chunks)


@given(logs(), st.integers(1, 3000))
def test_a_joined_log_covers_every_seq_once_and_leads_to_the_same_view_at_every_border(events, limit):
    place, one, other, left = 0, View(), View(), list(events)
    for record in join(records(events), limit):
        first, last = covered(record)
        assert (place + 1, last) == (first, record.seq)
        place = last
        for event in events_of(record.data):
            one.apply(event)
        while left and left[0].seq <= last:
            other.apply(left.pop(0))
        assert seen(other) == seen(one)
    assert len(events) == place


@given(logs(), st.integers(1, 3000))
def test_taken_apart_the_events_are_the_same_but_for_their_times(events, limit):
    apart = [event for record in join(records(events), limit) for event in events_of(record.data)]
    assert [msgspec.structs.replace(event, ts=0) for event in events] == [
        msgspec.structs.replace(event, ts=0) for event in apart
    ]


@given(logs(), st.integers(200, 3000))
def test_a_joined_object_is_bounded_and_smaller_than_what_it_stands_for(events, limit):
    before = {record.seq: len(record.data) for record in records(events)}
    for record in join(records(events), limit):
        first, last = covered(record)
        sizes = [before[seq] for seq in range(first, last + 1)]
        assert len(record.data) <= max(limit, *sizes)
        assert len(sizes) == 1 or len(record.data) < sum(sizes)


@given(logs(), st.integers(1, 3000))
def test_what_is_joined_could_not_be_joined_further_unless_it_were_too_large(events, limit):
    before = {record.seq: len(record.data) for record in records(events)}
    whole = join(records(events), limit)
    chunks = {event.seq for event in events if isinstance(event, NodeChunk)}
    for one, other in pairwise(whole):
        if one.seq in chunks and covered(other)[0] in chunks:
            size = sum(before[seq] for seq in range(covered(one)[0], one.seq + 1))
            assert size + before[covered(other)[0]] > limit


def test_the_stretch_of_one_message_is_one_text():
    texts = ["héllo ", "👩‍👩‍👧", " 世界"]
    events, start = [], 0
    for seq, text in enumerate(texts, 5):
        events.append(NodeChunk(seq=seq, ts=seq, run=RUN, node="n", exec="n:1", message="m", value=text, start=start))
        start += text_length(text)
    (joined,) = join(records(events), 10_000)
    assert {
        "type": KIND,
        "from": 5,
        "seq": 7,
        "ts": 7,
        "run": RUN,
        "chunks": [
            {
                "node": "n",
                "exec": "n:1",
                "message": "m",
                "start": 0,
                "value": "".join(texts),
                "seqs": [5, 6, 7],
                "sizes": [6, 8, 3],
            }
        ],
    } == msgspec.json.decode(joined.data)


def test_a_chunk_with_a_field_of_a_newer_version_stays_whole():
    data = [
        b'{"type":"node.chunk","seq":%d,"ts":1,"run":"r","node":"n","exec":"n:1","message":"m","value":"a","start":%d%s}'
        % (seq, seq - 1, more)
        for seq, more in ((1, b""), (2, b',"newer":1'), (3, b""), (4, b""))
    ]
    out = join([Record(seq, None, each) for seq, each in enumerate(data, 1)], 10_000)
    assert [1, 2, 4] == [record.seq for record in out]
    assert data[1] == out[1].data


def test_an_event_that_was_not_joined_is_read_as_it_is():
    event = RunCompleted(seq=3, ts=9, run=RUN)
    assert [event] == events_of(encode(event))
    newer = b'{"type":"newer","seq":3,"ts":9,"run":"r"}'
    assert [decode(newer)] == events_of(newer)


PIECE: dict[str, Any] = {"node": "n", "exec": "n:1", "message": "m", "start": 0}


@pytest.mark.parametrize(
    "change",
    [
        {"from": 1},
        {"from": 3},
        {"seq": 4},
        {"chunks": []},
        {"chunks": "no"},
        {"chunks": [{**PIECE, "value": "ab", "seqs": [2], "sizes": [1]}]},
        {"chunks": [{**PIECE, "value": "ab", "seqs": [2, 3], "sizes": [2]}]},
        {"chunks": [{**PIECE, "value": "ab", "seqs": [2, 3]}]},
        {"chunks": [{**PIECE, "value": "ab", "seqs": [2, 2], "sizes": [1, 1]}]},
        {"chunks": [{**PIECE, "value": "ab", "seqs": [2, 3], "sizes": [3, -1]}]},
        {"chunks": [{**PIECE, "value": "🌊", "seqs": [2, 3], "sizes": [1, 1]}]},
        {"chunks": [{**PIECE, "value": 1, "seqs": [2, 3], "sizes": [1, 1]}]},
    ],
    ids=str,
)
def test_what_does_not_hang_together_is_refused(change):
    good = {"type": KIND, "from": 2, "seq": 3, "ts": 1, "run": RUN}
    good["chunks"] = [{**PIECE, "value": "ab", "seqs": [2, 3], "sizes": [1, 1]}]
    assert ["a", "b"] == [event.value for event in events_of(msgspec.json.encode(good)) if isinstance(event, NodeChunk)]
    with pytest.raises(ProtocolFault, match="E5003"):
        events_of(msgspec.json.encode(good | change))


CASES = msgspec.yaml.decode((Path(__file__).parents[2] / "conformance" / "joined.yaml").read_bytes())["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_case_of_conformance_holds(case):
    frame = msgspec.json.encode(case["frame"])
    if "error" in case:
        with pytest.raises(ProtocolFault) as caught:
            events_of(frame)
        assert case["error"] == caught.value.code
    else:
        assert case["events"] == [msgspec.json.decode(encode(event)) for event in events_of(frame)]
