"""Riverrun over HTTP as a program uses it: the client starts a run, then reads it, which are two requests."""

from __future__ import annotations

from contextlib import asynccontextmanager
from time import perf_counter

from bench.measure import Sample, Samplers
from bench.product_http import server
from bench.results import percentile
from bench.scale import Scale
from riverrun.client.client import Client
from riverrun.events.kinds import NodeChunk


@asynccontextmanager
async def post(scale: Scale) -> Samplers:
    """From `start` to the first chunk, on connections that are kept."""
    with server() as url:
        async with Client(url) as client:

            async def wait() -> float:
                took = None
                began = perf_counter()
                run = await client.start("speak", {"n": 3})
                async for event in run.events():
                    if took is None and isinstance(event, NodeChunk):
                        took = perf_counter() - began
                assert took is not None
                return took * 1e3

            async def sample() -> Sample:
                waits = [await wait() for _ in range(scale.posts)]
                return {"p50": percentile(waits, 50), "p99": percentile(waits, 99)}

            yield sample
