"""The parser does what the WHATWG algorithm does on any bytes in any pieces, and the encoder cannot be broken into."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from riverrun.base.errors import NodeError, ProtocolFault
from riverrun.events.codec import decode
from riverrun.events.kinds import Custom, NodeChunk
from riverrun.events.record import Record
from riverrun.wire import sse
from riverrun.wire.sse import Block, Parser
from tests.events.samples import RUN, SAMPLES
from tests.wire.whatwg import Interpreted, interpret

LOG = "0a1b2c3d"

FIELDS = [b"data", b"id", b"event", b"retry", b"unknown", b":", b": ", b" ", b"x", b"007", b"12x", b"\0"]
ENDS = [b"\n", b"\n\n", b"\r", b"\r\n", b"\r\n\r\n"]
UTF_8 = [b"\xef\xbb\xbf", b"\xef\xbb", b"\xe4\xb8\x96", b"\xf0\x9f\x91", b"\xff", b"\x80", b"\xc2\x85"]
LINES = [b"data: a\n\n", b"id: 1.1\n", b"id\n", b"data\n", b"retry: 500\n", b": hb\n\n", b"event: close\r\n"]

tokens = st.sampled_from([*FIELDS, *ENDS, *UTF_8, *LINES])
bodies = st.lists(tokens | st.binary(max_size=3), max_size=30).map(b"".join)


def cut(body, places):
    """Cut a body into pieces; some may be empty."""
    bounds = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [body[start:end] for start, end in pairwise(bounds)]


def parse(pieces):
    parser = Parser()
    blocks = [(block.id, block.event, block.data) for piece in pieces for block in parser.feed(piece)]
    return Interpreted(blocks, parser.last_id, parser.retry_ms, parser.heartbeats)


# --- in ---


@given(body=bodies, places=st.lists(st.integers(0, 200), max_size=6))
@example(body=b"\xef\xbb\xbfdata: x\r\n\r\n", places=[1, 2, 11])
@example(body=b"data: x\r\n\r\n", places=[8, 9, 10])
@example(body=b"data:x\r\r", places=[7])
@example(body=b"data: \xe4\xb8\x96\xf0\x9f\x91\n\n", places=[7, 8, 10])
@example(body=b"retry: " + b"9" * 5000 + b"\n\n", places=[])
@example(body=b"\xef\xbb\xbf\xef\xbb\xbfdata: x\n\n", places=[3])
@settings(max_examples=400)
@pytest.mark.slow
def test_any_bytes_in_any_pieces_mean_what_the_standard_says(body, places):
    assert interpret(body) == parse(cut(body, places))


def test_a_stream_fed_byte_by_byte_means_the_same():
    body = "retry: 5\r\nid: é\r\n\r\n: hb\n\ndata: 世\r\ndata: 界\r\revent: close\ndata: {}\n\ndata: cut".encode()
    assert interpret(body) == parse([body[at : at + 1] for at in range(len(body))])


@pytest.mark.parametrize(
    ("body", "blocks"),
    [
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [Block("", "message", "YHOO\n+2\n10")]),
        (b"data\n\ndata\ndata\n\ndata:", [Block("", "message", ""), Block("", "message", "\n")]),
        (b"data:test\n\ndata: test\n\n", [Block("", "message", "test")] * 2),
        (b"id: 1\ndata: a\n\ndata: b\n\n", [Block("1", "message", "a"), Block("1", "message", "b")]),
        (b"id: 1\ndata: a\n\nid\ndata: b\n\n", [Block("1", "message", "a"), Block("", "message", "b")]),
        (b"id: 1\ndata: a\n\nid: 2\x003\ndata: b\n\n", [Block("1", "message", "a"), Block("1", "message", "b")]),
        (b"event: x\n\ndata: a\n\n", [Block("", "message", "a")]),
        (b"data:  two\n\n", [Block("", "message", " two")]),
        (b"Data: a\n data: a\ndata : a\n\n", []),
    ],
)
def test_the_examples_of_the_standard(body, blocks):
    assert blocks == Parser().feed(body)


def test_a_block_without_data_moves_the_place_and_tells_nothing():
    parser = Parser()
    assert [] == parser.feed(b"retry: 500\nid: 0a1b2c3d.7\n\n")
    assert ("0a1b2c3d.7", 500) == (parser.last_id, parser.retry_ms)


def test_an_id_counts_only_once_its_block_is_complete():
    parser = Parser()
    parser.feed(b"id: 1\ndata: a\n\nid: 2\ndata: b\n")
    assert "1" == parser.last_id


@pytest.mark.parametrize("value", [b"1000x", b"", b"-1", b"1.5", b" 1", "\u0661".encode()])
def test_a_bogus_retry_is_ignored(value):
    parser = Parser()
    parser.feed(b"retry: 3\nretry: " + value + b"\n\n")
    assert 3 == parser.retry_ms


def test_comments_are_counted():
    parser = Parser()
    parser.feed(b": hb\n\n:\n:x\ndata: a\n")
    assert 3 == parser.heartbeats


@given(size=st.integers(0, 40), limit=st.integers(8, 40), places=st.lists(st.integers(0, 60), max_size=4))
def test_an_event_over_the_limit_is_refused_however_it_is_cut(size, limit, places):
    body = b"data: a\n\ndata:" + b"x" * size + b"\n\n"

    def refused(pieces):
        parser = Parser(limit_bytes=limit)
        try:
            for piece in pieces:
                parser.feed(piece)
        except ProtocolFault:
            return True
        return False

    assert (5 + size > limit) == refused([body]) == refused(cut(body, places))


def test_lines_of_one_event_count_together_and_those_of_others_do_not():
    parser = Parser(limit_bytes=20)
    for _ in range(10):
        assert 1 == len(parser.feed(b"data: 1234567\ndata: 8\n\n"))
    with pytest.raises(ProtocolFault):
        parser.feed(b"data: 1234567\ndata: 1234567\ndata: 1234567\n\n")


def test_a_line_without_end_does_not_fill_memory():
    parser = Parser(limit_bytes=1000)
    for _ in range(10):
        parser.feed(b"x" * 100)
    with pytest.raises(ProtocolFault) as caught:
        parser.feed(b"x")
    assert "E5003" == caught.value.code


def test_a_very_long_event_in_small_pieces_costs_time_in_proportion():
    parser = Parser()
    for _ in range(20_000):
        parser.feed(b"x" * 100)
    assert [] == parser.feed(b"\n")
    assert [] == parser.feed(b"\n")


# --- out ---


def test_an_event_has_its_cursor_for_an_id():
    record = Record(7, data=b'{"a":1}')
    assert b'id: 0a1b2c3d.7\ndata: {"a":1}\n\n' == sse.encode_event(LOG, record)


def test_the_first_block_says_how_soon_and_where_to_come_back():
    assert b"retry: 500\nid: 0a1b2c3d.0\n\n" == sse.opening(LOG, 0)
    assert b"retry: 1000\nid: 0a1b2c3d.12\n\n" == sse.opening(LOG, 12, retry_ms=1000)


def test_a_page_is_its_events_one_after_another():
    records = [Record(event.seq, event=event) for event in SAMPLES]
    assert b"".join(sse.encode_event(LOG, record) for record in records) == sse.encode(LOG, records)
    assert b"" == sse.encode(LOG, [])


@given(
    values=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=8),
    places=st.lists(st.integers(0, 2000), max_size=5),
)
def test_what_was_encoded_is_parsed_again_whatever_the_text(values, places):
    events = [
        NodeChunk(seq=seq, ts=1, run=RUN, node="n", exec="n:1", message="m", value=value)
        for seq, value in enumerate(values, 1)
    ]
    records = [Record(event.seq, event=event) for event in events]
    body = sse.opening(LOG, 0) + sse.HEARTBEAT + sse.encode(LOG, records) + sse.close("rotated")
    *blocks, close = parse(cut(body, places)).events
    assert events == [decode(data) for _, _, data in blocks]
    assert [f"{LOG}.{event.seq}" for event in events] == [last_id for last_id, _, _ in blocks]
    assert (f"{LOG}.{len(events)}", "close", '{"reason":"rotated"}') == close


def test_a_heartbeat_is_a_comment_and_changes_no_place():
    parser = Parser()
    parser.feed(sse.opening(LOG, 3))
    assert [] == parser.feed(sse.HEARTBEAT)
    assert (1, f"{LOG}.3") == (parser.heartbeats, parser.last_id)


def test_a_reason_cannot_break_the_close_frame():
    (block,) = Parser().feed(sse.close("a\n\nid: evil\r"))
    assert (Block("", "close", r'{"reason":"a\n\nid: evil\r"}')) == block


@pytest.mark.parametrize("data", [b"{\n}", b"{\r}", b'{"a":"\0"}', b"{}\n\nid: 9.9"])
def test_an_event_that_would_break_the_stream_is_refused(data):
    with pytest.raises(ProtocolFault) as caught:
        sse.encode(LOG, [Record(1, data=b"{}"), Record(2, data=data)])
    assert "E5003" == caught.value.code


@pytest.mark.parametrize("log", ["", "a.b", "a\nb", "a\rb", "a\0b", "a b", "é", "a%d"])
def test_an_id_outside_its_alphabet_is_refused(log):
    for write in (lambda: sse.opening(log, 0), lambda: sse.encode(log, [Record(1, data=b"{}")])):
        with pytest.raises(ProtocolFault):
            write()


def test_a_value_that_is_not_json_is_refused_with_its_node():
    event = Custom(seq=1, ts=1, run=RUN, node="writer", exec="writer:1", value=object())
    with pytest.raises(NodeError):
        sse.encode_event(LOG, Record(1, event=event))
