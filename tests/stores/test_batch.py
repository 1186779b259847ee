"""A batch gives back its events' JSON as the encoder made it, small or not, and nothing else passes for one."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import NodeError, StoreError
from riverrun.events.codec import decode, encode
from riverrun.events.kinds import Custom, NodeChunk, NodeCompleted, NodeRetrying, NodeStarted, RunStopped, Unknown
from riverrun.log.store import RunKey
from riverrun.stores.batch import book_of, pack, unpack
from riverrun.stores.phrases import Book, Books
from tests.events.samples import SAMPLES

KEY = RunKey("acme", "r")
BOOK = [b'}\n{"type":"node.chunk","seq":']


def custom(seq, value):
    return Custom(seq=seq, ts=1, run="r", node="n", exec="n:1", value=value)


def nowhere(seq):
    raise ValueError(seq)


def a_chunk(fields, seq):
    return NodeChunk(seq=seq, **{"value": "abcd", **fields})


names = st.sampled_from(["a", "b", "write", 'q"\\\n\x01\x02', "é\u2028", "😀"])
texts = st.text() | st.sampled_from(
    ["abcd", "\x01", '","start":', "}\n{", '}\n{"type":"node.chunk","seq":', "\r\n", "😀"]
)
values = st.recursive(
    texts | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
stamps = st.integers(1_763_599_999_990, 1_763_600_000_010) | st.integers(-(2**70), 2**70)
chunks = st.fixed_dictionaries(
    {"run": st.sampled_from(["r", "r", "other"]), "node": names, "exec": names, "message": names, "ts": stamps},
    optional={
        "value": values,
        "key": st.none() | names,
        "start": st.none() | st.integers(0, 2000) | st.integers(-(2**70), 2**70),
        "attempt": st.integers(1, 3),
        "agent": st.none() | names,
        "ns": st.lists(names, max_size=2).map(tuple),
        "unknown": st.dictionaries(st.sampled_from(["new", "newer"]), values, max_size=1),
    },
).map(lambda fields: partial(a_chunk, fields))
plain = st.tuples(texts, stamps).map(
    lambda parts: lambda seq: NodeChunk(seq=seq, run="r", node="a", exec="a:1", message="a:1.k", key="k", start=4 * seq,
                                        value=parts[0], ts=parts[1])
)  # fmt: skip
others = st.sampled_from([
    lambda seq: custom(seq, "a\n\r\u2028\0'\"\\😀é"),
    lambda seq: NodeStarted(seq=seq, ts=1, run="r", node="a", exec="a:1"),
    lambda seq: NodeCompleted(seq=seq, ts=1, run="r", node="a", exec="a:1", writes=({"k": [1, 2.5]},)),
    lambda seq: NodeRetrying(seq=seq, ts=1, run="r", node="a", exec="a:1", attempt=2, voids=("a",)),
    lambda seq: RunStopped(seq=seq, ts=1, run="r", reason="x", steps=3, partial=("a",)),
    lambda seq: Unknown(seq=seq, ts=1, run="r", kind="node.newer", unknown={"value": "x", "start": 4}),
    *(lambda seq, event=event: msgspec.structs.replace(event, seq=seq) for event in SAMPLES),
])  # fmt: skip
batches = st.lists(st.lists(chunks | plain | plain | others, min_size=1, max_size=12), min_size=1, max_size=4)


@given(made=batches, first=st.integers(1, 2000))
@pytest.mark.slow
def test_every_batch_reads_byte_for_byte_as_the_encoder_writes_it(made, first):
    books, known = Books(), {}
    for makers in made:
        events = [make(seq) for seq, make in enumerate(makers, first)]
        last, packed = events[-1].seq, pack(KEY, events, books)
        lines = [encode(event) for event in events]
        assert lines == packed.lines
        bodies = [packed.body()]
        if packed.book is not None:
            known[last] = book_of(packed.body())
            bodies.append(packed.body(known_at=last))
        for body in bodies:
            records = unpack(first, last, body, known.__getitem__)
            assert lines == [record.data for record in records]
            assert [event.seq for event in events] == [record.seq for record in records]
        first = last + 1


@given(makers=st.lists(plain, min_size=20, max_size=30))
@pytest.mark.slow
def test_what_is_read_from_a_batch_are_its_events(makers):
    events = [make(seq) for seq, make in enumerate(makers, 500)]
    packed = pack(KEY, events, Books())
    assert packed.body()[:1] == b"\x01"
    records = unpack(500, events[-1].seq, packed.body(), nowhere)
    assert [decode(encode(event)) for event in events] == [record.event for record in records]


def test_a_batch_without_chunks_is_plain_json():
    packed = pack(KEY, [custom(1, "a"), custom(2, "b")], Books())
    assert b"\n".join(packed.lines) == packed.body() == packed.body(known_at=1)
    with pytest.raises(ValueError, match="Expected"):
        book_of(packed.body())


@pytest.mark.parametrize("raw", [b'{"a":\n1}', b'{"a":\r1}'])
def test_ready_made_json_with_a_line_break_is_refused(raw):
    with pytest.raises(NodeError, match="E3008"):
        pack(KEY, [custom(2, msgspec.Raw(raw))], Books())


@pytest.mark.parametrize("raw", [b'{"a":\t1}', b'[ 1,\t"\x7f"]'])
def test_ready_made_json_is_kept_as_it_is(raw):
    events = [
        NodeChunk(seq=seq, ts=1, run="r", node="n", exec="n:1", message="m", value=msgspec.Raw(raw)) for seq in (2, 3)
    ]
    packed = pack(KEY, events, Books())
    assert packed.lines == [record.data for record in unpack(2, 3, packed.body(), nowhere)]


@pytest.mark.parametrize(
    "odd", [{"ts": "1"}, {"message": []}, {"start": "x"}, {"ts": 2.5}, {"seq": True}, {"start": True}]
)
def test_fields_of_another_type_are_written_as_the_encoder_writes_them(odd):
    fields = {"ts": 1, "run": "r", "node": "n", "exec": "n:1", "message": "m", "value": "v", "start": 4, **odd}
    books = Books()
    for count in (1, 20):
        events = [NodeChunk(**{"seq": seq, **fields}) for seq in range(1, count + 1)]
        packed = pack(KEY, events, books)
        assert [encode(event) for event in events] == packed.lines
        assert packed.lines == [record.data for record in unpack(1, count, packed.body(), nowhere)]


def form(book, text=b"", ends=()):
    return b"\x01" + msgspec.msgpack.encode([book, text, list(ends)])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"{}\n{}\n{}",
        b"\0\n{}",
        b"{\r}\n{}",
        b"\x02",
        b"\x01",
        b"\x01rubbish",
        b"\x01" + b"\x91" * 100_000,
        form(BOOK, b"\x015}\n{}")[:-1],
        form(BOOK, b"\x015}\n{}") + b"x",
        form(BOOK, b"\x015}"),
        form(BOOK, b"\x015}\n{}\n{}"),
        form(BOOK, b"\x015}\n{}\r"),
        form(BOOK, b"{}\n{}"),
        form(BOOK, b"\x015}\n{}", [b"x"]),
        form(BOOK, b"\x01" * 100_000_000),
        form([], b"}\n{}\n{}"),
        form([b"\x01\x01"], b"}\n{}\n{}\x01"),
        form([b"x"] * 30, b"}\n{}\n{}"),
        form(["x", 1], b"}\n{}\n{}"),
        form(9, b"}\n{}\n{}"),
        form(-9, b"}\n{}\n{}"),
        form(2**64 - 1, b"}\n{}\n{}"),
        form(None, b"}\n{}\n{}"),
    ],
    ids=range(25),
)
def test_a_batch_that_does_not_hold_what_its_row_says_is_damage(body):
    with pytest.raises(StoreError, match=r"E4003.*5\.\.6"):
        unpack(5, 6, body, nowhere)


def test_a_row_that_says_it_holds_more_than_there_is_is_damage():
    for first, last in [(5, 2**60), (-(2**60), 6), (7, 6)]:
        with pytest.raises(StoreError, match="E4003"):
            unpack(first, last, form(BOOK, b"\x015}\n{}"), nowhere)
    with pytest.raises(StoreError, match="E4003"):
        unpack(7, 6, b"\x01", nowhere)


@given(body=st.binary().map(lambda tail: b"\x01" + tail))
def test_rubbish_is_damage_and_nothing_else(body):
    with pytest.raises(StoreError, match="E4003"):
        unpack(5, 6, body, nowhere)


@given(cut=st.integers(0, 400), byte=st.integers(0, 255))
def test_a_changed_byte_gives_damage_or_as_many_lines(cut, byte):
    events = [
        NodeChunk(seq=seq, ts=1, run="r", node="n", exec="n:1", message="m", value="v", start=seq) for seq in range(9)
    ]
    body = bytearray(pack(KEY, events, Books()).body())
    body[cut % len(body)] = byte
    with suppress(StoreError):
        assert 9 == len(unpack(0, 8, bytes(body), nowhere))


def test_a_book_that_is_elsewhere_cannot_be_read_from_here():
    with pytest.raises(ValueError, match="elsewhere"):
        book_of(form(9))
    assert tuple(BOOK) == book_of(form(BOOK)).phrases
    text = b'\x015,"ts":1}\n{}'
    records = unpack(5, 6, form(3, text), {3: Book(BOOK)}.__getitem__)
    assert [b'{"type":"node.chunk","seq":5,"ts":1}', b"{}"] == [record.data for record in records]
