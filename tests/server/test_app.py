"""A program of ours alone, and mounted in a program of the user's, with and without the host's help."""

from __future__ import annotations

from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

from riverrun.base.errors import LoadError
from riverrun.graph.plan import Plan
from riverrun.server.app import create_app
from tests.server.served import GRAPHS, STREAM

BODY = {"graph": "words", "input": {"count": 2}}


def client(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here")


async def test_a_mounted_program_opens_with_the_first_request_and_knows_where_it_is():
    host, agents = FastAPI(), create_app(GRAPHS, store="memory:")
    host.mount("/my agents", agents)
    async with client(host) as http:
        answer = await http.post("/my%20agents/v1/runs", json=BODY)
        location = answer.headers["location"]
        assert f"/my%20agents/v1/runs/{answer.json()['run']}" == location
        seen = await http.get(f"{location}/events", headers=STREAM)
        assert b"run.completed" in seen.content
        live = await http.post("/my%20agents/v1/runs", json=BODY, headers=STREAM)
        assert b"run.completed" in live.content
        assert 404 == (await http.get("/my%20agents/nothing")).status_code
    await agents.state.riverrun.close()


async def test_a_host_may_open_and_close_it_in_its_own_lifespan():
    agents = create_app(GRAPHS, store="memory:")

    @asynccontextmanager
    async def lifespan(_):
        async with agents.state.riverrun:
            yield

    host = FastAPI(lifespan=lifespan)
    host.mount("/agents", agents)
    async with host.router.lifespan_context(host), client(host) as http:
        assert 201 == (await http.post("/agents/v1/runs", json=BODY)).status_code
    assert agents.state.riverrun.readers.leaving


async def test_its_own_lifespan_opens_and_closes_it():
    app = create_app(GRAPHS, store="memory:")
    async with app.router.lifespan_context(app), client(app) as http:
        assert {"running", "waiting"} <= app.state.riverrun.statistics().keys()
        assert 200 == (await http.get("/readyz")).status_code
    async with client(app) as http:
        assert 503 == (await http.get("/readyz")).status_code


async def test_a_server_that_stops_is_not_ready_but_alive():
    app = create_app(GRAPHS, store="memory:")
    async with app.state.riverrun as runtime, client(app) as http:
        runtime.leave()
        assert (503, 200) == ((await http.get("/readyz")).status_code, (await http.get("/healthz")).status_code)


def test_a_plan_and_a_compiled_graph_are_taken_and_nothing_else():
    app = create_app({"a": GRAPHS["words"], "b": GRAPHS["words"].plan}, store="memory:")
    assert all(isinstance(plan, Plan) for plan in app.state.riverrun.plans.values())
    with pytest.raises(LoadError, match="E6002"):
        create_app({"c": object()}, store="memory:")


async def test_a_function_is_taken_as_it_is_and_an_agent_of_a_library_too():
    async def plain(state):
        yield f"hello {state['input']}"

    async def run(http, graph):
        answer = await http.post("/v1/runs", json={"graph": graph, "input": {"input": "Ada"}}, headers=STREAM)
        return answer.text

    app = create_app({"plain": plain, "tested": Agent(TestModel())}, store="memory:")
    async with app.state.riverrun, client(app) as http:
        assert "hello Ada" in await run(http, "plain")
        assert "run.completed" in await run(http, "tested")


def test_making_a_program_opens_nothing(tmp_path):
    create_app(GRAPHS, store=f"sqlite:///{tmp_path / 'runs.db'}")
    assert [] == list(tmp_path.iterdir())


async def test_no_page_of_another_site_is_let_in():
    app = create_app(GRAPHS, store="memory:")
    async with client(app) as http:
        asked = {"origin": "https://elsewhere.example", "access-control-request-method": "POST"}
        answer = await http.options("/v1/runs", headers=asked)
    assert (403, "E2014") == (answer.status_code, answer.json()["code"])
    assert not [name for name in answer.headers if name.startswith("access-control")]
