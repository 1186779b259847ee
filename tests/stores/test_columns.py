"""Columns give back every line byte for byte, whatever the chunks are, and refuse what is no such batch."""

from __future__ import annotations

import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.events.codec import encode
from riverrun.events.kinds import Custom, NodeChunk
from riverrun.stores import columns
from riverrun.stores.columns import join, part
from tests.events.samples import SAMPLES
from tests.stores.test_batch import chunks as any_chunk
from tests.stores.test_batch import others as any_other


def chunk(seq, value="abcd", *, message="m", ts=1_763_600_000_000, start=None, **more):
    fields = {"node": "n", "exec": "n:1", "key": "k", **more}
    return NodeChunk(seq=seq, ts=ts, run="r", message=message, value=value, start=start, **fields)


def same(events, first=1):
    """Check that a batch is what it was, whole and in every part; give its body."""
    lines = [encode(event) for event in events]
    body = join(first, events, lines)
    assert lines == part(first, len(events), body, 0, len(events))
    for begin in range(0, len(events), 3):
        for end in (begin, begin + 1, len(events)):
            assert lines[begin:end] == part(first, len(events), body, begin, end)
    return body


def running(texts, message="m", first=1):
    """Make a stream of text as it is written, each chunk behind the one before."""
    events, start = [], 0
    for seq, text in enumerate(texts, first):
        events.append(chunk(seq, text, message=message, start=start, ts=1_763_600_000_000 + 3 * seq))
        start += len(text.encode("utf-16-le")) // 2
    return events


@given(
    made=st.lists(st.one_of(any_chunk, any_chunk, any_chunk, any_other), min_size=1, max_size=25),
    first=st.integers(1, 2**32),
)
def test_every_batch_is_what_it_was(made, first):
    same([make(seq) for seq, make in enumerate(made, first)], first)


@given(texts=st.lists(st.text(max_size=6), min_size=1, max_size=25))
def test_every_text_is_what_it_was(texts):
    same(running(texts))


def test_streams_beside_each_other_keep_their_starts():
    starts = dict.fromkeys("abc", 0)
    events = []
    for seq in range(1, 200):
        message = "abc"[seq * seq % 3]
        events.append(chunk(seq, "é" * (seq % 4), message=message, start=starts[message]))
        starts[message] += seq % 4
    events += [chunk(seq, {"n": seq}, message="d") for seq in range(200, 210)]
    events += [msgspec.structs.replace(sample, seq=seq) for seq, sample in enumerate(SAMPLES, 210)]
    same(events)


def test_of_a_chunk_its_text_is_left():
    body = same(running([f"{number:04x}" for number in range(2000)]))
    assert 2000 * 3 > len(body)


def test_starts_that_are_no_sum_are_kept():
    same([chunk(seq, start=start) for seq, start in enumerate((7, 0, -5, 2**59, 3, 2**62, None, 4), 1)])


def test_more_shapes_than_a_byte_can_name_are_kept():
    same([chunk(seq, message=f"m{seq}") for seq in range(1, 400)])


@pytest.mark.parametrize("ts", [2**60 + 1, -(2**70), 2.5, True, "1"])
def test_stamps_that_are_none_are_kept(ts):
    same([*running(["abcd"] * 5), chunk(6, ts=ts), chunk(7)])


@pytest.mark.parametrize("raw", [b'"a\x01b"', b"[1,\x01]", b'"', b"", b'""'])
def test_ready_made_json_is_kept_as_it_is(raw):
    same([*running(["abcd"] * 3), *(chunk(seq, msgspec.Raw(raw)) for seq in (4, 5))])


def test_a_value_that_looks_like_a_line_is_kept():
    same([chunk(seq, '","start":4}\x01\n"', start=4 * seq) for seq in range(1, 9)])


def test_lines_that_are_not_what_the_events_say_are_kept():
    events = running(["abcd"] * 4)
    lines = [b'{"a":1}', b"", encode(events[2]), b'{"seq":4}']
    assert lines == part(1, 4, join(1, events, lines), 0, 4)


def test_what_columns_would_not_give_back_is_kept_as_lines(monkeypatch):
    monkeypatch.setattr(columns, "_unforetold", lambda _chunks: [])
    same(running(["é", "😀", "a"]))


# --- what another program wrote ---


def form(shapes=(), which=b"", times=(), values=b"", lengths=(), others=()):
    return zlib.compress(msgspec.msgpack.encode([shapes, which, times, values, lengths, others]))


SHAPE = (b'{"seq":', b',"v":', b',"start":', 0)
BARE = (b'{"seq":', b',"v":', b"}", None)


