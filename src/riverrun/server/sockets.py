"""The WebSocket of PROTOCOL.md §12: who may open it, and what its requests come to.

Each request is looked at as its route would be: the principal's scopes, its tenant, the same calls of the run service.
It does not know how frames travel (`transports/websocket.py`).
"""

from __future__ import annotations

from collections import Counter

from fastapi import FastAPI
from starlette.routing import WebSocketRoute
from starlette.types import Scope
from starlette.websockets import WebSocket

from riverrun.base.errors import RiverrunError, StoreError
from riverrun.log.store import RunKey
from riverrun.runs.service import RunService
from riverrun.server import bodies, steering
from riverrun.server.answers import HandedOver, turn_away
from riverrun.server.gate import READ, RESUME, STOP, permit
from riverrun.server.runtime import Runtime
from riverrun.transports.place import Attached, attach
from riverrun.transports.websocket import Allowance, Granted, Socket
from riverrun.wire import pages, ws

PATH = "/v1/ws"


class Sockets:
    """The WebSocket of one server.

    Args:
        runtime: What it serves with.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def add_to(self, app: FastAPI) -> None:
        """Add the socket to a program."""
        # Starlette's own route: FastAPI's would keep three stacks of callbacks for each socket, 3 of 33 KiB.
        app.router.routes.append(WebSocketRoute(PATH, self.open))

    async def open(self, websocket: WebSocket) -> None:
        """Let a socket in, or refuse it before its handshake."""
        scope, settings = websocket.scope, self._runtime.settings
        try:
            verbs = await self._let_in(scope)
        except RiverrunError as error:
            await turn_away(error, scope, websocket.receive, websocket.send)
            return
        offered = scope.get("subprotocols", ())
        agreed = ws.SUBPROTOCOL if ws.SUBPROTOCOL in offered else None
        limits = Allowance(attachments=settings.socket_attachments, idle_timeout=settings.socket_idle_timeout)
        pace, readers = settings.pace, self._runtime.readers
        await HandedOver(lambda receive, send: Socket(verbs, pace, limits, readers, receive, send).serve(agreed))(
            scope, websocket.receive, websocket.send
        )

    async def _let_in(self, scope: Scope) -> _Verbs:
        if self._runtime.readers.leaving:
            raise StoreError("E4001", "the server is stopping", mend="Ask another server.")
        service = await self._runtime.service()
        return _Verbs(scope, self._runtime.tenant(scope), service, self._runtime.errors)


class _Verbs:
    """What one principal may do with the runs of its tenant."""

    def __init__(self, scope: Scope, tenant: str, service: RunService, errors: Counter[str]) -> None:
        self._scope = scope
        self._tenant = tenant
        self._service = service
        self._errors = errors

    async def attach(self, asked: ws.Attach, limit: int) -> Attached:
        key = self._key(READ, asked.run)
        return await attach(self._service.store, key, str(asked.after), limit)

    async def stop(self, asked: ws.Stop) -> Granted:
        key = self._key(STOP, asked.run)
        return _granted(await steering.stop(self._service, key, asked.reason))

    async def resume(self, asked: ws.Resume) -> Granted:
        key = self._key(RESUME, asked.run)
        return _granted(await steering.resume(self._service, key, asked.answers, asked.answer, asked.idem_key))

    def note(self, error: RiverrunError) -> None:
        self._errors[error.code] += 1

    def _key(self, needed: str, run: str) -> RunKey:
        permit(self._scope, needed)
        return bodies.run_key(self._tenant, run)


def _granted(steered: steering.Steered) -> Granted:
    return Granted(steered.status, pages.run(steered.row))
