"""The part of the OpenAPI document that tells of durable streams: what PROTOCOL.md §16 says, for machines.

Their routes are not FastAPI's, so all that the document says of them stands here. It does not know how they answer.
"""

from __future__ import annotations

from typing import Any

from riverrun.server.stream_requests import MOUNT
from riverrun.wire.durable import CLOSED, CURSOR, JSON_TYPE, NEXT_OFFSET, UP_TO_DATE
from riverrun.wire.problem import CONTENT_TYPE

_PROBLEM = {"schema": {"$ref": "#/components/schemas/Problem"}}
_TEXT = {"type": "string"}
_NUMBER = {"type": "integer", "minimum": 0}
_TRUE = {"type": "string", "enum": ["true"]}
_LIVE = {"type": "string", "enum": ["long-poll", "sse"]}
_OFFSET = {"type": "string", "description": "16 decimal digits; `-1` is the beginning, `now` the end."}

_PATH = {
    "name": "path",
    "in": "path",
    "required": True,
    "description": "It may hold slashes, as they are or encoded.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 1024},
}
_RUN = {"name": "run", "in": "path", "required": True, "schema": _TEXT}


def _given(place: str, name: str, what: str, schema: dict[str, Any] = _TEXT) -> dict[str, Any]:
    return {"name": name, "in": place, "required": False, "description": what, "schema": schema}


def _headers(*names: str) -> dict[str, Any]:
    return {name: _TOLD[name] for name in names}


_TOLD = {
    name: {"description": what, "schema": schema}
    for name, what, schema in (
        (NEXT_OFFSET, "The offset of the last piece that was given, or that there is.", _TEXT),
        (UP_TO_DATE, "There is no more at this moment.", _TRUE),
        (CLOSED, "Nothing will follow.", _TRUE),
        (CURSOR, "For the next request that waits.", _TEXT),
        ("etag", "Names the page.", _TEXT),
        ("location", "Where the stream is.", _TEXT),
        ("stream-ttl", "Seconds that it lives unused.", _NUMBER),
        ("stream-expires-at", "When it ends.", _TEXT),
        ("producer-epoch", "Of the producer.", _NUMBER),
        ("producer-seq", "Of its last append.", _NUMBER),
    )
}
_ENDS = (NEXT_OFFSET, CLOSED)
_OF_PRODUCER = ("producer-epoch", "producer-seq")
_CLOSES = _given("header", "Stream-Closed", "`true`: nothing is to follow.", _TRUE)
_BODY = {
    "description": "Of any content type: JSON is taken apart into messages, all else is bytes.",
    "required": False,
    "content": {
        JSON_TYPE: {"schema": {}},
        "text/plain": {"schema": _TEXT},
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    },
}


def _operation(name: str, what: str, asked: list[dict[str, Any]], answers: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": name.replace("_", " ").capitalize(),
        "description": what,
        "parameters": asked,
        "responses": {
            **answers,
            "default": {"description": "An error with its code.", "content": {CONTENT_TYPE: _PROBLEM}},
        },
    }


def _read(name: str, what: str, where: dict[str, Any]) -> dict[str, Any]:
    stream = {"schema": {"description": "Server-sent events: `data` with pieces, each followed by a `control`."}}
    asked = [
        where,
        _given("query", "offset", "Of the last piece that the reader has; the beginning when it is left out.", _OFFSET),
        _given(
            "query", "live", "How to wait for more; with an offset.", {"type": "string", "enum": ["long-poll", "sse"]}
        ),
        _given("query", "cursor", "What the answer before gave."),
        _given("header", "If-None-Match", "Pages that the reader has."),
    ]
    page = {
        "description": "A page of the type of the stream, or live its events.",
        "headers": _headers(*_ENDS, UP_TO_DATE, CURSOR, "etag"),
        "content": {"*/*": {"schema": {}}, "text/event-stream": stream},
    }
    answers = {
        "200": page,
        "204": {"description": "Nothing came in time.", "headers": _headers(*_ENDS, UP_TO_DATE, CURSOR)},
        "304": {"description": "The reader has this page.", "headers": _headers(*_ENDS, UP_TO_DATE, "etag")},
    }
    return _operation(name, what, asked, answers)


def _head(name: str, what: str, where: dict[str, Any], *more: str) -> dict[str, Any]:
    said = _operation(name, what, [where], {"200": {"description": "It is there.", "headers": _headers(*_ENDS, *more)}})
    # An answer to HEAD has no body, whatever it says.
    return {**said, "responses": {**said["responses"], "default": {"description": "An error."}}}


_STREAM: dict[str, Any] = {
    "put": {
        **_operation(
            "create_stream",
            "Create a durable stream, or fork one.",
            [
                _PATH,
                _given("header", "Stream-TTL", "Seconds that it lives unused; not with the next.", _NUMBER),
                _given("header", "Stream-Expires-At", "When it ends (RFC 3339)."),
                _given("header", "Stream-Forked-From", f"The path of another, with `{MOUNT}` before it."),
                _given("header", "Stream-Fork-Offset", "Where to fork; the end when it is left out.", _OFFSET),
                _given("header", "Stream-Fork-Sub-Offset", "Bytes or messages of the next piece.", _NUMBER),
                _CLOSES,
            ],
            {
                "201": {"description": "It was made.", "headers": _headers(*_ENDS, "location")},
                "200": {"description": "It was there as it is asked for.", "headers": _headers(*_ENDS)},
            },
        ),
        "requestBody": _BODY,
    },
    "post": {
        **_operation(
            "append_to_stream",
            "Append to a durable stream, close it, or both.",
            [
                _PATH,
                _given("header", "Producer-Id", "Makes a repeated append harmless; with the next two."),
                _given("header", "Producer-Epoch", "Which incarnation of the producer this is.", _NUMBER),
                _given("header", "Producer-Seq", "Counts its appends.", _NUMBER),
                _given("header", "Stream-Seq", "Must be beyond that of the append before."),
                _CLOSES,
            ],
            {
                "204": {"description": "It is in the stream.", "headers": _headers(*_ENDS, *_OF_PRODUCER)},
                "200": {
                    "description": "It is in the stream, and is a producer's new append.",
                    "headers": _headers(*_ENDS, *_OF_PRODUCER),
                },
            },
        ),
        "requestBody": _BODY,
    },
    "get": _read("read_stream", "Read a durable stream after an offset.", _PATH),
    "head": _head("show_stream", "Tell where a durable stream ends.", _PATH, "stream-ttl", "stream-expires-at"),
    "delete": _operation(
        "delete_stream", "Delete a durable stream.", [_PATH], {"204": {"description": "It is deleted."}}
    ),
}

PATHS: dict[str, Any] = {
    MOUNT + "{path}": _STREAM,
    MOUNT + "runs/{run}": {
        "get": _read("read_run_as_stream", "Read the log of a run as a durable stream of JSON.", _RUN),
        "head": _head("show_run_as_stream", "Tell where the log of a run ends.", _RUN),
    },
}
