"""The one source of chunks that all subjects stream, so that only the runtime differs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

from bench.measure import Sample, Samplers
from bench.scale import Scale

TOKEN = "token "


async def tokens(count: int) -> AsyncIterator[str]:
    """Give `count` pieces of text, the event loop free before each.

    Yields:
        Always the same piece.
    """
    for _ in range(count):
        await asyncio.sleep(0)
        yield TOKEN


async def dated(count: int, pause: float = 0.0) -> AsyncIterator[str]:
    """Give `count` pieces of text that say when they were made, by the clock that all processes of a machine share.

    Args:
        count: How many.
        pause: Seconds from one to the next; 0: the event loop is free before each, and no more.

    Yields:
        `at <perf_counter>;`
    """
    now = asyncio.get_running_loop().time
    due = now()
    for _ in range(count):
        due += pause
        await asyncio.sleep(max(0.0, due - now()) if pause else 0)
        yield f"at {perf_counter():.6f};"


@asynccontextmanager
async def chunks(scale: Scale) -> Samplers:
    """Read the source with nothing around it."""

    async def sample() -> Sample:
        began = perf_counter()
        count = 0
        async for _ in tokens(scale.chunks):
            count += 1
        assert count == scale.chunks
        return {"chunk": (perf_counter() - began) / count * 1e6}

    yield sample
