"""One run in the hands of a test: a real driver over a real store, and nodes that wait until they are let go."""

from __future__ import annotations

import asyncio

from riverrun.base.clock import ManualClock
from riverrun.base.ids import new_log_id
from riverrun.events.kinds import RunStarted
from riverrun.graph.plan import Plan
from riverrun.graph.replay import replay
from riverrun.log.store import RunKey
from riverrun.runs.cache import InMemoryCache
from riverrun.runs.history import History
from riverrun.runs.launch import Means, make_driver
from riverrun.runs.pool import Pool
from riverrun.runs.settings import RunSettings
from riverrun.stores.memory import MemoryStore
from tests.graph.laws import check_log
from tests.graph.play import RUN

KEY = RunKey("t", RUN)


class Ride:
    """One run with its driver, over a store of the test's choice."""

    def __init__(self, plan: Plan, store=None, gate=lambda: None, grace=5.0, cache=None, **started):
        self.plan, self.clock = plan, ManualClock()
        self.store = store or MemoryStore(self.clock)
        self.settings = RunSettings(lease_seconds=1e6, pool_size=4, stop_grace=grace)
        self.cache = InMemoryCache() if cache is None else cache
        self.pool = Pool(4)
        now = self.clock.now_ms()
        self.started = RunStarted(seq=1, ts=now, run=RUN, graph="graph", log=new_log_id(), **started)
        self.gate = gate

    async def begin(self):
        """Create the run and begin to drive it."""
        created = await self.store.create("t", self.started, worker="w", lease_seconds=1e6)
        machine = replay(self.plan, RUN, [self.started])
        means = Means(
            store=self.store,
            clock=self.clock,
            pool=self.pool,
            settings=self.settings,
            history=History(self.store),
            cache=self.cache,
        )
        self.driver, self.writer = make_driver(means, created.row, machine, self.started, may_begin=self.gate)
        self.task = asyncio.create_task(self.driver.run(self.started))
        return self

    async def until(self, kind, count=1):
        """Wait until the log holds so many events of a kind, and give the last of them."""
        while len(found := [event for event in await self.log() if event.type == kind]) < count:
            await self.store.wait(KEY, len(await self.log()), 5)
        return found[-1]

    async def resume(self, answers):
        """Answer a run that is parked, and begin to drive it again."""
        await self.task
        self.driver.resume(answers)
        self.task = asyncio.create_task(self.driver.run(self.started))
        return self

    async def log(self):
        """Give what is in the store."""
        page = await self.store.read(KEY, 0, 100_000)
        return [record.event for record in page.records]

    async def end(self):
        """Wait for the end and give the log."""
        try:
            await self.task
        finally:
            self.pool.close()
        log = await self.log()
        check_log(log)
        return log


async def drive(plan, **options):
    """Run a graph to its end and give the log."""
    return await (await Ride(plan, **options).begin()).end()


class Held:
    """A node that says one word and waits until it is let go."""

    def __init__(self, update=None):
        self.began, self.go = asyncio.Event(), asyncio.Event()
        self.ended = ""
        self.update = update

    async def __call__(self, state):
        self.began.set()
        try:
            yield "word"
            await self.go.wait()
            yield "last"
            if self.update:
                yield self.update
            self.ended = "well"
        finally:
            self.ended = self.ended or "cut off"


class Stubborn(Held):
    """One that does not care for being cancelled."""

    async def __call__(self, state):
        self.began.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.ended = "swallowed"
        yield {"log": ["stubborn"]}
