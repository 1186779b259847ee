"""A LangGraph graph served by Riverrun, kept on SQLite; and values that are pulled, pushed and pulled again."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from bench.measure import Sample, Samplers
from bench.scale import Scale
from bench.servers import serving
from bench.source import TOKEN
from riverrun.nodes.inlet import Inlet
from riverrun.nodes.pull import from_callback, from_queue
from riverrun.nodes.push import to_callback, to_queue


@asynccontextmanager
async def adopted(scale: Scale) -> Samplers:
    """Start and attach in one request, on a new connection each time."""
    from bench.adopted import sampler  # noqa: PLC0415  # it needs LangGraph, which may not be there

    with TemporaryDirectory() as folder, serving("bench.adopted_server", str(Path(folder, "runs.db"))) as url:
        yield sampler(scale, url, "/v1/runs", _start)


def _start(chunks: int) -> object:
    return {"graph": "speak", "input": {"n": chunks}}


@asynccontextmanager
async def pushed(scale: Scale) -> Samplers:
    """Hand values from one stream to another, by callbacks and through a bounded queue."""

    async def sample() -> Sample:
        return {
            "callback": await _seconds(scale.chunks, _by_callback(scale.chunks)) * 1e6,
            "queue": await _seconds(scale.chunks, _by_queue(scale.chunks)) * 1e6,
        }

    yield sample


async def _seconds(count: int, values: Any) -> float:
    began = perf_counter()
    read = 0
    async with aclosing(values) as stream:
        async for _ in stream:
            read += 1
    assert read == count
    return (perf_counter() - began) / count


async def values(count: int) -> Any:
    """Give values without waiting.

    Yields:
        Always the same one.
    """
    for _ in range(count):
        yield TOKEN


def _by_callback(count: int) -> Any:
    def subscribe(inlet: Inlet[str]) -> Any:
        work = asyncio.get_running_loop().create_task(to_callback(values(count), inlet.push, inlet.end))
        return work.cancel

    return from_callback(subscribe, limit=count)


def _by_queue(count: int) -> Any:
    queue: asyncio.Queue[Any] = asyncio.Queue(64)
    work = asyncio.get_running_loop().create_task(to_queue(values(count), queue))
    return _both(from_queue(queue), work)


async def _both(stream: Any, work: Any) -> Any:
    async with aclosing(stream) as given:
        async for value in given:
            yield value
    await work
