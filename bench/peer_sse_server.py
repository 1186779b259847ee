"""What one would write today with sse-starlette alone: `python -m bench.peer_sse_server` prints its URL and serves.

One producer puts each chunk into a queue per reader; what has been told is kept in a list, for readers who come later.
It keeps nothing beyond its process, and a reader that is slow grows its memory.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bench.source import dated, tokens

_BACKLOG = 2048


class Topic:
    """One stream and its readers."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.over = False
        self.readers: set[asyncio.Queue[tuple[int, str] | None]] = set()

    async def run(self, gate: asyncio.Event | None, asked: dict[str, Any]) -> None:
        """Tell everybody what the source gives."""
        if gate is not None:
            await gate.wait()
        async for piece in dated(asked["n"], asked["pause"]):
            self.told.append(piece)
            for reader in self.readers:
                reader.put_nowait((len(self.told), piece))
        self.over = not asked["stay"]
        if self.over:
            for reader in self.readers:
                reader.put_nowait(None)

    async def read(self, after: int) -> AsyncIterator[ServerSentEvent]:
        """Give what was told, then what is told."""
        queue: asyncio.Queue[tuple[int, str] | None] = asyncio.Queue()
        self.readers.add(queue)
        try:
            for place, piece in enumerate(self.told[after:], after + 1):
                yield ServerSentEvent(piece, id=str(place))
            while not self.over or not queue.empty():
                told = await queue.get()
                if told is None:
                    break
                yield ServerSentEvent(told[1], id=str(told[0]))
        finally:
            self.readers.discard(queue)


class Program:
    """Its routes."""

    def __init__(self) -> None:
        self._topics: list[Topic] = []
        self._gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._tasks: set[asyncio.Task[None]] = set()

    async def speak(self, request: Request) -> Response:
        """Stream what nobody keeps."""
        asked = await request.json()

        async def events() -> AsyncIterator[ServerSentEvent]:
            async for token in tokens(asked["n"]):
                yield ServerSentEvent(json.dumps(token))

        return EventSourceResponse(events())

    async def tell(self, request: Request) -> Response:
        """Make a stream for many."""
        asked = await request.json()
        topic = Topic()
        self._topics.append(topic)
        gate = self._gates[asked["gate"]] if asked["gate"] else None
        task = asyncio.create_task(topic.run(gate, asked))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return JSONResponse({"topic": len(self._topics) - 1})

    async def open(self, request: Request) -> Response:
        """Open a gate."""
        self._gates[(await request.json())["gate"]].set()
        return JSONResponse({})

    async def events(self, request: Request) -> Response:
        """Read a stream."""
        topic = self._topics[int(request.path_params["topic"])]
        return EventSourceResponse(topic.read(int(request.query_params.get("after") or 0)))


def make_app() -> Starlette:
    """Make the program."""
    program = Program()
    return Starlette(
        routes=[
            Route("/runs", program.speak, methods=["POST"]),
            Route("/topics", program.tell, methods=["POST"]),
            Route("/open", program.open, methods=["POST"]),
            Route("/topics/{topic:int}", program.events),
        ]
    )


def main() -> None:
    """Serve until SIGTERM."""
    with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as listener:
        host, port = listener.getsockname()
        print(f"http://{host}:{port}", flush=True)  # connections wait in the queue until they are accepted
        config = uvicorn.Config(make_app(), log_level="warning", access_log=False, timeout_graceful_shutdown=1)
        uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
