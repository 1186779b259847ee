"""Durable streams over HTTP, on a real server: every door as nobody, a stranger and the owner; runs as streams."""

from __future__ import annotations

import base64
import json
import socket
import threading
from functools import cache
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from riverrun.server import create_app
from riverrun.server.settings import load
from riverrun.wire.sse import Parser
from tests.server.served import GRAPHS, STREAM, UNKNOWN, serving

TEXT = {"content-type": "text/plain"}
JSON = {"content-type": "application/json"}
CLOSED = {"stream-closed": "true"}
KEYS = "owner-key:acme,foreign-key:other," + ",".join(
    f"{scope}-key:acme:{scope}" for scope in ("read", "start", "stop", "resume")
)
# Each door: the scope that its principal needs, a request, and what its owner gets; in this order, on one path.
DOORS: list[tuple[str, str, str, dict[str, Any], int]] = [
    ("PUT", "start", "walk", {"content": b"a", "headers": TEXT}, 201),
    ("POST", "start", "walk", {"content": b"b", "headers": TEXT}, 204),
    ("POST", "start", "walk", {"headers": {"stream-closed": "true"}}, 204),
    ("GET", "read", "walk", {}, 200),
    ("GET", "read", "walk?offset=-1&live=long-poll", {}, 200),
    ("GET", "read", "walk?offset=-1&live=sse", {}, 200),
    ("HEAD", "read", "walk", {}, 200),
    ("PUT", "start", "fork", {"headers": {"stream-forked-from": "/v1/stream/walk"}}, 201),
    ("DELETE", "stop", "fork", {}, 204),
    ("DELETE", "stop", "walk", {}, 204),
]


def known(key):
    return {"authorization": f"Bearer {key}"}


def ask(http, method, path, request=None, **headers):
    request = request or {}
    return http.request(
        method, f"/v1/stream/{path}", **{**request, "headers": {**request.get("headers", {}), **headers}}
    )


def code(answer):
    return answer.status_code, answer.json()["code"]


@pytest.fixture(scope="module")
def served():
    with serving() as served:
        yield served


@pytest.fixture(scope="module")
def guarded():
    with serving(keys=KEYS) as served:
        yield served


# --- who may ask ---


def test_nobody_gets_past_any_door(guarded):
    for method, _, path, request, _ in [*DOORS, ("GET", "", "nothing", {}, 404), ("PATCH", "", "walk", {}, 405)]:
        answer = ask(guarded.http, method, path, request)
        assert 401 == answer.status_code, (method, path)
        assert method == "HEAD" or "E2017" == answer.json()["code"]


def test_the_owner_may_do_everything_and_a_stranger_meets_nothing_of_it(guarded):
    for method, _, path, request, status in DOORS:
        if method != "PUT":
            theirs = ask(guarded.http, method, path, request, **known("foreign-key"))
            assert 404 == theirs.status_code, (method, path)
            assert method == "HEAD" or "E2031" == theirs.json()["code"]
        answer = ask(guarded.http, method, path, request, **known("owner-key"))
        assert status == answer.status_code, (method, path, answer.text)
    fork = {"headers": {**TEXT, "stream-forked-from": "/v1/stream/mine"}}
    ask(guarded.http, "PUT", "mine", {"headers": TEXT}, **known("owner-key"))
    assert (404, "E2031") == code(ask(guarded.http, "PUT", "theirs", fork, **known("foreign-key")))


@pytest.mark.parametrize("has", ["read", "start", "stop", "resume"])
def test_each_scope_opens_its_own_doors_only(guarded, has):
    walk, fork = f"{has}-walk", {"stream-forked-from": f"/v1/stream/{has}-walk"}
    if has != "start":
        owner = known("owner-key")
        assert 201 == ask(guarded.http, "PUT", walk, {"content": b"ab"}, **TEXT, **owner, **CLOSED).status_code
        assert 201 == ask(guarded.http, "PUT", f"{has}-fork", **fork, **owner).status_code
    for method, needed, path, request, status in DOORS:
        headers = {**request.get("headers", {}), **(fork if path == "fork" and method == "PUT" else {})}
        answer = ask(guarded.http, method, f"{has}-{path}", {**request, "headers": headers}, **known(f"{has}-key"))
        if needed == has:
            assert status == answer.status_code, (method, path, answer.text)
        else:
            assert 403 == answer.status_code, (method, path)
            assert method == "HEAD" or "E2018" == answer.json()["code"]


