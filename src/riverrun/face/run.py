"""A run in process: the same machine, driver and log as on a server, over a memory store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import aclosing
from types import coroutine
from typing import Any

from riverrun.base.errors import InputError, NotFound, RiverrunError, RunFailed
from riverrun.events.ending import Ending
from riverrun.events.kinds import Event, Question, RunInterrupted, RunStarted
from riverrun.events.kinds import RunFailed as RunFailedEvent
from riverrun.face.interrupt import Interrupt
from riverrun.graph.machine import Machine
from riverrun.graph.moves import RunState
from riverrun.graph.questions import match_answers
from riverrun.graph.state import State
from riverrun.log.log import ending_of
from riverrun.log.store import RunFilter, RunRow
from riverrun.runs.launch import Means, bury, make_driver
from riverrun.runs.reader import follow
from riverrun.stores.memory import MemoryStore

_log = logging.getLogger("riverrun.runs")
_PAGE = 1000
_TRIM = 64  # events that are forgotten in one go
_LOOK_AGAIN_INTERVAL = 1.0  # in seconds, as in `riverrun.runs.reader`
INTERRUPT = "__interrupt__"

# asyncio keeps only weak references to tasks; a run that nobody waits for must live all the same.
_running: set[asyncio.Task[None]] = set()


class Run:
    """One execution of a graph in this process. Made by `CompiledGraph.start`.

    Args:
        machine: Brought to where the log ends.
        store: Where its log is.
        means: What runs use; its store is `store`.
        row: The run, claimed.
        started: The first event of its log.
        paced: Its only reader (`pages`) sets its pace.
        begins: Called whenever it begins to be driven.
        rests: Called when it has ended or parked.

    Attributes:
        broken: Whether its log could not be written to the end: its machine then knows more than ever happened.
    """

    def __init__(  # what a run is made of
        self,
        machine: Machine,
        store: MemoryStore,
        means: Means,
        row: RunRow,
        started: RunStarted,
        *,
        paced: bool,
        begins: Callable[[Run], None] | None = None,
        rests: Callable[[Run], None] | None = None,
    ) -> None:
        self._machine = machine
        self.broken = False
        self._begins = begins
        self._rests = rests
        self._driver, self._writer = make_driver(means, row, machine, started, paced=paced)
        self._store = store
        self._means = means
        self._row = row
        self._started = started
        self._go_on()

    @property
    def id(self) -> str:
        """Id of the run."""
        return self._row.key.run

    @property
    def thread(self) -> str | None:
        """The conversation it belongs to, if any."""
        return self._started.thread

    @property
    def parked(self) -> bool:
        """Whether it waits for answers and nothing of it runs."""
        return self.waits and self._task.done()

    @property
    def waits(self) -> bool:
        """Whether it has said that it waits for answers; something of it may still be on its way to rest."""
        return self._machine.state is RunState.PARKED and not self.broken

    @property
    def reachable(self) -> bool:
        """Whether the event loop that it was last driven by is the one that runs here."""
        return self._task.get_loop() is asyncio.get_running_loop()

    @property
    def forsaken(self) -> bool:
        """Whether that loop is closed, so that nobody drives it any more."""
        return self._task.get_loop().is_closed()

    @property
    def ended(self) -> bool:
        """Whether it has its terminal event."""
        return self._machine.state is RunState.ENDED or self.broken

    @property
    def questions(self) -> tuple[Question, ...]:
        """What it waits to be told, also while branches that did not ask go on."""
        return self._machine.questions

    @property
    def head(self) -> int:
        """The seq of the last event that it has said."""
        return self._machine.seq

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

    async def pages(self, after: int = 0, *, trims: bool = False) -> AsyncGenerator[list[Event], None]:
        """Read as the reader who sets the run's pace, until it ends or is parked: producers wait for this one.

        Args:
            after: seq of the last event that the reader has.
            trims: Whether nobody else will read, so that what was given is forgotten.

        Yields:
            Lists of events, never empty.
        """
        store, key, writer, trimmed = self._store, self._row.key, self._writer, 0
        while True:
            events = writer.take(after)
            if not events:
                page = await store.read(key, after, _PAGE)
                events = [record.event for record in page.records]
                if not events:
                    if page.status == "ended":
                        return
                    await store.wait(key, after, _LOOK_AGAIN_INTERVAL)
                    continue
            yield events
            last = events[-1]
            after = last.seq
            writer.consumed(after)
            if last.terminal or (isinstance(last, RunInterrupted) and after == self._machine.seq):
                return
            if trims and after - trimmed >= _TRIM:
                trimmed = after
                store.trim(key, after)
            # Who has just said something mostly says more: to give way once is half of what it costs to be woken.
            await _turn()

    async def resume(self, answers: Mapping[str, Any] | Any = None) -> None:
        """Answer questions of the run; who asked runs again, and nobody else.

        Args:
            answers: By id of the question, in parts if need be; or the one answer where one question is open.

        Raises:
            InputError: E2015, an answer is to a question that nobody asks, or names none where several are open; E2009,
                the run has ended.
        """
        if self._machine.state in (RunState.ENDING, RunState.ENDED):
            raise InputError("E2009", f"run {self.id} has ended; nothing can be asked of it any more")
        self._driver.resume(match_answers(self._machine.questions, answers))
        if self._task.done():
            self._go_on()

    async def stop(self, reason: str = "") -> None:
        """End the run and wait until it has ended. What was finished, and the text so far, is kept.

        Args:
            reason: Why; it stands in the terminal event.
        """
        self.tell_stop(reason)
        await asyncio.wait([self._task])

    def tell_stop(self, reason: str) -> None:
        """Begin to end the run, as `stop` does, without waiting for its end."""
        self._driver.stop(reason)
        self._writer.release()
        if self._task.done() and self._machine.events:
            self._go_on()

    async def leave(self, reason: str) -> None:
        """End the run because its only reader has gone; one that is parked stays as it is."""
        if self.waits:  # it has said so, which the reader may hear before its task has ended
            await self.settled()
        if not self.parked:
            await self.stop(reason)

    async def settled(self) -> None:
        """Wait until the run has ended or is parked."""
        await asyncio.wait([self._task])

    async def result(self) -> State:
        """Wait until the run has ended and give its state.

        Returns:
            The state of the graph: the keys of its output schema, where it has one. Of a run that is parked the state
            as far as it is settled, with its questions under `__interrupt__`.

        Raises:
            RunFailed: E3011, it failed, was stopped or timed out; `__cause__` is what the node raised.
            NotFound: E2005, it was deleted.
        """
        await asyncio.wait([self._task])
        schema = self._machine.plan.schema
        if self.parked:
            asked = [each for each in self._machine.questions if each.kind == "asked"]
            values = schema.output(self._machine.values())
            return {**values, INTERRUPT: [Interrupt(each.value, each.id) for each in asked]} if asked else values
        last = await self.last()
        ending = ending_of(last)
        if ending is Ending.COMPLETED:
            return schema.output(self._machine.values())
        if isinstance(last, RunFailedEvent):
            error = last.error
            failed = RunFailed("E3011", f"{error.code}: {error.message}", where=error.where, mend=error.mend)
            raise failed from self._driver.cause(error)
        raise RunFailed("E3011", f"the run ended as {'lost' if ending is None else ending.value}")

    async def last(self) -> Event:
        """Give the last event of the log as it is now.

        Raises:
            NotFound: E2005, the run was deleted.
        """
        rows = await self._store.list(self._row.key.tenant, RunFilter(run=self.id, limit=1))
        if not rows:
            raise NotFound("E2005", f"run {self.id} was deleted")
        return (await self._store.read(self._row.key, rows[0].head - 1, 1)).records[-1].event

    def state(self) -> State:
        """Give the state as far as it is settled now."""
        return self._machine.values()

    def _go_on(self) -> None:
        if self._begins is not None:
            self._begins(self)
        self._task = asyncio.get_running_loop().create_task(self._drive())
        _running.add(self._task)
        self._task.add_done_callback(_running.discard)

    async def _drive(self) -> None:
        machine = self._machine
        try:
            # Nothing to do: it was brought back to where it waits. Again: an answer came while it was being parked.
            while machine.commands or machine.events:
                await self._driver.run(self._started)
        except Exception as error:  # noqa: BLE001  # whatever breaks a run becomes its terminal event
            self.broken = True
            if not isinstance(error, RiverrunError):
                _log.exception("run %s broke", self.id)
            await bury(self._means, self._row, error)
        if self._rests is not None:
            self._rests(self)


@coroutine
def _turn() -> Generator[None, None, None]:
    """Give way once, as `asyncio.sleep(0)` does, without asking how long (0.3 µs)."""
    yield
