"""Every error is a problem document with its code (PROTOCOL.md §7), and an unexpected one tells nothing but that."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from riverrun.base.codes import CODES
from riverrun.base.errors import StoreError
from riverrun.log.store import RunKey
from riverrun.server.app import create_app
from riverrun.stores.memory import MemoryStore
from tests.server.served import GRAPHS, UNKNOWN, quiet, serving

PROTOCOL = Path(__file__).parents[2] / "PROTOCOL.md"
JSON = {"content-type": "application/json"}
START = {"graph": "words", "input": {}}
OTHER_LOG = "00000000.1"


@pytest.fixture(scope="module")
def store():
    return MemoryStore()


@pytest.fixture(scope="module")
def served(store):
    with serving(store, max_body_bytes=2000) as served:
        yield served


@pytest.fixture(scope="module")
def run(served, store):
    """A run that has ended, of which the first two events were removed."""
    run = served.start()
    served.whole(run)
    store.trim(RunKey("default", run), 2)
    return run


def post(body, **headers):
    return "POST", "/v1/runs", {"content": body, "headers": {**JSON, **headers}}


def start(**fields):
    return "POST", "/v1/runs", {"json": {**START, **fields}}


def get(path, **headers):
    return "GET", path, {"headers": headers}


CASES = [
    # what is sent, status, code, where
    (post(b"{"), 400, "E2001", "body"),
    (post(b""), 400, "E2001", "body"),
    (post(b'{"graph": "\xff", "input": {}}'), 400, "E2001", "body"),
    (post(b'{"graph": "words", "input": NaN}'), 400, "E2001", "body"),
    (post(b'{"graph": "words", "input": {"text": "\\ud800"}}'), 400, "E2001", "body"),
    (post(b'{"graph": "words", "input": {"text": ' + b"[" * 1900), 400, "E2001", "body"),
    (("POST", "/v1/runs", {"content": b'{"graph":"words","input":{}}'}), 400, "E2001", "Content-Type"),
    (post(b"{}", **{"content-type": "text/plain"}), 400, "E2001", "Content-Type"),
    (post(b"[]"), 422, "E2002", "body"),
    (post(b"{}"), 422, "E2002", "graph"),
    (start(graph=7), 422, "E2002", "graph"),
    (start(graph=""), 422, "E2002", "graph"),
    (start(limit=0), 422, "E2002", "limit"),
    (start(limit="many"), 422, "E2002", "limit"),
    (start(timeout=-1), 422, "E2002", "timeout"),
    (start(thread=""), 422, "E2002", "thread"),
    (start(threads="misspelt"), 422, "E2002", "threads"),
    (start(input=[1]), 422, "E2002", "input"),
    (("POST", "/v1/runs", {"json": START, "headers": {"idempotency-key": "a b"}}), 422, "E2002", "Idempotency-Key"),
    (("POST", "/v1/runs", {"json": START, "headers": {"idempotency-key": "k" * 129}}), 422, "E2002", "Idempotency-Key"),
    (("POST", "/v1/runs/{run}/stop", {"json": {"reason": 1}}), 422, "E2002", "reason"),
    (("POST", f"/v1/runs/{UNKNOWN}/resume", {"json": {"answer": 1}}), 404, "E2005", ""),
    (("POST", f"/v1/runs/{UNKNOWN}/fork", {}), 404, "E2005", ""),
    (("POST", "/v1/runs/{run}/resume", {"json": {}}), 422, "E2002", "body"),
    (("POST", "/v1/runs/{run}/resume", {"content": b"1"}), 400, "E2001", "Content-Type"),
    (("POST", "/v1/runs/{run}/resume", {"json": {"answer": 1}}), 409, "E2009", ""),
    (
        ("POST", "/v1/runs/{run}/resume", {"json": {"answer": 1}, "headers": {"idempotency-key": "a b"}}),
        422,
        "E2002",
        "Idempotency-Key",
    ),
    (("POST", "/v1/runs/{run}/fork", {"json": {"at": "x"}}), 422, "E2002", "at"),
    (("POST", "/v1/runs/{run}/fork", {}), 410, "E4007", ""),
    (start(when_busy="panic"), 422, "E2002", "when_busy"),
    (start(thread="t" * 257), 422, "E2002", "thread"),
    (get("/v1/runs?created_after=x"), 422, "E2002", "created_after"),
    (get("/v1/runs?thread="), 422, "E2002", "thread"),
    (get("/v1/runs?limit=0"), 422, "E2002", "limit"),
    (get("/v1/runs?limit=x"), 422, "E2002", "limit"),
    (get("/v1/runs?status=asleep"), 422, "E2002", "status"),
    (get("/v1/runs?before=x"), 422, "E2002", "before"),
    (get("/v1/runs/{run}/events?wait=61"), 422, "E2002", "wait"),
    (get("/v1/runs/{run}/events?wait=nan"), 422, "E2002", "wait"),
    (get("/v1/runs/{run}/events?wait=1&limit=10001"), 422, "E2002", "limit"),
    (get("/v1/runs/{run}/state?at=-1"), 422, "E2002", "at"),
    (start(input={"text": "x" * 2000}), 413, "E2003", "body"),
    (("POST", "/v1/runs", {"content": iter([b"x" * 900] * 4), "headers": JSON}), 413, "E2003", "body"),
    (start(graph="nothing"), 404, "E2004", ""),
    (get(f"/v1/runs/{UNKNOWN}"), 404, "E2005", ""),
    (get("/v1/runs/not-an-id"), 404, "E2005", "run"),
    (get("/v1/runs/..%2fetc"), 404, "E2011", "path"),
    (get(f"/v1/runs/{UNKNOWN}/events"), 404, "E2005", ""),
    (get(f"/v1/runs/{UNKNOWN.upper()}/events"), 404, "E2005", "run"),
    (get(f"/v1/runs/{UNKNOWN}/events?wait=1"), 404, "E2005", ""),
    (get(f"/v1/runs/{UNKNOWN}/state"), 404, "E2005", ""),
    (("POST", f"/v1/runs/{UNKNOWN}/stop", {}), 404, "E2005", ""),
    (get("/v1/runs/{run}/events?after=9999"), 410, "E2006", ""),
    (get("/v1/runs/{run}/events?after=9999&wait=1"), 410, "E2006", ""),
    (get("/v1/runs/{run}/state?at=9999"), 410, "E2006", ""),
    (get("/v1/runs/{run}/events?after=x"), 400, "E2007", ""),
    (get("/v1/runs/{run}/events", **{"last-event-id": "x.1"}), 400, "E2007", ""),
    (get("/v1/runs/{run}/events", **{"last-event-id": OTHER_LOG}), 410, "E2008", ""),
    (get(f"/v1/runs/{{run}}/events?after={OTHER_LOG}&wait=1"), 410, "E2008", ""),
    (get("/v1/runs/{run}/events?after=0"), 410, "E4007", ""),
    (start(input={"nothing": 1}), 422, "E2010", None),
    (get("/v1"), 404, "E2011", "path"),
    (get("/v1/runs/"), 404, "E2011", "path"),
    (get("/v2/runs"), 404, "E2011", "path"),
    (("DELETE", "/v1/runs", {}), 405, "E2011", "method"),
    (("PUT", "/v1/runs/{run}/stop", {}), 405, "E2011", "method"),
    (get("/v1/runs/{run}/events", accept="text/html"), 406, "E2012", "Accept"),
]


@pytest.mark.parametrize(("sent", "status", "code", "where"), CASES)
def test_bad_input_is_a_problem_that_says_what_where_and_how_to_mend_it(served, run, sent, status, code, where):
    method, path, more = sent
    answer = served.http.request(method, path.replace("{run}", run), **more)
    problem = answer.json()
    assert (status, code) == (answer.status_code, problem["code"]), problem
    assert "application/problem+json" == answer.headers["content-type"]
    assert "nosniff" == answer.headers["x-content-type-options"]
    assert "access-control-allow-origin" not in answer.headers
    assert (f"urn:riverrun:error:{code}", CODES[code].title, status) == (
        problem["type"],
        problem["title"],
        problem["status"],
    )
    assert problem["detail"]
    assert problem["mend"]
    assert where in (None, problem.get("where", ""))
    assert ("head" in problem and "floor" in problem) == (status == 410)


def test_every_error_of_the_protocol_has_its_case():
    said = PROTOCOL.read_text(encoding="utf-8").partition("## 7.")[2].partition("## 8.")[0]
    rows = re.findall(r"^\| (\d{3}) \| (.*?) \|$", said, re.MULTILINE)
    stated = {(int(status), code) for status, codes in rows for code in re.findall(r"E\d{4}", codes)}
    elsewhere = {
        (403, "E2014"),  # test_guard.py
        (401, "E2017"),  # test_gate.py
        (403, "E2018"),
        (409, "E2013"),
        (409, "E2015"),  # test_questions.py: needs a run that asks
        (409, "E2016"),
        (400, "E2019"),  # test_sockets.py and tests/transports/test_websocket.py
        (409, "E2020"),
        (429, "E2021"),
        (410, "E2025"),  # test_reading.py
        (404, "E2026"),
        (404, "E2031"),  # durable streams: test_streams.py and test_desk.py
        (410, "E2032"),
        *((409, code) for code in ("E2033", "E2034", "E2035", "E2037", "E2038")),
        (403, "E2036"),
        (400, "E2039"),
        (409, "E3018"),  # test_routes.py: needs a thread
        (409, "E3009"),  # needs a log of another version of the graph
        (409, "E3014"),
        (429, "E3010"),
        (503, "E4001"),
        (503, "E4002"),
        (500, "E6007"),
    }
    assert stated == {(status, code) for _, status, code, _ in CASES} | (elsewhere & stated)


def test_a_place_that_a_log_does_not_have_cannot_be_forked_from(served):
    run = served.start()
    served.whole(run)
    answer = served.http.post(f"/v1/runs/{run}/fork", json={"at": 9999})
    assert (409, "E2016") == (answer.status_code, answer.json()["code"])


def test_a_key_that_was_used_for_another_request_is_refused(served):
    def start(count):
        body = {"graph": "words", "input": {"count": count}}
        return served.http.post("/v1/runs", json=body, headers={"idempotency-key": "one"})

    assert 201 == start(1).status_code
    assert (409, "E2013") == ((answer := start(2)).status_code, answer.json()["code"])


def test_a_method_that_is_not_there_is_told_which_are(served):
    assert "GET, POST" == served.http.delete("/v1/runs").headers["allow"]
    assert "POST" == served.http.get(f"/v1/runs/{UNKNOWN}/stop").headers["allow"]


def test_a_full_server_says_when_to_come_back():
    with serving(max_running=1, max_waiting=0) as served:
        run = served.start("wait")
        answer = served.http.post("/v1/runs", json=START)
        assert (429, "E3010", "1") == (answer.status_code, answer.json()["code"], answer.headers["retry-after"])
        assert answer.json()["retry_after"] > 0
        served.http.post(f"/v1/runs/{run}/stop")


async def ask(app, method, path, **more):
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as http:
        return await http.request(method, path, **more)


async def test_a_store_that_cannot_be_opened_is_unavailable_and_tried_again():
    app = create_app(GRAPHS, store="sqlite:////dev/null/runs.db")
    for path in ("/readyz", "/v1/runs", f"/v1/runs/{UNKNOWN}/events"):
        answer = await ask(app, "GET", path)
        assert (503, "E4001", "1") == (answer.status_code, answer.json()["code"], answer.headers["retry-after"])
    assert 200 == (await ask(app, "GET", "/healthz")).status_code


class FullStore(MemoryStore):
    """A store whose disk is full."""

    async def create(self, *args, **more):
        raise StoreError("E4002", "the disk is full")


async def test_a_store_that_cannot_be_written_is_unavailable():
    app = create_app(GRAPHS, store=FullStore())
    async with app.state.riverrun:
        answer = await ask(app, "POST", "/v1/runs", json=START)
    assert (503, "E4002", "1") == (answer.status_code, answer.json()["code"], answer.headers["retry-after"])


def test_a_defect_is_logged_once_and_tells_the_reader_nothing(caplog):
    def tenant_of(_):
        raise ValueError("a secret of the server")

    with serving(tenant_of=tenant_of) as served:
        answer = served.http.get("/v1/runs")
    assert (500, "E6007") == (answer.status_code, answer.json()["code"])
    assert "secret" not in answer.text
    assert "nosniff" == answer.headers["x-content-type-options"]
    traces = [record for record in caplog.records if record.exc_info]
    assert ["a secret of the server"] == [str(record.exc_info[1]) for record in traces if record.exc_info]


def test_a_stream_that_breaks_is_cut_and_not_ended():
    # What the reader needs next is removed while its socket is full: it must not be skipped, nor taken for the end.
    store = MemoryStore()
    with serving(store, page_events=10) as served, quiet():
        run = served.start(count=1000, text="x" * 10_000)
        served.whole(run)
        with served.http.stream("GET", f"/v1/runs/{run}/events", headers={"accept": "text/event-stream"}) as answer:
            chunks = answer.iter_raw(1000)
            next(chunks)
            store.trim(RunKey("default", run), 1000)
            with pytest.raises(httpx.RemoteProtocolError):
                list(chunks)
