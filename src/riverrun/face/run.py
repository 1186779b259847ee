"""A run in process: the same machine, driver and log as on a server, over a memory store of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from riverrun.base.errors import RiverrunError, RunFailed
from riverrun.events.ending import Ending
from riverrun.events.kinds import Event, RunStarted
from riverrun.events.kinds import RunFailed as RunFailedEvent
from riverrun.graph.plan import Plan
from riverrun.graph.replay import replay
from riverrun.graph.state import State
from riverrun.log.log import ending_of
from riverrun.log.store import RunFilter, RunRow
from riverrun.runs.launch import Means, bury, make_driver
from riverrun.runs.reader import follow
from riverrun.stores.memory import MemoryStore

_log = logging.getLogger("riverrun.runs")
_PAGE = 1000
_TRIM = 64  # events that are forgotten in one go
_ALL = RunFilter()

# asyncio keeps only weak references to tasks; a run that nobody waits for must live all the same.
_running: set[asyncio.Task[None]] = set()


class Run:
    """One execution of a graph in this process. Made by `CompiledGraph.start`.

    Args:
        plan: The graph.
        store: A store of its own.
        means: What runs use; its store is `store`.
        row: The run, claimed.
        started: The first event of its log.
        paced: Its only reader (`pages`) sets its pace.

    Raises:
        InputError: E2010, the input does not fit the state.
    """

    def __init__(
        self, plan: Plan, store: MemoryStore, means: Means, row: RunRow, started: RunStarted, *, paced: bool
    ) -> None:
        self._machine = replay(plan, started.run, [started])
        self._driver, self._writer = make_driver(means, row, self._machine, paced=paced)
        self._store = store
        self._means = means
        self._row = row
        self._task = asyncio.get_running_loop().create_task(self._drive(started))
        _running.add(self._task)
        self._task.add_done_callback(_running.discard)

    @property
    def id(self) -> str:
        """Id of the run."""
        return self._row.key.run

    async def events(self, after: int = 0) -> AsyncGenerator[Event, None]:
        """Read the run's log, live, until its terminal event. Any number of readers may do so, at any time.

        Args:
            after: seq of the last event that the reader has; 0 for all.

        Yields:
            Every event after it, once, in order.

        Raises:
            CursorError: E2006, the log does not reach that far.
        """
        async with aclosing(follow(self._store, self._row.key, after, limit=_PAGE)) as pages:
            async for page in pages:
                for record in page.records if page is not None else ():
                    yield record.event

    async def pages(self) -> AsyncGenerator[list[Event], None]:
        """Read as the run's only reader, who sets its pace: what was given is forgotten, and producers wait for it.

        Yields:
            Lists of events, never empty.
        """
        trimmed = 0
        async with aclosing(follow(self._store, self._row.key, 0, limit=_PAGE)) as pages:
            async for page in pages:
                if page is None:
                    continue
                events = [record.event for record in page.records]
                yield events
                last = events[-1]
                self._writer.consumed(last.seq)
                if not last.terminal and last.seq - trimmed >= _TRIM:
                    trimmed = last.seq
                    self._store.trim(self._row.key, last.seq)

    async def stop(self, reason: str = "") -> None:
        """End the run and wait until it has ended. What was finished, and the text so far, is kept.

        Args:
            reason: Why; it stands in the terminal event.
        """
        self._driver.stop(reason)
        self._writer.release()
        await asyncio.wait([self._task])

    async def result(self) -> State:
        """Wait until the run has ended and give its state.

        Returns:
            The state of the graph: the keys of its output schema, where it has one.

        Raises:
            RunFailed: E3011, it failed, was stopped or timed out; `__cause__` is what the node raised.
        """
        await asyncio.wait([self._task])
        head = (await self._store.list(self._row.key.tenant, _ALL))[0].head
        last = (await self._store.read(self._row.key, head - 1, 1)).records[-1].event
        ending = ending_of(last)
        if ending is Ending.COMPLETED:
            return self._machine.plan.schema.output(self._machine.values())
        if isinstance(last, RunFailedEvent):
            error = last.error
            failed = RunFailed("E3011", f"{error.code}: {error.message}", where=error.where, mend=error.mend)
            raise failed from self._driver.error
        raise RunFailed("E3011", f"the run ended as {'lost' if ending is None else ending.value}")

    def state(self) -> State:
        """Give the state as far as it is settled now."""
        return self._machine.values()

    async def _drive(self, started: RunStarted) -> None:
        try:
            await self._driver.run(started)
        except Exception as error:  # noqa: BLE001  # whatever breaks a run becomes its terminal event
            if not isinstance(error, RiverrunError):
                _log.exception("run %s broke", self.id)
            await bury(self._means, self._row, error)
