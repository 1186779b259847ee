"""The WebSocket of a real server, with a client that nobody here wrote: who gets in, what it may do, what is left."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from riverrun.server import create_app
from riverrun.server.gate import SCOPES
from riverrun.server.serve import listen, url_of
from riverrun.server.settings import load
from tests.server.served import GRAPHS, UNKNOWN, quiet, serving

KEYS = "owner-key:acme,foreign-key:other," + ",".join(f"{scope}-key:acme:{scope}" for scope in sorted(SCOPES))


class Spoken:
    """A socket that is open, and what was said over it."""

    def __init__(self, link):
        self.link = link
        self.frames = []

    async def ask(self, kind, name="1", **fields):
        """Send a request and wait for its answer; what comes before it is kept."""
        await self.link.send(json.dumps({"type": kind, "id": name, **fields}))
        return await self.until(lambda frame: frame.get("id") == name)

    async def detach(self, name="1"):
        """Cease to read a run."""
        await self.link.send(json.dumps({"type": "detach", "id": name}))
        await self.until(lambda frame: frame == {"type": "detached", "id": name})

    async def until(self, holds):
        """Wait for a frame of which something holds."""
        async with asyncio.timeout(10):
            while True:
                frame = json.loads(await self.link.recv())
                self.frames.append(frame)
                if holds(frame):
                    return frame

    async def whole(self, run, name="r", **fields):
        """Read a run to its end; give its events."""
        await self.link.send(json.dumps({"type": "attach", "id": name, "run": run, **fields}))
        await self.until(lambda frame: frame.get("id") == name and frame["type"] in {"ended", "problem"})
        return [event for frame in self.frames if frame.get("id") == name for event in frame.get("events", ())]

    async def closing(self):
        """Wait until the server closes; give the code."""
        with pytest.raises(ConnectionClosed) as caught:
            await self.until(lambda frame: False)
        return caught.value.rcvd and caught.value.rcvd.code


@asynccontextmanager
async def spoken(served, *, key=None, path="/v1/ws", **options):
    headers = options.pop("headers", {}) | ({"authorization": f"Bearer {key}"} if key else {})
    address = served.url.replace("http", "ws", 1) + path
    async with connect(address, additional_headers=headers, proxy=None, **options) as link:
        yield Spoken(link)


async def refusal(served, **options):
    """Try to open a socket that is refused; give the status and the problem."""
    with pytest.raises(InvalidStatus) as caught:
        async with spoken(served, **options):
            raise AssertionError("it was let in")
    answer = caught.value.response
    return answer.status_code, json.loads(answer.body or b"{}"), answer.headers


def log_of(served, run):
    """Read the log of a run over HTTP."""
    lines = served.whole(run).split(b"\n")
    return [json.loads(line.removeprefix(b"data: ")) for line in lines if line.startswith(b"data: ")]


@pytest.fixture(scope="module")
def served():
    with serving(max_body_bytes=10_000) as served:
        yield served


@pytest.fixture(scope="module")
def guarded():
    with serving(keys=KEYS, allowed_origins="https://app.example") as guarded:
        yield guarded


def asking(served):
    """A run of the owner's that waits for an answer."""
    body = {"graph": "ask", "input": {}}
    headers = {"authorization": "Bearer owner-key"}
    run = str(served.http.post("/v1/runs", headers=headers, json=body).json()["run"])
    while "parked" != served.http.get(f"/v1/runs/{run}", headers=headers).json()["status"]:
        pass
    return run


# --- what it is for ---


async def test_many_runs_over_one_socket_are_what_their_logs_hold(served):
    runs = [served.start(count=count) for count in range(1, 30)]
    async with spoken(served) as link, asyncio.timeout(20):
        for run in runs:
            await link.link.send(json.dumps({"type": "attach", "id": run, "run": run}))
        left = set(runs)
        while left:
            left.discard((await link.until(lambda frame: frame["type"] == "ended"))["id"])
    for run in runs:
        seen = [event for frame in link.frames if frame.get("id") == run for event in frame.get("events", ())]
        assert log_of(served, run) == seen


async def test_the_subprotocol_is_taken_where_it_is_offered(served):
    async with spoken(served, subprotocols=["other", "riverrun.v1"]) as link:
        assert "riverrun.v1" == link.link.subprotocol
    async with spoken(served) as link:
        assert link.link.subprotocol is None
        assert [] == link.link.protocol.extensions


async def test_a_stop_over_the_socket_is_the_stop_of_http(served):
    run = served.start("wait")
    async with spoken(served) as link:
        told = await link.ask("stop", run=run, reason="enough")
        assert (202, run) == (told["status"], told["run"]["run"])
        assert {"type": "run.stopped", "reason": "enough"}.items() <= (await link.whole(run))[-1].items()
        again = await link.ask("stop", "2", run=run)
        assert (200, served.http.get(f"/v1/runs/{run}").json()["ending"]) == (again["status"], again["run"]["ending"])


