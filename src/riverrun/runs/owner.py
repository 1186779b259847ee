"""A worker: the runs that it owns, those that it looks for, and what becomes of them.

One of the four places with a broad `except`: whatever breaks a run becomes its terminal event. What users ask of runs
is `riverrun.runs.service`; this is given a store and cannot name one, and knows no HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Literal

from riverrun.base.clock import Clock, SystemClock
from riverrun.base.errors import Fenced, RiverrunError, StoreError
from riverrun.base.ids import new_worker_id
from riverrun.events.kinds import RunStarted
from riverrun.graph.machine import Machine
from riverrun.graph.moves import RunState
from riverrun.graph.plan import Plan
from riverrun.log.store import Control, LogStore, RunKey, RunRow
from riverrun.runs.attendance import KIND as READERS
from riverrun.runs.attendance import Attendance
from riverrun.runs.checkpoints import Owned
from riverrun.runs.driver import Driver
from riverrun.runs.history import History
from riverrun.runs.launch import Means, bury, make_driver, recall
from riverrun.runs.lease import LeaseKeeper
from riverrun.runs.pool import Pool
from riverrun.runs.settings import RunSettings
from riverrun.runs.writer import Writer

_log = logging.getLogger("riverrun.runs")

WhenBusy = Literal["reject", "enqueue", "stop"]


class Owner:
    """Drive the runs that this worker owns.

    Args:
        store: Where logs live; closed by whoever made it.
        graphs: Plans by the name they are served under.
        clock: The time.
        settings: Limits and intervals.

    Attributes:
        store: As given.
        graphs: As given.
        settings: As given.
        worker: Id of this worker; never used twice.
    """

    def __init__(
        self,
        store: LogStore,
        graphs: Mapping[str, Plan],
        *,
        clock: Clock | None = None,
        settings: RunSettings | None = None,
    ) -> None:
        self.store = store
        self.graphs = dict(graphs)
        self.settings = settings or RunSettings()
        self.worker = new_worker_id()
        self._clock = clock or SystemClock()
        self._pool = Pool.by(self.settings)
        self._history = History(store, self.settings.checkpoint_events)
        self._means = Means(
            store=store, clock=self._clock, pool=self._pool, settings=self.settings, history=self._history
        )
        self._leases = LeaseKeeper(store, self.worker, self._clock, self.settings.lease_seconds)
        self._tasks: dict[RunKey, asyncio.Task[None]] = {}
        self._drivers: dict[RunKey, tuple[Driver, Writer, int]] = {}
        self._attendances: dict[RunKey, Attendance] = {}
        self._waiting: set[RunKey] = set()
        self._starting = 0
        self._closing = False
        self._looker: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._look = asyncio.Event()
        self._counts = {"started": 0, "taken_over": 0, "ended": 0, "parked": 0, "lost": 0, "broken": 0}

    async def open(self) -> None:
        """Begin to own runs: renew leases, take queued and orphaned runs. Idempotent."""
        if self._looker is None:
            self._closing = False
            self._leases.open()
            self._looker = asyncio.create_task(self._look_for_runs(), name="riverrun-worker")
            if self.settings.checkpoint_events:
                self._keeper = asyncio.create_task(self._keep_checkpoints(), name="riverrun-checkpoints")

    async def close(self) -> None:
        """Cease to own runs. They stay as they are in the log, and the next worker goes on with them. Idempotent."""
        self._closing = True
        looker, self._looker = self._looker, None
        keeper, self._keeper = self._keeper, None
        if looker is not None:  # a claim that is on its way is waited for: what it brings must be given back
            self._look.set()
            await asyncio.wait([looker], timeout=self.settings.stop_grace)
            looker.cancel()
        tasks = [*self._tasks.values(), *(task for task in (looker, keeper) if task is not None)]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._leases.close()
        self._pool.close()

    def statistics(self) -> dict[str, int]:
        """Tell how many runs there are here now, and what became of the others since the start."""
        return {
            "running": len(self._tasks),
            "waiting": len(self._waiting),
            "orphaned_calls": self._pool.orphans,
            **self._counts,
        }

    # Owning runs

    async def _look_for_runs(self) -> None:
        while not self._closing:
            self._look.clear()  # before the look: a place that becomes free meanwhile is worth another one
            try:
                await self._claim()
            except StoreError as error:
                _log.warning("could not look for runs: %s", error)
            except Exception:  # noqa: BLE001  # a task that dies is seen by nobody
                _log.exception("could not look for runs")  # and look again: others would wait for ever
            with suppress(TimeoutError):  # no wait_for: in Python 3.11 that may swallow a cancellation
                async with asyncio.timeout(self.settings.poll_interval):
                    await self._look.wait()

    async def _keep_checkpoints(self) -> None:
        while True:
            await asyncio.sleep(self.settings.checkpoint_interval)
            owned = [Owned(key, epoch, driver.machine) for key, (driver, _, epoch) in self._drivers.items()]
            try:
                await self._history.checkpoints.look(owned)
            except StoreError as error:
                _log.info("could not keep a checkpoint: %s", error)

    async def _claim(self) -> None:
        free = self.settings.max_running - len(self._tasks) - self._starting
        if free <= 0:
            return
        deadline = self._leases.new_deadline()
        rows = await self.store.claim(
            self.worker, graphs=frozenset(self.graphs), limit=free, lease_seconds=self.settings.lease_seconds
        )
        if len(rows) < free:
            self._waiting.clear()  # nothing is queued any more, whoever took it
        for row in rows:
            self._waiting.discard(row.key)
            if self._closing:
                self._leases.hold(row.key, row.epoch, deadline, lambda: None, lambda _: None)
                continue
            self._drive(row, deadline)

    def _drive(
        self, row: RunRow, deadline: float, machine: Machine | None = None, started: RunStarted | None = None
    ) -> None:
        before = self._tasks.get(row.key)
        if before is not None:  # our own lease had ended, and we were the next to come by
            before.cancel()
            self._drivers.pop(row.key, None)  # or it would be told what is meant for the new one
            self._forget_readers(row.key)
        task = asyncio.create_task(self._run(row, deadline, machine, started), name=f"riverrun-run-{row.key.run}")
        self._tasks[row.key] = task
        task.add_done_callback(lambda done: self._done(row, done))

    def _done(self, row: RunRow, task: asyncio.Task[None]) -> None:
        if self._tasks.get(row.key) is task:
            del self._tasks[row.key]
            self._drivers.pop(row.key, None)
            self._forget_readers(row.key)
        if not self._closing:  # then the leases are about to be given back, which they can only be while they are held
            self._leases.drop(row.key, row.epoch)
        if self._waiting:
            self._look.set()

    async def _run(self, row: RunRow, deadline: float, machine: Machine | None, started: RunStarted | None) -> None:
        task = asyncio.current_task()
        early: deque[Control] = deque()  # what is asked while the log is still being read
        gate = self._leases.hold(
            row.key,
            row.epoch,
            deadline,
            lost=lambda: self._lost(task),
            asked=lambda control: self._asked(row.key, control, early),
        )
        try:
            if machine is None or started is None:
                self._leases.look_now()  # a stop that was asked for while nobody owned the run must not wait
                machine, started = await self._recall(row)
            driver, writer = make_driver(self._means, row, machine, started, may_begin=gate)
            self._drivers[row.key] = (driver, writer, row.epoch)
            self._attendances[row.key] = Attendance(started.grace, self._clock, driver.stop)
            while early:
                self._asked(row.key, early.popleft(), early)
            if machine.state is RunState.ENDED and not machine.events:
                return
            if machine.at_rest:
                await self._leases.heard(row.key, row.epoch)
                if machine.at_rest:  # nothing that was heard makes it go on
                    machine.unanswered(self._clock.now_ms())
            await driver.run(started)
            self._counts["parked" if machine.state is RunState.PARKED else "ended"] += 1
            if (failure := machine.failure) is not None:
                # Readers get no stack trace; whoever serves the graph wrote it, or can ask who did.
                cause = driver.cause(failure)
                told = (row.key.run, row.graph, failure.code, failure.message)
                _log.warning("run %s of %s failed: %s %s", *told, exc_info=cause)
        except Fenced:
            self._counts["lost"] += 1
            _log.warning("run %s was taken by another worker", row.key.run)
        except Exception as error:  # noqa: BLE001  # whatever breaks a run becomes its terminal event
            self._counts["broken"] += 1
            if not isinstance(error, RiverrunError):
                _log.exception("run %s broke", row.key.run)
            with suppress(RiverrunError):
                await bury(self._means, row, error)

    async def _recall(self, row: RunRow) -> tuple[Machine, RunStarted]:
        """Read the log of a run, however long the store is away: that ends no run."""
        interval = 0.05
        while True:
            try:
                machine, started, taken_over = await recall(self._means, self.graphs[row.graph], row)
            except StoreError as error:
                if error.code != "E4002":  # a damaged log does not become better by waiting
                    raise
                _log.warning("run %s waits for its store: %s", row.key.run, error)
            else:
                if taken_over:
                    self._counts["taken_over"] += 1
                    _log.info("run %s taken over at event %d, epoch %d", row.key.run, row.head, row.epoch)
                return machine, started
            await asyncio.sleep(interval)
            interval = min(interval * 2, 2.0)

    def _forget_readers(self, key: RunKey) -> None:
        attendance = self._attendances.pop(key, None)
        if attendance is not None:
            attendance.close()

    def _lost(self, task: asyncio.Task[None] | None) -> None:
        self._counts["lost"] += 1
        if task is not None:
            task.cancel()

    def _asked(self, key: RunKey, control: Control, early: deque[Control]) -> None:
        found = self._drivers.get(key)
        if found is None:
            early.append(control)
            return
        driver, writer, _ = found
        writer.controls_seen = control.n
        if control.kind == "stop":
            driver.stop(str(control.payload.get("reason", "")))
        elif control.kind == READERS:
            self._attendances[key].told(control.payload)
        elif control.kind == "resume":
            self._attendances[key].answered()
            if control.n <= driver.machine.control:  # all come again with every owner
                return
            questions = {each.id for each in driver.machine.questions}
            answers = {name: one for name, one in control.payload.get("answers", {}).items() if name in questions}
            if answers or driver.machine.held:
                driver.resume(answers, control.n)
