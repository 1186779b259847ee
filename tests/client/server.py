"""A small real HTTP server that speaks PROTOCOL.md over one log and misbehaves as told, on a socket of this machine.

Each request for events takes the next fault, if one is left; after the last fault the server is honest. It has no log
store and no runs: what the real server does is tested with the real server.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from riverrun.base.errors import RiverrunError
from riverrun.events.kinds import Event
from riverrun.events.record import Record
from riverrun.log.store import Page
from riverrun.log.tail import parse_cursor
from riverrun.wire import pages, sse
from riverrun.wire.problem import encode, problem_of
from tests.client.logs import LOG, records_of

SSE = {"content-type": "text/event-stream; charset=utf-8"}
JSON = {"content-type": "application/json"}


class Request(NamedTuple):
    """What a client asked."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def place(self) -> int:
        """The seq after which it wants to read."""
        return parse_cursor(self.query.get("after", "0"))[1]

    @property
    def polls(self) -> bool:
        """Whether it asks for a page."""
        return "wait" in self.query


class Line(NamedTuple):
    """Both directions of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Write and wait until it left."""
        self.writer.write(data)
        await self.writer.drain()

    async def until_left(self) -> None:
        """Say nothing until the client has gone."""
        with suppress(OSError):
            while await self.reader.read(4096):
                pass


Answer = Callable[["Server", Request, Line], Awaitable[None]]


def respond(status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    """Make a whole response."""
    told = {"content-length": str(len(body)), **(headers or {})} if status != 204 else (headers or {})
    return head(status, told) + body


def head(status: int, headers: dict[str, str]) -> bytes:
    """Make the beginning of a response."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def problem(error: RiverrunError) -> bytes:
    """Make a response of an error."""
    told = problem_of(error)
    return respond(told.status, encode(told), told.headers)


class Server:
    """The server and what it saw.

    Args:
        events: Its log.
        faults: What it does to the first requests for events.
        answers: Other routes, by method and path: a JSON document, or an answer of its own.
    """

    def __init__(
        self, events: list[Event], faults: tuple[Answer, ...] = (), answers: dict[str, Any] | None = None
    ) -> None:
        self.records = records_of(events)
        self.faults = deque(faults)
        self.answers = answers or {}
        self.requests: list[Request] = []
        self.asked = asyncio.Event()
        self.url = ""

    def after(self, place: int) -> list[Record]:
        """The events after a place."""
        return self.records[place:]

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests on one connection until either side closes it."""
        line = Line(reader, writer)
        try:
            while not writer.is_closing() and (request := await _request(reader)):
                self.requests.append(request)
                self.asked.set()
                await self.answer(request, line)
            writer.close()
        except (OSError, asyncio.IncompleteReadError):
            writer.close()
        finally:
            if not writer.is_closing():
                writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()

    async def answer(self, request: Request, line: Line) -> None:
        """Answer one request."""
        if request.path.endswith("/events"):
            await (self.faults.popleft() if self.faults else honest)(self, request, line)
            return
        answer = self.answers.get(f"{request.method} {request.path}")
        if answer is None:
            await line.send(respond(404))
        elif callable(answer):
            await answer(self, request, line)
        else:
            await line.send(respond(200, json.dumps(answer).encode(), JSON))


@asynccontextmanager
async def serving(events: list[Event], *faults: Answer, answers: dict[str, Any] | None = None) -> AsyncIterator[Server]:
    """Run a server on a free port."""
    server = Server(events, faults, answers)
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await server.connection(reader, writer)

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# --- how it answers ---


def stream_of(server: Server, place: int) -> bytes:
    """Make the body of the events after a place."""
    return sse.opening(LOG, place) + sse.encode(LOG, server.after(place))


async def honest(server: Server, request: Request, line: Line) -> None:
    """Answer as PROTOCOL.md says."""
    if request.polls:
        found = server.after(request.place)
        page = Page(found, len(server.records), 1, "ended", LOG, 0)
        await line.send(respond(200, pages.page(page, request.place), JSON))
    elif request.place == len(server.records):
        await line.send(respond(204))
    else:
        body = stream_of(server, request.place)
        await line.send(
            head(200, {**SSE, "transfer-encoding": "chunked"}) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        )


def sends(data: bytes) -> Answer:
    """Send these bytes and close."""

    async def answer(server: Server, request: Request, line: Line) -> None:
        await line.send(data)
        line.writer.close()

    return answer


def streams(*make: Callable[[Server, Request], bytes] | bytes) -> Answer:
    """Send a stream of these parts, without a length, so that closing it looks like a clean end; and close."""

    async def answer(server: Server, request: Request, line: Line) -> None:
        parts = [part if isinstance(part, bytes) else part(server, request) for part in make]
        await line.send(head(200, {**SSE, "connection": "close"}) + b"".join(parts))
        line.writer.close()

    return answer


def hangs_after(data: bytes) -> Answer:
    """Send these bytes and nothing more, until the client leaves."""

    async def answer(server: Server, request: Request, line: Line) -> None:
        await line.send(data)
        await line.until_left()

    return answer


def cut_at(size: int, *, chunked: bool, reset: bool) -> Answer:
    """Send the first bytes of an honest response and cut the connection."""

    async def answer(server: Server, request: Request, line: Line) -> None:
        await line.send(recorded(server, request.place, chunked=chunked)[:size])
        if reset:
            line.writer.transport.abort()
        else:
            line.writer.close()

    return answer


def recorded(server: Server, place: int, *, chunked: bool) -> bytes:
    """An honest response as it travels; in chunks that begin and end inside of events and characters."""
    body = stream_of(server, place)
    if not chunked:
        return head(200, {**SSE, "connection": "close"}) + body
    parts = [body[at : at + 61] for at in range(0, len(body), 61)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return head(200, {**SSE, "transfer-encoding": "chunked"}) + chunks + b"0\r\n\r\n"


async def _request(reader: asyncio.StreamReader) -> Request | None:
    start = (await reader.readline()).decode()
    if not start:
        return None
    method, target, _ = start.split(" ")
    headers = {}
    while text := (await reader.readline()).decode().strip():
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    url = urlsplit(target)
    return Request(method, url.path, dict(parse_qsl(url.query)), headers, body)
