"""No route answers a foreign host or a page of another site: every route of the OpenAPI document is tried."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from riverrun.server.app import create_app
from riverrun.server.guard import Guard
from riverrun.server.openapi import document
from riverrun.server.settings import load
from tests.server.served import GRAPHS, STREAM, UNKNOWN, serving

# Each route with a request that it grants where nothing is wrong with the sender. A new route gets its line here.
ROUTES = {
    ("POST", "/v1/runs"): {"json": {"graph": "words", "input": {}}},
    ("GET", "/v1/runs"): {},
    ("GET", "/v1/runs/{run}"): {},
    ("GET", "/v1/runs/{run}/events"): {"headers": STREAM},
    ("GET", "/v1/runs/{run}/text"): {"params": {"message": "node:1/text"}},
    ("GET", "/v1/runs/{run}/state"): {},
    ("POST", "/v1/runs/{run}/stop"): {"json": {}},
    ("POST", "/v1/runs/{run}/resume"): {"json": {"answer": 1}},
    ("POST", "/v1/runs/{run}/fork"): {"headers": STREAM},
    ("POST", "/v1/runs/{run}/leave"): {"content": b"bye", "headers": {"content-type": "text/plain"}},
    ("GET", "/v1/graphs"): {},
    ("GET", "/v1/metrics"): {},
    ("GET", "/metrics"): {},
    ("GET", "/healthz"): {},
    ("GET", "/readyz"): {},
    ("GET", "/openapi.json"): {},
}
# 409: the run has ended, so there is nothing to resume; its route has looked.
GRANTED = {200, 201, 204, 409}
# The same doors in other forms, and what is no door.
MORE = [
    ("POST", "/v1/runs", {"json": {"graph": "words", "input": {}}, "headers": STREAM}),
    ("GET", "/v1/runs/{run}/events?wait=0", {}),
    ("GET", "/v1/runs/{run}/events", {"headers": {"accept": "application/json"}}),
    ("GET", "/nothing", {}),
    ("OPTIONS", "/v1/runs", {"headers": {"access-control-request-method": "POST"}}),
    ("DELETE", "/v1/runs", {}),
    ("PUT", "/v1/stream/a", {}),
    ("POST", "/v1/stream/a", {"headers": {"stream-closed": "true"}}),
    ("GET", "/v1/stream/a", {}),
    ("DELETE", "/v1/stream/a", {}),
    ("GET", "/v1/stream/runs/{run}", {}),
]
BAD_HOSTS = [
    "evil.example",
    "evil.example:80",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "localhost.",
    "127.0.0.1@evil.example",
    "evil.example#localhost",
    "[::1",
    "localhost:",
    "localhost:x",
    "10.0.0.1",
    "",
]
BAD_ORIGINS = [
    "https://evil.example",
    "http://localhost:1",
    "http://localhost:8000.evil.example",
    "http://user@localhost:8000",
    "null",
    "",
    "file://",
    "chrome-extension://abc",
    "http://",
]
HERE = "http://localhost:8000"


def tried(run):
    for (method, path), request in ROUTES.items():
        yield method, path.replace("{run}", run), request
    for method, path, request in MORE:
        yield method, path.replace("{run}", run), request


@asynccontextmanager
async def reached(app, url="http://127.0.0.1:8000"):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=url) as http:
        yield http


@asynccontextmanager
async def alone(**settings):
    app = create_app(GRAPHS, store="memory:", settings=load(**settings))
    async with app.state.riverrun, reached(app) as http:
        yield http


async def ended(http, **headers):
    answer = await http.post("/v1/runs", json={"graph": "words", "input": {}}, headers={**STREAM, **headers})
    assert 201 == answer.status_code, answer.text
    return str(answer.headers["location"].rpartition("/")[2])


async def send(http, method, path, request, **headers):
    return await http.request(method, path, **{**request, "headers": {**request.get("headers", {}), **headers}})


def refused(answer, where):
    """Say whether it is the refusal, whole, with nothing of the route in it."""
    assert (403, "E2014", where) == (answer.status_code, answer.json()["code"], answer.json()["where"])
    assert ("nosniff", "close") == (answer.headers["x-content-type-options"], answer.headers["connection"])
    assert not [name for name in answer.headers if name.startswith("access-control")]
    return True


def test_every_route_of_the_document_is_in_the_table():
    written = json.loads(document(create_app(GRAPHS, store="memory:"), ""))["paths"]
    stated = {(method.upper(), path) for path, methods in written.items() for method in methods}
    # Durable streams stand in MORE: what they answer depends on what was done before.
    assert set(ROUTES) == {(method, path) for method, path in stated if not path.startswith("/v1/stream/")}


async def test_every_route_grants_what_comes_by_its_own_names():
    async with alone() as http:
        run = await ended(http)
        for host in ("localhost", "LocalHost:1", "127.0.0.1:8000", "[::1]:8000", "[::1]"):
            for (method, path), request in ROUTES.items():
                answer = await send(http, method, path.replace("{run}", run), request, host=host)
                assert answer.status_code in GRANTED, (method, path, host, answer.text)


@pytest.mark.parametrize("host", BAD_HOSTS)
async def test_no_route_answers_to_a_foreign_host(host):
    async with alone() as http:
        run = await ended(http)
        for method, path, request in tried(run):
            assert refused(await send(http, method, path, request, host=host), "Host"), (method, path)


@pytest.mark.parametrize("origin", BAD_ORIGINS)
@pytest.mark.parametrize("allowed", [None, ("https://app.example",)])
async def test_no_route_answers_a_page_of_another_site(origin, allowed):
    async with alone(allowed_origins=allowed) as http:
        run = await ended(http)
        for method, path, request in tried(run):
            answer = await send(http, method, path, request, host="localhost:8000", origin=origin)
            assert refused(answer, "Origin"), (method, path)


async def test_two_headers_of_a_kind_are_refused():
    async with alone() as http:
        answer = await http.get("/healthz", headers=[("host", "localhost"), ("host", "evil.example")])
        assert refused(answer, "Host")
        answer = await http.get(
            "/healthz", headers=[("host", "localhost"), ("origin", "http://localhost"), ("origin", "null")]
        )
        assert refused(answer, "Origin")


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8000", "http://localhost:8000"),
        ("localhost", "http://localhost"),
        ("localhost:80", "http://localhost"),
        ("localhost", "https://localhost"),  # a proxy in front of it speaks TLS
        ("[::1]:8000", "http://[::1]:8000"),
        ("localhost:8000", "HTTP://LOCALHOST:8000"),
    ],
)
async def test_a_page_of_the_same_host_is_let_in_and_needs_no_leave(host, origin):
    async with alone() as http:
        for (method, path), request in ROUTES.items():
            answer = await send(http, method, path.replace("{run}", UNKNOWN), request, host=host, origin=origin)
            assert answer.status_code in {200, 201, 404}
            assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_listed_page_may_ask_and_read_on_every_route():
    async with alone(allowed_origins="https://app.example, http://localhost:5173") as http:
        run = await ended(http)
        for origin in ("https://app.example", "http://localhost:5173"):
            for method, path, request in tried(run):
                answer = await send(http, method, path, request, origin=origin)
                assert answer.status_code in GRANTED | {204, 404, 405}
                assert origin == answer.headers["access-control-allow-origin"]
                assert "Origin" in answer.headers["vary"]
                assert "access-control-allow-credentials" not in answer.headers


async def test_a_listed_page_may_ask_whether_it_may_ask():
    async with alone(allowed_origins=("https://app.example",)) as http:
        asked = {"origin": "https://app.example", "access-control-request-method": "POST"}
        answer = await http.options("/v1/runs", headers=asked)
        assert (204, b"") == (answer.status_code, answer.content)
        methods = set(answer.headers["access-control-allow-methods"].split(", "))
        assert {"GET", "HEAD", "POST", "PUT", "DELETE"} == methods
        named = set(answer.headers["access-control-allow-headers"].split(", "))
        assert {"content-type", "idempotency-key", "last-event-id", "authorization", "if-none-match"} <= named
        # An OPTIONS that asks for nothing is no question of a browser's.
        assert 405 == (await http.options("/v1/runs", headers={"origin": "https://app.example"})).status_code


async def test_a_server_beyond_the_loopback_answers_to_any_name_until_names_are_set():
    app = create_app(GRAPHS, store="memory:", settings=load())
    async with app.state.riverrun, reached(app, "http://203.0.113.7") as http:
        assert 200 == (await http.get("/healthz", headers={"host": "any.example"})).status_code
        assert refused(await http.get("/healthz", headers={"origin": "https://evil.example"}), "Origin")
    named = create_app(GRAPHS, store="memory:", settings=load(allowed_hosts=("Runs.Example",)))
    async with named.state.riverrun, reached(named, "http://203.0.113.7") as http:
        assert refused(await http.get("/healthz", headers={"host": "any.example"}), "Host")
        for host in ("runs.example", "RUNS.example:443", "localhost"):
            assert 200 == (await http.get("/healthz", headers={"host": host})).status_code


async def test_any_name_may_be_allowed():
    async with alone(allowed_hosts=("*",)) as http:
        assert 200 == (await http.get("/healthz", headers={"host": "any.example"})).status_code


@pytest.mark.parametrize(
    ("address", "looks"),
    [
        ("127.0.0.2", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("10.0.0.1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("/run/socket", False),
        ("", False),
    ],
)
async def test_what_arrives_at_the_loopback_is_known_by_its_address(address, looks):
    sent = []

    async def app(scope, receive, send):
        sent.append("passed")

    async def keep(message):
        sent.append(message.get("status"))

    scope = {"type": "http", "method": "GET", "headers": [(b"host", b"any.example")], "server": (address, 80)}
    await Guard(app)({**scope, "server": None} if not address else scope, None, keep)  # type: ignore[arg-type]
    assert ([403, None] if looks else ["passed"]) == sent


@pytest.mark.parametrize("listed", [False, True])
async def test_a_socket_of_another_site_is_closed_before_it_opens(listed):
    sent = []

    async def app(scope, receive, send):
        await send({"type": "websocket.accept"})

    async def receive():
        return {"type": "websocket.connect"}

    async def keep(message):
        sent.append((message["type"], message.get("code")))

    scope = {
        "type": "websocket",
        "headers": [(b"host", b"localhost"), (b"origin", b"https://app.example")],
        "server": ("127.0.0.1", 80),
    }
    await Guard(app, (), ("https://app.example",) if listed else ())(scope, receive, keep)
    assert [("websocket.accept", None) if listed else ("websocket.close", 1008)] == sent


async def test_a_mounted_program_leaves_the_name_to_its_host_and_refuses_pages_of_other_sites():
    host, agents = FastAPI(), create_app(GRAPHS, store="memory:", settings=load())
    host.mount("/agents", agents)
    async with agents.state.riverrun, reached(host) as http:
        run = await ended(http_below(http))
        for method, path, request in tried(run):
            answer = await send(http, method, f"/agents{path}", request, host="site.example")
            assert 403 != answer.status_code
            answer = await send(http, method, f"/agents{path}", request, host="site.example", origin="http://evil")
            assert refused(answer, "Origin")
            same = await send(
                http, method, f"/agents{path}", request, host="site.example", origin="https://site.example"
            )
            assert 403 != same.status_code


async def test_a_mounted_program_that_is_told_its_names_answers_to_no_other():
    host, agents = FastAPI(), create_app(GRAPHS, store="memory:", settings=load(allowed_hosts=("site.example",)))
    host.mount("/agents", agents)
    async with agents.state.riverrun, reached(host) as http:
        for method, path, request in tried(UNKNOWN):
            assert 403 != (await send(http, method, f"/agents{path}", request, host="site.example")).status_code
            assert refused(await send(http, method, f"/agents{path}", request, host="evil.example"), "Host")


def http_below(http):
    """Give the same client with all paths below the mount."""
    return httpx.AsyncClient(transport=http._transport, base_url="http://127.0.0.1:8000/agents")


def test_a_real_server_on_the_loopback_looks_without_being_told():
    with serving() as served:
        run = served.start()
        served.whole(run)
        for method, path, request in tried(run):
            headers = request.get("headers", {})
            given = {name: value for name, value in request.items() if name != "headers"}
            for bad, where in (({"host": "evil.example"}, "Host"), ({"origin": "https://evil.example"}, "Origin")):
                answer = served.http.request(method, path, headers={**headers, **bad}, **given)
                assert refused(answer, where), (method, path)
        assert 200 == served.http.get("/healthz").status_code
