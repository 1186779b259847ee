"""What no client can beat as it comes back: a new connection at once, one request, and its first event."""

from __future__ import annotations

from contextlib import asynccontextmanager

from bench.crowd import Crowd
from bench.delivery import Told, attached
from bench.measure import Sample, Samplers
from bench.product_delivery import teller
from bench.product_reconnect import PAUSE
from bench.results import percentile
from bench.scale import Scale

_SECONDS = 0.2


@asynccontextmanager
async def reconnect(scale: Scale) -> Samplers:
    """Come back to a run that says something every 10 ms."""
    with teller() as one:

        async def sample() -> Sample:
            run = one.tell(Told("", int(_SECONDS / PAUSE) * 2, PAUSE))
            with Crowd(one.server.url) as readers:
                readers.join([one.way(run)])
                readers.read(_SECONDS)
                place = one.places(readers.readers[0].received())[-1]
            way = one.way(run, place)._replace(ready=b"\ndata: ")
            waits = [attached(one.server.url, way) * 1e3 for _ in range(scale.cuts)]
            return {"median": percentile(waits, 50), "worst": max(waits)}

        yield sample
