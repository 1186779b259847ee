"""One request, one stream, one poll: what the HTTP library and the server do comes out as our words only."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from riverrun.base.errors import ConnectionFault, InputError, NotFound, ProtocolFault
from riverrun.client import connect as module
from riverrun.client.connect import Connect, Piece, Stream
from riverrun.events.ending import Close
from riverrun.wire import sse
from riverrun.wire.pages import EventPage, RunList
from riverrun.wire.problem import Problem
from riverrun.wire.sse import Parser
from tests.client.logs import LOG, events_of
from tests.client.server import JSON, SSE, hangs_after, head, problem, respond, sends, serving
from tests.events.samples import RUN

EVENTS = events_of(4)
PATH = f"/v1/runs/{RUN}/events"


@pytest.fixture
async def server():
    async with serving(EVENTS) as server:
        yield server


@pytest.fixture
async def connect(server):
    connect = Connect(server.url, timeout=2.0)
    yield connect
    await connect.aclose()


async def whole(stream):
    """Read a stream to its end; give the blocks, the last id, and how it ended."""
    blocks, last_id = [], ""
    while isinstance(piece := await stream.read(2.0), Piece):
        blocks += piece.blocks
        last_id = piece.last_id
    await stream.aclose()
    return blocks, last_id, piece


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "ftp://host",
        "http://",
        "http:///x",
        "http://host?a=1",
        "http://host#x",
        "http://host:x",
        "/x",
    ],
)
def test_what_is_no_address_is_refused_at_once(url):
    with pytest.raises(InputError) as caught:
        Connect(url)
    assert "E6006" == caught.value.code


async def test_a_server_may_be_mounted_below_a_path(server):
    connect = Connect(server.url + "/below/")
    server.answers["GET /below/v1/runs"] = {"runs": []}
    assert () == (await connect.ask("GET", "/v1/runs", RunList)).runs
    await connect.aclose()


async def test_a_stream_is_given_block_by_block_and_ends_as_a_network_ends(connect):
    stream = await connect.open_stream(PATH, "1")
    assert isinstance(stream, Stream)
    blocks, last_id, end = await whole(stream)
    assert [f"{LOG}.{seq}" for seq in (2, 3, 4)] == [block.id for block in blocks]
    assert (f"{LOG}.4", Close.NETWORK) == (last_id, end)


async def test_a_stream_asks_to_be_sent_uncompressed_and_uncached(server, connect):
    stream = await connect.open_stream(PATH, f"{LOG}.1")
    await stream.aclose()
    headers = server.requests[0].headers
    assert ("text/event-stream", "identity", "no-store") == (
        headers["accept"],
        headers["accept-encoding"],
        headers["cache-control"],
    )
    assert {"after": f"{LOG}.1"} == server.requests[0].query


async def test_heartbeats_are_counted_as_they_come(server, connect):
    server.faults.append(hangs_after(head(200, SSE) + sse.HEARTBEAT * 2))
    stream = await connect.open_stream(PATH, "0")
    assert Piece([], 2, "") == await stream.read(2.0)
    assert Close.SILENT is await stream.read(0.01)
    await stream.aclose()
    await stream.aclose()


async def test_an_event_over_the_limit_is_refused(server, connect):
    server.faults.append(hangs_after(head(200, SSE) + b"data: " + b"x" * 100))
    stream = await connect.open_stream(PATH, "0")
    stream._parser = Parser(limit_bytes=50)
    with pytest.raises(ProtocolFault):
        await stream.read(2.0)
    await stream.aclose()


async def test_a_run_that_was_read_to_its_end_has_no_stream(connect):
    assert None is await connect.open_stream(PATH, "4")


async def test_a_refusal_is_a_problem(server, connect):
    server.faults.append(sends(problem(NotFound("E2005", "no run"))))
    answer = await connect.open_stream(PATH, "0")
    assert isinstance(answer, Problem)
    assert (404, "E2005") == (answer.status, answer.code)


async def test_a_page_a_refusal_and_the_end_of_a_poll(server, connect):
    page = await connect.poll(PATH, f"{LOG}.2")
    assert isinstance(page, EventPage)
    assert (EVENTS[2:], True) == (page.decoded(), page.ended)
    assert {"after": f"{LOG}.2", "wait": "25", "limit": "1000"} == server.requests[0].query
    server.faults.extend(
        [sends(respond(429, b"", {"retry-after": "7"})), sends(respond(204)), sends(respond(200, b"[]", JSON))]
    )
    answer = await connect.poll(PATH, "0")
    assert isinstance(answer, Problem)
    assert (429, 7.0) == (answer.status, answer.retry_after)
    assert None is await connect.poll(PATH, "0")
    with pytest.raises(ProtocolFault):
        await connect.poll(PATH, "0")


BROKEN = {
    "closed": sends(b""),
    "cut in the head": sends(b"HTTP/1.1 200 OK\r\ncontent-le"),
    "cut in the body": sends(b"HTTP/1.1 500 Oops\r\ncontent-length: 10\r\n\r\nx"),
    "not HTTP": sends(b"220 smtp ready\r\n"),
    "silent": hangs_after(b""),
    "silent in the body": hangs_after(b"HTTP/1.1 500 Oops\r\ncontent-length: 10\r\n\r\nx"),
}


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("call", ["open_stream", "poll", "request"])
async def test_a_request_without_a_whole_answer_is_a_fault_of_the_connection(server, how, call, monkeypatch):
    monkeypatch.setattr(module, "POLL_WAIT", 0.0)
    server.faults.append(BROKEN[how])
    connect = Connect(server.url, timeout=0.05 if "silent" in how else 2.0)
    with pytest.raises(ConnectionFault) as caught:
        await (connect.request("GET", PATH) if call == "request" else getattr(connect, call)(PATH, "0"))
    code = "E5005" if "silent" in how else "E5001"
    assert (code, server.url) == (caught.value.code, caught.value.where)
    assert caught.value.temporary
    await connect.aclose()


async def test_nobody_there_is_a_fault_of_the_connection():
    async with serving(EVENTS) as server:
        pass
    connect = Connect(server.url)
    with pytest.raises(ConnectionFault) as caught:
        await connect.request("GET", "/healthz")
    assert "E5001" == caught.value.code
    await connect.aclose()


@pytest.mark.parametrize("call", ["open_stream", "request"])
async def test_an_answer_that_is_not_what_it_says_is_refused(server, connect, call):
    server.faults.append(sends(respond(500, b"not gzip", {"content-encoding": "gzip"})))
    with pytest.raises(ProtocolFault):
        await (connect.request("GET", PATH) if call == "request" else connect.open_stream(PATH, "0"))


async def test_an_answer_without_end_does_not_fill_memory(server, connect, monkeypatch):
    monkeypatch.setattr(module, "BODY_BYTES", 1000)
    server.answers["GET /v1/runs"] = {"runs": [], "more": "x" * 1000}
    with pytest.raises(ProtocolFault):
        await connect.ask("GET", "/v1/runs", RunList)


async def test_what_the_server_says_instead_is_raised(server, connect):
    server.answers["GET /v1/runs"] = lambda server, request, line: line.send(problem(NotFound("E2011", "no such path")))
    with pytest.raises(NotFound) as caught:
        await connect.ask("GET", "/v1/runs", RunList)
    assert ("E2011", "no such path") == (caught.value.code, caught.value.message)


async def test_a_client_of_the_caller_s_is_used_and_left_open(server):
    async with httpx.AsyncClient(headers={"authorization": "Bearer x"}) as http:
        connect = Connect(server.url, http=http)
        await connect.poll(PATH, "0")
        await connect.aclose()
        assert not http.is_closed
        assert "Bearer x" == server.requests[0].headers["authorization"]


@pytest.mark.slow
async def test_more_streams_than_a_pool_usually_holds_are_open_at_once(server, connect):
    count = 120
    server.faults.extend([hangs_after(head(200, SSE) + sse.opening(LOG, 0))] * count)
    streams = await asyncio.gather(*(connect.open_stream(PATH, "0") for _ in range(count)))
    assert [Piece([], 0, f"{LOG}.0")] * count == [await stream.read(2.0) for stream in streams]
    await asyncio.gather(*(stream.aclose() for stream in streams))


@pytest.mark.parametrize(("url", "verified"), [("https://host", True), ("HTTPS://host", True), ("http://host", False)])
async def test_certificates_are_verified_wherever_there_are_any(url, verified):
    connect = Connect(url)
    transport = connect._http._transport
    assert isinstance(transport, httpx.AsyncHTTPTransport)
    context = transport._pool._ssl_context
    assert context is not None
    assert verified is context.check_hostname
    await connect.aclose()
