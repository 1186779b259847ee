"""sse-starlette alone, the counterpart of `bench.product_http` and `bench.product_delivery`; it keeps nothing."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

import httpx

from bench import delivery
from bench.crowd import Way
from bench.delivery import Teller, Told
from bench.measure import Sample, Sampler, Samplers
from bench.results import percentile
from bench.scale import Scale
from bench.servers import Served, served
from bench.thin import LAST, asking, first_chunk, whole_stream

_COMMAND = [sys.executable, "-m", "bench.peer_sse_server"]
_RUNS = "/runs"
_ID = re.compile(rb"^id: ([0-9]+)\r\ndata: at ", re.MULTILINE)


class StarletteTeller:
    """The server.

    Args:
        server: Where it is.
        http: For all that is not measured.
    """

    def __init__(self, server: Served, http: httpx.Client) -> None:
        self.server = server
        self._http = http

    def tell(self, told: Told) -> str:
        """Make a topic; give its number."""
        asked = {"gate": told.gate, "n": told.chunks, "pause": told.pause, "stay": told.stay}
        return str(self._http.post("/topics", json=asked).raise_for_status().json()["topic"])

    def open(self, gate: str) -> None:
        """Open a gate."""
        self._http.post("/open", json={"gate": gate}).raise_for_status()

    def way(self, name: str, after: str = "") -> Way:
        """Say how a reader asks for a topic."""
        return Way(asking(self.server.url, f"/topics/{name}?after={after}"), b"\r\n\r\n", LAST)

    def places(self, received: bytes) -> list[str]:
        """Give the numbers of all chunks."""
        return [found.decode() for found in _ID.findall(received)]

    def check(self, received: bytes, chunks: int) -> None:
        """See that all chunks are there, each once and in order."""
        assert self.places(received) == [str(place) for place in range(1, chunks + 1)]


@contextmanager
def teller() -> Iterator[Teller]:
    """Run the server.

    Yields:
        The server.
    """
    importlib.import_module("sse_starlette")  # says here, and not in the server, that it is not installed
    with served(_COMMAND) as server, httpx.Client(base_url=server.url, timeout=60.0) as http:
        yield StarletteTeller(server, http)


@asynccontextmanager
async def post(scale: Scale) -> Samplers:
    """On a new connection each time."""
    with teller() as one:

        async def sample() -> Sample:
            waits = [first_chunk(one.server.url, _RUNS, {"n": 3}) * 1e3 for _ in range(scale.posts)]
            return {"p50": percentile(waits, 50), "p99": percentile(waits, 99)}

        yield sample


@asynccontextmanager
async def stream(scale: Scale) -> Samplers:
    """One stream from its start to its end."""
    with teller() as one:

        async def sample() -> Sample:
            took, body = whole_stream(one.server.url, _RUNS, {"n": scale.stream})
            assert body.count(b"data: ") == scale.stream
            return {"chunks": scale.stream / took}

        yield sample


def crowd(scale: Scale) -> AbstractAsyncContextManager[Sampler]:
    """One stream, many readers: a queue for each."""
    return delivery.crowd(scale, teller)


def beat(scale: Scale) -> AbstractAsyncContextManager[Sampler]:
    """One stream that keeps time, many readers."""
    return delivery.beat(scale, teller)


def waiting(scale: Scale) -> AbstractAsyncContextManager[Sampler]:
    """Readers of a stream that is silent."""
    return delivery.waiting(scale, teller)


def held(scale: Scale) -> AbstractAsyncContextManager[Sampler]:
    """Thousands of readers."""
    return delivery.held(scale, teller)


def tail(scale: Scale) -> AbstractAsyncContextManager[Sampler]:
    """Attach at the end."""
    return delivery.tail(scale, teller)


def again(scale: Scale) -> AbstractAsyncContextManager[Sampler]:
    """Read a stream that has ended: a list in memory."""
    return delivery.again(scale, teller)