def test_a_run_of_another_tenant_is_no_stream(guarded):
    body = {"graph": "words", "input": {}}
    run = guarded.http.post("/v1/runs", json=body, headers=known("owner-key")).json()["run"]
    assert 200 == ask(guarded.http, "GET", f"runs/{run}", **known("owner-key")).status_code
    theirs = ask(guarded.http, "GET", f"runs/{run}", **known("foreign-key"))
    assert (404, "E2005") == code(theirs)
    nowhere = ask(guarded.http, "GET", f"runs/{UNKNOWN}", **known("foreign-key"))
    assert nowhere.text.replace(UNKNOWN, run) == theirs.text
    assert (403, "E2018") == code(ask(guarded.http, "GET", f"runs/{run}", **known("stop-key")))


def test_a_foreign_host_or_page_is_refused_at_every_door(served):
    for method, _, path, request, _ in DOORS:
        for wrong in ({"host": "evil.example"}, {"origin": "https://evil.example"}):
            answer = ask(served.http, method, path, request, **wrong)
            assert 403 == answer.status_code
            assert method == "HEAD" or "E2014" == answer.json()["code"]


def test_a_listed_page_may_ask_for_all_of_it():
    with serving(allowed_origins="https://app.example") as served:
        page = {"origin": "https://app.example"}
        asked = {**page, "access-control-request-method": "PUT", "access-control-request-headers": "if-none-match"}
        told = ask(served.http, "OPTIONS", "a", **asked).headers
        assert {"PUT", "DELETE"} <= set(told["access-control-allow-methods"].split(", "))
        assert {"if-none-match", "producer-id"} <= set(told["access-control-allow-headers"].split(", "))
        made = ask(served.http, "PUT", "a", {"content": b"x", "headers": TEXT}, **page)
        assert "stream-next-offset" in made.headers["access-control-expose-headers"].split(", ")


# --- what is refused ---


def test_a_body_over_the_limit_is_refused_and_the_answer_arrives():
    with serving(max_body_bytes=1000) as served:
        ask(served.http, "PUT", "a", {"headers": TEXT})
        for body in (b"x" * 1001, b"x" * 5_000_000, iter([b"x" * 4_000_000] * 2)):
            answer = ask(served.http, "POST", "a", {"content": body, "headers": TEXT})
            assert (413, "E2003") == code(answer)
        assert 204 == ask(served.http, "POST", "a", {"content": b"x" * 1000, "headers": TEXT}).status_code


