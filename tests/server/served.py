"""Real servers on free ports of the loopback, and the graphs that they serve: what the tests of all routes need."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, TypedDict

import httpx

from riverrun.face.compiled import CompiledGraph
from riverrun.face.state_graph import StateGraph
from riverrun.graph.node import END, START
from riverrun.log.store import LogStore
from riverrun.runs.context import interrupt
from riverrun.server.app import create_app
from riverrun.server.serve import Server, listen
from riverrun.server.settings import load
from riverrun.wire.sse import Block, Parser

STREAM = {"accept": "text/event-stream"}
UNKNOWN = "f" * 32


class State(TypedDict, total=False):
    count: int
    text: str
    likes: list[str]


async def _words(count: int, more: str) -> Any:
    for number in range(count):
        yield f"word {number} 🌊 {more}"
        await asyncio.sleep(0)


async def _say(state: State) -> dict[str, Any]:
    return {"text": _words(state.get("count", 3), state.get("text", ""))}


async def _wait(state: State) -> dict[str, Any]:
    await asyncio.Event().wait()
    return {}


async def _ask(state: State) -> dict[str, Any]:
    return {"text": interrupt({"shall": state.get("text", "it")}), "count": state.get("count", 0) + 1}


def _ask_both() -> CompiledGraph:
    async def one(state: State) -> dict[str, Any]:
        return {"text": interrupt("one?")}

    async def two(state: State) -> dict[str, Any]:
        return {"count": interrupt("two?", type=int)}

    return StateGraph(State).add_node(one).add_node(two).add_edge(START, "one").add_edge(START, "two").compile()


def _mixed() -> CompiledGraph:
    graph = StateGraph(State).add_node("ask", _ask).add_node("wait", _wait)
    return graph.add_edge(START, "ask").add_edge(START, "wait").compile()


async def _break_once(state: State) -> dict[str, Any]:
    if not BREAKS:
        return {"text": "whole"}
    BREAKS.pop()
    raise ValueError("it broke")


def _graph(node: Any) -> CompiledGraph:
    return StateGraph(State).add_node("node", node).add_edge(START, "node").add_edge("node", END).compile()


# `words` streams as many words as it is told, each with the text that it is told, and ends.
# `wait` never ends unless it is stopped. `ask` and `both` ask one and two questions; `hold` is held before its node.
# `broken` fails once for each item of BREAKS. `mixed` asks in one branch while the other never ends.
BREAKS: list[None] = []
GRAPHS = {
    "words": _graph(_say),
    "wait": _graph(_wait),
    "ask": _graph(_ask),
    "both": _ask_both(),
    "hold": StateGraph(State).add_node("node", _say).add_edge(START, "node").compile(interrupt_before=["node"]),
    "broken": _graph(_break_once),
    "mixed": _mixed(),
}


class Served:
    """A server that runs in a thread of its own.

    Attributes:
        url: Where it listens.
        app: What it serves.
        http: A client for it.
    """

    def __init__(self, app: Any, server: Server, thread: threading.Thread, url: str, http: httpx.Client) -> None:
        self.app = app
        self.url = url
        self.http = http
        self._server = server
        self._thread = thread

    def stop(self) -> None:
        """Do what SIGTERM does; the server ends soon."""
        self._server.should_exit = True

    def join(self) -> None:
        """Wait until the server has ended."""
        self._thread.join(timeout=20)

    def start(self, graph: str = "words", **values: Any) -> str:
        """Start a run and give its id."""
        answer = self.http.post("/v1/runs", json={"graph": graph, "input": values})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["run"])

    def parked(self, graph: str = "ask", **values: Any) -> dict[str, Any]:
        """Start a run that asks and give it once it is parked."""
        run = self.start(graph, **values)
        with reading(self, run) as blocks:
            next(block for block in blocks if '"run.interrupted"' in block.data)
        told: dict[str, Any] = self.http.get(f"/v1/runs/{run}").json()
        return told

    def whole(self, run: str) -> bytes:
        """Read the log of a run from 0 to its end."""
        return self.http.get(f"/v1/runs/{run}/events", headers=STREAM).content


@contextmanager
def serving(store: str | LogStore = "memory:", *, shutdown_timeout: float = 2.0, **settings: Any) -> Iterator[Served]:
    """Serve the graphs while the body goes on."""
    who = {name: settings.pop(name, None) for name in ("tenant_of", "authenticate")}
    app = create_app(GRAPHS, store=store, settings=load(**settings), **who)
    listener = listen("127.0.0.1", 0)
    told: SimpleQueue[str] = SimpleQueue()
    server = Server(app, listener, announce=told.put, shutdown_timeout=shutdown_timeout)

    def run() -> None:
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(server.run_here())

    thread = threading.Thread(target=run, name="tests-server")
    thread.start()
    try:
        url = told.get(timeout=10)
        with httpx.Client(base_url=url, timeout=10) as http:
            yield Served(app, server, thread, url, http)
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listener.close()
    assert not thread.is_alive(), "the server hangs"


@contextmanager
def reading(served: Served, run: str, place: str = "", **headers: str) -> Iterator[Iterator[Block]]:
    """Read a run's events one by one, as they come."""
    given = {**STREAM, **headers, **({"last-event-id": place} if place else {})}
    with served.http.stream("GET", f"/v1/runs/{run}/events", headers=given) as answer:
        assert answer.status_code == 200, answer.read()
        yield _blocks(answer)


def _blocks(answer: httpx.Response) -> Iterator[Block]:
    parser = Parser()
    for chunk in answer.iter_bytes():
        yield from parser.feed(chunk)


@contextmanager
def quiet(name: str = "uvicorn.error") -> Iterator[None]:
    """Keep what a test provokes out of the output."""
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