async def test_a_resume_over_the_socket_is_the_resume_of_http(served):
    asked = served.parked("ask")
    run, question = asked["run"], asked["questions"][0]["id"]
    async with spoken(served) as link:
        wrong = await link.ask("resume", "w", run=run, answers={"no": 1})
        assert (409, "E2015") == (wrong["problem"]["status"], wrong["problem"]["code"])
        told = await link.ask("resume", run=run, answers={question: "yes"}, idem_key="k")
        assert (202, run) == (told["status"], told["run"]["run"])
        assert "run.completed" == (await link.whole(run))[-1]["type"]
        again = await link.ask("resume", "2", run=run, answers={question: "yes"})
        assert (200, "ended") == (again["status"], again["run"]["status"])
    asked = served.parked("ask")
    async with spoken(served) as link:
        assert 202 == (await link.ask("resume", run=asked["run"], answer="yes"))["status"]


async def test_a_run_that_is_to_stop_with_its_last_reader_stops_when_its_attachment_is_over(served):
    body = {"graph": "wait", "input": {}, "on_disconnect": "stop"}
    run = served.http.post("/v1/runs", json=body).json()["run"]
    async with spoken(served) as link, spoken(served) as other:
        await link.ask("attach", run=run)
        await other.ask("attach", run=run)
        await link.detach()
        assert "running" == served.http.get(f"/v1/runs/{run}").json()["status"]
        await other.detach()
    async with asyncio.timeout(10):
        while "ended" != (await asyncio.to_thread(served.http.get, f"/v1/runs/{run}")).json()["status"]:
            pass
    assert "stopped" == served.http.get(f"/v1/runs/{run}").json()["ending"]


# --- bad input ---


async def test_what_one_socket_does_wrong_ends_it_and_no_other(served):
    run = served.start("wait")
    async with spoken(served) as other:
        await other.ask("attach", run=run)
        for wrong, code in [
            (b"{}", 1003),
            (["\ud800".encode("utf-8", "surrogatepass")], 1007),
            (json.dumps({"type": "ping", "id": "1", "x": "x" * 10_000}), 1009),
            (["x" * 4_000] * 3, 1009),
        ]:
            async with spoken(served) as link:
                assert "pong" == (await link.ask("ping"))["type"]
                if isinstance(wrong, list) and isinstance(wrong[0], bytes):
                    await link.link.send(wrong[0], text=True)
                else:
                    await link.link.send(wrong)
                assert code == await link.closing(), wrong
        await other.ask("stop", "2", run=run)
        await other.until(lambda frame: frame == {"type": "ended", "id": "1"})


async def test_a_frame_of_just_the_size_that_is_allowed_is_taken(served):
    empty = json.dumps({"type": "stop", "id": "1", "run": ""})
    async with spoken(served) as link:
        await link.link.send(empty.replace('""', '"' + "x" * (10_000 - len(empty)) + '"'))
        told = await link.until(lambda frame: frame["id"] == "1")
        assert "E2005" == told["problem"]["code"]


async def test_a_thousand_malformed_frames_get_a_thousand_answers(served):
    before = served.app.state.riverrun.errors["E2019"]
    async with spoken(served) as link:
        for number in range(1000):
            await link.link.send("x" * (number % 7))
        async with asyncio.timeout(10):
            for _ in range(1000):
                told = json.loads(await link.link.recv())
                assert (None, "E2019") == (told["id"], told["problem"]["code"])
        assert "pong" == (await link.ask("ping"))["type"]
    assert before + 1000 == served.app.state.riverrun.errors["E2019"]


# --- who may ---


