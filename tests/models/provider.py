"""A provider of chat models on loopback: the streaming protocols of OpenAI and Anthropic, by their public schemas.

It speaks HTTP by itself, byte for byte, so that every way in which a stream can go wrong is at hand: a reset, a clean
end in the middle, a stall until a test goes on, an error in the stream, a status with `Retry-After`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from msgspec import Struct

RESET = "reset"  # in place of a frame: the connection is torn down


class Reply(Struct, kw_only=True):
    """How one request is answered.

    Attributes:
        frames: What is sent, in order: bytes; an event that is waited for; or `RESET`.
        status: HTTP status.
        headers: Further headers.
        hold: Whether the connection stays open, silent, after the last frame.
    """

    frames: Sequence[bytes | asyncio.Event | str] = ()
    status: int = 200
    headers: Mapping[str, str] = {}
    hold: bool = False


class Request(Struct):
    """What was asked.

    Attributes:
        path: Of the request.
        body: Its JSON.
        left: Set when the client has closed the connection before its answer was through.
        sent: How many frames were written.
    """

    path: str
    body: Any
    left: asyncio.Event
    sent: int = 0


class Provider:
    """The server.

    Attributes:
        replies: One for each request to come; the last one is given again.
        requests: What was asked so far.
        open: How many connections are open.
    """

    def __init__(self) -> None:
        self.url = ""
        self.replies: list[Reply] = []
        self.requests: list[Request] = []
        self.open = 0
        self._asked = asyncio.Condition()

    async def asked(self, count: int = 1) -> Request:
        """Wait for a request."""
        async with self._asked:
            await self._asked.wait_for(lambda: len(self.requests) >= count)
        return self.requests[count - 1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.open += 1
        try:
            while True:
                request = await _read(reader)
                if request is None:
                    break
                async with self._asked:
                    self.requests.append(request)
                    self._asked.notify_all()
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                if not await self._answer(request, reply, reader, writer):
                    break
        except ConnectionError:
            pass
        finally:
            self.open -= 1
            writer.close()

    async def _answer(
        self, request: Request, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer a request; say whether the connection goes on."""
        watching = asyncio.create_task(_note_end(reader, request))
        try:
            whole = await self._write(request, reply, writer)
        finally:
            watching.cancel()
            await asyncio.wait([watching])
        return whole and not request.left.is_set()

    async def _write(self, request: Request, reply: Reply, writer: asyncio.StreamWriter) -> bool:
        kind = "text/event-stream" if reply.status == 200 else "application/json"
        headers = {"content-type": kind, "transfer-encoding": "chunked", **reply.headers}
        lines = [f"HTTP/1.1 {reply.status} Status", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        for frame in reply.frames:
            if isinstance(frame, asyncio.Event):
                await writer.drain()
                if not await _either(frame, request.left):
                    return False
            elif isinstance(frame, str):
                await writer.drain()
                writer.transport.abort()
                return False
            else:
                writer.write(b"%x\r\n%s\r\n" % (len(frame), frame))
                await writer.drain()
                request.sent += 1
        if reply.hold:
            await request.left.wait()
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


async def _read(reader: asyncio.StreamReader) -> Request | None:
    head = b""
    with suppress(asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
    if not head:
        return None
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(lines[0].split()[1], json.loads(body) if body else None, asyncio.Event())


async def _note_end(reader: asyncio.StreamReader, request: Request) -> None:
    with suppress(ConnectionError):
        if await reader.read(1):
            return
    request.left.set()


async def _either(gate: asyncio.Event, left: asyncio.Event) -> bool:
    waits = [asyncio.ensure_future(each.wait()) for each in (gate, left)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
        await asyncio.wait(waits)
    return gate.is_set() and not left.is_set()


@asynccontextmanager
async def providing(*replies: Reply) -> AsyncIterator[Provider]:
    """Serve on a free port of the loopback."""
    provider = Provider()
    provider.replies = list(replies)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        with suppress(asyncio.CancelledError):
            await provider.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield provider
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await server.wait_closed()


def frame(data: Any, event: str | None = None) -> bytes:
    """Give a server-sent event."""
    text = data if isinstance(data, str) else json.dumps(data)
    return (f"event: {event}\n" if event else "").encode() + f"data: {text}\n\n".encode()


def refusal(status: int, message: str = "no", **headers: str) -> Reply:
    """Give an answer with a status that is an error."""
    body = {"error": {"message": message, "type": "some_error"}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, headers=named, frames=[json.dumps(body).encode()])