def test_what_is_far_too_long_is_not_taken_at_all():
    with serving(max_body_bytes=1000) as served:
        host, port = served.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as wire:
            head = f"PUT /v1/stream/a HTTP/1.1\r\nhost: localhost\r\ncontent-length: {2**40}\r\n\r\n"
            wire.sendall(head.encode())
            answer = b"".join(iter(lambda: wire.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"E2003" in answer


@pytest.mark.parametrize(
    ("method", "path", "request_", "status", "error"),
    [
        ("PATCH", "a", {}, 405, "E2011"),
        ("OPTIONS", "a", {}, 405, "E2011"),
        ("PUT", f"runs/{UNKNOWN}", {}, 405, "E2011"),
        ("DELETE", f"runs/{UNKNOWN}", {}, 405, "E2011"),
        ("GET", f"runs/{UNKNOWN}", {}, 404, "E2005"),
        ("GET", "runs/x", {}, 404, "E2005"),
        ("GET", "__ds/subscriptions/x", {}, 404, "E2011"),
        ("PUT", "", {}, 400, "E2039"),
        ("PUT", "a%00b", {}, 400, "E2039"),
        ("PUT", "x" * 1025, {}, 400, "E2039"),
        ("GET", "nothing", {}, 404, "E2031"),
        ("GET", "nothing?offset=x", {}, 400, "E2007"),
        ("POST", "nothing", {"content": b"x", "headers": TEXT}, 404, "E2031"),
        ("PUT", "json", {"content": b"{", "headers": JSON}, 400, "E2001"),
    ],
)
def test_what_cannot_be_is_refused_as_a_problem(served, method, path, request_, status, error):
    answer = ask(served.http, method, path, request_)
    assert (status, error) == code(answer)
    assert "application/problem+json" == answer.headers["content-type"]
    assert ("nosniff", "same-origin") == (
        answer.headers["x-content-type-options"],
        answer.headers["cross-origin-resource-policy"],
    )
    assert status != 405 or "GET" in answer.headers["allow"]


def test_a_place_behind_the_end_is_refused_in_every_way_to_read(served):
    ask(served.http, "PUT", "short", {"content": b"x", "headers": TEXT})
    for live in ("", "&live=long-poll", "&live=sse"):
        assert (410, "E2006") == code(ask(served.http, "GET", f"short?offset=0000000000000999{live}"))


def test_a_writer_that_is_refused_is_told_where_things_are(served):
    ask(served.http, "PUT", "told", {"headers": TEXT})

    def put(epoch, seq, body=b"x", **headers):
        producer = {"producer-id": "p", "producer-epoch": str(epoch), "producer-seq": str(seq)}
        return ask(served.http, "POST", "told", {"content": body, "headers": {**TEXT, **producer}}, **headers)

    assert 200 == put(1, 0).status_code
    gap, stale, again = put(1, 5), put(0, 0), put(1, 0)
    assert ((409, "E2037"), "1", "5") == (
        code(gap),
        gap.headers["producer-expected-seq"],
        gap.headers["producer-received-seq"],
    )
    assert ((403, "E2036"), "1") == (code(stale), stale.headers["producer-epoch"])
    assert (204, "1", "0") == (again.status_code, again.headers["producer-epoch"], again.headers["producer-seq"])
    last = put(1, 1, **{"stream-closed": "true"})
    late = ask(served.http, "POST", "told", {"content": b"x", "headers": TEXT})
    assert ((409, "E2033"), "true") == (code(late), late.headers["stream-closed"])
    assert last.headers["stream-next-offset"] == late.headers["stream-next-offset"]
    wrong = ask(served.http, "PUT", "told", {"headers": JSON})
    assert (409, "E2038") == code(wrong)


def test_json_of_another_type_is_refused_for_its_type_and_an_empty_array_for_being_empty(served):
    ask(served.http, "PUT", "plain", {"headers": TEXT})
    ask(served.http, "PUT", "messages", {"headers": JSON})
    assert (409, "E2034") == code(ask(served.http, "POST", "plain", {"content": b"{", "headers": JSON}))
    assert (400, "E2039") == code(ask(served.http, "POST", "messages", {"content": b"[]", "headers": JSON}))


# --- what is served ---


def test_a_stream_is_there_after_the_server_was_started_again(tmp_path):
    store = f"sqlite:///{tmp_path / 's.db'}"
    with serving(store) as served:
        ask(served.http, "PUT", "a/b", {"content": b"1", "headers": TEXT}, **{"stream-ttl": "3600"})
        ask(served.http, "POST", "a/b", {"content": b"\xff", "headers": TEXT})
        before = ask(served.http, "GET", "a/b")
    with serving(store) as served:
        after = ask(served.http, "GET", "a/b")
        assert b"1\xff" == before.content == after.content
        for name in ("etag", "stream-next-offset", "content-type"):
            assert before.headers[name] == after.headers[name]
        assert "3600" == ask(served.http, "HEAD", "a/b").headers["stream-ttl"]


def test_pages_are_public_only_where_everybody_may_read(served, guarded):
    big = {"content": json.dumps(["x" * 300_000, "y"]).encode(), "headers": JSON}
    ask(served.http, "PUT", "big", big)
    assert "public" in ask(served.http, "GET", "big").headers["cache-control"]
    ask(guarded.http, "PUT", "big", big, **known("owner-key"))
    assert "private" in ask(guarded.http, "GET", "big", **known("owner-key")).headers["cache-control"]


async def test_a_body_is_not_taken_for_ever():
    taken = 0

    async def body():
        nonlocal taken
        for _ in range(10_000):
            taken += 10_000
            yield b"x" * 10_000

    app = create_app(GRAPHS, store="memory:", settings=load(max_body_bytes=1000))
    transport = httpx.ASGITransport(app)
    async with app.state.riverrun, httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        answer = await http.put("/v1/stream/a", content=body(), headers=TEXT)
    assert ((413, "E2003"), "close") == (code(answer), answer.headers["connection"])
    assert 16 * 1024 * 1024 < taken < 17 * 1024 * 1024


def test_a_new_stream_says_where_it_is(served):
    made = ask(served.http, "PUT", "with%20space/é", {"headers": TEXT})
    assert f"{served.url}/v1/stream/with%20space/%C3%A9" == made.headers["location"]
    assert 200 == served.http.get(made.headers["location"]).status_code
    again = ask(served.http, "PUT", "with%20space/é", {"headers": TEXT})
    assert (200, None) == (again.status_code, again.headers.get("location"))


def test_a_stream_that_is_opened_as_a_page_may_do_nothing(served):
    page = {"content": b"<script>alert(1)</script>", "headers": {"content-type": "text/html"}}
    answers = [
        ask(served.http, "PUT", "page", page),
        ask(served.http, "GET", "page"),
        ask(served.http, "GET", "page?offset=-1&live=long-poll"),
        ask(served.http, "HEAD", "page"),
        ask(served.http, "GET", "no page"),
    ]
    for answer in answers:
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "nosniff" == answer.headers["x-content-type-options"]


async def test_streams_are_there_where_a_host_mounted_the_program():
    app = create_app(GRAPHS, store="memory:")
    host = FastAPI()
    host.mount("/agents", app)
    transport = httpx.ASGITransport(host)
    async with app.state.riverrun, httpx.AsyncClient(transport=transport, base_url="http://host/agents") as http:
        made = await http.put("/v1/stream/a", content=b"1", headers=TEXT)
        assert (201, "http://host/agents/v1/stream/a") == (made.status_code, made.headers["location"])
        fork = await http.put("/v1/stream/b", headers={"stream-forked-from": "/agents/v1/stream/a"})
        assert 201 == fork.status_code
        assert "1" == (await http.get("/v1/stream/b")).text


def test_a_run_is_read_as_json_messages_with_its_seqs_as_offsets(served):
    run = served.start("words", count=5)
    lines = [block.data for block in Parser().feed(served.whole(run))]
    answer = ask(served.http, "GET", f"runs/{run}?offset=-1")
    assert f"[{','.join(lines)}]" == answer.text
    assert ("true", "true", f"{len(lines):016d}") == (
        answer.headers["stream-closed"],
        answer.headers["stream-up-to-date"],
        answer.headers["stream-next-offset"],
    )
    head = ask(served.http, "HEAD", f"runs/{run}")
    assert ("application/json", "true", f"{len(lines):016d}") == (
        head.headers["content-type"],
        head.headers["stream-closed"],
        head.headers["stream-next-offset"],
    )
    part = ask(served.http, "GET", f"runs/{run}?offset={3:016d}")
    assert [json.loads(line) for line in lines[3:]] == part.json()
    assert [] == ask(served.http, "GET", f"runs/{run}?offset=now").json()


def test_a_reader_may_change_between_the_two_views_of_a_run(served):
    run = served.parked("ask")["run"]
    offset = ask(served.http, "GET", f"runs/{run}").headers["stream-next-offset"]
    assert "stream-closed" not in ask(served.http, "HEAD", f"runs/{run}").headers
    served.http.post(f"/v1/runs/{run}/resume", json={"answer": "yes"})
    with served.http.stream("GET", f"/v1/runs/{run}/events", params={"after": int(offset)}, headers=STREAM) as answer:
        native = [block.data for block in Parser().feed(answer.read())]
    assert f"[{','.join(native)}]" == ask(served.http, "GET", f"runs/{run}?offset={offset}").text


def test_a_live_reader_of_a_run_is_given_every_event_once_and_the_end(served):
    run = served.start("words", count=300)
    parser, messages, controls = Parser(), list[object](), list[dict[str, object]]()
    with served.http.stream("GET", f"/v1/stream/runs/{run}?offset=-1&live=sse") as answer:
        for chunk in answer.iter_bytes():
            for block in parser.feed(chunk):
                if block.event == "data":
                    messages += json.loads(block.data)
                else:
                    controls.append(json.loads(block.data))
    assert [json.loads(block.data) for block in Parser().feed(served.whole(run))] == messages
    assert [False] * (len(controls) - 1) + [True] == ["streamClosed" in told for told in controls]


@pytest.mark.parametrize("what", ["json", "bytes", "run"])
def test_a_reader_that_is_cut_at_any_byte_goes_on_without_loss_and_without_repetition(what):
    with serving(page_events=3, page_bytes=40) as served:
        if what == "run":
            path = f"runs/{served.start('words', count=10)}"
            served.whole(path.removeprefix("runs/"))
        else:
            path, kind = f"cut-{what}", JSON if what == "json" else {"content-type": "application/octet-stream"}
            ask(served.http, "PUT", path, {"headers": kind})
            for number in range(12):
                body = json.dumps([f"é\n{number}", number]) if what == "json" else f"\x00é{number};"
                ask(served.http, "POST", path, {"content": body.encode(), "headers": kind})
            ask(served.http, "POST", path, {"headers": CLOSED})

        @cache
        def received(offset):
            return ask(served.http, "GET", f"{path}?offset={offset}&live=sse").content

        whole, _ = _applied(received("-1"))
        assert received("-1").count(b"event: data") >= 4
        for cut in range(len(received("-1"))):
            before, offset = _applied(received("-1")[:cut])
            assert whole == before + _applied(received(offset))[0], cut


def _applied(received):
    """Do what a reader does: data counts once the control event behind it says where the reader is then."""
    applied: list[object] = []
    waiting: list[object] = []
    offset = "-1"
    for block in Parser().feed(received):
        if block.event == "data":
            waiting += json.loads(block.data) if block.data.startswith("[") else base64.b64decode(block.data)
        else:
            applied, waiting, offset = applied + waiting, [], json.loads(block.data)["streamNextOffset"]
    return applied, offset


def test_a_poller_follows_a_stream_that_another_client_writes(served):
    ask(served.http, "PUT", "followed", {"headers": TEXT})
    seen, offset = list[str](), "-1"

    def write():
        with httpx.Client(base_url=served.url, timeout=10) as http:
            for number in range(30):
                ask(http, "POST", "followed", {"content": b"%d;" % number, "headers": TEXT})
            ask(http, "POST", "followed", {"headers": {"stream-closed": "true"}})

    writer = threading.Thread(target=write, name="tests-writer")
    writer.start()
    while True:
        answer = ask(served.http, "GET", f"followed?offset={offset}&live=long-poll")
        seen.append(answer.text)
        offset = answer.headers["stream-next-offset"]
        if "stream-closed" in answer.headers:
            break
    writer.join()
    assert "".join(f"{number};" for number in range(30)) == "".join(seen)


def test_an_open_stream_says_goodbye_when_the_server_stops():
    with serving() as served:
        ask(served.http, "PUT", "a", {"headers": TEXT})
        with served.http.stream("GET", "/v1/stream/a?offset=-1&live=sse") as answer:
            chunks = answer.iter_bytes()
            assert b"event: control" in next(chunks)
            served.stop()
            assert not any(b"streamClosed" in chunk for chunk in chunks)
