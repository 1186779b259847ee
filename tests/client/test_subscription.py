"""Whatever the network does to a reader, it is given the same events: each once, in order, to the terminal one."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from riverrun.base.errors import (
    Busy,
    ConnectionFault,
    CursorError,
    IllegalMove,
    NotFound,
    ProtocolFault,
    StoreError,
)
from riverrun.client.connect import Connect
from riverrun.client.session import Pace, State
from riverrun.client.subscription import Subscription, Watch
from riverrun.events.ending import Close, Duty
from riverrun.events.kinds import RunTimedOut, Unknown
from riverrun.wire import sse
from tests.client.logs import LOG, events_of, records_of
from tests.client.server import (
    JSON,
    SSE,
    cut_at,
    hangs_after,
    head,
    honest,
    problem,
    recorded,
    respond,
    sends,
    serving,
    stream_of,
    streams,
)
from tests.events.samples import RUN

EVENTS = events_of(8)
PATH = f"/v1/runs/{RUN}/events"
FAST = Pace(first_delay=0.001, longest_delay=0.002, heartbeat_interval=0.04, first_byte_timeout=0.1)
PATIENT = Pace(first_delay=0.001, longest_delay=0.002)


def heard(*records):
    """The beginning of a stream, with these events."""
    return head(200, SSE) + sse.opening(LOG, 0) + sse.encode(LOG, list(records))


def only(*seqs):
    """A part of a stream: these events of the log, whatever was asked for."""
    return lambda server, request: sse.encode(LOG, [server.records[seq - 1] for seq in seqs])


def opening(server, request):
    return sse.opening(LOG, request.place)


def rest(server, request):
    return stream_of(server, request.place)


async def read_all(url, *, pace=PATIENT, after=0, log=None, on_change=None, timeout=5.0):
    """Read to the end; give the events and the subscription."""
    connect = Connect(url, timeout=timeout)
    try:
        watch = Watch(on_change=on_change)
        async with Subscription(connect, PATH, pace=pace, after=after, log=log, watch=watch) as events:
            return [event async for event in events], events
    finally:
        await connect.aclose()


# --- cut at every byte ---


async def cut_everywhere(sizes, *, chunked, reset):
    events = events_of(5)
    async with serving(events) as server:
        connect = Connect(server.url)
        for size in sizes(len(recorded(server, 0, chunked=chunked))):
            server.faults.append(cut_at(size, chunked=chunked, reset=reset))
            async with Subscription(connect, PATH, pace=PATIENT) as found:
                assert events == [event async for event in found], f"cut at byte {size}"
            assert not server.faults
        await connect.aclose()


@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "to the end of the connection"])
async def test_a_response_that_is_cut_at_any_seventh_byte_changes_nothing(chunked):
    await cut_everywhere(lambda size: range(0, size, 7), chunked=chunked, reset=False)


@pytest.mark.slow
@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "to the end of the connection"])
async def test_a_response_that_is_cut_at_any_byte_changes_nothing(chunked, reset):
    await cut_everywhere(lambda size: range(size + 1), chunked=chunked, reset=reset)


# --- one fault after another ---


def soon(error):
    """Let a store's error ask for a shorter pause than a second, for the sake of the test's time."""
    error.retry_after = 0.01
    return error


FAULTS = {
    "502 of a proxy": [sends(respond(502, b"<html>Bad Gateway</html>", {"content-type": "text/html"}))],
    "503 of the store": [sends(problem(soon(StoreError("E4002", "disk full"))))],
    "429": [sends(problem(Busy("E3010", "full", retry_after=0.01)))] * 2,
    "nothing at all": [sends(b"")] * 2,
    "half a status line": [sends(b"HTTP/1.1 20")],
    "no HTTP": [sends(b"SSH-2.0-OpenSSH\r\n\r\n")],
    "a clean end without a terminal event": [streams(opening, only(1, 2))],
    "a clean end of a chunked body": [sends(head(200, {**SSE, "transfer-encoding": "chunked"}) + b"0\r\n\r\n")],
    "the close frame": [streams(opening, only(1, 2), sse.close("shutdown")), streams(opening, sse.close("rotated"))],
    "the close frame with more behind it": [streams(opening, only(1), sse.close("rotated"), only(2))],
    "duplicates": [streams(opening, only(1, 1, 2, 2, 1, 3, 1, 2, 3), rest)],
    "reordered": [streams(opening, only(1, 3, 2)), streams(opening, only(3, 2, 4, 5)), streams(only(8, 7, 6, 5, 4, 3))],
    "from the start again": [streams(opening, only(*range(1, last))) for last in (3, 2, 5, 9)],
    "heartbeats and unknown frames": [streams(opening, sse.HEARTBEAT, b"event: news\ndata: x\n\nfoo: bar\n\n", rest)],
    "an event cut inside a character": [streams(opening, only(1), b'id: 0a1b2c3d.2\ndata: {"value":"\xe4\xb8')],
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_changes_nothing(fault):
    async with serving(EVENTS, *FAULTS[fault]) as server:
        events, subscription = await read_all(server.url)
        assert EVENTS == events
        assert not server.faults
        assert (8, f"{LOG}.8", State.ENDED, Close.ENDED, Duty.NEVER) == (
            subscription.place,
            subscription.cursor,
            subscription.state,
            subscription.close,
            subscription.duty,
        )


@pytest.mark.parametrize(
    "hang",
    [b"", head(200, SSE), head(200, SSE) + sse.opening(LOG, 0), heard(records_of(EVENTS)[0])],
    ids=["before the answer", "before the first byte", "before the first event", "in the middle"],
)
async def test_a_server_that_falls_silent_is_left(hang):
    async with serving(EVENTS, hangs_after(hang)) as server:
        events, subscription = await read_all(server.url, pace=FAST, timeout=0.1)
        assert EVENTS == events
        assert len(server.requests) >= 2
        assert bool(hang) == (subscription.reconnects >= 1)


async def test_heartbeats_are_no_events_and_no_reason_to_reconnect():
    async def quiet(server, request, line):
        await line.send(head(200, SSE) + sse.opening(LOG, 0))
        for record in server.records:
            await line.send(sse.HEARTBEAT)
            await line.send(sse.encode_event(LOG, record))
        line.writer.close()

    async with serving(EVENTS, quiet) as server:
        events, subscription = await read_all(server.url)
        assert (EVENTS, 0) == (events, subscription.reconnects)


async def test_a_reconnect_asks_for_what_is_missing_and_nothing_more():
    async with serving(EVENTS, streams(opening, only(1, 2, 3))) as server:
        await read_all(server.url)
        assert ["0", f"{LOG}.3"] == [request.query["after"] for request in server.requests]


async def test_reading_begins_after_the_place_of_the_caller():
    async with serving(EVENTS) as server:
        events, _ = await read_all(server.url, after=5)
        assert EVENTS[5:] == events
        events, _ = await read_all(server.url, after=8, log=LOG)
        assert [] == events
        assert ["5", f"{LOG}.8"] == [request.query["after"] for request in server.requests]


# --- polling ---


async def test_a_network_on_which_nothing_may_stream_is_polled():
    held_back = streams()
    changes = []
    async with serving(EVENTS, held_back, held_back, held_back) as server:
        events, _ = await read_all(server.url, on_change=lambda state, detail: changes.append(state))
        assert EVENTS == events
        assert [False] * 3 + [True] == [request.polls for request in server.requests]
        assert [State.LIVE, State.RECONNECTING] * 2 + [State.LIVE, State.POLLING, State.ENDED] == changes


async def test_polling_bears_faults_and_goes_back_to_a_stream():
    def page(*seqs, ended=False):
        async def answer(server, request, line):
            assert request.polls
            body = b'{"events":[%s],"head":8,"floor":0,"log":"%s","ended":%s}' % (
                b",".join(server.records[seq - 1].data for seq in seqs),
                LOG.encode(),
                b"true" if ended else b"false",
            )
            await line.send(respond(200, body, JSON))

        return answer

    barren = [streams()] * 3
    broken = [sends(respond(502)), sends(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{")]
    polls = [page(1, 2), page(2), page(), *broken, page(4, 3), page(3, 4, 6), page(5, 6, 7, 8, ended=True)]
    async with serving(EVENTS, *barren, *polls) as server:
        events, _ = await read_all(server.url)
        assert EVENTS == events
        assert not server.faults
    async with serving(EVENTS, *barren, page(1, 2), streams(), page(3), streams(opening, only(4))) as server:
        pace = Pace(first_delay=0.001, longest_delay=0.002, poll_seconds=0.0)
        events, _ = await read_all(server.url, pace=pace)
        assert EVENTS == events
        assert [False] * 3 + [True, False, True, False, False] == [request.polls for request in server.requests]


async def test_a_poll_may_be_answered_with_204():
    async with serving(EVENTS, *[streams()] * 3, sends(respond(204))) as server:
        events, subscription = await read_all(server.url, after=8)
        assert ([], Close.ENDED) == (events, subscription.close)


# --- what only the caller can settle ---


async def test_a_place_that_the_log_does_not_have_is_the_caller_s_to_settle():
    gone = problem(CursorError("E2006", "the log ends at 3", head=3, floor=0))
    async with serving(EVENTS, sends(gone)) as server:
        with pytest.raises(CursorError) as caught:
            await read_all(server.url, after=17)
        assert ("E2006", 3, 0) == (caught.value.code, caught.value.head, caught.value.floor)


@pytest.mark.parametrize("error", [NotFound("E2005", "no run"), CursorError("E2007", "no place")])
async def test_a_refusal_arrives_as_the_server_s_error(error):
    async with serving(EVENTS, sends(problem(error))) as server:
        with pytest.raises(type(error)) as caught:
            await read_all(server.url)
        assert error.code == caught.value.code
        assert 1 == len(server.requests)


@pytest.mark.parametrize(
    "answer",
    [
        respond(200, b"<html>", {"content-type": "text/html"}),
        respond(302, b"", {"location": "/elsewhere"}),
        respond(200, b"data: rubbish\n\n", SSE),
        respond(200, b"data: {}\n\n", SSE),
        respond(200, b"not gzip", {**SSE, "content-encoding": "gzip"}),
    ],
    ids=["not events", "redirect", "rubbish", "no event", "not what it says"],
)
async def test_what_the_protocol_does_not_allow_ends_it(answer):
    async with serving(EVENTS, sends(answer)) as server:
        with pytest.raises(ProtocolFault):
            await read_all(server.url)


async def test_a_proxy_that_compresses_is_borne():
    async with serving(EVENTS) as server:
        body = gzip.compress(stream_of(server, 0))
        server.faults.append(sends(respond(200, body, {**SSE, "content-encoding": "gzip"})))
        events, _ = await read_all(server.url)
        assert EVENTS == events


async def test_events_of_another_log_are_not_taken_for_this_one():
    other = streams(lambda server, request: sse.opening("ffffffff", 1) + sse.encode("ffffffff", server.after(1)))
    async with serving(EVENTS, streams(opening, only(1)), other) as server:
        subscription = Subscription(Connect(server.url), PATH, pace=PATIENT)
        assert EVENTS[0] == await anext(subscription)
        with pytest.raises(CursorError) as caught:
            await anext(subscription)
        assert "E2008" == caught.value.code
        # The error is told once; after it there is nothing more.
        with pytest.raises(StopAsyncIteration):
            await anext(subscription)
        assert (1, Duty.ASK) == (subscription.place, subscription.duty)


async def test_a_run_that_timed_out_leaves_the_decision_to_the_user():
    events = events_of(3, last=RunTimedOut(seq=3, ts=3, run=RUN, limit=1.0))
    async with serving(events) as server:
        found, subscription = await read_all(server.url)
        assert (events, Duty.ASK) == (found, subscription.duty)


async def test_an_ending_that_this_version_does_not_know_still_ends_it():
    events = events_of(3, last=Unknown(seq=3, ts=3, run=RUN, kind="run.dissolved"))
    async with serving(events) as server:
        found, subscription = await read_all(server.url)
        assert (events, Close.ENDED) == (found, subscription.close)


async def test_without_patience_an_absent_server_is_given_up():
    async with serving(EVENTS) as server:
        pass
    with pytest.raises(ConnectionFault) as caught:
        await read_all(server.url, pace=Pace(patience=0.0))
    assert "E5001" == caught.value.code


async def test_without_patience_a_stream_that_keeps_breaking_is_given_up():
    async with serving(EVENTS, streams(opening, only(1))) as server:
        server.faults.extend([sends(respond(502))] * 100)
        with pytest.raises(ConnectionFault):
            await read_all(server.url, pace=Pace(first_delay=0.001, longest_delay=0.002, patience=0.02))


async def test_silence_is_named_when_it_is_given_up():
    async with serving(EVENTS, *[hangs_after(head(200, SSE))] * 2) as server:
        with pytest.raises(ConnectionFault) as caught:
            await read_all(server.url, pace=Pace(first_byte_timeout=0.01, patience=0.0))
        assert "E5002" == caught.value.code


# --- leaving, waiting, telling ---


async def test_changes_are_told_with_words_for_people():
    changes = []
    async with serving(EVENTS, streams(opening, only(1)), sends(respond(502))) as server:
        await read_all(server.url, on_change=lambda *change: changes.append(change))
    assert [
        (State.LIVE, ""),
        (State.RECONNECTING, "network; trying again"),
        (State.RECONNECTING, "network; next try in 0.0 s"),
        (State.LIVE, ""),
        (State.ENDED, "ended"),
    ] == changes


async def test_leaving_closes_the_connection_and_tells_where_to_come_back():
    left = asyncio.Event()

    async def watched(server, request, line):
        await line.send(heard(*server.records[:2]))
        await line.until_left()
        left.set()

    async with serving(EVENTS, watched) as server:
        async with Subscription(Connect(server.url), PATH) as subscription:
            async for event in subscription:
                assert 1 == event.seq
                break
            assert (1, f"{LOG}.1", LOG, State.LIVE) == (
                subscription.place,
                subscription.cursor,
                subscription.log,
                subscription.state,
            )
        await asyncio.wait_for(left.wait(), 5)
        assert (State.ENDED, Close.DETACHED) == (subscription.state, subscription.close)
        await subscription.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(subscription)


async def test_a_wait_that_is_cancelled_loses_nothing():
    async with serving(EVENTS, hangs_after(heard(records_of(EVENTS)[0]))) as server:
        connect = Connect(server.url)
        async with Subscription(connect, PATH) as subscription:
            assert EVENTS[0] == await anext(subscription)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(subscription), 0.02)
            assert EVENTS[1:] == [event async for event in subscription]
        await connect.aclose()


ANSWERS = {
    "a stream": head(200, SSE) + sse.opening(LOG, 0),
    "nothing more": respond(204),
    "a refusal": respond(404),
    "no answer": b"",
    "no HTTP": b"SSH",
}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_a_reader_that_is_left_while_it_connects_ends_whatever_the_answer(answer):
    left = asyncio.Event()

    async def late(server, request, line):
        await left.wait()
        await line.send(ANSWERS[answer])
        if answer == "a stream":
            await line.until_left()
        line.writer.close()

    async with serving(EVENTS, late) as server:
        connect = Connect(server.url)
        subscription = Subscription(connect, PATH)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(all_of(subscription))
            await server.asked.wait()
            await subscription.aclose()
            left.set()
        assert [] == waiting.result()
        await connect.aclose()


async def test_a_reader_that_is_left_while_it_listens_ends():
    async with serving(EVENTS, hangs_after(heard(records_of(EVENTS)[0]))) as server:
        connect = Connect(server.url)
        subscription = Subscription(connect, PATH)
        assert EVENTS[0] == await anext(subscription)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(all_of(subscription))
            # The task runs until it has to wait for the network.
            await asyncio.sleep(0)
            await subscription.aclose()
        assert [] == waiting.result()
        await connect.aclose()


async def all_of(subscription):
    return [event async for event in subscription]


async def test_two_tasks_cannot_share_one_place():
    async with serving(EVENTS, hangs_after(head(200, SSE))) as server:
        connect = Connect(server.url)
        async with Subscription(connect, PATH) as subscription:
            first = asyncio.ensure_future(anext(subscription))
            await server.asked.wait()
            with pytest.raises(IllegalMove):
                await anext(subscription)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
        await connect.aclose()


async def test_honest_after_all():
    async with serving(EVENTS, honest) as server:
        events, subscription = await read_all(server.url)
        assert (EVENTS, 0) == (events, subscription.reconnects)
