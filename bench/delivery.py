"""The figures of delivery, the same for every server: who is measured says how it is asked, and what is whole.

A stream waits behind a gate until its readers are there, and each of its chunks says when it was made: so what is timed
is the way from the producer, through whatever keeps the chunk, to a reader's socket.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, asynccontextmanager
from itertools import count
from time import perf_counter
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from bench.crowd import Crowd, Reader, Way
from bench.measure import Sample, Samplers
from bench.results import percentile
from bench.scale import Scale
from bench.servers import Served, allow_connections
from bench.thin import until

READERS_PER_STREAM = 100  # of those that are held
_TEN_MB = 10_000_000
_WARM = 20  # readers that come and go before memory is weighed
_SHORT = 10  # chunks
_LOOK_SECONDS = 0.1

_gates = count()

_LEAST = 1e-6  # seconds of processor: the system's clock does not tell less


class Told(NamedTuple):
    """A stream that is asked for.

    Attributes:
        gate: Opens it; empty: it begins at once.
        chunks: How many.
        pause: Seconds from one to the next; 0: as fast as they come.
        stay: Whether it stays open behind its last chunk.
    """

    gate: str
    chunks: int
    pause: float = 0.0
    stay: bool = False


class Teller(Protocol):
    """A server that tells streams to readers."""

    @property
    def server(self) -> Served:
        """Where it is."""
        ...

    def tell(self, told: Told) -> str:
        """Make a stream; give its name."""
        ...

    def open(self, gate: str) -> None:
        """Let the streams behind a gate begin."""
        ...

    def way(self, name: str, after: str = "") -> Way:
        """Say how a reader asks for a stream, from a place on."""
        ...

    def places(self, received: bytes) -> list[str]:
        """Give the places of the dated chunks in what a reader received, or of as many as can be told apart."""
        ...

    def check(self, received: bytes, chunks: int) -> None:
        """See that what a reader received is all of a stream, each chunk once and in order."""
        ...


Serve = Callable[[], AbstractContextManager[Teller]]


@asynccontextmanager
async def crowd(scale: Scale, serve: Serve) -> Samplers:
    """Tell many readers one stream, as fast as it comes."""
    with serve() as teller:

        async def sample() -> Sample:
            with Crowd(teller.server.url) as readers:
                _told_to(teller, readers, scale.readers, scale.told)
                readers.whole()
                for reader in readers.readers:
                    teller.check(reader.received(), scale.told)
                took = max(reader.times[-1] for reader in readers.readers) - _made(readers.readers[0])
                return {"events": scale.readers * scale.told / took}

        yield sample


@asynccontextmanager
async def beat(scale: Scale, serve: Serve) -> Samplers:
    """Tell many readers one stream of fifty chunks a second."""
    with serve() as teller:

        async def sample() -> Sample:
            with Crowd(teller.server.url) as readers:
                before = teller.server.processor_seconds()
                _told_to(teller, readers, scale.readers, scale.beats, 1 / 50)
                after = teller.server.processor_seconds()
                readers.whole()
                late = [each * 1e3 for reader in readers.readers for each in reader.lateness()]
                assert len(late) == scale.readers * scale.beats
                found = {"p50": percentile(late, 50), "p99": percentile(late, 99)}
                if before is not None and after is not None:
                    found["processor"] = max(after - before, _LEAST) / len(late) * 1e6
                return found

        yield sample


@asynccontextmanager
async def waiting(scale: Scale, serve: Serve) -> Samplers:
    """Weigh readers of a stream that is silent; by a server of its own, because memory is not given back."""
    allow_connections(scale.waiting)

    async def sample() -> Sample:
        with serve() as teller:
            name = teller.tell(Told("", _SHORT, stay=True))
            with Crowd(teller.server.url) as readers:
                readers.join([teller.way(name)] * _WARM)
            before = teller.server.held_bytes()
            with Crowd(teller.server.url) as readers:
                readers.join([teller.way(name)] * scale.waiting)
                readers.read(_LOOK_SECONDS)
                return {"reader": (teller.server.held_bytes() - before) / scale.waiting / 1024}

    yield sample


@asynccontextmanager
async def held(scale: Scale, serve: Serve) -> Samplers:
    """Hold thousands of readers, each of whom is told something every second; the warm-up is a short one."""
    allow_connections(scale.held)
    warm = [min(scale.held_seconds, 2)]
    with serve() as teller:

        async def sample() -> Sample:
            chunks = warm.pop() if warm else scale.held_seconds
            gates = [_gate() for _ in range(-(-scale.held // READERS_PER_STREAM))]
            names = [teller.tell(Told(gate, chunks, 1.0)) for gate in gates]
            with Crowd(teller.server.url) as readers:
                readers.join([teller.way(names[place % len(names)]) for place in range(scale.held)])
                for gate in gates:
                    teller.open(gate)
                readers.read()
                good = [reader for reader in readers.readers if reader.ended]
                for reader in good:
                    teller.check(reader.received(), chunks)
                late = [each * 1e3 for reader in good for each in reader.lateness()]
                return {"readers": float(len(good)), "p99": percentile(late, 99)}

        yield sample


@asynccontextmanager
async def tail(scale: Scale, serve: Serve) -> Samplers:
    """Attach at the end of a long stream and of a short one, both of which go on; on a new connection each time."""
    with serve() as teller:
        ways = {}
        for metric, chunks in (("long", scale.again), ("short", _SHORT)):
            name = teller.tell(Told("", chunks, stay=True))
            with Crowd(teller.server.url) as readers:
                readers.join([teller.way(name)])
                received = b""
                while received.count(b"at ") < chunks:
                    readers.read(_LOOK_SECONDS)
                    received = readers.readers[0].received()
            ways[metric] = teller.way(name, teller.places(received)[-1])

        async def sample() -> Sample:
            return {
                metric: percentile([attached(teller.server.url, way) * 1e3 for _ in range(scale.posts)], 50)
                for metric, way in ways.items()
            }

        yield sample


@asynccontextmanager
async def again(scale: Scale, serve: Serve) -> Samplers:
    """Read a stream that has ended, all of it and its last 10 MB: what the reader waits, and what the server works."""
    with serve() as teller:
        name = teller.tell(Told("", scale.again))
        whole = teller.way(name)
        _, received = until(teller.server.url, whole.request, whole.end)
        teller.check(received, scale.again)
        places = teller.places(received)
        wanted = len(places) * _TEN_MB // len(received)
        part = teller.way(name, places[-1 - wanted]) if wanted < len(places) else whole

        async def sample() -> Sample:
            if part is whole:
                return _read_again(teller.server, "all", whole)
            return {**_read_again(teller.server, "all", whole), **_read_again(teller.server, "10 MB", part)}

        yield sample


def _told_to(teller: Teller, readers: Crowd, number: int, chunks: int, pause: float = 0.0) -> None:
    gate = _gate()
    name = teller.tell(Told(gate, chunks, pause))
    readers.join([teller.way(name)] * number)
    teller.open(gate)
    readers.read()


def _gate() -> str:
    return f"gate-{next(_gates)}"


def _made(reader: Reader) -> float:
    """Tell when the first chunk was made."""
    _, _, rest = reader.received().partition(b"at ")
    return float(rest.partition(b";")[0])


def attached(url: str, way: Way) -> float:
    """Attach on a new connection.

    Args:
        url: Of the server.
        way: How it is asked.

    Returns:
        Seconds from the request until it is granted.

    Raises:
        RuntimeError: It was not.
    """
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), 60.0) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = Reader(way, connection)
        began = perf_counter()
        connection.sendall(way.request)
        while not reader.ready:
            piece = connection.recv(1 << 16)
            if not piece:
                raise RuntimeError(f"it was not granted: {reader.received()!r}")
            reader.take(piece, perf_counter())
        return reader.times[-1] - began


def _read_again(server: Served, metric: str, way: Way) -> Sample:
    before = server.processor_seconds()
    took, _ = until(server.url, way.request, way.end)
    after = server.processor_seconds()
    if before is None or after is None:
        return {metric: took * 1e3}
    return {metric: took * 1e3, f"{metric}, server": max(after - before, _LEAST) * 1e3}
