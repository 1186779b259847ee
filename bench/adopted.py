"""One LangGraph graph, served by two servers and read by one thin reader: what the figure `adopted` is made of."""

from __future__ import annotations

import json
import socket
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from bench.measure import Sample
from bench.peer import speaker
from bench.results import percentile
from bench.scale import Scale
from bench.source import TOKEN

graph = speaker()  # what `langgraph dev` is pointed at, and what Riverrun adopts

_PIECE_BYTES = 1 << 18
_SECONDS = 120.0  # without a byte; then the server is taken for broken
_LAST = b"\r\n0\r\n\r\n"  # the end of a chunked body
_FIRSTS = 10  # runs of which a sample takes the median; one of `langgraph dev` takes up to a second to begin


def read(url: str, path: str, body: object) -> tuple[float, float, bytes]:
    """Start a run on a new connection and read it to its end.

    Args:
        url: Of the server.
        path: To POST to.
        body: What is posted, as JSON.

    Returns:
        Seconds from sending the request to the first chunk, from there to the last byte, and all that was received.

    Raises:
        RuntimeError: There was no chunk, or the response ended early.
    """
    content = json.dumps(body).encode()
    parts = urlsplit(url)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: text/event-stream\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    pieces: list[bytes] = []
    first = 0.0
    with socket.create_connection((parts.hostname, parts.port), _SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        began = perf_counter()
        connection.sendall(head.encode() + content)
        while not b"".join(pieces[-2:]).endswith(_LAST):
            piece = connection.recv(_PIECE_BYTES)
            if not piece:
                raise RuntimeError(f"the stream ended early: {b''.join(pieces)[-300:]!r}")
            pieces.append(piece)
            if not first and TOKEN.encode() in piece:
                first = perf_counter() - began
        took = perf_counter() - began
    if not first:
        raise RuntimeError(f"no chunk arrived: {b''.join(pieces)[:300]!r}")
    return first, took - first, b"".join(pieces)


def sampler(scale: Scale, url: str, path: str, body: Callable[[int], Any]) -> Callable[[], Awaitable[Sample]]:
    """Make what measures one server.

    Args:
        scale: How much.
        url: Of the server.
        path: To POST to.
        body: Gives what is posted to have so many chunks.

    Returns:
        The sampler.
    """

    async def sample() -> Sample:
        waits = [read(url, path, body(3))[0] * 1e3 for _ in range(min(_FIRSTS, scale.firsts))]
        _, took, received = read(url, path, body(scale.stream))
        assert received.count(f'"{TOKEN}"'.encode()) == scale.stream
        return {"first chunk": percentile(waits, 50), "chunks": scale.stream / took}

    return sample
