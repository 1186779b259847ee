"""Every route is walked as nobody, as a stranger, as who may only do one thing, and as the owner."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from riverrun.base.errors import InputError, StoreError
from riverrun.server import Principal, create_app
from riverrun.server.gate import ALL_SCOPES, Gate
from riverrun.server.openapi import document
from riverrun.server.settings import load
from tests.server.served import GRAPHS, STREAM, UNKNOWN, quiet, reading, serving

START = {"json": {"graph": "ask", "input": {}}}
# Each route: the scope that it needs (None: anybody may ask), a request, and what its owner gets. A new route gets its
# line here. `{run}` is a run of the owner's that asks something.
ROUTES = {
    ("POST", "/v1/runs"): ("start", START, 201),
    ("GET", "/v1/runs"): ("read", {}, 200),
    ("GET", "/v1/runs/{run}"): ("read", {}, 200),
    ("GET", "/v1/runs/{run}/events"): ("read", {"params": {"wait": 0}}, 200),
    ("GET", "/v1/runs/{run}/text"): ("read", {"params": {"message": "m"}}, 404),
    ("GET", "/v1/runs/{run}/state"): ("read", {}, 200),
    ("POST", "/v1/runs/{run}/fork"): ("start", {}, 201),
    ("POST", "/v1/runs/{run}/resume"): ("resume", {"json": {"answer": "yes"}}, 202),
    ("POST", "/v1/runs/{run}/stop"): ("stop", {}, None),  # 202, or 200 where the answer before was quicker
    ("POST", "/v1/runs/{run}/leave"): ("read", {}, 204),
    ("GET", "/v1/graphs"): ("read", {}, 200),
    ("GET", "/v1/metrics"): ("metrics", {}, 200),
    ("GET", "/metrics"): ("metrics", {}, 200),
    ("GET", "/healthz"): (None, {}, 200),
    ("GET", "/readyz"): (None, {}, 200),
    ("GET", "/openapi.json"): ("read", {}, 200),
}
# The same doors in other forms, and what is no door.
MORE = [
    ("POST", "/v1/runs", {**START, "headers": STREAM}),
    ("GET", "/v1/runs/{run}/events", {"headers": STREAM}),
    ("GET", "/v1/runs/{run}/events", {"headers": {**STREAM, "last-event-id": "3"}}),
    ("GET", "/nothing", {}),
    ("DELETE", "/v1/runs", {}),
    ("GET", "/healthz/", {}),
    ("GET", "//healthz", {}),
    ("GET", "/healthz/../v1/runs", {}),
    ("GET", "/v1/runs/{run}/..%2f..%2f..%2fhealthz", {}),
    ("GET", "/v1/graphs?x=/healthz", {}),
    ("PUT", "/v1/stream/a", {}),
    ("POST", "/v1/stream/a", {}),
    ("GET", "/v1/stream/a", {}),
    ("DELETE", "/v1/stream/a", {}),
    ("GET", "/v1/stream/runs/{run}", {}),
]
KEYS = f"owner-key:acme:{'+'.join(ALL_SCOPES)},plain-key:acme,foreign-key:other,"
KEYS += ",".join(f"{scope}-key:acme:{scope}" for scope in sorted(ALL_SCOPES))


def known(key):
    return {"authorization": f"Bearer {key}"}


def walked(run):
    for (method, path), (scope, request, _) in ROUTES.items():
        yield method, path.replace("{run}", run), request, scope is None
    for method, path, request in MORE:
        yield method, path.replace("{run}", run), request, False


def send(http, method, path, request, **headers):
    return http.request(method, path, **{**request, "headers": {**request.get("headers", {}), **headers}})


@pytest.fixture(scope="module")
def served():
    with serving(keys=KEYS) as served:
        yield served


@pytest.fixture
def asking(served):
    """A run of the owner's that waits for an answer."""
    return parked(served)


def parked(served):
    answer = served.http.post("/v1/runs", headers=known("owner-key"), **START)
    run = str(answer.json()["run"])
    with reading(served, run, **known("owner-key")) as blocks:
        next(block for block in blocks if '"run.interrupted"' in block.data)
    return run


