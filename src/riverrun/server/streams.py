"""The routes of Durable Streams (PROTOCOL.md §16): streams of anybody's, and the logs of runs as streams to read.

No route decides anything about a stream: requests are checked in `stream_requests.py`, what they ask for is carried out
in `stream_logs.py` and `desk.py`, pages are written by a transport. Every error leaves as a problem.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from urllib.parse import quote

from fastapi import FastAPI
from msgspec import structs
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from riverrun.base.clock import Clock, SystemClock
from riverrun.base.errors import InputError, NotFound, RiverrunError
from riverrun.base.ids import jitter
from riverrun.log.appending import Outcome, append
from riverrun.log.durable import State
from riverrun.server import bodies, stream_requests
from riverrun.server.answers import HandedOver, WrittenHere, error_answer
from riverrun.server.gate import READ, START, STOP, permit
from riverrun.server.runtime import Runtime
from riverrun.server.stream_logs import StreamLogs
from riverrun.server.stream_requests import Live
from riverrun.transports import durable as transport
from riverrun.transports.durable import Terms
from riverrun.transports.serve import Reader
from riverrun.transports.stretches import Pager, RunPager
from riverrun.wire import durable as wire

PATH = stream_requests.MOUNT + "{path:path}"

_RUNS = "runs/"
_RESERVED = "__ds/"
_LET_OUT_BYTES = 16 * 1024 * 1024
_NO_STORE = {"cache-control": "no-store"}
_FIXED = {name.decode(): value.decode() for name, value in transport.FIXED}

Answer = Callable[[Request, str], Awaitable[Response]]


class Streams:
    """The door to all durable streams of one server, as an ASGI program.

    Args:
        runtime: What it serves with.
        shared: Whether pages may be kept by caches that others read from: only where everybody may read everything.
        clock: The reader of time.
    """

    def __init__(self, runtime: Runtime, *, shared: bool = False, clock: Clock | None = None) -> None:
        self._runtime = runtime
        self._shared = shared
        self._clock = clock or SystemClock()
        self._logs: StreamLogs | None = None
        # Each with the scope that its principal needs (PROTOCOL.md §16).
        self._ways: dict[str, tuple[Answer, str]] = {
            "GET": (self._read, READ),
            "HEAD": (self._head, READ),
            "PUT": (self._create, START),
            "POST": (self._append, START),
            "DELETE": (self._delete, STOP),
        }

    def add_to(self, app: FastAPI) -> None:
        """Add the routes to a program; `openapi_streams.py` describes them."""
        app.routes.append(Route(PATH, self))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            answer = await self._answer(request, scope["path_params"]["path"])
            await answer(scope, receive, send)
        except RiverrunError as error:
            close = {"connection": "close"} if scope.get(bodies.UNREAD) else {}
            await error_answer(error, headers={**_FIXED, **close})(scope, receive, send)

    async def _answer(self, request: Request, path: str) -> Response:
        if path.startswith(_RESERVED):
            raise NotFound("E2011", f"{path[:200]!r} is reserved", where="path")
        ways = ("GET", "HEAD") if path.startswith(_RUNS) else tuple(self._ways)
        if request.method not in ways:
            what = f"{request.method} is not there; there is {', '.join(ways)}"
            missing = NotFound("E2011", what, where="method", mend="See PROTOCOL.md, section 16.")
            return error_answer(missing, 405, {**_FIXED, "allow": ", ".join(ways)})
        answer, scope = self._ways[request.method]
        permit(request.scope, scope)
        return await answer(request, stream_requests.path(path))

    # --- reading ---

    async def _read(self, request: Request, path: str) -> Response:
        asked = stream_requests.reading(request.query_params)
        pager, use = await self._pager(request, path, asked.offset)
        settings, readers = self._runtime.settings, self._runtime.readers

        def cursor() -> str:
            return wire.cursor(self._clock.now_ms(), asked.cursor, jitter())

        reader = Reader(pager.key) if isinstance(pager, RunPager) else None
        terms = Terms(cursor, use, settings.pace.heartbeat_interval, self._shared, reader)
        if asked.live is Live.SSE:
            found = await pager.page()  # what is wrong with the place is still an answer
            return HandedOver(lambda receive, send: transport.stream(pager, found, terms, readers, receive, send))
        if asked.live is Live.LONG_POLL:
            return WrittenHere(lambda receive, send: transport.long_poll(pager, terms, readers, receive, send))
        known = request.headers.get("if-none-match", "")
        return WrittenHere(
            lambda _, send: transport.catch_up(pager, terms, send, start=asked.offset, if_none_match=known)
        )

    async def _pager(
        self, request: Request, path: str, offset: int | None
    ) -> tuple[Pager, Callable[[], Awaitable[None]]]:
        tenant, pace = self._runtime.tenant(request.scope), self._runtime.settings.pace
        if path.startswith(_RUNS):
            service = await self._runtime.service()
            row = await service.row(bodies.run_key(tenant, path.removeprefix(_RUNS)))
            place = row.head if offset is None else offset
            return RunPager(service.store, row.key, row.log, place, pace), _nothing
        logs = await self._streams()
        desk = await logs.look(tenant, path, use=True)
        return logs.pager(desk, offset, pace), lambda: logs.use(desk)

    async def _head(self, request: Request, path: str) -> Response:
        tenant = self._runtime.tenant(request.scope)
        if path.startswith(_RUNS):
            service = await self._runtime.service()
            row = await service.row(bodies.run_key(tenant, path.removeprefix(_RUNS)))
            return _plain(200, {"content-type": wire.JSON_TYPE, **_ends(row.head, closed=row.status == "ended")})
        desk = await (await self._streams()).look(tenant, path)
        config = desk.state.config
        lasting = {"stream-ttl": config.ttl, "stream-expires-at": config.expires or None}
        told = {name: str(value) for name, value in lasting.items() if value is not None}
        return _plain(200, {**_described(desk.state), **told})

    # --- writing ---

    async def _create(self, request: Request, path: str) -> Response:
        tenant = self._runtime.tenant(request.scope)
        body = await self._body(request)
        wanted = stream_requests.wanted(path, request.headers, body)
        made = await (await self._streams()).create(tenant, wanted)
        headers = _described(made.state)
        if not made.fresh:
            return _plain(200, headers)
        # With the host, unlike the other routes: clients of the draft take it for an address, not for a path.
        place = quote(request.scope.get("root_path", "") + stream_requests.MOUNT + path)
        return _plain(201, {**headers, "location": f"{request.url.scheme}://{request.url.netloc}{place}"})

    async def _append(self, request: Request, path: str) -> Response:
        tenant = self._runtime.tenant(request.scope)
        body = await self._body(request)
        asked = stream_requests.appended(request.headers, body)
        desk = await (await self._streams()).look(tenant, path)
        wanted = structs.replace(asked, pieces=_pieces(desk.state, asked.media, body))
        return _became(await desk.write(lambda draft: append(draft, wanted)), given=bool(wanted.pieces))

    async def _delete(self, request: Request, path: str) -> Response:
        await (await self._streams()).delete(self._runtime.tenant(request.scope), path)
        return _plain(204, {})

    async def _body(self, request: Request) -> bytes:
        settings = self._runtime.settings
        try:
            return await bodies.whole(request, settings.max_body_bytes, settings.body_timeout)
        except InputError as error:
            if error.code == "E2003":
                await _let_out(request, settings.body_timeout)
            raise

    async def _streams(self) -> StreamLogs:
        store = (await self._runtime.service()).store
        if self._logs is None or self._logs.store is not store:
            self._logs = StreamLogs(store, self._clock)
        return self._logs


async def _let_out(request: Request, timeout: float) -> None:
    """Take the rest of a body that is too long, unless that is very much: who is still writing reads no answer."""
    announced, size = request.headers.get("content-length", "0"), 0
    if not announced.isdecimal() or len(announced) > 15 or int(announced) > _LET_OUT_BYTES:
        return
    with suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(timeout):
            # It ends at once (RuntimeError) where the part that was too much was the last.
            with suppress(RuntimeError):
                async for part in request.stream():
                    size += len(part)
                    if size > _LET_OUT_BYTES:
                        return
            request.scope[bodies.UNREAD] = False


async def _nothing() -> None:
    """Do nothing: a run does not expire by not being read."""


def _pieces(state: State, media: str, body: bytes) -> list[bytes]:
    # What is of another type is refused by the stream, not by how it is written.
    form = wire.form_of(media) if media == state.config.media else wire.Form.BYTES
    pieces = wire.split(form, body)
    if body and not pieces:
        raise stream_requests.nothing()
    return pieces


def _became(outcome: Outcome, *, given: bool) -> Response:
    """Tell what became of an append."""
    headers = _ends(outcome.tail, closed=outcome.closed)
    producer = outcome.producer
    if outcome.error is not None:
        if outcome.error.code == "E2036" and producer is not None:
            headers["producer-epoch"] = str(producer.epoch)
        if outcome.expected is not None and producer is not None:
            headers |= {"producer-expected-seq": str(outcome.expected), "producer-received-seq": str(producer.seq)}
        return error_answer(outcome.error, headers={**_FIXED, **headers})
    if producer is not None:
        headers |= {"producer-epoch": str(producer.epoch), "producer-seq": str(producer.seq)}
    return _plain(200 if producer is not None and given and not outcome.repeated else 204, headers)


def _described(state: State) -> dict[str, str]:
    return {"content-type": state.config.content_type, **_ends(state.tail, closed=state.closed)}


def _ends(tail: int, *, closed: bool) -> dict[str, str]:
    return {wire.NEXT_OFFSET: wire.offset(tail), **({wire.CLOSED: "true"} if closed else {})}


def _plain(status: int, headers: Mapping[str, str]) -> Response:
    return Response(b"", status, {**_NO_STORE, **_FIXED, **headers})
