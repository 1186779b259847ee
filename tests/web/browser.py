"""A real Chromium, a site with one plain page, and a server whose graphs say what a test tells them to say.

The browser is driven by playwright-core in Node (web/client/test/browser.ts). It does not know what is tested.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypedDict
from urllib.parse import parse_qs, quote

import httpx

from riverrun.face.state_graph import StateGraph
from riverrun.graph.node import END, START
from riverrun.server.app import create_app
from riverrun.server.serve import Server, listen
from riverrun.server.settings import load
from tests.web.node import CLIENT, Node

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
LOOK_AGAIN = 0.005


# --- the server ---

SAID: dict[str, deque[str | None]] = {}


class State(TypedDict, total=False):
    name: str
    text: str


async def _said(name: str) -> AsyncIterator[str]:
    words = SAID[name]
    while True:
        while not words:  # noqa: ASYNC110 the test is in another thread
            await asyncio.sleep(LOOK_AGAIN)
        word = words.popleft()
        if word is None:
            return
        yield word


async def _talk(state: State) -> dict[str, Any]:
    return {"text": _said(state["name"])}


async def _counted(count: int) -> AsyncIterator[str]:
    for number in range(count):
        yield f"wörd {number} 👩‍👩‍👧 世界\r\n "
        await asyncio.sleep(0.01)


async def _count(state: State) -> dict[str, Any]:
    return {"text": _counted(int(state["name"]))}


def _graph(node: Any) -> Any:
    return StateGraph(State).add_node("node", node).add_edge(START, "node").add_edge("node", END).compile()


# `talk` says what the test puts into SAID under its name, up to None; `count` says so many words by itself.
GRAPHS = {"talk": _graph(_talk), "count": _graph(_count)}


class Recorder:
    """Notes what the server is asked, before anything else looks at it."""

    def __init__(self, app: Any, asked: list[tuple[str, str, dict[str, str]]]) -> None:
        self._app = app
        self._asked = asked

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            query = {name: values[-1] for name, values in parse_qs(scope["query_string"].decode()).items()}
            self._asked.append((scope.get("method", "WS"), scope["path"], query))
        await self._app(scope, receive, send)


class Talking:
    """A server in a thread of its own.

    Attributes:
        url: Where it listens.
        asked: Method, path and query of every request so far.
    """

    def __init__(self, app: Any, server: Server, url: str, asked: list[tuple[str, str, dict[str, str]]]) -> None:
        self._app = app
        self._server = server
        self.url = url
        self.asked = asked

    def stop(self) -> None:
        """Do what SIGTERM does; the server ends soon."""
        self._server.should_exit = True

    @property
    def port(self) -> int:
        """Of the server."""
        return int(self.url.rpartition(":")[2])

    def start(self, graph: str = "talk", name: str = "", **more: Any) -> str:
        """Start a run and give its id."""
        SAID[name] = deque()
        answer = httpx.post(f"{self.url}/v1/runs", json={"graph": graph, "input": {"name": name}, **more}, timeout=10)
        assert 201 == answer.status_code, answer.text
        return str(answer.json()["run"])

    def readers(self) -> int:
        """How many streams of events are open."""
        return int(self._app.state.riverrun.statistics()["readers"])

    def reads(self, run: str) -> list[str]:
        """The places at which a run was read from."""
        path = f"/v1/runs/{run}/events"
        return [query["after"] for _, other, query in self.asked if other == path and "after" in query]

    def told(self, run: str) -> dict[str, Any]:
        """What the server knows of a run beside its log."""
        answer: dict[str, Any] = httpx.get(f"{self.url}/v1/runs/{run}", timeout=10).json()
        return answer

    def text(self, run: str) -> str:
        """The text that stands in the log of a run: what no reader may differ from."""
        head = {"accept": "application/json"}
        page = httpx.get(f"{self.url}/v1/runs/{run}/events?limit=10000", headers=head, timeout=30).json()
        assert page["head"] == len(page["events"])
        texts: dict[str, str] = {}
        for event in page["events"]:
            for message in event.get("voids", ()):
                texts[message] = ""
            if event["type"] == "node.chunk":
                texts[event["message"]] = texts.get(event["message"], "") + event["value"]
        return "".join(texts.values())


@contextmanager
def talking(store: str = "memory:", **settings: Any) -> Iterator[Talking]:
    """Serve the graphs while the body goes on."""
    asked: list[tuple[str, str, dict[str, str]]] = []
    app = create_app(GRAPHS, store=store, settings=load(**settings))
    app.add_middleware(Recorder, asked)
    listener = listen("127.0.0.1", 0)
    told: SimpleQueue[str] = SimpleQueue()
    server = Server(app, listener, announce=told.put, shutdown_timeout=1.0)

    def run() -> None:
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(server.run_here())

    thread = threading.Thread(target=run, name="tests-server")
    thread.start()
    try:
        yield Talking(app, server, told.get(timeout=10), asked)
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listener.close()
    assert not thread.is_alive(), "the server hangs"


# --- the site ---


@asynccontextmanager
async def site() -> AsyncIterator[str]:
    """Serve the page and the compiled client, from another origin than the server's."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            path = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1].decode().partition("?")[0]
            body, kind = _file(path)
            head = f"content-type: {kind}\r\ncontent-length: {len(body)}\r\ncache-control: no-store"
            status = "200 OK" if body else "404 Not Found"
            writer.write(f"HTTP/1.1 {status}\r\n{head}\r\nconnection: close\r\n\r\n".encode() + body)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # a browser opens connections that it does not use
        finally:
            writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    finally:
        listener.close()
        await listener.wait_closed()


