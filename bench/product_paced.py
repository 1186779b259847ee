"""Many chat nodes at once whose model needs no network."""

from __future__ import annotations

from contextlib import asynccontextmanager

from bench.answers import at_once
from bench.measure import Sample, Samplers
from bench.paced import Paced
from bench.product_chat import chatting, texts
from bench.scale import Scale


@asynccontextmanager
async def paced(scale: Scale) -> Samplers:
    """Read many answers at once, each in a run of its own and by a reader of its own."""
    graph = chatting(Paced())

    async def sample() -> Sample:
        return await at_once(scale, lambda asked: texts(graph, asked))

    yield sample
