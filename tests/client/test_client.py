"""What a program calls first: starting is harmless to repeat, and errors are those of the server."""

from __future__ import annotations

import json

import httpx
import pytest

from riverrun.base.errors import Busy, ConnectionFault, InputError, NotFound
from riverrun.client import Client, RemoteRun
from riverrun.client.session import Pace
from riverrun.events.ending import Close
from riverrun.wire.pages import GraphEdge, GraphInfo
from tests.client.logs import LOG, events_of
from tests.client.server import JSON, SSE, hangs_after, head, problem, respond, sends, serving
from tests.events.samples import RUN

FAST = Pace(first_delay=0.001, longest_delay=0.002)
ROW = {
    "run": RUN,
    "graph": "g",
    "status": "running",
    "ending": None,
    "head": 1,
    "log": LOG,
    "epoch": 1,
    "thread": None,
    "created_ms": 1,
    "updated_ms": 1,
}


@pytest.fixture
async def server():
    async with serving(events_of(4)) as server:
        yield server


@pytest.fixture
async def client(server):
    async with Client(server.url, pace=FAST, timeout=2.0) as client:
        yield client


def starts(server, *before):
    """Let the server answer POST /v1/runs, after these answers."""
    answers = iter(before)
    created = respond(201, json.dumps(ROW).encode(), {**JSON, "location": f"/v1/runs/{RUN}"})

    async def answer(server, request, line):
        await next(answers, sends(created))(server, request, line)

    server.answers["POST /v1/runs"] = answer


async def test_starting_gives_the_run(server, client):
    starts(server)
    run = await client.start("g", {"text": "é"})
    assert isinstance(run, RemoteRun)
    assert RUN == run.id
    (request,) = server.requests
    assert {"graph": "g", "input": {"text": "é"}} == json.loads(request.body)
    assert "application/json" == request.headers["content-type"]


async def test_starting_says_what_it_was_told(server, client):
    starts(server)
    await client.start("g", {}, thread="t", limit=5, timeout=1.5, idem_key="key-1")
    (request,) = server.requests
    assert {"graph": "g", "input": {}, "thread": "t", "limit": 5, "timeout": 1.5} == json.loads(request.body)
    assert "key-1" == request.headers["idempotency-key"]


async def test_a_start_whose_answer_was_lost_is_repeated_under_the_same_key(server, client):
    starts(server, sends(b""), sends(respond(502)), sends(b"HTTP/1.1 201 Created\r\ncontent-length: 9\r\n\r\n{"))
    run = await client.start("g", {})
    assert RUN == run.id
    assert 4 == len(server.requests)
    assert 1 == len({request.headers["idempotency-key"] for request in server.requests})


async def test_each_start_has_a_key_of_its_own(server, client):
    starts(server)
    await client.start("g", {})
    await client.start("g", {})
    first, second = (request.headers["idempotency-key"] for request in server.requests)
    assert first != second


async def test_a_server_that_is_not_there_is_given_up_after_a_few_tries(server, client):
    starts(server, *[sends(b"")] * 9)
    with pytest.raises(ConnectionFault):
        await client.start("g", {})
    assert 4 == len(server.requests)


@pytest.mark.parametrize(
    "error",
    [
        Busy("E3010", "full", retry_after=2.0),
        NotFound("E2004", "no graph 'g'"),
        InputError("E2010", "no key 'x'", where="x"),
    ],
)
async def test_a_refusal_is_not_repeated_and_is_the_server_s_error(server, client, error):
    starts(server, sends(problem(error)))
    with pytest.raises(type(error)) as caught:
        await client.start("g", {})
    assert vars(error) == vars(caught.value)
    assert 1 == len(server.requests)


@pytest.mark.parametrize("value", [object(), "\ud800"], ids=["object", "lone surrogate"])
async def test_an_input_that_is_not_json_is_refused_before_it_travels(server, client, value):
    with pytest.raises(InputError) as caught:
        await client.start("g", {"x": value})
    assert "E2001" == caught.value.code
    assert [] == server.requests


async def test_graphs_are_listed(server, client):
    edge = {"source": "a", "target": "b", "conditional": True}
    server.answers["GET /v1/graphs"] = {"graphs": [{"name": "g", "nodes": ["a", "b"], "edges": [edge]}]}
    expected = GraphInfo(name="g", nodes=("a", "b"), edges=(GraphEdge(source="a", target="b", conditional=True),))
    assert [expected] == await client.graphs()


async def test_runs_are_listed(server, client):
    server.answers["GET /v1/runs"] = {"runs": [ROW]}
    assert [RUN] == [info.run for info in await client.list()]
    await client.list(graph="g", status="ended", limit=3, before=RUN)
    assert [{"limit": "50"}, {"graph": "g", "status": "ended", "limit": "3", "before": RUN}] == [
        request.query for request in server.requests
    ]


@pytest.mark.parametrize("run_id", ["", "x", "../" * 10 + "00", RUN + "/stop"])
async def test_what_is_no_id_of_a_run_never_reaches_the_server(server, client, run_id):
    with pytest.raises(NotFound) as caught:
        client.run(run_id)
    assert "E2005" == caught.value.code
    assert [] == server.requests


async def test_closing_leaves_every_log_and_is_idempotent(server):
    server.faults.append(hangs_after(head(200, SSE)))
    client = Client(server.url)
    subscription = client.run(RUN).events()
    await client.aclose()
    await client.aclose()
    assert Close.DETACHED is subscription.close
    assert [] == [event async for event in subscription]


async def test_a_client_of_the_caller_s_stays_open(server):
    async with httpx.AsyncClient() as http:
        async with Client(server.url, http=http) as client:
            server.answers["GET /v1/graphs"] = {"graphs": []}
            assert [] == await client.graphs()
        assert not http.is_closed
