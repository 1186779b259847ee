"""The words of Durable Streams: what is written can be read back, and nothing in a piece breaks a frame."""

from __future__ import annotations

import base64
import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from riverrun.base.errors import CursorError, InputError
from riverrun.wire import durable
from riverrun.wire.durable import Form
from riverrun.wire.sse import Parser
from tests.wire.whatwg import interpret

PLACES = st.integers(0, 10**16 - 1)
EPOCH_MS = 1_728_432_000_000
TEXTS = st.text(st.sampled_from("ab :\r\n\0é🌊data") | st.characters(codec="utf-8"), min_size=1)


@given(PLACES, PLACES)
def test_offsets_have_the_order_of_their_places_and_can_be_read_back(one, two):
    assert (one < two) == (durable.offset(one) < durable.offset(two))
    assert one == durable.parse_offset(durable.offset(one))


@pytest.mark.parametrize("start", ["-1", "0" * 16, "0" * 16 + "_" + "0" * 16])
def test_the_beginning_has_three_names_and_the_end_one(start):
    assert 0 == durable.parse_offset(start)
    assert None is durable.parse_offset("now")


@given(st.text())
@example("")
@example("1")
@example("0000000000000001_0000000000000000")
@example("00000000000000001")
@example("\N{ARABIC-INDIC DIGIT ONE}" * 16)
def test_what_is_no_offset_is_refused(text):
    if re.fullmatch("[0-9]{16}", text) or text in ("-1", "now"):
        return
    with pytest.raises(CursorError, match="E2007"):
        durable.parse_offset(text)


@given(st.integers(0, 2**45), st.none() | st.integers(0, 10**14), st.floats(0, 1, exclude_max=True))
def test_a_cursor_is_never_one_that_the_reader_has(now_ms, known, chance):
    made = int(durable.cursor(now_ms, None if known is None else str(known), chance))
    interval = max(0, now_ms - EPOCH_MS) // 20_000
    assert made >= interval
    if known is None or known < interval:
        assert made == interval
    else:
        assert known < made <= known + 180


@pytest.mark.parametrize("rubbish", ["", "x", "-5", "1e3", "9" * 16, "\N{ARABIC-INDIC DIGIT THREE}"])
def test_a_cursor_that_is_none_counts_as_not_sent(rubbish):
    assert "2" == durable.cursor(EPOCH_MS + 59_999, rubbish, 0.5)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(codec="utf-8")),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), values),
    max_leaves=10,
)


@given(st.lists(JSON, max_size=6), st.sampled_from([None, 2]), st.booleans())
@pytest.mark.slow
def test_an_array_is_taken_apart_once_and_its_messages_stay_as_they_were_written(values, indent, ascii_only):
    written = [json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode() for value in values]
    body = b" [\n" + b" ,\t".join(written) + b"\r] "
    assert written == durable.messages(body)
    assert values == json.loads(durable.body(Form.JSON, durable.messages(body)))


@given(JSON.filter(lambda value: not isinstance(value, list)))
def test_a_value_that_is_no_array_is_one_message(value):
    written = json.dumps(value).encode()
    assert [written] == durable.messages(b"\n" + written + b"  ")


def test_numbers_keep_their_spelling():
    assert [b"1.10", b"1e2", b"100000000000000000000001"] == durable.messages(b"[1.10, 1e2, 100000000000000000000001]")


@pytest.mark.parametrize("body", [b"{", b"[1,]", b"\xff", b'["\xff"]', b"nul", b"1 2", b"[" * 100_000])
def test_what_is_not_json_is_refused(body):
    with pytest.raises(InputError, match="E2001"):
        durable.messages(body)


def test_a_request_does_not_bring_more_messages_than_it_may():
    many = [b"1"] * durable.MESSAGES
    assert many == durable.messages(durable.body(Form.JSON, many))
    with pytest.raises(InputError, match="E2039"):
        durable.messages(durable.body(Form.JSON, [*many, b"1"]))


def test_a_body_is_cut_by_its_form():
    assert [] == durable.split(Form.JSON, b"")
    assert [] == durable.split(Form.JSON, b"[]")
    assert [b"1", b"2"] == durable.split(Form.JSON, b"[1,2]")
    assert [b"[1,2]"] == durable.split(Form.TEXT, b"[1,2]")


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_text_arrives_but_for_its_kinds_of_line_breaks_and_breaks_no_frame(texts):
    block = durable.data_event(Form.TEXT, [text.encode() for text in texts])
    told = re.sub("\r\n|\r", "\n", "".join(texts))
    assert [("", "data", told)] == [tuple(each) for each in Parser().feed(block)]
    assert [("data", told)] == [(name, data) for _, name, data in interpret(block).events]


@given(st.lists(st.binary(min_size=1), min_size=1, max_size=4))
def test_bytes_arrive_as_they_are(pieces):
    (block,) = Parser().feed(durable.data_event(Form.BYTES, pieces))
    assert ("data", b"".join(pieces)) == (block.event, base64.b64decode(block.data, validate=True))


@given(st.lists(JSON, min_size=1, max_size=4))
def test_json_arrives_as_an_array(values):
    pieces = [json.dumps(value, indent=1).encode() for value in values]
    (block,) = Parser().feed(durable.data_event(Form.JSON, pieces))
    assert values == json.loads(block.data)


@given(st.binary())
def test_text_that_is_not_utf_8_is_told_as_far_as_it_is(piece):
    (block,) = Parser().feed(durable.data_event(Form.TEXT, [b"x" + piece]))
    assert re.sub("\r\n|\r", "\n", "x" + piece.decode("utf-8", "replace")) == block.data


def test_a_control_event_says_where_the_reader_is():
    (block,) = Parser().feed(durable.control_event(7, cursor="12", up_to_date=True))
    assert "control" == block.event
    assert {"streamNextOffset": "0" * 15 + "7", "streamCursor": "12", "upToDate": True} == json.loads(block.data)


def test_the_last_control_event_has_no_cursor_to_come_back_with():
    (block,) = Parser().feed(durable.control_event(7, up_to_date=True))
    told = json.loads(block.data)
    assert (True, True) == (told["streamClosed"], told["upToDate"])
    assert "streamCursor" not in told


def test_a_page_is_named_by_all_that_can_differ():
    names = {
        durable.etag(log, start, end, closed=closed)
        for log in ("a", "b")
        for start in (0, 1)
        for end in (1, 2)
        for closed in (False, True)
    }
    assert 16 == len(names)


@pytest.mark.parametrize(
    ("header", "has"),
    [
        ('"x:0:1"', True),
        ('"y", "x:0:1"', True),
        ('W/"x:0:1"', True),
        ("*", True),
        ('"x:0:1:closed"', False),
        ("", False),
    ],
)
def test_a_reader_may_name_several_pages_that_it_has(header, has):
    assert has == durable.matches(header, durable.etag("x", 0, 1, closed=False))


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("application/json", Form.JSON),
        ("Application/JSON; charset=utf-8", Form.JSON),
        ("text/plain;charset=x", Form.TEXT),
        ("application/octet-stream", Form.BYTES),
        ("application/json-seq", Form.BYTES),
        ("image/svg+xml", Form.BYTES),
    ],
)
def test_the_type_says_how_a_stream_is_written(text, form):
    assert form is durable.form_of(durable.content_type(f" {text} "))


@pytest.mark.parametrize("text", ["", "text", "text/", "/plain", "a/b\r\nx: y", "text/plain; é", "a b/c", "x" * 300])
def test_what_is_no_content_type_is_refused(text):
    with pytest.raises(InputError, match="E2039"):
        durable.content_type(text)
