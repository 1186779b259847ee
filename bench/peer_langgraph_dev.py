"""The same LangGraph graph served by `langgraph dev`, which keeps nothing beyond its process."""

from __future__ import annotations

import importlib
from contextlib import asynccontextmanager

from bench import langgraph_dev
from bench.adopted import sampler
from bench.measure import Samplers
from bench.scale import Scale
from bench.servers import serving


@asynccontextmanager
async def adopted(scale: Scale) -> Samplers:
    """Create a run and stream it in one request, on a new connection each time."""
    importlib.import_module("langgraph_api")  # says here, and not in the server, that it is not installed
    with serving(langgraph_dev.__name__) as url:
        yield sampler(scale, url, "/runs/stream", _start)


def _start(chunks: int) -> object:
    return {"assistant_id": "speak", "input": {"n": chunks}, "stream_mode": ["custom"]}
