"""Riverrun over HTTP: a real server process on SQLite, `synchronous=FULL`, read by a thin reader and by its client."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from bench import product_server
from bench.measure import Sample, Samplers
from bench.results import percentile
from bench.scale import Scale
from bench.servers import serving
from bench.thin import first_chunk, whole_stream
from riverrun.client.client import Client
from riverrun.events.kinds import NodeChunk

_RUNS = "/v1/runs"
_SEQ = re.compile(rb"^id: [0-9a-f]{8}\.([0-9]+)\ndata: ", re.MULTILINE)


@asynccontextmanager
async def post(scale: Scale) -> Samplers:
    """Start and attach in one request, on a new connection each time."""
    with server() as url:

        async def sample() -> Sample:
            waits = [first_chunk(url, _RUNS, _start(3)) * 1e3 for _ in range(scale.posts)]
            return {"p50": percentile(waits, 50), "p99": percentile(waits, 99)}

        yield sample


@asynccontextmanager
async def stream(scale: Scale) -> Samplers:
    """One run from its start to its end; afterwards every seq is looked at."""
    with server() as url:

        async def sample() -> Sample:
            took, body = whole_stream(url, _RUNS, _start(scale.stream))
            seqs = [int(seq) for seq in _SEQ.findall(body)]
            assert seqs == list(range(1, len(seqs) + 1)), "an event was lost, repeated or out of order"
            assert body.count(b'"type":"node.chunk"') == scale.stream
            return {"chunks": scale.stream / took}

        yield sample


@asynccontextmanager
async def read(scale: Scale) -> Samplers:
    """Do the same through the client, which decodes each event and applies it once."""
    with server() as url:

        async def sample() -> Sample:
            place = received = 0
            began = perf_counter()
            async with Client(url) as client:
                run = await client.start("speak", {"n": scale.stream})
                async for event in run.events():
                    assert event.seq == place + 1, "an event was lost, repeated or out of order"
                    place = event.seq
                    received += isinstance(event, NodeChunk)
            took = perf_counter() - began
            assert received == scale.stream
            return {"chunks": received / took}

        yield sample


@contextmanager
def server() -> Iterator[str]:
    """Run a server on a new file.

    Yields:
        Its base URL.
    """
    with TemporaryDirectory() as folder, serving(product_server.__name__, str(Path(folder, "runs.db"))) as url:
        yield url


def _start(chunks: int) -> object:
    return {"graph": "speak", "input": {"n": chunks}}