def test_every_route_of_the_document_is_in_the_table():
    written = json.loads(document(create_app(GRAPHS, store="memory:"), ""))["paths"]
    stated = {(method.upper(), path) for path, methods in written.items() for method in methods}
    # Durable streams have a table of their own (`test_streams.py`): what they answer depends on what was done before.
    assert set(ROUTES) == {(method, path) for method, path in stated if not path.startswith("/v1/stream/")}


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer owner-key2"},
        {"authorization": "Bearer owner-ke"},
        {"authorization": "Bearer owner-key, Bearer owner-key"},
        {"authorization": "Basic owner-key"},
        {"authorization": "owner-key"},
        {"authorization": "Bearer OWNER-KEY"},
        {"x-authorization": "Bearer owner-key"},
        {"cookie": "authorization=owner-key"},
    ],
    ids=str,
)
def test_nobody_gets_past_any_door(served, asking, sent):
    for method, path, request, is_open in walked(asking):
        answer = send(served.http, method, path, request, **sent)
        if is_open:
            assert 200 == answer.status_code, (method, path)
            continue
        assert (401, "E2017") == (answer.status_code, answer.json()["code"]), (method, path)
        assert ("Bearer", "close") == (answer.headers["www-authenticate"], answer.headers["connection"])
        assert asking not in answer.text.replace(path, "")
    status = served.http.get(f"/v1/runs/{asking}", headers=known("owner-key")).json()["status"]
    assert "parked" == status


def test_a_key_in_the_address_is_no_key(served):
    for name in ("key", "token", "access_token", "authorization"):
        assert 401 == served.http.get("/v1/runs", params={name: "owner-key"}).status_code


def test_two_headers_are_no_key(served):
    both = [("authorization", "Bearer owner-key"), ("authorization", "Bearer wrong")]
    for headers in (both, both[::-1]):
        assert 401 == served.http.get("/v1/runs", headers=headers).status_code


def test_a_stranger_meets_no_run_of_the_owner(served, asking):
    for (method, path), (_, request, _) in ROUTES.items():
        if "{run}" not in path:
            continue
        theirs = send(served.http, method, path.replace("{run}", asking), request, **known("foreign-key"))
        nowhere = send(served.http, method, path.replace("{run}", UNKNOWN), request, **known("foreign-key"))
        assert (404, "E2005") == (theirs.status_code, theirs.json()["code"]), (method, path)
        assert theirs.text.replace(asking, UNKNOWN) == nowhere.text
    assert [] == served.http.get("/v1/runs", headers=known("foreign-key")).json()["runs"]
    assert "parked" == served.http.get(f"/v1/runs/{asking}", headers=known("owner-key")).json()["status"]


def test_an_idempotency_key_leads_to_no_run_of_another(served):
    runs = [
        served.http.post("/v1/runs", headers={**known(key), "idempotency-key": "one"}, **START).json()["run"]
        for key in ("owner-key", "foreign-key")
    ]
    assert runs[0] != runs[1]


def test_the_owner_may_do_everything(served, asking):
    for (method, path), (_, request, status) in ROUTES.items():
        answer = send(served.http, method, path.replace("{run}", asking), request, **known("owner-key"))
        assert answer.status_code in ({status} if status else {200, 202}), (method, path, answer.text)


@pytest.mark.parametrize("has", sorted(ALL_SCOPES))
def test_each_scope_opens_its_own_doors_only(served, has):
    run = parked(served)
    for (method, path), (needed, request, status) in ROUTES.items():
        answer = send(served.http, method, path.replace("{run}", run), request, **known(f"{has}-key"))
        if needed in (None, has):
            assert answer.status_code in ({status} if status else {200, 202}), (method, path, answer.text)
        else:
            assert (403, "E2018") == (answer.status_code, answer.json()["code"]), (method, path)
            assert needed in answer.json()["detail"]


def test_what_is_told_of_all_tenants_is_only_for_whom_it_was_named(served):
    for path in ("/v1/metrics", "/metrics"):
        answer = served.http.get(path, headers=known("plain-key"))
        assert (403, "E2018") == (answer.status_code, answer.json()["code"])


def test_to_begin_and_attach_in_one_request_needs_both_scopes(served, asking):
    only = known("start-key")
    for path, body in (("/v1/runs", START), (f"/v1/runs/{asking}/fork", {})):
        before = served.http.get("/v1/runs", headers=known("owner-key")).json()["runs"]
        answer = served.http.post(path, headers={**only, **STREAM}, **body)
        assert (403, "E2018") == (answer.status_code, answer.json()["code"])
        assert before == served.http.get("/v1/runs", headers=known("owner-key")).json()["runs"]


def test_to_stop_the_run_before_needs_the_scope_to_stop(served):
    body = {"graph": "words", "input": {}, "thread": "t", "when_busy": "stop"}
    assert 403 == served.http.post("/v1/runs", json=body, headers=known("start-key")).status_code
    assert 201 == served.http.post("/v1/runs", json=body, headers=known("owner-key")).status_code


