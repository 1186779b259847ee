"""The client over a WebSocket: the cases of conformance/, what a library and a network do, and a cut at every byte."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest

from riverrun.base.errors import ConnectionFault, InputError, ProtocolFault, RiverrunError
from riverrun.client.blocking import BlockingClient
from riverrun.client.client import Client, Transport
from riverrun.client.connect import Connect, Piece
from riverrun.client.session import Pace, State
from riverrun.client.websocket import Sockets, SocketStream
from riverrun.events.ending import Close
from riverrun.testing.proxy import Break, Faults
from riverrun.wire.problem import Problem
from tests.client.network import QUICK, Tally, first, log_of, network, read, told
from tests.client.server import hangs_after, sends
from tests.client.server import serving as misbehaving
from tests.client.sockets import playing
from tests.server.served import serving

LOG = logging.getLogger(__name__)
CASES: dict[str, Any] = msgspec.yaml.decode((Path(__file__).parents[2] / "conformance" / "frames.yaml").read_bytes())
FAST = Pace(first_delay=0.001, longest_delay=0.002)
STEP = 97  # prime, so that the fast tier touches every kind of place

# A connection that is called off in the moment in which it stands is left to the collector by Python 3.11's asyncio.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


# --- the cases ---


async def outcome(case):
    """Read what a script gives; say what came of it, in the words of the cases."""
    applied, error = [], None
    async with playing(CASES, case["sockets"]) as script:
        async with Client(script.url, pace=FAST, timeout=5, transport="websocket") as client, asyncio.timeout(10):
            events = client.run(CASES["run"]).events(case.get("after", 0), log=case.get("log"))
            try:
                applied = [event.seq async for event in events]
            except RiverrunError as raised:
                error = raised.code
                applied = [*range(case.get("after", 0) + 1, events.place + 1)]
        attaches = [str(asked["after"]) for asked in script.attaches]
        assert {"attach"} >= {asked["type"] for asked in script.attaches}
    return {
        "attaches": attaches,
        "applied": applied,
        "close": events.close and events.close.value,
        "ending": events._session.ending and events._session.ending.value,
        "duty": events.duty and events.duty.value,
        "reconnects": events.reconnects,
        "error": error,
    }


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES["cases"]])
async def test_the_reader_does_what_the_case_says(case):
    found = await outcome(case)
    want = {"error": None, **case["expect"]}
    assert want == {name: found[name] for name in want}


async def test_a_case_that_says_something_else_is_noticed():
    found = await outcome({"name": "x", "sockets": [["attached", {"events": [1, 2, 4]}], ["ended"]]})
    assert {"applied": [1, 2], "reconnects": 0, "close": "ended"}.items() <= found.items()


def test_every_case_has_a_name_of_its_own_and_says_something():
    assert len(CASES["cases"]) == len({case["name"] for case in CASES["cases"]})
    assert all(case["expect"] for case in CASES["cases"])


# --- one socket ---

PATH = f"/v1/runs/{CASES['run']}/events"
BROKEN = {
    "closed": sends(b""),
    "cut in the head": sends(b"HTTP/1.1 101 Switching"),
    "not HTTP": sends(b"220 smtp ready\r\n"),
    "silent": hangs_after(b""),
    "silent in the head": hangs_after(b"HTTP/1.1 101 Switching Protocols\r\nupgr"),
}


async def opened(url, timeout=2.0):
    connect = Connect(url, timeout=timeout)
    try:
        return await Sockets(connect, timeout=timeout).open_stream(PATH, "0")
    finally:
        await connect.aclose()


@pytest.mark.parametrize("how", BROKEN)
async def test_a_handshake_without_a_whole_answer_is_a_fault_of_the_connection(how):
    async with misbehaving([], answers={"GET /v1/ws": BROKEN[how]}) as server:
        with pytest.raises(ConnectionFault) as caught:
            await opened(server.url, 0.05 if "silent" in how else 2.0)
    assert ("E5005" if "silent" in how else "E5001") == caught.value.code
    assert caught.value.temporary


@pytest.mark.parametrize(
    ("url", "socket"),
    [
        ("http://host:8000/below/", "ws://host:8000/below/v1/ws"),
        ("https://host", "wss://host/v1/ws"),
        ("HTTPS://host", "wss://host/v1/ws"),
        ("HTTP://host", "ws://host/v1/ws"),
    ],
)
async def test_a_socket_is_as_safe_as_the_address(url, socket):
    connect = Connect(url)
    assert socket == Sockets(connect)._url
    await connect.aclose()


async def test_nobody_there_is_a_fault_of_the_connection():
    async with misbehaving([]) as server:
        pass
    with pytest.raises(ConnectionFault, match="E5001"):
        await opened(server.url)


async def test_a_server_that_does_not_answer_the_attach_is_not_waited_for_for_ever():
    async with playing(CASES, [["heartbeat"]]) as script:
        with pytest.raises(ConnectionFault, match="E5005"):
            await opened(script.url, 0.1)


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", b"HTTP/1.1 101 Switching Protocols\r\nupgrade: teapot\r\n\r\n"],
)
async def test_an_answer_that_opens_no_socket_is_refused(answer):
    async with misbehaving([], answers={"GET /v1/ws": sends(answer)}) as server:
        with pytest.raises(ProtocolFault, match="E5003"):
            await opened(server.url)


async def test_a_refusal_is_a_problem():
    async with playing(CASES, [{"refused": 403, "code": "E2014"}]) as script:
        answer = await opened(script.url)
    assert isinstance(answer, Problem)
    assert (403, "E2014") == (answer.status, answer.code)


async def test_the_first_piece_is_the_place_and_silence_is_told():
    async with playing(CASES, [["attached", "heartbeat"]]) as script:
        stream = await opened(script.url)
        assert isinstance(stream, SocketStream)
        assert Piece([], 0, "0a1b2c3d.0") == await stream.read(2.0)
        assert Piece([], 1, "0a1b2c3d.0") == await stream.read(2.0)
        assert Close.SILENT is await stream.read(0.01)
        await stream.aclose()
        await stream.aclose()


async def test_a_read_that_is_cancelled_takes_nothing():
    async with playing(CASES, [["attached", "wait", {"events": [1, 2]}]]) as script:
        stream = await opened(script.url)
        assert isinstance(stream, SocketStream)
        await stream.read(2.0)
        reading = asyncio.create_task(stream.read(2.0))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait((reading,))
        assert reading.cancelled()
        script.go.set()
        piece = await stream.read(2.0)
        assert isinstance(piece, Piece)
        assert [1, 2] == [json.loads(block.data)["seq"] for block in piece.blocks]
        await stream.aclose()


async def test_a_frame_without_end_does_not_fill_memory(monkeypatch):
    monkeypatch.setattr("riverrun.client.websocket._FRAME_BYTES", 1000)
    async with playing(CASES, [["attached", {"text": json.dumps({"type": "x", "more": "x" * 1000})}]]) as script:
        stream = await opened(script.url)
        assert isinstance(stream, SocketStream)
        await stream.read(2.0)
        with pytest.raises(ProtocolFault, match="E5003"):
            await stream.read(2.0)
        await stream.aclose()


# --- a client ---


@pytest.fixture(scope="module")
def served():
    with serving() as served:
        yield served


@pytest.fixture(scope="module")
def run(served):
    run = served.start(count=3)
    served.whole(run)
    return run


@pytest.mark.parametrize("transport", ["auto", "sse", "websocket", "poll"])
async def test_every_transport_gives_the_same(served, run, transport: Transport):
    log = log_of(served.url, run)
    for after in range(len(log) + 1):
        seen, again = await read(served.url, run, after=after, transport=transport)
        assert (0, 0) == (Tally().plus(log, seen, after).wrong, again)


@pytest.mark.parametrize("transport", ["sse", "websocket", "poll"])
async def test_every_transport_is_told_where_a_log_ends(served, run, transport: Transport):
    async with Client(served.url, transport=transport) as client:
        with pytest.raises(RiverrunError, match="E2006"):
            await anext(client.run(run).events(99))


@pytest.mark.parametrize("transport", ["auto", "sse", "websocket", "poll"])
async def test_a_run_is_started_read_and_stopped_over_every_transport(served, transport: Transport):
    async with Client(served.url, pace=QUICK, transport=transport) as client, asyncio.timeout(20):
        run = await client.start("wait", {}, attach=True)
        async with run.events() as events:
            kinds = []
            async for event in events:
                kinds.append(event.type)
                if event.type == "node.started":
                    await run.stop()
    assert "run.stopped" == kinds[-1]


def test_a_program_without_asyncio_reads_over_a_socket(served, run):
    with BlockingClient(served.url, transport="websocket") as client:
        for _ in range(2):
            events = list(client.run(run).events())
            assert 0 == Tally().plus(log_of(served.url, run), [(event.seq, told(event)) for event in events]).wrong


@pytest.mark.parametrize(
    "wish", [{"interval": 0.01}, {"interval": 0.0, "max_bytes": 1024}, {"adaptive": True}], ids=str
)
async def test_joined_chunks_come_apart_to_the_same(served, wish):
    run = served.start(count=300)
    served.whole(run)
    async with Client(served.url, transport="websocket") as client:
        seen = [told(event) async for event in client.run(run).events(**wish)]
    log = [*log_of(served.url, run).values()]
    assert [{**event, "ts": 0} for event in log] == [{**event, "ts": 0} for event in seen]


async def test_a_reader_with_a_name_is_one_of_http(served, run):
    async with Client(served.url, transport="websocket") as client:
        seen = [(event.seq, told(event)) async for event in client.run(run).events(reader="me")]
    assert 0 == Tally().plus(log_of(served.url, run), seen).wrong


async def test_a_key_opens_the_socket():
    with serving(keys="k:acme") as served:
        headers = {"authorization": "Bearer k"}
        run = served.http.post("/v1/runs", headers=headers, json={"graph": "words", "input": {}}).json()["run"]
        async with Client(served.url, key="k", transport="websocket") as client:
            assert [event.seq async for event in client.run(run).events()]
        async with Client(served.url, key="wrong", transport="websocket") as client:
            with pytest.raises(InputError, match="E2017"):
                await anext(client.run(run).events())


async def test_what_is_no_transport_is_refused_at_once():
    wrong: Any = "carrier pigeon"
    with pytest.raises(InputError, match="E6006"):
        Client("http://127.0.0.1:1", transport=wrong)
    async with Connect("http://127.0.0.1:1")._http as http:
        with pytest.raises(InputError, match="E6006"):
            Client("http://127.0.0.1:1", transport="websocket", http=http)


async def test_who_asked_for_a_stream_over_http_is_never_polled(served):
    run, states = served.start("wait"), []
    pace = Pace(first_delay=0.001, longest_delay=0.002)
    options: Any = {"pace": pace, "timeout": 0.02, "transport": "sse"}
    held = lambda _: Faults(hold=1_000_000)  # noqa: E731
    async with network(served, held) as proxy, Client(proxy.url, **options) as client:
        events = client.run(run).events(on_change=lambda state, _: states.append(state))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(events), 0.5)
    assert {State.RECONNECTING, State.ENDED} == set(states)
    assert len(states) > 5  # barren streams; three of them would have led to polling
    served.http.post(f"/v1/runs/{run}/stop")


async def test_who_asked_to_poll_is_given_no_stream(served):
    run, states = served.start("wait"), []
    async with Client(served.url, pace=Pace(poll_seconds=0.001), transport="poll") as client, asyncio.timeout(20):
        events = client.run(run).events(on_change=lambda state, _: states.append(state))
        assert 1 == (await anext(events)).seq
        await client.run(run).stop()
        assert "run.stopped" == [event.type async for event in events][-1]
    assert {State.ENDED} == set(states)


# --- a network that fails ---


async def cut_everywhere(served, run, places, then):
    """Read the run once for each place, at which the first socket breaks."""
    log, tally = log_of(served.url, run), Tally()
    async with network(served) as proxy:
        for place in places:
            proxy.faults = first(Faults(after=place, then=then))
            async with asyncio.timeout(10):
                seen, _ = await read(proxy.url, run, transport="websocket")
            tally = tally.plus(log, seen)
        broken = proxy.statistics()["broken"]
    assert 0 == tally.wrong, tally
    # A reader that has the terminal event leaves: the last bytes cannot be cut for it.
    assert broken >= len(places) - 60
    return tally


async def size_of(served, run):
    """Measure what one socket carries from its handshake to the terminal event."""
    async with network(served) as proxy:
        await read(proxy.url, run, transport="websocket")
        return proxy.statistics()["answer_bytes"]


@pytest.mark.parametrize("then", [Break.RESET, Break.END, Break.HALF_CLOSE])
async def test_a_socket_that_breaks_at_many_bytes_is_read_whole(served, run, then):
    size = await size_of(served, run)
    assert size > 800
    await cut_everywhere(served, run, range(0, size, STEP), then)


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("then", [Break.RESET, Break.END])
async def test_a_socket_that_breaks_at_any_byte_is_read_whole(served, run, then):
    size = await size_of(served, run)
    tally = await cut_everywhere(served, run, range(size + 1), then)
    LOG.info("%s cuts of one socket: %s", size + 1, tally)
    assert size + 1 == tally.readers


async def test_a_network_that_swallows_everything_is_noticed(served, run):
    size = await size_of(served, run)
    pace = Pace(first_delay=0.01, longest_delay=0.2, first_byte_timeout=0.05, heartbeat_interval=0.02)
    async with network(served, first(Faults(after=size // 2, then=Break.BLACK_HOLE))) as proxy:
        seen, again = await read(proxy.url, run, pace, transport="websocket")
    assert (0, 1) == (Tally().plus(log_of(served.url, run), seen).wrong, again)


async def test_a_proxy_that_lets_no_socket_through_is_polled_through(served):
    run, states = served.start("wait"), []
    pace = Pace(first_delay=0.001, longest_delay=0.002)
    polling = asyncio.Event()

    def changed(state, _):
        states.append(state)
        if state is State.POLLING:
            polling.set()

    silent = first(*[Faults(after=0, then=Break.BLACK_HOLE)] * 3)
    options: Any = {"pace": pace, "timeout": 0.2, "transport": "websocket"}
    async with network(served, silent) as proxy, Client(proxy.url, **options) as client, asyncio.timeout(20):
        events = client.run(run).events(on_change=changed)
        reading = asyncio.create_task(anext(events))
        await polling.wait()
        assert 1 == (await reading).seq
    served.http.post(f"/v1/runs/{run}/stop")
    assert State.LIVE not in states


async def test_a_reader_that_reads_slowly_gets_everything_and_holds_little(served):
    run = served.start(count=600, text="x" * 2000)
    served.whole(run)
    async with Client(served.url, transport="websocket") as client, asyncio.timeout(20):
        events = client.run(run).events()
        seqs = []
        async for event in events:
            seqs.append(event.seq)
            if event.seq % 50 == 0:
                await asyncio.sleep(0)
            # What has arrived and was not asked for is one frame here and two in the library.
            assert len(events._ready) * 2000 < 2 * 64 * 1024
    assert [*range(1, seqs[-1] + 1)] == seqs
    assert len(seqs) > 600
