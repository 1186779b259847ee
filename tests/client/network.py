"""A real server behind a network that fails, and a count of what its readers got: what the tests of delivery need."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, NamedTuple

import httpx

from riverrun.client.client import Client, Transport
from riverrun.client.session import Pace
from riverrun.events.codec import encode
from riverrun.testing.proxy import Faults, Proxy
from tests.server.served import STREAM, Served

QUICK = Pace(first_delay=0.01, longest_delay=0.2)


class Tally(NamedTuple):
    """What readers got, compared with the log; `events` of them were as they should be."""

    readers: int = 0
    events: int = 0
    lost: int = 0
    repeated: int = 0
    reordered: int = 0
    changed: int = 0

    @property
    def wrong(self) -> int:
        return self.lost + self.repeated + self.reordered + self.changed

    def plus(self, log: dict[int, Any], seen: list[tuple[int, Any]], after: int = 0) -> Tally:
        """Count one more reader, who attached after a place."""
        seqs = [seq for seq, _ in seen]
        return Tally(
            self.readers + 1,
            self.events + len(seen),
            self.lost + len({seq for seq in log if seq > after} - set(seqs)),
            self.repeated + len(seqs) - len(set(seqs)),
            self.reordered + sum(one > other for one, other in pairwise(seqs)),
            self.changed + sum(log.get(seq) != event for seq, event in seen),
        )


def port_of(url: str) -> int:
    """The port of a base URL."""
    port = httpx.URL(url).port
    assert port
    return port


@asynccontextmanager
async def network(served: Served, faults: Callable[[int], Faults] | None = None) -> AsyncIterator[Proxy]:
    """Stand between a server and its readers."""
    async with Proxy("127.0.0.1", port_of(served.url), faults) as proxy:
        yield proxy


def first(*faults: Faults) -> Callable[[int], Faults]:
    """Give these faults to the next connections, one each; then none."""
    left: Iterator[Faults] = iter(faults)
    return lambda _: next(left, Faults())


def log_of(url: str, run: str) -> dict[int, Any]:
    """Read a whole log without our client: the events by their seq."""
    body = httpx.get(f"{url}/v1/runs/{run}/events", headers=STREAM, timeout=30).content
    lines = [line for line in body.split(b"\n") if line.startswith(b"data: ")]
    events = [json.loads(line.removeprefix(b"data: ")) for line in lines]
    assert [*range(1, len(events) + 1)] == [event["seq"] for event in events]
    return {event["seq"]: event for event in events}


async def read(
    url: str, run: str, pace: Pace = QUICK, after: int = 0, *, transport: Transport = "auto"
) -> tuple[list[tuple[int, Any]], int]:
    """Read a run with our client to its end.

    Returns:
        What was seen, and how often a stream was granted again.
    """
    made = Client(url, pace=pace, timeout=10, transport=transport)
    async with made as client, client.run(run).events(after) as events:
        seen = [(event.seq, told(event)) async for event in events]
        return seen, events.reconnects


def told(event: Any) -> Any:
    """An event as JSON, as it stands in the log."""
    return json.loads(encode(event))
