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
_LAST = b"\r\n0\r\n\r\n"  # the end of a chunked body


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
        connection.sendall(_request(url, path, body))
        received = bytearray()
        took = None
        for piece in iter(lambda: connection.recv(_PIECE_BYTES), b""):
            received += piece
            if took is None and TOKEN.encode() in received:
                took = perf_counter() - began
            if received.endswith(_LAST):
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
    with _connected(url) as connection:
        request = _request(url, path, body)
        pieces: list[bytes] = []
        end = b""
        began = perf_counter()
        connection.sendall(request)
        while not end.endswith(_LAST):
            piece = connection.recv(_PIECE_BYTES)
            if not piece:
                raise RuntimeError(f"the stream ended early: {b''.join(pieces)[-300:]!r}")
            pieces.append(piece)
            end = (end + piece)[-len(_LAST) :]
        took = perf_counter() - began
    return took, _joined(b"".join(pieces))


def _connected(url: str) -> socket.socket:
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname, parts.port), _SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _request(url: str, path: str, body: object) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nAccept: text/event-stream\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def _joined(response: bytes) -> bytes:
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