@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"origin": "https://evil.example"}, {"origin": "null"}])
async def test_a_foreign_page_or_name_is_refused_before_the_handshake(guarded, headers):
    with_key = {"authorization": "Bearer owner-key", **headers}
    address = int(guarded.url.rpartition(":")[2])
    lines = "".join(f"{name}: {value}\r\n" for name, value in {"host": "localhost", **with_key}.items())
    reader, writer = await asyncio.open_connection("127.0.0.1", address)
    head = f"GET /v1/ws HTTP/1.1\r\n{lines}upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
    writer.write(f"{head}sec-websocket-key: {'A' * 22}==\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert "E2014" == json.loads(answer.partition(b"\r\n\r\n")[2])["code"]


async def test_a_listed_page_is_let_in(guarded):
    async with spoken(guarded, key="owner-key", origin="https://app.example") as link:
        assert "pong" == (await link.ask("ping"))["type"]


@pytest.mark.parametrize("key", [None, "wrong", "owner-key2"])
async def test_nobody_gets_in(guarded, key):
    status, told, headers = await refusal(guarded, key=key)
    assert (401, "E2017", "Bearer") == (status, told["code"], headers["www-authenticate"])
    assert 401 == (await refusal(guarded, key=key, path="/v1/nothing"))[0]


async def test_a_key_in_the_address_is_no_key(guarded):
    assert 401 == (await refusal(guarded, path="/v1/ws?key=owner-key"))[0]


async def test_a_stranger_meets_no_run_of_the_owner(guarded):
    run = asking(guarded)
    requests: dict[str, dict[str, Any]] = {"attach": {}, "stop": {}, "resume": {"answer": "yes"}}
    async with spoken(guarded, key="foreign-key") as link:
        for kind, fields in requests.items():
            theirs = await link.ask(kind, f"{kind}-1", run=run, **fields)
            nowhere = await link.ask(kind, f"{kind}-2", run=UNKNOWN, **fields)
            assert (404, "E2005") == (theirs["problem"]["status"], theirs["problem"]["code"])
            assert json.dumps(nowhere["problem"]) == json.dumps(theirs["problem"]).replace(run, UNKNOWN)
    status = guarded.http.get(f"/v1/runs/{run}", headers={"authorization": "Bearer owner-key"}).json()["status"]
    assert "parked" == status


@pytest.mark.parametrize("has", sorted(SCOPES))
async def test_each_scope_opens_its_own_requests_only(guarded, has):
    run = asking(guarded)
    requests = [("attach", "read", {}), ("resume", "resume", {"answer": "yes"}), ("stop", "stop", {})]
    async with spoken(guarded, key=f"{has}-key") as link:
        assert "pong" == (await link.ask("ping", "p"))["type"]
        for kind, needed, fields in requests:
            told = await link.ask(kind, kind, run=run, **fields)
            if has == needed:
                assert told["type"] in {"attached", "granted"}, told
            else:
                assert (403, "E2018") == (told["problem"]["status"], told["problem"]["code"])
                assert needed in told["problem"]["detail"]


async def test_no_other_path_is_a_socket(served):
    for path in ("/v1/nothing", "/v1/runs", "/v1/ws/", "/healthz"):
        assert 403 == (await refusal(served, path=path))[0]
    assert (404, "E2011") == (served.http.get("/v1/ws").status_code, served.http.get("/v1/ws").json()["code"])


# --- how it ends ---


async def test_a_server_that_stops_tells_its_sockets_and_lets_no_other_in():
    with serving() as served:
        run = served.start("wait")
        async with spoken(served) as link:
            await link.ask("attach", run=run)
            served.app.state.riverrun.readers.leaving = True
            status, told, headers = await refusal(served)
            assert (503, "E4001", "1") == (status, told["code"], headers["retry-after"])
            served.stop()
            assert 1012 == await link.closing()
        assert {"type": "close", "reason": "shutdown"} == link.frames[-1]


async def test_a_store_that_is_gone_is_told_before_the_handshake():
    app = create_app(GRAPHS, store="sqlite:////dev/null/runs.db", settings=load())
    with hosted(app, "off") as url:
        status, told, _ = await refusal(Hosted(url))
    assert (503, "E4001") == (status, told["code"])


class Hosted:
    def __init__(self, url):
        self.url = url


@contextmanager
def hosted(app, lifespan="on"):
    """Serve a program with uvicorn as it comes, without anything of ours around it."""
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, lifespan=lifespan, log_config=None, ws="websockets-sansio"))
    started = threading.Event()
    startup = server.startup

    async def announced(sockets=None):
        await startup(sockets)
        started.set()

    server.startup = announced  # type: ignore[method-assign]
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), name="tests-host")
    with quiet():
        thread.start()
        try:
            assert started.wait(10)
            yield url_of(listener)
        finally:
            server.should_exit = True
            thread.join(20)
            listener.close()
    assert not thread.is_alive()


async def test_a_program_that_is_mounted_in_another_one_has_its_socket_below_it():
    app = create_app(GRAPHS, store="memory:", settings=load(keys=KEYS))

    @asynccontextmanager
    async def lifespan(_):
        async with app.state.riverrun:
            yield

    host = FastAPI(lifespan=lifespan)
    host.mount("/agents", app)
    with hosted(host) as url:
        served = Hosted(url)
        assert 401 == (await refusal(served, path="/agents/v1/ws"))[0]
        async with spoken(served, path="/agents/v1/ws", key="owner-key") as link:
            told = await link.ask("attach", run=UNKNOWN)
            assert "E2005" == told["problem"]["code"]


def descriptors():
    return len([*Path("/proc/self/fd").iterdir()])


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="allowed: descriptors are counted in Linux's /proc")
async def test_two_hundred_sockets_opened_and_closed_in_every_way_leave_nothing(served):
    run = served.start("wait")
    runtime = served.app.state.riverrun

    async def cycle(number):
        async with spoken(served) as link:
            if number % 2:
                await link.ask("attach", run=run)
            if number % 3 == 0:
                link.link.transport.abort()
            elif number % 3 == 1:
                await link.link.send(b"binary")

    async def settled():
        async with asyncio.timeout(10):
            while runtime.statistics()["readers"]:
                await asyncio.to_thread(served.http.get, "/healthz")

    for number in range(6):
        await cycle(number)
    await settled()
    before, tasks = descriptors(), len(asyncio.all_tasks())
    for number in range(200):
        await cycle(number)
    await settled()
    assert (before, tasks) == (descriptors(), len(asyncio.all_tasks()))
    assert runtime.statistics()["readers_total"] >= 206
    served.http.post(f"/v1/runs/{run}/stop")
