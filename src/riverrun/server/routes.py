"""The routes of PROTOCOL.md §4: what each takes, which verb of the run service it calls, what it answers.

No route decides anything about runs or logs, and none sends an event: streams are handed to a transport. Errors leave
as exceptions (`answers.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import Depends, FastAPI, Query, Request
from msgspec import json
from starlette.responses import Response

from riverrun.base.errors import CursorError, InputError, StoreError
from riverrun.base.ids import is_run_id
from riverrun.graph.plan import Plan
from riverrun.log.store import RunFilter, RunKey, RunRow
from riverrun.runs.service import RunService
from riverrun.server import bodies, openapi, questions, steering
from riverrun.server.answers import HandedOver, JsonAnswer, WrittenHere
from riverrun.server.gate import METRICS, READ, RESUME, START, STOP, permit
from riverrun.server.inputs import input_schema
from riverrun.server.measures import MeasuringRoutes
from riverrun.server.reading import ReadingRoutes, wish_of
from riverrun.server.runtime import Runtime
from riverrun.transports import longpoll, sse
from riverrun.transports.accept import Form, form_of, names_stream
from riverrun.transports.place import attach, told
from riverrun.transports.wish import Wish
from riverrun.wire import pages
from riverrun.wire.pages import GraphEdge, GraphInfo, GraphList, GraphState

_NO_WISH = Wish()
_Status = Literal["queued", "running", "parked", "ended"]
_After = Annotated[str, Query(description="A seq or a cursor; the header Last-Event-ID wins.")]
_Wait = Annotated[float | None, Query(ge=0, le=60, allow_inf_nan=False, description="Seconds; asks for JSON.")]
_PageLimit = Annotated[int, Query(ge=1, le=10_000, description="Events in a JSON page, at most.")]
_Thread = Annotated[str | None, Query(min_length=1, max_length=256, description="Of this conversation only.")]
_Ms = Annotated[int | None, Query(ge=0, le=2**53, description="Milliseconds since the Unix epoch.")]
_At = Annotated[int | None, Query(ge=0, description="A seq; the head when it is left out.")]


class Routes:
    """The routes of one server.

    Args:
        runtime: What it serves with.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def add_to(self, app: FastAPI) -> None:
        """Add all routes to a program, with their documentation."""
        reading, measuring = ReadingRoutes(self._runtime), MeasuringRoutes(self._runtime)
        # Each with the scope that its principal needs (PROTOCOL.md §11); None where anybody may ask.
        for method, path, handler, scope, docs in (
            ("POST", "/v1/runs", self.start, START, openapi.START),
            ("GET", "/v1/runs", self.list, READ, openapi.LIST),
            ("GET", "/v1/runs/{run}", self.show, READ, openapi.SHOW),
            ("GET", "/v1/runs/{run}/events", self.events, READ, openapi.EVENTS),
            ("GET", "/v1/runs/{run}/text", reading.text, READ, openapi.TEXT),
            ("GET", "/v1/runs/{run}/state", self.state, READ, openapi.STATE),
            ("POST", "/v1/runs/{run}/stop", self.stop, STOP, openapi.STOP),
            ("POST", "/v1/runs/{run}/resume", self.resume, RESUME, openapi.RESUME),
            ("POST", "/v1/runs/{run}/fork", self.fork, START, openapi.FORK),
            ("POST", "/v1/runs/{run}/leave", reading.leave, READ, openapi.LEAVE),
            ("GET", "/v1/graphs", self.graphs, READ, openapi.GRAPHS),
            ("GET", "/v1/metrics", measuring.metrics, METRICS, openapi.METRICS),
            ("GET", "/metrics", measuring.exposition, METRICS, openapi.EXPOSITION),
            ("GET", "/healthz", self.health, None, openapi.HEALTH),
            ("GET", "/readyz", self.ready, None, openapi.READY),
            ("GET", "/openapi.json", self.document, READ, openapi.DOCUMENT),
        ):
            # The rest of a docstring is for who reads the code.
            description = (handler.__doc__ or "").partition("\n")[0]
            asked = [] if scope is None else [Depends(_permission(scope))]
            app.add_api_route(path, handler, methods=[method], description=description, dependencies=asked, **docs)

    async def start(self, request: Request) -> Response:
        """Start a run; with `Accept: text/event-stream` also attach to it, in one request.

        Raises:
            InputError: E2001, E2002, E2003, E2010, E2013 or E2018.
            NotFound: E2004.
            Busy: E3010 or E3018.
            StoreError: E4001 or E4002.
        """
        tenant = self._runtime.tenant(request.scope)
        self._permit_attaching(request)
        asked = await self._body(request, bodies.StartRequest)
        if asked.when_busy == "stop":
            permit(request.scope, STOP)
        idem_key = bodies.idem_key(request)
        service = await self._runtime.service()
        row, _ = await service.start(
            tenant,
            asked.graph,
            asked.input,
            thread=asked.thread,
            limit=asked.limit,
            timeout=asked.timeout,
            context=asked.context,
            config=asked.config,
            when_busy=asked.when_busy,
            grace=asked.grace,
            idem_key=idem_key,
        )
        return await self._begun(request, service, row)

    async def list(
        self,
        request: Request,
        graph: str | None = None,
        status: _Status | None = None,
        thread: _Thread = None,
        created_after: _Ms = None,
        created_before: _Ms = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        before: str | None = None,
    ) -> Response:
        """List runs, newest first.

        Raises:
            InputError: E2002.
            StoreError: E4001 or E4002.
        """
        if before is not None and not is_run_id(before):
            raise InputError("E2002", f"{before[:64]!r} is not the id of a run", where="before")
        service = await self._runtime.service()
        choice = RunFilter(
            graph=graph,
            status=status,
            thread=thread,
            created_after_ms=created_after,
            created_before_ms=created_before,
            limit=limit,
            before=before,
        )
        rows = await service.list(self._runtime.tenant(request.scope), choice)
        return JsonAnswer(pages.runs(rows))

    async def show(self, request: Request, run: str) -> Response:
        """Tell what is known of a run beside its log, and what it waits to be told.

        Raises:
            NotFound: E2005.
            StoreError: E4001 or E4002.
        """
        key = self._key(request, run)
        service = await self._runtime.service()
        row = await service.row(key)
        return JsonAnswer(pages.asking_run(row, await questions.parked_questions(service, row)))

    async def events(
        self,
        request: Request,
        run: str,
        wish: Annotated[Wish, Depends(wish_of)],
        after: _After = "",
        wait: _Wait = None,
        limit: _PageLimit = 1000,
    ) -> Response:
        """Read the events of a run after a place: live as server-sent events, or as a JSON page.

        Raises:
            InputError: E2012.
            NotFound: E2005.
            CursorError: E2006, E2007, E2008 or E4007.
            StoreError: E4001 or E4002.
        """
        key = self._key(request, run)
        form = Form.PAGE if wait is not None else form_of(_accept(request))
        if form is None:
            raise InputError("E2012", "no form that the Accept header admits is there", where="Accept")
        # PROTOCOL.md §3: "the header wins"
        place = request.headers.get("last-event-id") or after
        service = await self._runtime.service()
        if form is Form.STREAM:
            return await self._stream(service, key, place, 200, (), wish)
        return await self._page(service, key, place, limit, wait or 0.0, wish)

    async def state(self, request: Request, run: str, at: _At = None) -> Response:
        """Fold the state of the graph from the log.

        Raises:
            NotFound: E2005.
            CursorError: E2006.
            NodeError: E3009, another version of the graph wrote the log.
            StoreError: E4001 or E4002.
        """
        key = self._key(request, run)
        service = await self._runtime.service()
        seq = (await service.row(key)).head if at is None else at
        try:
            state = await service.state(key, seq)
        except CursorError as error:
            raise await told(error, service.store, key) from None
        return JsonAnswer(json.encode(GraphState(run=run, at=seq, state=state)))

    async def stop(self, request: Request, run: str) -> Response:
        """Stop a run; one that has ended stays as it ended.

        Raises:
            InputError: E2001, E2002 or E2003.
            NotFound: E2005.
            StoreError: E4001 or E4002.
        """
        key = self._key(request, run)
        asked = await self._body(request, bodies.StopRequest)
        service = await self._runtime.service()
        row, status = await steering.stop(service, key, asked.reason)
        return JsonAnswer(pages.run(row), status)

    async def resume(self, request: Request, run: str) -> Response:
        """Answer questions of a run; answers that it has already are taken for the same ones.

        Raises:
            InputError: E2001, E2002, E2003, E2009 or E2015.
            NotFound: E2005 or E3014.
            CursorError: E4007.
            StoreError: E4001 or E4002.
        """
        key = self._key(request, run)
        asked = await self._body(request, bodies.ResumeRequest)
        idem_key = bodies.idem_key(request)
        service = await self._runtime.service()
        row, status = await steering.resume(service, key, asked.answers, asked.answer, idem_key)
        return JsonAnswer(pages.run(row), status)

    async def fork(self, request: Request, run: str) -> Response:
        """Begin a run with a copy of another's log; with `Accept: text/event-stream` also attach to it.

        Raises:
            InputError: E2001, E2002, E2003, E2016 or E2018.
            NotFound: E2005 or E3014.
            CursorError: E4007.
            StoreError: E4001 or E4002.
        """
        key = self._key(request, run)
        self._permit_attaching(request)
        asked = await self._body(request, bodies.ForkRequest)
        service = await self._runtime.service()
        try:
            row, _ = await service.fork(key, at=asked.at, limit=asked.limit, thread=asked.thread)
        except CursorError as error:
            raise await told(error, service.store, key) from None
        return await self._begun(request, service, row)

    async def graphs(self) -> Response:
        """List what can be run here."""
        graphs = tuple(drawn(name, plan) for name, plan in self._runtime.plans.items())
        return JsonAnswer(json.encode(GraphList(graphs=graphs)))

    async def health(self) -> Response:
        """Say that the process serves."""
        return JsonAnswer(b'{"status":"ok"}')

    async def ready(self, request: Request) -> Response:
        """Say whether the store answers and runs are accepted.

        Raises:
            StoreError: E4001 or E4002, or the server is stopping.
        """
        if self._runtime.readers.leaving:
            raise StoreError("E4001", "the server is stopping", mend="Ask another server.")
        service = await self._runtime.service()
        await service.list(self._runtime.tenant(request.scope), RunFilter(limit=1))
        return JsonAnswer(b'{"status":"ready"}')

    async def document(self, request: Request) -> Response:
        """Describe these routes for machines."""
        return JsonAnswer(openapi.document(request.app, request.scope.get("root_path", "")))

    async def _begun(self, request: Request, service: RunService, row: RunRow) -> Response:
        """Answer with a run that has just begun, or with its events."""
        # root_path is where a host has mounted this program; a pattern of the host's may let anything stand in it.
        location = f"{quote(request.scope.get('root_path', ''))}/v1/runs/{row.key.run}"
        if not names_stream(_accept(request)):
            return JsonAnswer(pages.run(row), 201, {"location": location})
        return await self._stream(service, row.key, "", 201, ((b"location", location.encode()),))

    def _permit_attaching(self, request: Request) -> None:
        """Look before anything begins whether the request may also read what it begins."""
        if names_stream(_accept(request)):
            permit(request.scope, READ)

    async def _stream(
        self,
        service: RunService,
        key: RunKey,
        place: str,
        status: int,
        headers: tuple[tuple[bytes, bytes], ...],
        wish: Wish = _NO_WISH,
    ) -> Response:
        pace, readers = self._runtime.settings.pace, self._runtime.readers
        attached = await attach(service.store, key, place, pace.page_events)
        return HandedOver(
            lambda receive, send: sse.stream(
                attached, pace, readers, receive, send, wish=wish, status=status, headers=headers
            )
        )

    async def _page(
        self, service: RunService, key: RunKey, place: str, limit: int, wait: float, wish: Wish
    ) -> Response:
        pace, readers = self._runtime.settings.pace, self._runtime.readers
        attached = await attach(service.store, key, place, limit)
        return WrittenHere(
            lambda receive, send: longpoll.answer(
                attached, pace, readers, receive, send, limit=limit, wait=wait, wish=wish
            )
        )

    async def _body(self, request: Request, kind: type[bodies.Body]) -> bodies.Body:
        settings = self._runtime.settings
        return await bodies.read(request, kind, settings.max_body_bytes, settings.body_timeout)

    def _key(self, request: Request, run: str) -> RunKey:
        return bodies.run_key(self._runtime.tenant(request.scope), run)


def _permission(needed: str) -> Callable[[Request], Awaitable[None]]:
    """Make the check of one route."""

    # A coroutine, because FastAPI runs what is none in a thread.
    async def check(request: Request) -> None:
        permit(request.scope, needed)

    return check


def _accept(request: Request) -> str:
    return ",".join(request.headers.getlist("accept"))


def drawn(name: str, plan: Plan) -> GraphInfo:
    """Tell of a graph what is needed to draw it."""
    edges = tuple(GraphEdge(source=a, target=b, conditional=kind == "conditional") for a, b, kind in plan.edges)
    return GraphInfo(name=name, nodes=tuple(plan.nodes), edges=edges, input=input_schema(plan))
