"""Riverrun as it delivers: the figures of `bench.delivery` over server-sent events, from a real server on SQLite."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from bench import delivery, product_server
from bench.crowd import Way
from bench.delivery import Teller, Told
from bench.measure import Sampler
from bench.scale import Scale
from bench.servers import Served, served
from bench.thin import LAST, asking

_ID = re.compile(rb"^id: ([0-9a-f]{8}\.[0-9]+)\ndata: ", re.MULTILINE)
_EVENT = re.compile(rb'\{"type":"[a-z.]+","seq":([0-9]+),')


class SseTeller:
    """A server of ours, read over server-sent events.

    Args:
        server: Where it is.
        http: For all that is not measured.
    """

    def __init__(self, server: Served, http: httpx.Client) -> None:
        self.server = server
        self._http = http

    def tell(self, told: Told) -> str:
        """Start a run; give its id."""
        asked = {"gate": told.gate, "n": told.chunks, "pause": told.pause, "stay": told.stay}
        return self.start("tell", asked)

    def open(self, gate: str) -> None:
        """Start a run that opens a gate."""
        self.start("open", {"gate": gate})

    def start(self, graph: str, asked: object) -> str:
        """Start a run.

        Args:
            graph: Of which graph.
            asked: Its input.

        Returns:
            Its id.
        """
        answer = self._http.post("/v1/runs", json={"graph": graph, "input": asked})
        return str(answer.raise_for_status().json()["run"])

    def way(self, name: str, after: str = "") -> Way:
        """Say how a reader asks for a run."""
        return Way(asking(self.server.url, f"/v1/runs/{name}/events?after={after}"), b"retry: ", LAST)

    def places(self, received: bytes) -> list[str]:
        """Give the cursors of all events."""
        return [found.decode() for found in _ID.findall(received)]

    def check(self, received: bytes, chunks: int) -> None:
        """See that all events are there, each once and in order."""
        whole(received, chunks)


def whole(received: bytes, chunks: int) -> None:
    """See that all events of a run are there, each once and in order.

    Args:
        received: What a reader received from the first event on.
        chunks: How many the run streamed.
    """
    seqs = [int(seq) for seq in _EVENT.findall(received)]
    assert seqs == list(range(1, len(seqs) + 1)), "an event was lost, repeated or out of order"
    assert received.count(b'{"type":"node.chunk"') == chunks, "chunks are missing"
    assert received.count(b'{"type":"run.completed"') == 1, "the run did not complete"


@contextmanager
def teller(kind: type[SseTeller] = SseTeller) -> Iterator[Teller]:
    """Run a server on a new file.

    Args:
        kind: How it is read.

    Yields:
        The server.
    """
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", product_server.__name__, str(Path(folder, "runs.db"))]
        with served(command) as server, httpx.Client(base_url=server.url, timeout=60.0) as http:
            yield kind(server, http)


def crowd(scale: Scale) -> AbstractAsyncContextManager[Sampler]:
    """One run, many readers."""
    return delivery.crowd(scale, teller)


def beat(scale: Scale) -> AbstractAsyncContextManager[Sampler]:
    """One run that keeps time, many readers."""
    return delivery.beat(scale, teller)


def waiting(scale: Scale) -> AbstractAsyncContextManager[Sampler]:
    """Readers of a run that is silent."""
    return delivery.waiting(scale, teller)


def held(scale: Scale) -> AbstractAsyncContextManager[Sampler]:
    """Thousands of readers."""
    return delivery.held(scale, teller)


def tail(scale: Scale) -> AbstractAsyncContextManager[Sampler]:
    """Attach at the end."""
    return delivery.tail(scale, teller)


def again(scale: Scale) -> AbstractAsyncContextManager[Sampler]:
    """Read a run that has ended."""
    return delivery.again(scale, teller)
