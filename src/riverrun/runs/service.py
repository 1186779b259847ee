"""Runs on a store: start, stop, look at them, and take over what other workers left unfinished.

This is what a server calls; control flows back to runs through here only. It is given a store and cannot name one, and
knows no HTTP. One of the four places with a broad `except`: whatever breaks a run becomes its terminal event.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from riverrun.base.clock import Clock, SystemClock
from riverrun.base.errors import CursorError, Fenced, NotFound, RiverrunError, StoreError
from riverrun.base.ids import new_log_id, new_run_id, new_worker_id
from riverrun.events.ending import Ending
from riverrun.events.kinds import RunStarted
from riverrun.graph.machine import Machine
from riverrun.graph.moves import RunState
from riverrun.graph.plan import Plan
from riverrun.graph.replay import replay
from riverrun.log.store import Control, Created, LogStore, RunFilter, RunKey, RunRow
from riverrun.runs.admit import admit
from riverrun.runs.driver import Driver
from riverrun.runs.launch import Means, bury, make_driver, read_log, recall
from riverrun.runs.lease import LeaseKeeper
from riverrun.runs.pool import Pool
from riverrun.runs.settings import RunSettings

_log = logging.getLogger("riverrun.runs")


class RunService:
    """Start, stop and look at runs; drive those that this worker owns.

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
        self._pool = Pool(self.settings.pool_size)
        self._means = Means(store=store, clock=self._clock, pool=self._pool, settings=self.settings)
        self._leases = LeaseKeeper(store, self.worker, self._clock, self.settings.lease_seconds)
        self._tasks: dict[RunKey, asyncio.Task[None]] = {}
        self._drivers: dict[RunKey, Driver] = {}
        self._waiting: set[RunKey] = set()
        self._starting = 0
        self._closing = False
        self._looker: asyncio.Task[None] | None = None
        self._look = asyncio.Event()
        self._counts = {"started": 0, "taken_over": 0, "ended": 0, "lost": 0, "broken": 0}

    async def open(self) -> None:
        """Begin to own runs: renew leases, take queued and orphaned runs. Idempotent."""
        if self._looker is None:
            self._closing = False
            self._leases.open()
            self._looker = asyncio.create_task(self._look_for_runs(), name="riverrun-worker")

    async def close(self) -> None:
        """Cease to own runs. They stay as they are in the log, and the next worker goes on with them. Idempotent."""
        self._closing = True
        looker, self._looker = self._looker, None
        tasks = [*self._tasks.values(), *([looker] if looker is not None else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._leases.close()
        self._pool.close()

    async def start(
        self,
        tenant: str,
        graph: str,
        input: object,  # noqa: A002  # the field's standard name for it
        *,
        thread: str | None = None,
        limit: int | None = None,
        timeout: float | None = None,  # of the run, not of this call
        idem_key: str | None = None,
    ) -> Created:
        """Start a run; answers before any node of it runs.

        Args:
            tenant: Whose run it is.
            graph: Name of the graph.
            input: A mapping of keys of its state.
            thread: The conversation it belongs to.
            limit: Executions of nodes that it may make; None: `recursion_limit` of the settings.
            timeout: Seconds it may take; None: no limit.
            idem_key: The same key gives the run that the first call made.

        Returns:
            The run, and whether it is new.

        Raises:
            NotFound: E2004, no such graph.
            InputError: E2010, the input does not fit; E2013, the key was used for another request.
            Busy: E3010, too many runs.
            StoreError: E4002, the store cannot be written.
        """
        plan = self.graphs.get(graph)
        if plan is None:
            raise NotFound("E2004", f"there is no graph {graph!r}; there are: {', '.join(self.graphs) or 'none'}")
        now_ms = self._clock.now_ms()
        started = RunStarted(
            seq=1,
            ts=now_ms,
            run=new_run_id(now_ms),
            graph=graph,
            input=plan.schema.check_input(input),
            log=new_log_id(),
            limit=limit or self.settings.recursion_limit,
            timeout=timeout,
            thread=thread,
        )
        # Before anything is stored: what the machine refuses was never acknowledged.
        machine = replay(plan, started.run, [started])
        at_once = admit(len(self._tasks) + self._starting, len(self._waiting), self.settings)
        deadline = self._leases.new_deadline()
        self._starting += at_once
        try:
            created = await self.store.create(
                tenant,
                started,
                idem_key=idem_key,
                worker=self.worker if at_once else None,
                lease_seconds=self.settings.lease_seconds,
            )
        finally:
            self._starting -= at_once
        if created.fresh:
            self._counts["started"] += 1
            if at_once:
                self._drive(created.row, deadline, machine, started)
            else:
                self._waiting.add(created.row.key)
                if len(self._tasks) + self._starting < self.settings.max_running:
                    self._look.set()  # a place became free while the store was written
        return created

    async def stop(self, key: RunKey, reason: str = "") -> RunRow:
        """Ask a run to stop, whichever worker owns it.

        Args:
            key: Which run.
            reason: Why; it stands in the terminal event.

        Returns:
            The run as it is now; its terminal event follows soon.

        Raises:
            NotFound: E2005, no such run.
            InputError: E2009, it has ended.
            StoreError: E4002, the store cannot be written.
        """
        await self.store.control(key, "stop", {"reason": reason})
        self._leases.look_now()
        return await self.row(key)

    async def row(self, key: RunKey) -> RunRow:
        """Give what is known of a run beside its log.

        Raises:
            NotFound: E2005, no such run.
            StoreError: E4002, the store cannot be read.
        """
        rows = await self.store.list(key.tenant, RunFilter(run=key.run, limit=1))
        if not rows:
            raise NotFound("E2005", f"there is no run {key.run!r}")
        return rows[0]

    async def list(self, tenant: str, choice: RunFilter) -> list[RunRow]:
        """Give runs of a tenant, newest first.

        Raises:
            StoreError: E4002, the store cannot be read.
        """
        return await self.store.list(tenant, choice)

    async def state(self, key: RunKey, at: int | None = None) -> dict[str, Any]:
        """Give the state of a run's graph by folding its log.

        Args:
            key: Which run.
            at: Up to this seq; None: all there is.

        Returns:
            The state, as far as it is settled there.

        Raises:
            NotFound: E2005, no such run.
            CursorError: E2006, the log does not reach that far.
            NodeError: E3009, another version of the graph wrote the log; E3014, the graph is not served here.
            StoreError: E4002, the store cannot be read.
        """
        row = await self.row(key)
        plan = self.graphs.get(row.graph)
        if plan is None:
            raise NotFound("E3014", f"the run is of graph {row.graph!r}, which is not served here")
        upto = row.head if at is None else at
        if not 1 <= upto <= row.head:
            raise CursorError("E2006", f"the log goes from 1 to {row.head}, there is no {upto}")
        # When a run was stopped stands in no event but the last.
        cut_off = row.ending in (Ending.STOPPED.value, Ending.TIMED_OUT.value)
        events = await read_log(self.store, key, row.head if cut_off else upto)
        return replay(plan, key.run, events, upto).values()

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
        while True:
            self._look.clear()  # before the look: a place that becomes free meanwhile is worth another one
            try:
                await self._claim()
            except StoreError as error:
                _log.warning("could not look for runs: %s", error)
            except Exception:  # noqa: BLE001  # a task that dies is seen by nobody
                _log.exception("could not look for runs")  # and look again: others would wait for ever
            with suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), self.settings.poll_interval)

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
            if row.epoch > 1:
                self._counts["taken_over"] += 1
                _log.info("run %s taken over at event %d, epoch %d", row.key.run, row.head, row.epoch)
            self._drive(row, deadline)

    def _drive(
        self, row: RunRow, deadline: float, machine: Machine | None = None, started: RunStarted | None = None
    ) -> None:
        before = self._tasks.get(row.key)
        if before is not None:  # our own lease had ended, and we were the next to come by
            before.cancel()
        task = asyncio.create_task(self._run(row, deadline, machine, started), name=f"riverrun-run-{row.key.run}")
        self._tasks[row.key] = task
        task.add_done_callback(lambda done: self._done(row, done))

    def _done(self, row: RunRow, task: asyncio.Task[None]) -> None:
        if self._tasks.get(row.key) is task:
            del self._tasks[row.key]
            self._drivers.pop(row.key, None)
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
                machine, started = await recall(self._means, self.graphs[row.graph], row)
            driver, _ = make_driver(self._means, row, machine, may_begin=gate)
            self._drivers[row.key] = driver
            while early:
                self._asked(row.key, early.popleft(), early)
            if machine.state is RunState.ENDED and not machine.events:
                return
            await driver.run(started)
            self._counts["ended"] += 1
        except Fenced:
            self._counts["lost"] += 1
            _log.warning("run %s was taken by another worker", row.key.run)
        except Exception as error:  # noqa: BLE001  # whatever breaks a run becomes its terminal event
            self._counts["broken"] += 1
            if not isinstance(error, RiverrunError):
                _log.exception("run %s broke", row.key.run)
            with suppress(RiverrunError):
                await bury(self._means, row, error)

    def _lost(self, task: asyncio.Task[None] | None) -> None:
        self._counts["lost"] += 1
        if task is not None:
            task.cancel()

    def _asked(self, key: RunKey, control: Control, early: deque[Control]) -> None:
        driver = self._drivers.get(key)
        if driver is None:
            early.append(control)
        elif control.kind == "stop":
            driver.stop(str(control.payload.get("reason", "")))
