"""Start and attach in one request, answers, forks and places kept, on a real server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any, cast

import httpx
import pytest

from riverrun.base.errors import Busy, ConnectionFault, InputError, NotFound, ProtocolFault
from riverrun.client import Client
from riverrun.client.session import Pace, State
from riverrun.client.subscription import Progress
from riverrun.events import kinds
from tests.client.logs import events_of
from tests.client.server import JSON, SSE, head, respond, sends, serving, stream_of
from tests.events.samples import RUN
from tests.server.served import BREAKS
from tests.server.served import serving as real_serving

FAST = Pace(first_delay=0.001, longest_delay=0.002)


@pytest.fixture(scope="module")
def served():
    with real_serving(keys="me-key:me,you-key:you,reader-key:me:read") as served:
        yield served


class Counting(httpx.AsyncHTTPTransport):
    """The real transport, which notes what passes."""

    def __init__(self):
        super().__init__()
        self.seen: list[str] = []

    async def handle_async_request(self, request):
        self.seen.append(f"{request.method} {request.url.path}")
        return await super().handle_async_request(request)


@pytest.fixture
async def client(served):
    async with Client(served.url, key="me-key") as client:
        yield client


async def parked(run):
    async with run.events() as events:
        async for event in events:
            if isinstance(event, kinds.RunInterrupted):
                return event.questions
    raise AssertionError("it ended")


async def test_a_start_brings_its_events_along_in_one_request(served):
    transport = Counting()
    async with (
        httpx.AsyncClient(transport=transport) as http,
        Client(served.url, http=http, key="me-key") as client,
    ):
        run = await client.start("words", {"count": 3}, attach=True)
        async with run.events() as events:
            seen = [event async for event in events]
        assert ["POST /v1/runs"] == transport.seen
        assert (run.id, "run.started", "run.completed") == (seen[0].run, seen[0].type, seen[-1].type)
        async with run.events() as events:
            assert seen == [event async for event in events]
        assert ["POST /v1/runs", f"GET /v1/runs/{run.id}/events"] == transport.seen


async def test_events_after_another_place_do_not_use_the_stream_of_the_start(client):
    run = await client.start("words", {"count": 2}, attach=True)
    async with run.events(2) as events:
        assert 3 == (await anext(events)).seq
    async with run.events() as events:
        assert 1 == (await anext(events)).seq


async def test_what_was_begun_and_not_read_is_closed_with_the_client(served):
    async with Client(served.url, key="me-key") as client:
        first = await client.start("wait", {}, attach=True, idem_key="twice")
        again = await client.start("wait", {}, attach=True, idem_key="twice")
        assert first.id == again.id
        await first.stop()


async def test_a_stream_that_is_cut_at_the_start_goes_on_where_it_was(served):
    events = events_of(4)
    async with serving(events) as server:

        async def begin(server, request, line):
            body = stream_of(server, 0)
            told = {**SSE, "connection": "close", "location": f"/v1/runs/{RUN}"}
            await line.send(head(201, told) + body[: len(body) // 2])
            line.writer.close()

        server.answers["POST /v1/runs"] = begin
        async with Client(server.url, pace=FAST) as client:
            run = await client.start("g", {}, attach=True)
            async with run.events() as seen:
                assert events == [event async for event in seen]


async def test_a_start_whose_stream_is_refused_is_the_server_s_error(client):
    with pytest.raises(NotFound, match="E2004"):
        await client.start("nothing", {}, attach=True)


async def test_a_start_whose_stream_got_lost_asks_for_a_document_under_the_same_key():
    async with serving(events_of(2)) as server:
        row = b'{"run":"%s","graph":"g","status":"queued","head":1,"log":"x","epoch":0,"created_ms":1,"updated_ms":1}'
        answers = iter([sends(b""), sends(respond(201, row % RUN.encode(), JSON))])

        async def answer(server, request, line):
            await next(answers)(server, request, line)

        server.answers["POST /v1/runs"] = answer
        async with Client(server.url, pace=FAST) as client:
            assert RUN == (await client.start("g", {}, attach=True)).id
        first, second = server.requests
        assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
        assert ("text/event-stream", "application/json") == (first.headers["accept"], second.headers["accept"])


async def test_runs_of_a_thread_follow_each_other_and_are_found(client):
    first = await client.start("words", {"count": 1, "likes": ["rivers"]}, thread="talk", attach=True)
    await first.result()
    second = await client.start("words", {"count": 0}, thread="talk", context={"user": 1}, config={"configurable": {}})
    assert ["rivers"] == (await second.result())["likes"]
    assert [second.id, first.id] == [info.run for info in await client.list(thread="talk")]
    made = (await first.info()).created_ms
    assert [] == await client.list(thread="talk", created_before_ms=made)
    assert 2 == len(await client.list(thread="talk", created_after_ms=made))


async def test_a_busy_thread_is_told_and_gives_way(client):
    waiting = await client.start("wait", {}, thread="one")
    with pytest.raises(Busy, match="E3018"):
        await client.start("words", {}, thread="one")
    run = await client.start("words", {}, thread="one", when_busy="stop")
    await run.result()
    assert "stopped" == (await waiting.info()).ending


@pytest.mark.parametrize("named", [True, False])
async def test_a_question_is_answered(client, named):
    run = await client.start("ask", {"text": "we"}, attach=True)
    (question,) = await parked(run)
    assert (question,) == (await run.info()).questions
    info = await run.resume({question.id: "yes"}) if named else await run.resume(answer="yes")
    assert run.id == info.run
    assert {"text": "yes", "count": 1} == await run.result()
    again = await run.resume({question.id: "yes"})
    assert "completed" == again.ending
    with pytest.raises(InputError, match="E2009"):
        await run.resume({question.id: "no"})


async def test_a_reader_stays_with_a_run_that_waits(client):
    run = await client.start("both", {}, attach=True)
    async with run.events() as events:
        async for event in events:
            if isinstance(event, kinds.RunInterrupted):
                for question in event.questions:
                    if question.id not in (await run.state()):
                        await run.resume({question.id: 7 if question.schema else "one"})
                        break
    assert {"text": "one", "count": 7} == await run.state()


async def test_what_is_only_held_is_let_go(client):
    run = await client.start("hold", {"count": 1})
    await parked(run)
    await run.resume(answer=None)
    assert "word 0 🌊 " == (await run.result())["text"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "E2002"),
        ({"answers": {"node:1?1": 1}, "answer": 1}, "E2002"),
        ({"answers": {"node:9?1": 1}}, "E2015"),
        ({"answers": {"node:1?1": object()}}, "E2001"),
    ],
)
async def test_an_answer_that_cannot_be_taken_is_an_error(client, given, code):
    run = await client.start("ask", {})
    await parked(run)
    with pytest.raises(InputError, match=code):
        await run.resume(**given)
    await run.stop()


async def test_an_answer_that_names_no_question_where_several_are_open_is_an_error(client):
    run = await client.start("both", {})
    await parked(run)
    with pytest.raises(InputError, match="E2015"):
        await run.resume(answer=1)
    await run.stop()


async def test_a_lost_answer_to_an_answer_is_asked_again_under_the_same_key(monkeypatch):
    monkeypatch.setattr("riverrun.client.remote._TRY_AGAIN_DELAY", 0.001)
    row = b'{"run":"%s","graph":"g","status":"queued","head":1,"log":"x","epoch":0,"created_ms":1,"updated_ms":1}'
    async with serving(events_of(2)) as server, Client(server.url) as client:
        answers = iter([sends(b""), sends(respond(202, row % RUN.encode(), JSON))])

        async def answer(server, request, line):
            await next(answers)(server, request, line)

        server.answers[f"POST /v1/runs/{RUN}/resume"] = answer
        assert RUN == (await client.run(RUN).resume({"a:1?1": 1})).run
        assert 1 == len({request.headers["idempotency-key"] for request in server.requests})
        server.answers[f"POST /v1/runs/{RUN}/resume"] = sends(b"")
        with pytest.raises(ConnectionFault):
            await client.run(RUN).resume({"a:1?1": 1})
        assert 2 + 4 == len(server.requests)


async def test_a_fork_goes_on_from_a_place(client):
    run = await client.start("words", {"count": 1})
    state = await run.result()
    fork = await run.fork(at=2, limit=50, thread="elsewhere")
    assert run.id != fork.id
    assert state == await fork.result()
    assert "elsewhere" == (await fork.info()).thread
    with pytest.raises(InputError, match="E2016"):
        await run.fork(at=9999)


async def test_a_run_that_failed_is_tried_again_by_a_fork(client):
    BREAKS.append(None)
    run = await client.start("broken", {})
    async with run.events() as events:
        assert "run.failed" == [event.type async for event in events][-1]
    assert {"text": "whole"} == await (await run.fork()).result()


async def test_places_are_kept_once_their_events_were_worked_on(client):
    run = await client.start("words", {"count": 4})
    await run.result()
    kept: list[str] = []
    async with run.events(on_place=kept.append) as events:
        given = [(await anext(events)).seq for _ in range(4)]
        assert [1, 2, 3] == [int(place.rpartition(".")[2]) for place in kept]
        # The program breaks here, with the fourth event not worked on yet: it comes again.
    assert 3 == len(kept)
    async with run.events(kept[-1], on_place=kept.append) as events:
        again = [event.seq async for event in events]
    assert given[:-1] + again == list(range(1, again[-1] + 1))
    assert list(range(1, again[-1] + 1)) == [int(place.rpartition(".")[2]) for place in kept]
    assert 1 == len({place.rpartition(".")[0] for place in kept})


async def test_progress_is_told_as_events_arrive(client):
    run = await client.start("words", {"count": 30})
    await run.result()
    seen: list[Progress] = []
    async with run.events(on_progress=seen.append) as events:
        last = [event async for event in events][-1].seq
        assert State.ENDED is events.state
    assert last == seen[-1].arrived == seen[-1].head
    assert all(each.place <= each.arrived <= each.head for each in seen)
    assert sorted(seen) == seen
    told: list[Progress] = []
    await run.result(on_progress=told.append)
    assert last == told[-1].arrived


async def test_a_key_says_who_asks_on_every_kind_of_request(served):
    async with Client(served.url) as nobody:
        for call in (nobody.graphs(), nobody.start("words", {}), nobody.start("words", {}, attach=True)):
            with pytest.raises(InputError, match="E2017"):
                await call
    async with Client(served.url, key="me-key") as mine, Client(served.url, key="you-key") as yours:
        run = await mine.start("words", {})
        await run.result()
        with pytest.raises(NotFound, match="E2005"):
            await yours.run(run.id).info()
        async with yours.run(run.id).events() as events:
            with pytest.raises(NotFound, match="E2005"):
                await anext(events)
    async with Client(served.url, key="reader-key") as reader:
        assert run.id in [info.run for info in await reader.list()]
        theirs = reader.run(run.id)
        for refused in (reader.start("words", {}), theirs.stop(), theirs.fork(), theirs.resume({"a:1?1": 1})):
            with pytest.raises(InputError, match="E2018"):
                await cast("Coroutine[Any, Any, object]", refused)


@pytest.mark.parametrize("key", ["", "a b", "a\r\nx: y", "é"])
def test_a_key_that_cannot_stand_in_a_header_is_refused_and_not_shown(key):
    with pytest.raises(InputError, match="E6006") as caught:
        Client("http://127.0.0.1:1", key=key)
    assert repr(key) not in str(caught.value)


async def test_a_start_that_begins_and_does_not_say_which_run_is_not_understood():
    async with serving(events_of(1)) as server:
        server.answers["POST /v1/runs"] = sends(
            b"HTTP/1.1 201 Created\r\ncontent-type: text/event-stream\r\ncontent-length: 0\r\n\r\n"
        )
        async with Client(server.url, pace=FAST) as client:
            with pytest.raises(ProtocolFault, match="E5003"):
                await client.start("g", {}, attach=True)


async def test_a_server_that_never_answers_a_start_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with Client(url, timeout=0.05, pace=FAST) as client:
            with pytest.raises(ConnectionFault, match="E5005"):
                await asyncio.wait_for(client.start("g", {}, attach=True), 10)
