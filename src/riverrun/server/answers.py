"""Whole answers over HTTP: JSON documents, connections handed over, and every error as a problem (PROTOCOL.md §7).

Each exception that can leave a route becomes an answer here and nowhere else. Of an unexpected one the reader learns a
code; the rest goes to the server's log, once, because it is raised on to the ASGI server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from riverrun.base.errors import Fault, InputError, NotFound, RiverrunError
from riverrun.server.bodies import UNREAD
from riverrun.wire.problem import encode, problem_of

Transport = Callable[[Receive, Send], Awaitable[None]]

_POLICY_VIOLATION = 1008  # of WebSocket; before the handshake a server answers 403
_HANDED_OVER = "riverrun.handed_over"
ADDED = "riverrun.added"  # in a scope: headers that something in front of the routes adds to every answer
# no-store: what a run is changes, and it may hold what no cache in between should keep.
_FIXED = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


class JsonAnswer(Response):
    """A JSON document that is ready.

    Args:
        body: The document.
        status: Of the response.
        headers: More of the response, or others.
    """

    def __init__(self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(body, status, {"content-type": "application/json", **_FIXED, **(headers or {})})


class HandedOver(Response):
    """A response that a transport writes, once the frames of the framework around the route are gone (`Unframed`).

    Nothing may go wrong in the transport before it has begun its response: what it raises is no answer any more, it
    cuts the connection.

    Args:
        transport: Takes `receive` and `send` of ASGI and sees the response through.
    """

    def __init__(self, transport: Transport) -> None:
        super().__init__()
        self._transport = transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 the shape of ASGI
        """Leave the transport to `Unframed`."""
        scope[_HANDED_OVER].append(self._transport)


class WrittenHere(Response):
    """A response that a transport writes inside the route, so that what it raises is still answered as a problem.

    Args:
        transport: Takes `receive` and `send` of ASGI; it begins its response when nothing can go wrong any more.
    """

    def __init__(self, transport: Transport) -> None:
        super().__init__()
        self._transport = transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 the shape of ASGI
        """Give the connection to the transport."""
        await self._transport(receive, send)


class Unframed:
    """Run transports outside of the framework that routed to them, inside of what was put around it.

    Args:
        app: What routes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request be answered, or its transport be found and then run."""
        if _HANDED_OVER in scope:
            # Somebody further out runs it.
            await self._app(scope, receive, send)
        else:
            await unframed(self._app, scope, receive, send)


async def unframed(app: ASGIApp, scope: Scope, receive: Receive, send: Send, *, adds: bool = False) -> None:
    """Let a request be answered, or its transport be found and then run, once all of `app` is left.

    Args:
        app: What answers.
        scope: Of ASGI.
        receive: Of ASGI.
        send: Of ASGI.
        adds: Whether the headers are added here that something inside of `app` adds to its answers.
    """
    handed_over: list[Transport] = []
    scope[_HANDED_OVER] = handed_over
    await app(scope, receive, send)
    if not handed_over:
        return
    added = scope.get(ADDED) if adds else None
    try:
        await handed_over.pop()(receive, send if added is None else adding(added, send))
    except Exception:
        # It cuts the connection; there is no other answer any more.
        _count(scope, "E6007")
        raise


def adding(headers: list[tuple[bytes, bytes]], send: Send) -> Send:
    """Make a `send` that adds headers to the answer.

    Args:
        headers: Behind those that the answer has.
        send: Of ASGI.

    Returns:
        The same for all else.
    """

    async def send_more(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *headers]
        await send(message)

    return send_more


def answer_errors(app: FastAPI) -> None:
    """Make every error of a program a problem document.

    Args:
        app: The program; its routes may come later.
    """
    app.add_exception_handler(RiverrunError, _ours)
    app.add_exception_handler(RequestValidationError, _wrong_parameter)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(Exception, _defect)


def error_answer(error: RiverrunError, status: int | None = None, headers: Mapping[str, str] | None = None) -> Response:
    """Make the answer that an error has.

    Args:
        error: Any of ours.
        status: Where it is not that of the table.
        headers: More of the response.

    Returns:
        A problem document.
    """
    told = problem_of(error, status)
    return JsonAnswer(encode(told), told.status, {**told.headers, **(headers or {})})


async def turn_away(
    error: RiverrunError, scope: Scope, receive: Receive, send: Send, headers: Mapping[str, str] | None = None
) -> None:
    """Refuse a connection in front of all routes, and close it.

    Args:
        error: Why.
        scope: Of ASGI: a request, or a WebSocket before its handshake.
        receive: Of ASGI.
        send: Of ASGI.
        headers: More of the response.
    """
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await receive()
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": error.code})
        return
    _count(scope, error.code)
    # Its body was not read, so the connection is of no further use.
    await error_answer(error, headers={**(headers or {}), "connection": "close"})(scope, receive, send)


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, RiverrunError)
    _count(request.scope, error.code)
    return error_answer(error, headers={"connection": "close"} if request.scope.get(UNREAD) else None)


async def _wrong_parameter(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    _count(request.scope, "E2002")
    first: dict[str, Any] = error.errors()[0]
    return error_answer(InputError("E2002", str(first["msg"]), where=str(first["loc"][-1])))


async def _no_route(request: Request, error: Exception) -> Response:
    """Answer for the router: no such path, or not this method."""
    assert isinstance(error, HTTPException)
    scope = request.scope
    _count(scope, "E2011")
    # The router names the methods of the first route of that path only; a path may have several routes.
    matching = [route for route in request.app.routes if route.matches(scope)[0] is not Match.NONE]
    methods = sorted({method for route in matching for method in route.methods or ()})
    path = f"{scope['method']} {scope['path']}"[:200]
    if methods:
        missing = NotFound("E2011", f"{path} is not there; there is {', '.join(methods)}", where="method")
        return error_answer(missing, 405, {"allow": ", ".join(methods)})
    return error_answer(NotFound("E2011", f"{path} is not there", where="path"))


async def _defect(request: Request, _: Exception) -> Response:
    _count(request.scope, "E6007")
    return error_answer(Fault("E6007", "the server failed to answer this request"))


def _count(scope: Mapping[str, Any], code: str) -> None:
    """Count an answer that is an error; a program without a runtime counts nothing."""
    runtime = getattr(getattr(scope.get("app"), "state", None), "riverrun", None)
    if runtime is not None:
        runtime.errors[code] += 1
