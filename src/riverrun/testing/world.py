"""A small world in virtual time: workers, users and readers around one store.

Everything in it is the real thing (`RunService`, `Driver`, `follow`, a store) but for time, which is the loop's, and
the way to the store (`riverrun.testing.workers`). Ids are drawn from the world's own chance, so that a world is the
same each time.

Nothing here decides what goes wrong: that is the plan's (`FaultPlan`) and the script's that acts on the world.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest.mock import patch

from riverrun.base.errors import InputError, NotFound, StoreError
from riverrun.events.kinds import Event, NodeCompleted, RunInterrupted
from riverrun.graph.plan import Plan
from riverrun.log.store import LogStore, Page, RunKey, RunRow
from riverrun.log.view import View
from riverrun.runs.context import Context
from riverrun.runs.reader import follow
from riverrun.runs.settings import RunSettings
from riverrun.stores.memory import MemoryStore
from riverrun.testing.faults import FaultPlan, FaultyStore
from riverrun.testing.history import History, RecordingStore
from riverrun.testing.layer import Call, StoreLayer
from riverrun.testing.virtual import Process, VirtualClock, VirtualLoop, here
from riverrun.testing.workers import Connection, Lag, Worker

T = TypeVar("T")
TENANT = "acme"

_USER_PATIENCE = 8.0  # seconds until a user asks another worker
_RETRY_INTERVAL = 0.2
_LOOK_AGAIN_INTERVAL = 60.0


class Reader:
    """One reader of one run: reads on after its place, whatever breaks, until the terminal event.

    Args:
        world: Where it lives.
        name: For messages.
        key: Which run.
        patience: Gives how many pages it takes before it leaves and comes back; None: until something breaks.

    Attributes:
        lines: The events that it got, as JSON, in the order in which they came.
        view: What they add up to.
        visits: How often it came.
    """

    def __init__(self, world: World, name: str, key: RunKey, patience: Callable[[], int | None]) -> None:
        self.key = key
        self.lines: list[tuple[int, bytes]] = []
        self.view = View()
        self.visits = 0
        self._patience = patience
        self._store = world.reach(Process(name), name)

    async def read(self) -> None:
        """Read to the end."""
        while True:
            self.visits += 1
            try:
                if await self._visit(self._patience()):
                    return
            except (StoreError, NotFound):  # the store is not to be reached; or the run is still on its way there
                pass
            await asyncio.sleep(_RETRY_INTERVAL)

    async def _visit(self, pages: int | None) -> bool:
        place = self.lines[-1][0] if self.lines else 0
        left = pages
        async with aclosing(follow(self._store, self.key, place, limit=7)) as following:
            async for page in following:
                if page is None:
                    continue
                self._take(page)
                left = None if left is None else left - 1
                if left == 0:
                    return False
        return True

    def _take(self, page: Page) -> None:
        for record in page.records:
            self.lines.append((record.seq, record.data))
            self.view.apply(record.event)


class World:
    """One store, and who uses it. Made by `make_world`.

    Args:
        loop: In which it lives.
        random: Where chance comes from.
        plan: Which calls of the store go wrong.
        lag: Gives the seconds of one way to the store.
        settings: Of the workers.

    Attributes:
        loop: As given.
        lag: As given.
        store: The good store, for whoever wants to know how it is.
        clock: The store's.
        history: Of all calls of all processes.
        workers: All that ever were, dead ones too.
        keys: The runs that were acknowledged to their users.
        calls: Of the nodes that said so (`note`): run and execution, each time.
        broken: What was seen to go wrong on the way.
        renewal_lag: Gives the seconds that a renewal takes; as `lag` unless it is set.
        certain: Whether leases can be trusted: no clock of the store was set.
    """

    def __init__(self, loop: VirtualLoop, random: Random, plan: FaultPlan, lag: Lag, settings: RunSettings) -> None:
        self.loop = loop
        self.random = random
        self.lag = lag
        self.clock = VirtualClock(loop)
        self.store = MemoryStore(self.clock)
        self.history = History(loop.time)
        self.workers: list[Worker] = []
        self.keys: list[RunKey] = []
        self.calls: list[tuple[str, str]] = []
        self.broken: list[str] = []
        self.renewal_lag = lag
        self.certain = True
        self._faulty = FaultyStore(_Watched(self.store, self), plan)
        self._settings = settings
        self._completed: set[tuple[str, str]] = set()
        self._owners: dict[str, str | None] = {}

    @property
    def faults(self) -> int:
        """How many calls of the store went wrong."""
        return self._faulty.injected

    def reach(self, process: Process, name: str) -> LogStore:
        """Give a process its own way to the store; what goes over it is written down."""
        return RecordingStore(Connection(self._faulty, process, self.lag), self.history, name)

    def note(self, ctx: Context) -> None:
        """Take note that a node begins, and whether it may; called by the node."""
        self.calls.append((ctx.run, ctx.exec))
        if not self.certain:
            return
        process = here()
        who = next((one for one in self.workers if one.process is process), None)
        name = "nobody" if who is None else who.name
        if (ctx.run, ctx.exec) in self._completed:
            self.broken.append(f"{name} ran {ctx.exec} of run {ctx.run} again, which was complete in the log")
        if who is not None and self._owners.get(ctx.run) != who.worker:
            self.broken.append(f"{name} began {ctx.exec} of run {ctx.run}, which another worker had taken")

    def committed(self, events: list[Event]) -> None:
        """Take note of what is in the log now; called by the store."""
        self._completed.update((event.run, event.exec) for event in events if isinstance(event, NodeCompleted))

    def owned(self, rows: list[RunRow]) -> None:
        """Take note of who owns what now; called by the store."""
        self._owners.update((row.key.run, row.worker) for row in rows)

    def set_clock(self, seconds: float) -> None:
        """Set the clock by which the store ends leases: from now on two workers may believe to own one run."""
        self.certain = False
        self.clock.jump(seconds)

    async def add_worker(self, graphs: Mapping[str, Plan]) -> Worker:
        """Start a worker.

        Args:
            graphs: What it serves.

        Returns:
            The worker, open.
        """
        name = f"w{len(self.workers) + 1}"
        worker = Worker(name, lambda process: self.reach(process, name), self.renewal_lag, graphs, self._settings)
        self.workers.append(worker)
        await self.within(worker, worker.open)
        return worker

    def within(self, worker: Worker, what: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        """Carry something out in the process of a worker.

        Args:
            worker: Whose process.
            what: Called there; what it gives is awaited there.

        Returns:
            The task, which whoever is outside may await, or forget.
        """

        async def body() -> T:
            return await what()

        task = self.loop.spawn(worker.process, body())
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    async def start(self, graph: str, given: object = None, **options: Any) -> RunKey:
        """Start a run as a user does: ask again, with the same key, until some worker acknowledges it.

        Args:
            graph: Name of the graph.
            given: Its input.
            **options: As in `RunService.start`.

        Returns:
            The run.
        """
        idem_key = f"start-{len(self.keys)}-{self.random.random()}"

        def ask(worker: Worker) -> Awaitable[Any]:
            return worker.start(TENANT, graph, given or {}, idem_key=idem_key, **options)

        created = await self._ask(ask)
        key: RunKey = created.row.key
        self.keys.append(key)
        return key

    async def stop(self, key: RunKey, reason: str = "enough") -> bool:
        """Stop a run as a user does: ask until it is acknowledged.

        Args:
            key: Which run.
            reason: Why.

        Returns:
            False when it had ended before.
        """
        try:
            await self._ask(lambda worker: worker.stop(key, reason))
        except InputError:
            return False
        return True

    async def state(self, key: RunKey) -> dict[str, Any]:
        """Give the state of a run, as any worker that is alive tells it.

        Args:
            key: Which run.

        Returns:
            The state.
        """
        return await self._ask(lambda worker: worker.state(key))

    async def ended(self, key: RunKey) -> None:
        """Wait until a run has ended."""
        head = 0
        while True:
            page = await self.store.read(key, head, 0)
            if page.status == "ended":
                return
            head = page.head
            await self.store.wait(key, head, _LOOK_AGAIN_INTERVAL)

    async def asked(self, key: RunKey) -> list[str] | None:
        """Wait until a run is parked.

        Args:
            key: Which run.

        Returns:
            The ids of its questions; None when it has ended.
        """
        while True:
            page = await self.store.read(key, 0, 1_000_000)
            if page.status == "ended":
                return None
            if page.status == "parked":
                parkings = (one.event for one in reversed(page.records) if isinstance(one.event, RunInterrupted))
                return [each.id for each in next(parkings).questions]
            await self.store.wait(key, page.head, _LOOK_AGAIN_INTERVAL)

    async def resume(self, key: RunKey, answers: object) -> bool:
        """Answer a run as a user does: ask, with the same key, until it is acknowledged.

        Args:
            key: Which run.
            answers: As in `RunService.resume`.

        Returns:
            False when the questions had been answered before, or the run had ended.
        """
        idem_key = f"resume-{self.random.random()}"
        try:
            await self._ask(lambda worker: worker.resume(key, answers, idem_key))
        except InputError:
            return False
        return True

    async def fork(self, key: RunKey, at: int | None = None) -> RunKey:
        """Fork a run as a user does: ask until it is acknowledged. One that nobody heard of may be made besides.

        Args:
            key: The other run.
            at: The last seq to copy; None: as far as it can be gone on with.

        Returns:
            The fork.
        """
        created = await self._ask(lambda worker: worker.fork(key, at=at))
        made: RunKey = created.row.key
        self.keys.append(made)
        return made

    async def log(self, key: RunKey) -> list[Event]:
        """Give the log of a run."""
        return [record.event for record in (await self.store.read(key, 0, 1_000_000)).records]

    async def _ask(self, ask: Callable[[Worker], Awaitable[T]]) -> T:
        while True:
            alive = [worker for worker in self.workers if worker.process.alive]
            if alive:
                worker = alive[self.random.randrange(len(alive))]
                asked = self.within(worker, partial(ask, worker))
                # Not `wait_for`: a worker that stands still does not even hear that nobody waits for it any more.
                await asyncio.wait((asked,), timeout=_USER_PATIENCE)
                with suppress(StoreError, asyncio.CancelledError, asyncio.InvalidStateError):
                    return asked.result()
            await asyncio.sleep(_RETRY_INTERVAL)

    async def end(self) -> None:
        """Let everybody go."""
        for worker in self.workers:
            worker.kill()
        for _ in range(100):
            tasks = [task for one in self.workers for task in (*one.process.tasks, *one.lease_process.tasks)]
            if not tasks:
                return
            for task in tasks:
                task.cancel()
            await asyncio.sleep(0.01)
        self.broken.append(f"tasks could not be cancelled: {tasks}")


class _Watched(StoreLayer):
    """Tell the world what is committed and who owns it, at the moment when that is so."""

    def __init__(self, inner: LogStore, world: World) -> None:
        super().__init__(inner)
        self._world = world

    async def around(self, call: Call) -> Any:
        """Carry out a call, and tell of appends and owners.

        Raises:
            RiverrunError: What the verb raises.
        """
        given = await call(self.inner)
        if call.verb == "append":
            self._world.committed(call.argument("events"))
        elif call.verb == "claim":
            self._world.owned(given)
        elif call.verb == "create":
            self._world.owned([given.row])
        return given


@asynccontextmanager
async def make_world(random: Random, plan: FaultPlan, lag: Lag, settings: RunSettings) -> AsyncIterator[World]:
    """Make a world in the running loop, in which ids are the same from run to run too.

    Args:
        random: Where chance comes from.
        plan: Which calls of the store go wrong.
        lag: Gives the seconds of one way to the store.
        settings: Of the workers.

    Yields:
        The world. Afterwards everybody in it is dead.
    """
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    # `base.ids` is the only maker of randomness; everything else that is random here asks `random`.
    chance = patch("riverrun.base.ids.os", SimpleNamespace(urandom=random.randbytes))
    # Its thread pings the loop in real time, so that a busy machine would be another world.
    unwatched = patch("riverrun.runs.driver.watchdog", SimpleNamespace(enter=lambda *_: None, leave=lambda _: None))
    with chance, unwatched, patch("riverrun.base.ids.last_born", [0, 0]):
        world = World(loop, random, plan, lag, settings)
        try:
            yield world
        finally:
            await world.end()
