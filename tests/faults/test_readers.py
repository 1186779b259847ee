"""Two hundred readers of fifty runs, over servers that are killed and replaced: each reads every event once."""

from __future__ import annotations

import asyncio
import logging
import random
import signal
from contextlib import AsyncExitStack
from typing import Any

import pytest

from riverrun.client.client import Client
from riverrun.testing.proxy import Break, Faults, Proxy
from riverrun.testing.verdict import Tally
from tests.client import network
from tests.client.network import QUICK, log_of, port_of, told
from tests.client.processes import Progress, process

pytestmark = pytest.mark.slow

LOG = logging.getLogger(__name__)
RUNS, READERS, KILLS, ROLLS = 50, 4, 6, 3
LIMIT_SECONDS = 150


class Servers:
    """One server after another on one file, and the network that leads to the newest.

    Args:
        stack: Ends them.
        store: Their file.
    """

    def __init__(self, stack, store):
        self._stack = stack
        self._store = store

    async def begin(self, faults):
        self._server, self.url = await self._another()
        self.proxy = await self._stack.enter_async_context(Proxy("127.0.0.1", port_of(self.url), faults))

    async def kill(self):
        """Let the server die without a word; the next one comes after it."""
        self._server.send_signal(signal.SIGKILL)
        await asyncio.to_thread(self._server.wait)
        self._server, self.url = await self._another()
        self._lead_there()

    async def roll(self):
        """Let the next one be there before the server is told to leave."""
        before = self._server
        self._server, self.url = await self._another()
        self._lead_there()
        before.send_signal(signal.SIGTERM)
        assert 0 == await asyncio.to_thread(before.wait, 60)

    async def _another(self):
        return await asyncio.to_thread(self._stack.enter_context, process(self._store, shutdown_timeout=20))

    def _lead_there(self):
        self.proxy.target = ("127.0.0.1", port_of(self.url))


class Reading:
    """A reader of one run: where it began, and what it was given."""

    def __init__(self, run, after=0):
        self.run = run
        self.after = after
        self.seen = []

    async def go_on(self, client, progress):
        async with client.run(self.run).events(self.after) as events:
            async for event in events:
                self.seen.append((event.seq, told(event)))
                progress.one_more()


@pytest.mark.timeout(LIMIT_SECONDS + 30)
async def test_readers_that_join_at_any_moment_read_every_event_once_over_servers_that_are_killed_and_replaced(
    tmp_path, tally
):
    dice, progress, door = random.Random(5), Progress(), tmp_path / "door"

    def mishap(_):
        if dice.random() < 0.8:
            return Faults()
        return Faults(after=int(10 ** dice.uniform(1, 5)), then=dice.choice([Break.RESET, Break.END]))

    async with AsyncExitStack() as stack, asyncio.timeout(LIMIT_SECONDS):
        servers = Servers(stack, f"sqlite:///{tmp_path / 'runs.db'}")
        await servers.begin(mishap)
        client, other = [
            await stack.enter_async_context(Client(servers.proxy.url, pace=QUICK, transport=transport))
            for transport in ("auto", "websocket")
        ]
        async with asyncio.TaskGroup() as group:
            firsts = [Reading((await client.start("until", {"likes": [str(door)]})).id) for _ in range(RUNS)]
            readings: list[Reading] = []

            def join(reading):
                readings.append(reading)
                group.create_task(reading.go_on(other if len(readings) % READERS == 0 else client, progress))

            for reading in firsts:
                join(reading)
            # What happens, and in which order: nothing of it waits for a time, all of it for what readers were given.
            deaths = [servers.kill] * KILLS + [servers.roll] * ROLLS
            happenings: list[Any] = [*firsts * (READERS - 1), *deaths]
            dice.shuffle(happenings)
            for happening in happenings:
                await progress.reach(progress.events + dice.randrange(40))
                if isinstance(happening, Reading):
                    join(Reading(happening.run, dice.choice([0, 0, len(happening.seen)])))
                else:
                    await happening()
            door.touch()
        logs = {reading.run: await asyncio.to_thread(log_of, servers.url, reading.run) for reading in firsts}
        mishaps = servers.proxy.statistics()["broken"]
    found = network.Tally()
    for reading in readings:
        found = found.plus(logs[reading.run], reading.seen, reading.after)
    takeovers = sum(event["type"] == "run.taken_over" for log in logs.values() for event in log.values())
    LOG.info("%s deaths, %s cuts, %s takeovers: %s", len(deaths), mishaps, takeovers, found)
    tally.add(
        Tally(
            faults=len(deaths) + mishaps,
            runs=len(logs),
            acknowledged=sum(map(len, logs.values())),
            lost=found.lost,
            repeated=found.repeated,
            reordered=found.reordered,
        )
    )
    assert (RUNS * READERS, 0) == (found.readers, found.wrong), found
    assert {"run.completed"} == {log[max(log)]["type"] for log in logs.values()}
    assert takeovers >= RUNS
