"""Workers in the hands of a test: a node that waits in every run, and how to wait for a run, or to kill its worker."""

from __future__ import annotations

import asyncio
from typing import Any

from riverrun.events.kinds import Event
from riverrun.runs.reader import follow
from tests.graph.laws import check_log
from tests.runs.plans import until

QUICK: dict[str, Any] = {"poll_interval": 0.01, "lease_seconds": 30.0, "pool_size": 2}


class Held:
    """A node that waits until it is let go, in every run; it counts its executions."""

    def __init__(self):
        self.began, self.go = asyncio.Event(), asyncio.Event()
        self.attempts = []

    async def __call__(self, state, ctx):
        self.attempts.append(ctx.attempt)
        yield "half "
        self.began.set()
        await self.go.wait()
        yield "whole"
        yield {"log": ["held"]}


async def end_of(service, key):
    """Read a run to its end."""
    log: list[Event] = []
    async for page in follow(service.store, key, 0):
        log.extend(record.event for record in (page.records if page is not None else ()))
    check_log(log)
    return log


async def until_idle(service):
    """Wait until a worker has cleared its last run away: its last event is in the log a little earlier."""
    await until(lambda: not service.statistics()["running"])


async def until_head(service, key, head):
    """Wait until a log is so long."""
    while (here := (await service.row(key)).head) < head:
        await service.store.wait(key, here, 1)


def die(service):
    """End a worker as a kill would: nothing is given back."""
    service._closing = True
    service._leases._leases.clear()
    for task in (*service._tasks.values(), service._looker):
        task.cancel()
