"""ReactiveX: values pushed through a Subject and collected, the least that it does for what others wait for."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

from reactivex import Subject

from bench.measure import Sample, Samplers
from bench.scale import Scale
from bench.source import TOKEN


@asynccontextmanager
async def pushed(scale: Scale) -> Samplers:
    """From an async iterator into a Subject, and from there into a queue that is read; no side waits for the other."""

    async def sample() -> Sample:
        return {"queue": await _seconds(scale.chunks) * 1e6}

    yield sample


async def _values(count: int) -> Any:
    for _ in range(count):
        yield TOKEN


async def _seconds(count: int) -> float:
    subject: Subject[str] = Subject()
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    subject.subscribe(queue.put_nowait, on_completed=lambda: queue.put_nowait(None))

    async def push() -> None:
        async for value in _values(count):
            subject.on_next(value)
        subject.on_completed()

    began = perf_counter()
    read = 0
    async with asyncio.TaskGroup() as group:
        group.create_task(push())
        while await queue.get() is not None:
            read += 1
    assert read == count
    return (perf_counter() - began) / count