def test_a_form_made_by_hand_is_read():
    body = form([SHAPE, BARE], b"\0\1\0", [5, 1, 1], b"x\1y\1z", [0, 7], [(1, b"{}")])
    assert [b'{"seq":9,"ts":5,"v":x,"start":0}', b"{}", b'{"seq":11,"ts":6,"v":y}',
            b'{"seq":12,"ts":7,"v":z,"start":7}'] == part(9, 4, body, 0, 4)  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        zlib.compress(b""),
        zlib.compress(b"\x91" * 100_000),
        form([SHAPE], b"", [1, 1], b"x\1y")[:-1],
        form([SHAPE], b"", [1, 1], b"x\1y") + b"x",
        form([SHAPE], b"", [1, 1, 1], b"x\1y\1z"),
        form([SHAPE], b"", [1], b"x"),
        form([SHAPE], b"", [1, 1], b"x"),
        form([SHAPE], b"", [1, 1], b"x\1y\1z"),
        form([], b"", [1, 1], b"x\1y"),
        form([SHAPE, BARE], b"", [1, 1], b"x\1y"),
        form([SHAPE, BARE], b"\0", [1, 1], b"x\1y"),
        form([SHAPE, BARE], b"\0\2", [1, 1], b"x\1y"),
        form([SHAPE], b"", [1, 1], b"x\1y", [1]),
        form([SHAPE], b"", [1, 1], b"x\1y", [2, 1]),
        form([SHAPE], b"", [1, 1], b"x\1y", [-1, 1]),
        form([SHAPE], b"", [1, 1], b"x\1\n"),
        form([SHAPE], b"", [1, 1], b"x\1\r"),
        form([(b"\n", *SHAPE[1:])], b"", [1, 1], b"x\1y"),
        form([SHAPE], b"", [1], b"x", (), [(2, b"{}")]),
        form([SHAPE], b"", [1], b"x", (), [(-1, b"{}")]),
        form([SHAPE], b"", [], b"", (), [(1, b"{}"), (0, b"{}")]),
        form([SHAPE], b"", [], b"", (), [(1, b"{}"), (1, b"{}")]),
        form([SHAPE], b"", [1], b"x", (), [(0, b"{}\n{}")]),
        form([(b"x" * 1_000_000, *SHAPE[1:])], b"", [1] * 1000, b"\1" * 999),
        zlib.compress(b"\0" * 100_000_000),
        zlib.compress(msgspec.msgpack.encode([[], b"", [], b"", [], [], 1])),
        zlib.compress(msgspec.msgpack.encode([[SHAPE], "", [], b"", [], []])),
    ],
    ids=range(29),
)
def test_what_is_no_such_batch_is_refused(body):
    with pytest.raises(ValueError, match=r"."):
        part(5, 2, body, 0, 2)


@given(body=st.binary(max_size=200))
def test_rubbish_is_refused(body):
    for one in (body, zlib.compress(body)):
        with pytest.raises(ValueError, match=r"."):
            part(5, 2, one, 0, 2)


@pytest.mark.parametrize("size", [1, 3, 2**60, 0, -1])
def test_a_row_that_says_it_holds_another_number_is_refused(size):
    with pytest.raises(ValueError, match="number"):
        part(5, size, form([SHAPE], b"", [1, 1], b"x\1y"), 0, size)


# --- what was unfolded last ---


def test_what_is_kept_unfolded_is_bounded():
    recent = columns._Recent(limit=2, body_bytes=100)
    sheets = [columns._Sheet([], b"", [], [b"x" * size] * 2, None, []) for size in (10, 10, 10, 60)]
    for name, sheet in zip((b"a", b"b", b"c", b"large"), sheets, strict=True):
        assert sheet is recent.put(name, sheet)
    assert [None, sheets[1], sheets[2], None] == [recent.get(name) for name in (b"a", b"b", b"c", b"large")]


def test_reading_the_same_batch_again_unfolds_it_once(monkeypatch):
    body, unfold, unfolded = same(running(["abcd"] * 50)), columns._unfold, list[bytes]()

    def noted(one):
        unfolded.append(one)
        return unfold(one)

    monkeypatch.setattr(columns, "_recent", columns._Recent(limit=2, body_bytes=1000))
    monkeypatch.setattr(columns, "_unfold", noted)
    for begin in range(50):
        part(1, 50, body, begin, begin + 1)
    assert [body] == unfolded


def test_an_event_of_another_kind_among_chunks_is_a_line():
    same([Custom(seq=1, ts=1, run="r", node="n", exec="n:1", value="x"), *running(["a", "b"], first=2)])


def test_numbers_beyond_all_bounds_are_only_numbers():
    body = form([(*SHAPE[:3], 2**63)], b"", [2**63, 2**63], b"x\1y", [0, 2**63])
    assert b'{"seq":6,"ts":%d,"v":y,"start":%d}' % (2**64, 2**64) == part(5, 2, body, 1, 2)[0]
