"""The thinnest reader, the same for all servers: a blocking socket and a buffer, so that the server is measured.

What was received is taken apart only when the clock has stopped.
"""

from __future__ import annotations

import json
import socket
from time import perf_counter
from urllib.parse import urlsplit

from bench.source import TOKEN

_PIECE_BYTES = 1 << 18
_SECONDS = 60.0  # without a byte; then the server is taken for broken
LAST = b"\r\n0\r\n\r\n"  # the end of a chunked body


def first_chunk(url: str, path: str, body: object) -> float:
    """Start a run on a new connection.

    Args:
        url: Of the server.
        path: To POST to.
        body: What is posted, as JSON.

    Returns:
        Seconds from sending the request to the arrival of the first chunk. The rest is read, and not measured.

    Raises:
        RuntimeError: There was none.
    """
    with _connected(url) as connection:
        began = perf_counter()
        connection.sendall(posting(url, path, body))
        received = bytearray()
        took = None
        for piece in iter(lambda: connection.recv(_PIECE_BYTES), b""):
            received += piece
            if took is None and TOKEN.encode() in received:
                took = perf_counter() - began
            if received.endswith(LAST):
                break
        if took is None:
            raise RuntimeError(f"no chunk arrived: {bytes(received[:300])!r}")
        return took


def whole_stream(url: str, path: str, body: object) -> tuple[float, bytes]:
    """Start a run on a new connection and read it to its end.

    Args:
        url: Of the server.
        path: To POST to.
        body: What is posted, as JSON.

    Returns:
        Seconds from sending the request to the last byte, and the body of the response.

    Raises:
        RuntimeError: The response ended early.
    """
    took, response = until(url, posting(url, path, body), LAST)
    return took, joined(response)


def whole_log(url: str, path: str) -> tuple[float, bytes]:
    """Read a log that has ended on a new connection, as server-sent events.

    Args:
        url: Of the server.
        path: To GET.

    Returns:
        Seconds from sending the request to the last byte, and the body of the response.

    Raises:
        RuntimeError: The response ended early.
    """
    took, response = until(url, asking(url, path), LAST)
    return took, joined(response)


def until(url: str, request: bytes, end: bytes) -> tuple[float, bytes]:
    """Send a request on a new connection, and read until what was received ends in a certain way.

    Args:
        url: Of the server.
        request: What is sent.
        end: How it ends.

    Returns:
        Seconds from sending the request to the last byte, and the response.

    Raises:
        RuntimeError: The response ended early.
    """
    with _connected(url) as connection:
        pieces: list[bytes] = []
        tail = b""
        began = perf_counter()
        connection.sendall(request)
        while tail != end:
            piece = connection.recv(_PIECE_BYTES)
            if not piece:
                raise RuntimeError(f"the stream ended early: {b''.join(pieces)[-300:]!r}")
            pieces.append(piece)
            tail = (tail + piece[-len(end) :])[-len(end) :]
        took = perf_counter() - began
    return took, b"".join(pieces)


def asking(url: str, path: str) -> bytes:
    """Write the request for a log as server-sent events."""
    head = f"GET {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nAccept: text/event-stream\r\n\r\n"
    return head.encode()


def posting(url: str, path: str, body: object, accept: str = "text/event-stream") -> bytes:
    """Write a request that posts JSON.

    Args:
        url: Of the server.
        path: To POST to.
        body: What is posted.
        accept: What the answer should be.

    Returns:
        The bytes.
    """
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nAccept: {accept}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def joined(response: bytes) -> bytes:
    """Take the head and the framing of a chunked body off a response."""
    rest = response.partition(b"\r\n\r\n")[2]
    parts: list[bytes] = []
    place = 0
    while True:
        line_end = rest.index(b"\r\n", place)
        size = int(rest[place:line_end], 16)
        if not size:
            return b"".join(parts)
        place = line_end + 2
        parts.append(rest[place : place + size])
        place += size + 2


def _connected(url: str) -> socket.socket:
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname, parts.port), _SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
