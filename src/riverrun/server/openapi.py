"""The OpenAPI document: what PROTOCOL.md §4–§7 and §16 say, for machines.

The routes, their parameters and their descriptions come from the code of the routes, the schemas from the types that
read and write the bodies; only which of them belongs where is said here. Durable streams have a page of their own.
"""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI
from starlette.responses import Response

from riverrun.observe.metrics import Metrics
from riverrun.server import openapi_streams
from riverrun.server.bodies import ForkRequest, ResumeRequest, StartRequest, StopRequest
from riverrun.wire.pages import AskingRun, EventPage, GraphList, GraphState, RunInfo, RunList, TextPart
from riverrun.wire.problem import CONTENT_TYPE, Problem

_REF = "#/components/schemas/{name}"
_LOCATION = {"description": "Where the run is.", "schema": {"type": "string"}}
_STREAM = {
    # No type: some tools take the schema of a stream for that of its body, some for that of one event.
    "schema": {"description": "Server-sent events, each with an id and one event of the log as its data."},
    "example": 'retry: 500\nid: 1f0c9a2e.0\n\nid: 1f0c9a2e.1\ndata: {"type":"run.started","seq":1,…}\n\n',
}


def _schema(kind: type) -> dict[str, Any]:
    return {"schema": {"$ref": _REF.format(name=kind.__name__)}}


def _gives(kind: type, what: str) -> dict[str, Any]:
    return {"description": what, "content": {"application/json": _schema(kind)}}


def _says(what: str, example: dict[str, str]) -> dict[str, Any]:
    return {"description": what, "content": {"application/json": {"schema": {"type": "object"}, "example": example}}}


def _header(name: str, what: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": what, "schema": {"type": "string"}}


def _takes(kind: type, *, required: bool) -> dict[str, Any]:
    return {"required": required, "content": {"application/json": _schema(kind)}}


def _route(name: str, responses: dict[int, Any], status: int = 200, **extra: Any) -> dict[str, Any]:
    problem = {"description": "An error with its code.", "content": {CONTENT_TYPE: _schema(Problem)}}
    return {
        "operation_id": name,
        "status_code": status,
        "response_class": Response,  # says nothing of the content, so that only what stands here is shown
        "responses": {**responses, "default": problem},
        "openapi_extra": extra or None,
    }


_STARTED = {
    "description": "The run, or with `Accept: text/event-stream` its events.",
    "headers": {"Location": _LOCATION},
    "content": {"application/json": _schema(RunInfo), "text/event-stream": _STREAM},
}
_EVENTS = {
    "description": "The events after the place, live; as JSON a page of them.",
    "content": {"text/event-stream": _STREAM, "application/json": _schema(EventPage)},
}
_IDEM_KEY = _header("Idempotency-Key", "1–128 visible ASCII characters; makes a repeated request harmless.")
_LAST_ID = _header("Last-Event-ID", "A cursor: the id of the last event that was applied.")

# What `add_api_route` takes, for each route of `routes.py`.
START = _route("start", {201: _STARTED}, 201, requestBody=_takes(StartRequest, required=True), parameters=[_IDEM_KEY])
LIST = _route("list", {200: _gives(RunList, "Runs, newest first.")})
SHOW = _route("show", {200: _gives(AskingRun, "The run, and what it waits to be told.")})
EVENTS = _route(
    "events",
    {200: _EVENTS, 204: {"description": "The run has ended and the reader has all of it."}},
    parameters=[_LAST_ID],
)
TEXT = _route("text", {200: _gives(TextPart, "The text beyond the offset.")})
STATE = _route("state", {200: _gives(GraphState, "The state of the graph at that place.")})
STOP = _route(
    "stop",
    {202: _gives(RunInfo, "The stop is asked for."), 200: _gives(RunInfo, "The run had ended before.")},
    202,
    requestBody=_takes(StopRequest, required=False),
)
RESUME = _route(
    "resume",
    {202: _gives(RunInfo, "The answers are taken."), 200: _gives(RunInfo, "They were taken before.")},
    202,
    requestBody=_takes(ResumeRequest, required=True),
    parameters=[_IDEM_KEY],
)
FORK = _route("fork", {201: _STARTED}, 201, requestBody=_takes(ForkRequest, required=False))
LEAVE = _route(
    "leave",
    {204: {"description": "It is noted."}},
    204,
    requestBody={"required": False, "content": {"text/plain": {"schema": {"type": "string"}}}},
)
GRAPHS = _route("graphs", {200: _gives(GraphList, "The graphs that are served.")})
METRICS = _route("metrics", {200: _gives(Metrics, "What the server counts and measures.")})
EXPOSITION = _route(
    "exposition",
    {200: {"description": "The same for Prometheus.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
HEALTH = _route("health", {200: _says("The process serves.", {"status": "ok"})})
READY = _route("ready", {200: _says("The store answers and runs are accepted.", {"status": "ready"})})
DOCUMENT = _route("document", {200: _says("This document.", {"openapi": "3.1.0"})})


def document(app: FastAPI, root_path: str) -> bytes:
    """Write the document of a program.

    Args:
        app: With its routes.
        root_path: Where a host has mounted it; empty at the root.

    Returns:
        JSON.
    """
    requests: tuple[type, ...] = (StartRequest, StopRequest, ResumeRequest, ForkRequest)
    kinds = (*requests, RunInfo, AskingRun, RunList, EventPage, GraphList, GraphState, TextPart, Metrics, Problem)
    _, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    # A copy: what FastAPI gives is what it keeps.
    written: dict[str, Any] = {**app.openapi(), "components": {"schemas": components}}
    written["paths"] = {**written["paths"], **openapi_streams.PATHS}
    if app.state.riverrun.asks_who:
        written["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        written["security"] = [{"key": []}]
    if root_path:
        written["servers"] = [{"url": root_path}]
    return msgspec.json.encode(written)
