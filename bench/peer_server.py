"""What one would write today to stream a LangGraph graph over HTTP: a FastAPI route, SSE, `stream_mode="custom"`.

It keeps nothing: who loses the connection loses the rest. `python -m bench.peer_server` prints its URL and serves.
"""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from fastapi import Body, FastAPI
from fastapi.responses import StreamingResponse

from bench.peer import speaker

_BACKLOG = 2048


def make_app() -> FastAPI:
    """Make the program."""
    app = FastAPI()
    graph = speaker()

    @app.post("/runs")
    async def run(given: dict[str, Any] = Body(...)) -> StreamingResponse:  # noqa: B008, FAST002  # as users write it
        async def events() -> AsyncIterator[str]:
            async for chunk in graph.astream(given, stream_mode="custom"):
                yield f"data: {json.dumps(chunk)}\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    return app


def main() -> None:
    """Serve until SIGTERM."""
    with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as listener:
        host, port = listener.getsockname()
        print(f"http://{host}:{port}", flush=True)  # connections wait in the queue until they are accepted
        uvicorn.Server(uvicorn.Config(make_app(), log_level="warning", access_log=False)).run([listener])


if __name__ == "__main__":
    main()
