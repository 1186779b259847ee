"""A small real WebSocket server that plays a script, one entry per socket: the cases of conformance/frames.yaml.

It has no log store and no runs: what the real server does is tested with the real server.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response


class Script:
    """The server and what it was asked.

    Args:
        told: A file of cases: its log and its events.
        sockets: What happens on each socket, in order; after the last one, sockets are left alone.

    Attributes:
        attaches: The requests to attach that came.
        url: Of the server, over HTTP.
        go: What a step `wait` waits for.
    """

    def __init__(self, told: dict[str, Any], sockets: list[Any]) -> None:
        self.attaches: list[dict[str, Any]] = []
        self.url = ""
        self.go = asyncio.Event()
        self._log = told["log"]
        self._events = {event["seq"]: event for event in told["events"]}
        self._left = list(sockets)

    def refuse(self, _: ServerConnection, request: Request) -> Response | None:
        """Refuse a handshake where the script says so."""
        assert "/v1/ws" == request.path
        if not self._left or not isinstance(self._left[0], dict):
            return None
        told = self._left.pop(0)
        status, code = told["refused"], told.get("code")
        problem = {"type": "x", "title": "x", "status": status, "detail": "x", "code": code}
        body = json.dumps(problem).encode() if code else b""
        headers = Headers({"content-length": str(len(body)), "location": self.url})
        return Response(status, "Refused", headers, body)

    async def play(self, link: ServerConnection) -> None:
        """Play what the script has for this socket."""
        try:
            asked = json.loads(await link.recv())
            self.attaches.append(asked)
            for step in self._left.pop(0) if self._left else ():
                await self._do(link, asked, {step: {}} if isinstance(step, str) else step)
            await link.wait_closed()
        except ConnectionClosed:
            pass

    async def _do(self, link: ServerConnection, asked: dict[str, Any], step: dict[str, Any]) -> None:
        name = step.get("id", asked["id"])
        match step:
            case {"wait": _}:
                await self.go.wait()
            case {"cut": _}:
                link.transport.abort()
            case {"code": code}:
                await link.close(code)
            case {"text": text}:
                await link.send(text)
            case {"close": reason}:
                await self._send(link, type="close", reason=reason)
            case {"heartbeat": _}:
                await self._send(link, type="heartbeat")
            case {"events": seqs}:
                events = [self._events[seq] for seq in seqs]
                await self._send(link, type="events", id=name, events=events, **step.get("more", {}))
            case {"problem": told}:
                problem = {"type": "x", "title": "x", "detail": "x", **told}
                await self._send(link, type="problem", id=problem.pop("id", name), problem=problem)
            case {"attached": more}:
                after = int(str(asked["after"]).rpartition(".")[2])
                place = {"run": asked["run"], "log": self._log, "after": after, "head": 6, "floor": 0}
                await self._send(link, type="attached", id=name, **{**place, **more})
            case _:
                (kind,) = step
                assert kind in {"ended", "detached"}, step
                await self._send(link, type=kind, id=name)

    async def _send(self, link: ServerConnection, **frame: Any) -> None:
        await link.send(json.dumps(frame))


@asynccontextmanager
async def playing(told: dict[str, Any], sockets: list[Any]) -> AsyncIterator[Script]:
    """Run a script on a free port."""
    script = Script(told, sockets)
    async with serve(script.play, "127.0.0.1", 0, process_request=script.refuse, compression=None) as server:
        script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield script
