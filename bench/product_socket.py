"""Riverrun over a WebSocket: figures of `bench.product_http` and `bench.product_delivery`, where they make sense."""

from __future__ import annotations

import base64
import json
import socket
import struct
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from time import perf_counter
from urllib.parse import urlsplit

from bench import delivery
from bench.crowd import Way
from bench.delivery import Teller
from bench.measure import Sample, Sampler, Samplers
from bench.product_delivery import SseTeller, teller, whole
from bench.results import percentile
from bench.scale import Scale
from bench.source import TOKEN
from bench.thin import posting
from riverrun.wire import ws

_ENDED = ws.ended("1").encode()
_PIECE_BYTES = 1 << 18
_LONG = 126  # in place of a length that follows in two bytes


class SocketTeller(SseTeller):
    """A server of ours, of which each reader has a socket."""

    def way(self, name: str, after: str = "") -> Way:
        """Say how a reader asks for a run."""
        return Way(_handshake(self.server.url), b'"type":"attached"', _ENDED, _attach(name, after))


_teller = partial(teller, SocketTeller)


def _handshake(url: str) -> bytes:
    key = base64.b64encode(bytes(16)).decode()
    return (
        f"GET /v1/ws HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def _attach(run: str, after: str = "") -> bytes:
    """Write a frame, masked with zeros, which leave it as it is."""
    body = json.dumps({"type": "attach", "id": "1", "run": run, "after": after}).encode()
    if len(body) < _LONG:
        return struct.pack("!BBI", 0x81, 0x80 | len(body), 0) + body
    return struct.pack("!BBHI", 0x81, 0x80 | _LONG, len(body), 0) + body


@contextmanager
def _open(url: str) -> Iterator[socket.socket]:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), 60.0) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(_handshake(url))
        _until(connection, b"\r\n\r\n")
        yield connection


def _until(connection: socket.socket, marker: bytes) -> bytes:
    """Read until something has arrived."""
    received = bytearray()
    while marker not in received[-_PIECE_BYTES - len(marker) :]:
        piece = connection.recv(_PIECE_BYTES)
        if not piece:
            raise RuntimeError(f"the socket was closed: {bytes(received[-300:])!r}")
        received += piece
    return bytes(received)


class _Starter:
    """Start runs on one connection, whose answers are read with as little as it takes."""

    def __init__(self, url: str, connection: socket.socket) -> None:
        self._url = url
        self._connection = connection

    def start(self, chunks: int) -> str:
        """Start a run; give its id."""
        body = {"graph": "speak", "input": {"n": chunks}}
        self._connection.sendall(posting(self._url, "/v1/runs", body, "application/json"))
        _, _, location = _until(self._connection, b"}").partition(b"location: /v1/runs/")
        return location[:32].decode()


@contextmanager
def _starter(one: Teller) -> Iterator[_Starter]:
    parts = urlsplit(one.server.url)
    with socket.create_connection((parts.hostname, parts.port), 60.0) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield _Starter(one.server.url, connection)


@asynccontextmanager
async def post(scale: Scale) -> Samplers:
    """Start over HTTP, then attach over a socket: both are open already."""
    with _teller() as one, _starter(one) as starter, _open(one.server.url) as opened:

        def wait() -> float:
            began = perf_counter()
            opened.sendall(_attach(starter.start(3)))
            received = _until(opened, TOKEN.encode())
            took = perf_counter() - began
            if _ENDED not in received:
                _until(opened, _ENDED)
            return took * 1e3

        async def sample() -> Sample:
            waits = [wait() for _ in range(scale.posts)]
            return {"p50": percentile(waits, 50), "p99": percentile(waits, 99)}

        yield sample


@asynccontextmanager
async def stream(scale: Scale) -> Samplers:
    """One run from its start to its end."""
    with _teller() as one, _starter(one) as starter, _open(one.server.url) as opened:

        async def sample() -> Sample:
            began = perf_counter()
            opened.sendall(_attach(starter.start(scale.stream)))
            received = _until(opened, _ENDED)
            took = perf_counter() - began
            whole(received, scale.stream)
            return {"chunks": scale.stream / took}

        yield sample


def crowd(scale: Scale) -> AbstractAsyncContextManager[Sampler]:
    """One run, many readers."""
    return delivery.crowd(scale, _teller)


def beat(scale: Scale) -> AbstractAsyncContextManager[Sampler]:
    """One run that keeps time, many readers."""
    return delivery.beat(scale, _teller)


def waiting(scale: Scale) -> AbstractAsyncContextManager[Sampler]:
    """Readers of a run that is silent."""
    return delivery.waiting(scale, _teller)