def _file(path: str) -> tuple[bytes, str]:
    file: Path = CLIENT / "test" / "page" / "index.html" if path == "/" else CLIENT / path.removeprefix("/")
    inside = file.resolve().is_relative_to(CLIENT.resolve())
    return (file.read_bytes() if inside and file.is_file() else b""), TYPES.get(file.suffix, "text/plain")


# --- the browser ---


class Browser:
    """A Chromium, driven from any thread by one command after another.

    Args:
        node: What runs the driver.
        profile: Where the browser keeps what it keeps.
        flags: More of Chromium's.
    """

    def __init__(self, node: Node, profile: Path, *flags: str) -> None:
        assert CHROMIUM is not None
        command = node.script("browser", CHROMIUM, str(profile), *flags)
        self._profile = profile
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._lock = threading.Lock()
        self._count = 0
        self.version = self._answer(0)

    def close(self) -> None:
        """End the browser."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=15)
        self.kill()

    def kill(self) -> None:
        """Kill the browser and the driver, unless they have ended; what they were about to write is not written."""
        with suppress(FileNotFoundError, ProcessLookupError):
            # While a browser runs, its profile names its process, which leads a group of its own.
            browser = int((self._profile / "SingletonLock").readlink().name.rpartition("-")[2])
            os.killpg(browser, signal.SIGKILL)
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()
        self._process.wait(timeout=10)

    async def do(self, verb: str, page: str = "", arg: Any = None) -> Any:
        """Let the driver do something and give what comes of it."""
        return await asyncio.to_thread(self._do, verb, page, arg)

    async def look(self, page: str, origin: str, url: str, run: str, before: str = "", **options: Any) -> None:
        """Open a page that looks at a run."""
        told = quote(json.dumps({"url": url, "run": run, **options}))
        await self.do("open", page, {"url": f"{origin}/#{told}", "before": before})

    async def state(self, page: str) -> Any:
        """What a page shows."""
        return await self.do("eval", page, "page.state()")

    async def until(self, page: str, so: str) -> Any:
        """Wait until something of what a page shows is so, with its state as `s`; give the state."""
        try:
            await self.do("until", page, f"page.live !== null && (s => {so})(page.state())")
        except AssertionError as error:
            raise AssertionError(f"{error}; the page shows {await self.state(page)}") from None
        return await self.state(page)

    def _do(self, verb: str, page: str, arg: Any) -> Any:
        assert self._process.stdin is not None
        with self._lock:
            self._count += 1
            command = {"id": self._count, "do": verb, "page": page, "arg": arg}
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
            return self._answer(self._count)

    def _answer(self, number: int) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the browser has gone"
        told = json.loads(line)
        assert number == told["id"]
        assert "error" not in told, told["error"]
        return told["value"]
