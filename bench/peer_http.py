"""LangGraph behind FastAPI, the counterpart of `bench.product_http`; nothing that it streams is kept."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from time import perf_counter

import httpx

from bench import peer_server
from bench.measure import Sample, Samplers
from bench.results import percentile
from bench.scale import Scale
from bench.servers import serving
from bench.source import TOKEN
from bench.thin import first_chunk, whole_stream

_SERVER = peer_server.__name__
_RUNS = "/runs"


@asynccontextmanager
async def post(scale: Scale) -> Samplers:
    """On a new connection each time."""
    with serving(_SERVER) as url:

        async def sample() -> Sample:
            waits = [first_chunk(url, _RUNS, {"n": 3}) * 1e3 for _ in range(scale.posts)]
            return {"p50": percentile(waits, 50), "p99": percentile(waits, 99)}

        yield sample


@asynccontextmanager
async def stream(scale: Scale) -> Samplers:
    """One run from its start to its end."""
    with serving(_SERVER) as url:

        async def sample() -> Sample:
            took, body = whole_stream(url, _RUNS, {"n": scale.stream})
            assert body.count(b"data: ") == scale.stream
            return {"chunks": scale.stream / took}

        yield sample


@asynccontextmanager
async def read(scale: Scale) -> Samplers:
    """Do the same through httpx, each line decoded."""
    with serving(_SERVER) as url:

        async def sample() -> Sample:
            received = 0
            began = perf_counter()
            async with (
                httpx.AsyncClient(base_url=url, timeout=60.0) as client,
                client.stream("POST", _RUNS, json={"n": scale.stream}) as response,
            ):
                async for line in response.aiter_lines():
                    if line:
                        received += json.loads(line.removeprefix("data: ")) == TOKEN
            took = perf_counter() - began
            assert received == scale.stream
            return {"chunks": received / took}

        yield sample
