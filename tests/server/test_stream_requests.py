"""What requests to durable streams may say: each header, and every way to say it wrong."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers, QueryParams

from riverrun.base.errors import CursorError, InputError
from riverrun.log.durable import Origin, Producer
from riverrun.server.stream_requests import Live, Reading, appended, closes, path, reading, wanted

LARGEST = 2**53 - 1


def creating(**headers):
    return wanted("a", Headers({name.replace("_", "-"): value for name, value in headers.items()}), b"")


def appending(body=b"x", **headers):
    given = {"content-type": "text/plain", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return appended(Headers({name: value for name, value in given.items() if value is not None}), body)


def refused(where, function, *args, **kwargs):
    with pytest.raises(InputError, match="E2039") as caught:
        function(*args, **kwargs)
    assert where == caught.value.where


def test_what_is_not_said_is_left_open():
    plain = creating()
    assert (None, None, None, None, False) == (
        plain.content_type,
        plain.ttl,
        plain.expires_ms,
        plain.origin,
        plain.closed,
    )
    assert "application/octet-stream" == plain.config().content_type


@given(st.integers(0, LARGEST))
def test_a_time_to_live_is_whole_seconds(seconds):
    assert seconds == creating(stream_ttl=str(seconds)).ttl


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "01", "1.5", "1e3", "abc", "1 ", "\u00b2", str(LARGEST + 1), "9" * 40]
)
def test_a_number_is_written_in_one_way(text):
    refused("Stream-TTL", creating, stream_ttl=text)
    refused("Producer-Seq", appending, producer_id="p", producer_epoch="0", producer_seq=text)
    refused("Stream-Fork-Sub-Offset", creating, stream_forked_from="/v1/stream/a", stream_fork_sub_offset=text)


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001 made aware below
def test_a_time_to_end_is_read_in_any_zone(moment):
    moment = moment.replace(tzinfo=UTC, microsecond=moment.microsecond // 1000 * 1000)
    text = moment.isoformat()
    expected = round(moment.timestamp() * 1000)
    for spelled in (text, text.replace("+00:00", "Z"), text.replace("+00:00", "z").replace("T", "t")):
        made = creating(stream_expires_at=spelled)
        assert (spelled, expected) == (made.expires, made.expires_ms)


def test_a_zone_counts():
    one, two = (creating(stream_expires_at=f"2026-01-01T{hour}") for hour in ("12:00:00Z", "14:00:00+02:00"))
    assert one.expires_ms == two.expires_ms


@pytest.mark.parametrize(
    "text",
    ["", "tomorrow", "2026-01-01", "2026-01-01T12:00:00", "2026-13-01T00:00:00Z", "2026-01-01 12:00:00Z", "1767"],
)
def test_what_is_no_time_is_refused(text):
    refused("Stream-Expires-At", creating, stream_expires_at=text)


def test_a_stream_has_one_kind_of_end():
    refused("Stream-Expires-At", creating, stream_ttl="5", stream_expires_at="2026-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/v1/stream/a/b", "a/b"),
        ("/agents/v1/stream/a%20b", "a b"),
        ("http://host/v1/stream/v1/stream/x", "v1/stream/x"),
    ],
)
def test_a_source_is_named_by_its_address(source, name):
    assert Origin(name) == creating(stream_forked_from=source).origin


def test_a_fork_says_where_it_begins():
    made = creating(
        stream_forked_from="/v1/stream/a", stream_fork_offset="0000000000000007", stream_fork_sub_offset="3"
    )
    assert Origin("a", 7, 3) == made.origin
    zero = creating(stream_forked_from="/v1/stream/a", stream_fork_offset="0" * 16 + "_" + "0" * 16)
    assert Origin("a", 0) == zero.origin


def test_a_place_without_a_source_and_a_source_without_a_name_are_refused():
    refused("Stream-Forked-From", creating, stream_fork_offset="-1")
    refused("Stream-Forked-From", creating, stream_fork_sub_offset="0")
    for source in ("", "a", "/v1/runs/a", "/v1/stream/", "/v1/stream/%00"):
        refused("Stream-Forked-From", creating, stream_forked_from=source)
    with pytest.raises(CursorError, match="E2007"):
        creating(stream_forked_from="/v1/stream/a", stream_fork_offset="7")


@pytest.mark.parametrize(("text", "yes"), [("true", True), ("TRUE", True), (" true ", True), ("1", False), ("", False)])
def test_only_true_closes(text, yes):
    assert yes == closes(Headers({"stream-closed": text})) == creating(stream_closed=text).closed


def test_an_append_says_what_it_is():
    made = appending(content_type="Text/Plain; charset=utf-8", stream_seq="a", stream_closed="true")
    assert ("text/plain", "a", True, None) == (made.media, made.writer_seq, made.close, made.producer)


def test_an_append_has_a_body_and_a_type_unless_it_only_closes():
    refused("body", appending, b"")
    refused("Content-Type", appending, content_type=None)
    refused("Content-Type", appending, content_type="rubbish")
    assert "" == appending(b"", content_type="rubbish", stream_closed="true").media


def test_a_producer_says_all_of_itself():
    assert (
        Producer("p", 0, LARGEST) == appending(producer_id="p", producer_epoch="0", producer_seq=str(LARGEST)).producer
    )
    whole = {"producer_id": "p", "producer_epoch": "0", "producer_seq": "0"}
    for name in whole:
        refused("Producer-Id", appending, **{key: value for key, value in whole.items() if key != name})
    refused("Producer-Id", appending, **{**whole, "producer_id": ""})
    refused("Producer-Id", appending, **{**whole, "producer_id": "p" * 257})


@pytest.mark.parametrize("text", ["", "x" * 257])
def test_an_order_is_short(text):
    refused("Stream-Seq", appending, stream_seq=text)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", Reading(0, Live.NOT, None)),
        ("offset=-1&unknown=1", Reading(0, Live.NOT, None)),
        ("offset=now&live=sse", Reading(None, Live.SSE, None)),
        ("offset=0000000000000005&live=long-poll&cursor=7", Reading(5, Live.LONG_POLL, "7")),
    ],
)
def test_a_reader_says_from_where_and_how(query, expected):
    assert expected == reading(QueryParams(query))


@pytest.mark.parametrize("query", ["offset=", "offset=1", "offset=-1&offset=-1", "offset=NOW"])
def test_what_is_no_offset_is_refused(query):
    with pytest.raises(CursorError, match="E2007"):
        reading(QueryParams(query))


def test_a_reader_that_waits_in_no_known_way_or_from_nowhere_is_refused():
    refused("live", reading, QueryParams("offset=-1&live=ws"))
    for way in ("sse", "long-poll"):
        refused("offset", reading, QueryParams(f"live={way}"))


@pytest.mark.parametrize("text", ["a", "a/b//c", "é 🌊", "..", "x" * 1024])
def test_a_path_may_be_almost_anything(text):
    assert text == path(text)


@pytest.mark.parametrize("text", ["", "x" * 1025, "a\0", "a\nb", "\x7f", "\x85"])
def test_a_path_is_short_and_can_be_printed(text):
    refused("path", path, text)