def test_a_host_that_is_not_ours_is_refused_before_anybody_is_asked(served):
    answer = served.http.get("/v1/runs", headers={"host": "evil.example"})
    assert (403, "E2014") == (answer.status_code, answer.json()["code"])


def test_a_listed_page_can_read_that_it_is_not_known():
    with serving(keys=KEYS, allowed_origins="https://app.example") as served:
        page = {"origin": "https://app.example"}
        preflight = {**page, "access-control-request-method": "GET"}
        assert 204 == served.http.options("/v1/runs", headers=preflight).status_code
        answer = served.http.get("/v1/runs", headers=page)
        assert (401, "https://app.example") == (answer.status_code, answer.headers["access-control-allow-origin"])


def test_the_document_says_that_a_key_is_needed(served):
    written = served.http.get("/openapi.json", headers=known("read-key")).json()
    assert [{"key": []}] == written["security"]
    assert "bearer" == written["components"]["securitySchemes"]["key"]["scheme"]
    assert "security" not in json.loads(document(create_app({}, store="memory:"), ""))


@asynccontextmanager
async def reached(app, mount=None):
    host = app
    if mount:
        host = FastAPI()
        host.mount(mount, app)
    url = f"http://127.0.0.1:8000{mount or ''}"
    transport = httpx.ASGITransport(host, raise_app_exceptions=False)
    async with app.state.riverrun, httpx.AsyncClient(transport=transport, base_url=url) as http:
        yield http


async def by_name(connection):
    """Take the name in a header for a tenant."""
    name = connection.headers.get("x-name")
    return Principal(name) if name else None


@pytest.mark.parametrize("mount", [None, "/agents", "/healthz"])
async def test_a_function_of_the_user_s_decides_mounted_or_not(mount):
    app = create_app(GRAPHS, store="memory:", authenticate=by_name)
    async with reached(app, mount) as http:
        run = (await http.post("/v1/runs", headers={"x-name": "me"}, **START)).json()["run"]
        for method, path, request, is_open in walked(run):
            if ".." in path or "//" in path:
                continue  # the client itself makes another path of it
            assert (await send(http, method, path, request)).status_code == (200 if is_open else 401), (method, path)
        assert 404 == (await http.get(f"/v1/runs/{run}", headers={"x-name": "you"})).status_code
        assert 200 == (await http.get(f"/v1/runs/{run}", headers={"x-name": "me"})).status_code
        assert 422 == (await http.get(f"/v1/runs/{run}", headers={"x-name": "no/name"})).status_code


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(StoreError("E4002", "the directory of users is gone"), 503, "E4002"), (ValueError("secret"), 500, "E6007")],
)
async def test_a_function_that_fails_lets_nobody_in_and_says_nothing(error, status, code):
    async def fail(connection):
        raise error

    async with reached(create_app(GRAPHS, store="memory:", authenticate=fail)) as http:
        for method, path, request, is_open in walked(UNKNOWN):
            answer = await send(http, method, path, request)
            if not is_open:
                assert (status, code) == (answer.status_code, answer.json()["code"])
                assert "secret" not in answer.text


async def test_a_socket_is_refused_before_its_handshake():
    reached, sent = [], []

    async def app(scope, receive, send):
        reached.append(scope["type"])

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    async def nobody(connection):
        return None

    async def somebody(connection):
        return Principal("me")

    for path in ("/v1/ws", "/healthz"):
        scope: dict[str, Any] = {"type": "websocket", "path": path, "headers": []}
        await Gate(app, nobody)(scope, receive, send)
    assert [("websocket.close", 1008, "E2017")] * 2 == [(each["type"], each["code"], each["reason"]) for each in sent]
    assert [] == reached
    await Gate(app, somebody)(scope, receive, send)
    await Gate(app, nobody)({"type": "lifespan"}, receive, send)
    assert ["websocket", "lifespan"] == reached


def test_two_ways_to_know_who_asks_are_one_too_many():
    for given in (
        {"authenticate": by_name, "settings": load(keys="k:acme")},
        {"authenticate": by_name, "tenant_of": lambda _: "acme"},
        {"tenant_of": lambda _: "acme", "settings": load(keys="k:acme")},
    ):
        with pytest.raises(InputError, match="E6006"):
            create_app({}, store="memory:", **given)


def test_keys_come_from_the_environment(monkeypatch, tmp_path):
    (tmp_path / "keys").write_text("# for the tests\nfile-key:acme\n")
    monkeypatch.setenv("RIVERRUN_KEYS", f"@{tmp_path / 'keys'}")
    with serving() as served, quiet():
        assert 401 == served.http.get("/v1/runs").status_code
        assert 200 == served.http.get("/v1/runs", headers=known("file-key")).status_code
