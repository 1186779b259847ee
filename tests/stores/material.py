"""What the tests of stores are made of: a run that is owned, and a way to look at its log."""

from __future__ import annotations

import asyncio

from riverrun.events.kinds import Base, RunStarted
from riverrun.log.store import RunKey
from riverrun.testing.store_model import make_events

PATIENCE = 10.0  # seconds until something that must come is taken for lost


def started(number=1, graph="g", value=None, run=None, thread=None, base=None):
    run = f"{number:032x}" if run is None else run
    on = None if base is None else Base(f"{base:032x}")
    return RunStarted(
        seq=1, ts=1, run=run, graph=graph, log=f"{number:08x}", input={"x": value}, thread=thread, base=on
    )


async def owned(store, number=1, lease_seconds=30.0, tenant="acme"):
    row, _ = await store.create(tenant, started(number), worker="w-1", lease_seconds=lease_seconds)
    return row.key


async def chunks(store, key, head, count=1, epoch=1):
    """Append that many chunks after `head`; give the new head."""
    return await store.append(key, epoch, head, make_events(key.run, head + 1, ["chunk"] * count), 30)


async def lines(store, key, after=0):
    page = await store.read(key, after, 1_000_000)
    return [record.data for record in page.records]


def key_of(number=1, tenant="acme"):
    return RunKey(tenant, f"{number:032x}")


async def soon(awaitable):
    return await asyncio.wait_for(awaitable, PATIENCE)
