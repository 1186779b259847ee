"""Our client behind a network that cuts it off: how long its reader waits for the next event, seen from the reader.

The run says something every 10 ms, so what the reader waits beyond that is the way back: noticing, waiting before the
next try, a new connection, and the first event that it lacked. Where and how it is cut is drawn from a fixed seed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing, asynccontextmanager
from random import Random
from time import perf_counter
from urllib.parse import urlsplit

from bench.delivery import Told
from bench.measure import Sample, Samplers
from bench.product_delivery import teller
from bench.results import percentile
from bench.scale import Scale
from riverrun.client.client import Client
from riverrun.client.session import State
from riverrun.testing.proxy import Break, Faults, Proxy

PAUSE = 0.01  # seconds from one event to the next
_AFTER_BYTES = 4000  # of an answer that pass, at most: its head, and about twenty events
_BAD_GATEWAYS = 8  # every so manyth connection meets one instead


def faults(seed: int) -> Callable[[int], Faults]:
    """Draw what goes wrong on each connection.

    Args:
        seed: The same gives the same.

    Returns:
        What a proxy asks.
    """

    def of(number: int) -> Faults:
        random = Random(f"{seed}.{number}")
        if random.randrange(_BAD_GATEWAYS) == 0:
            return Faults(bad_gateway=True)
        return Faults(after=random.randrange(_AFTER_BYTES), then=random.choice((Break.RESET, Break.END)))

    return of


@asynccontextmanager
async def reconnect(scale: Scale) -> Samplers:
    """Be cut off again and again, at any byte of the answer, by a reset, a polite end, or a 502."""
    with teller() as one:
        parts = urlsplit(one.server.url)

        async def sample() -> Sample:
            run = one.tell(Told("", 1_000_000, PAUSE))
            async with Proxy(parts.hostname or "", parts.port or 0, faults(1)) as proxy, Client(proxy.url) as client:
                waits = await _waits(client, run, scale.cuts)
            async with Client(one.server.url) as direct:
                await direct.run(run).stop()
            return {"median": percentile(waits, 50), "worst": max(waits)}

        yield sample


async def _waits(client: Client, run: str, cuts: int) -> list[float]:
    """Read a run until the reader was cut off so often; give the milliseconds that it waited each time."""
    states: list[State] = []
    waits: list[float] = []
    place, at = 0, perf_counter()
    async with aclosing(client.run(run).events(on_change=lambda state, _: states.append(state))) as events:
        async for event in events:
            assert event.seq == place + 1, "an event was lost, repeated or out of order"
            now = perf_counter()
            # The first connection is no reconnection, whatever it takes.
            if place and State.RECONNECTING in states:
                waits.append((now - at) * 1e3)
            states.clear()
            place, at = event.seq, now
            if len(waits) == cuts:
                break
    return waits
