"""How an input meets a thread: a new run on what the last one left, answers to its questions, or another try.

The rules are LangGraph's where it has them: a new input begins at START with the state of the thread; `None` goes on
with what is open; `Command(resume=)` answers. Going on with a run that has ended, or with a place in its past, is a
fork: the past is never changed.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from riverrun.base.clock import Clock
from riverrun.base.errors import Busy, InputError, NodeError, NotFound
from riverrun.base.ids import new_log_id, new_run_id
from riverrun.events.kinds import Base, Event, NodeCompleted, RunResumed, RunStarted
from riverrun.face.options import Options
from riverrun.face.run import Run
from riverrun.face.saver import FOREVER, TENANT, InMemorySaver
from riverrun.face.snapshot import end_of_history
from riverrun.graph.fork import end_of_work, fork
from riverrun.graph.machine import Machine
from riverrun.graph.node import START, Command
from riverrun.graph.plan import Plan
from riverrun.graph.questions import match_answers
from riverrun.graph.replay import replay
from riverrun.graph.state import State
from riverrun.log.store import RunRow
from riverrun.runs.history import first_of, read_log
from riverrun.runs.launch import Means, bury


class Begun:
    """A run that was begun or gone on with, and where its reader stands.

    Attributes:
        run: The run.
        after: seq of the last event that was there before.
        before: The events up to there, for a reader that folds.
        base: The state that the run began from.
    """

    def __init__(self, run: Run, after: int = 0, before: tuple[Event, ...] = (), base: State | None = None) -> None:
        self.run = run
        self.after = after
        self.before = before
        self.base = base


class Threads:
    """Begin runs in the threads of a saver, and go on with them.

    Args:
        plan: The graph.
        saver: Where threads are.
        means: What runs use; its store is the saver's.
        limit: Executions of nodes that a run may make unless its start says otherwise.
    """

    def __init__(self, plan: Plan, saver: InMemorySaver, means: Means, limit: int) -> None:
        self._plan = plan
        self._saver = saver
        self._means = means
        self._clock: Clock = means.clock
        self._limit = limit

    async def begin(self, given: object, options: Options, *, paced: bool) -> Begun | State:
        """Begin a run with an input, or go on with what the thread left open.

        Args:
            given: An input, None, or a `Command`.
            options: How.
            paced: Whether a sole reader sets its pace.

        Returns:
            The run; or the state of the thread, where nothing is left to do.

        Raises:
            InputError: E2010, the input does not fit; E2015, an answer does not; E2016, there is nothing to go on with.
            Busy: E3018, the thread has a run that is running.
            NotFound: E2005, the place that the config names is not there.
        """
        newest = await self._rested(options)
        if isinstance(given, Command) and given.resume is None and given.update is None and not given.targets:
            raise InputError("E2016", "an empty Command says nothing", mend="Give None to go on with what is open.")
        if given is None or (isinstance(given, Command) and given.resume is not None):
            answer = given.resume if isinstance(given, Command) else None
            if isinstance(given, Command) and (given.update is not None or given.targets):
                what = "an answer was given together with an update or a goto"
                raise InputError(
                    "E2016", what, mend="Answer first; what is to be written belongs to the node that asks."
                )
            return await self._go_on(newest, answer, options, paced=paced)
        goto = None
        if isinstance(given, Command):
            goto, given = given.targets or None, given.update_as_one
        first = msgspec.structs.replace(self._first(options, await self._base(newest, options)), goto=goto)
        state = await self._saver.history.base(self._plan, TENANT, first)
        started = self._with_input(first, self._plan.schema.check_input(given), state)
        machine = Machine(self._plan, started.run)
        machine.started(started, state)
        del machine.events[0]  # the store is given it
        await self._replace(newest)  # not before all of this was accepted
        row = await self._create(started, [], owned=True)
        return Begun(self._run(machine, row, started, paced=paced), 0, (), state)

    async def edit(self, given: object, options: Options, as_node: str | None) -> str:
        """Write to a thread from outside: a run that is held at its beginning, behind a node.

        Args:
            given: The update.
            options: How.
            as_node: Behind which node it goes on; None: behind the last that wrote.

        Returns:
            Id of the run.

        Raises:
            InputError: E2010, the update does not fit; E2004, there is no such node.
            Busy: E3018, the thread has a run that is running.
            NotFound: E2005, the place that the config names is not there.
        """
        newest = await self._rested(options)
        base = await self._base(newest, options)
        node = as_node if as_node is not None or base is None else await self._last_writer(base)
        first = self._first(options, base)
        first = msgspec.structs.replace(first, node=None if node == START else node, held=True)
        state = await self._saver.history.base(self._plan, TENANT, first)
        started = self._with_input(first, self._plan.schema.check_update(given), state)
        machine = Machine(self._plan, started.run)
        machine.started(started, state)
        await self._replace(newest)  # not before all of this was accepted
        await self._create(started, machine.events[1:], owned=False)
        return started.run

    def _with_input(self, first: RunStarted, taken: Any, state: State | None) -> RunStarted:
        schema = self._plan.schema
        defaults = schema.starting_values(taken, {**schema.empty(), **(state or {})})
        return msgspec.structs.replace(first, input=taken, defaults=defaults)

    def _first(self, options: Options, base: Base | None) -> RunStarted:
        return first_event(self._plan, options, self._clock.now_ms(), self._limit, base=base)

    # Going on

    async def _go_on(self, newest: RunRow | None, answer: object, options: Options, *, paced: bool) -> Begun | State:
        """Answer the newest run of a thread, or fork it, or a place in the past."""
        if newest is None:
            raise InputError("E2016", f"thread {options.thread!r} has no run that could be gone on with")
        place = await self._place(options)
        events = await read_log(self._saver.store, newest.key)
        at_end = place is None or (
            place.run == newest.key.run and (place.seq or 0) >= end_of_history(self._plan, events)
        )
        if at_end and newest.status == "parked":
            return await self._resume(newest, events, answer, paced=paced)
        if at_end and newest.ending == "completed":
            machine = await self._saver.history.at(self._plan, newest.key)
            return machine.values()
        source, at = (newest.key.run, None) if place is None else (place.run, max(place.seq or 0, 1))
        begun = await self._fork(source, at, options, paced=paced and answer is None)
        if answer is not None:
            try:
                await begun.run.settled()
            except asyncio.CancelledError:
                await begun.run.stop("the caller was cancelled")
                raise
            await begun.run.resume(answer)
        return begun

    async def _resume(self, newest: RunRow, events: list[Event], answer: object, *, paced: bool) -> Begun:
        """Answer a run that waits; without an answer let go what only holds it, and tell again what it asks."""
        run, base = await self._recall(newest, events, paced=paced)
        if answer is None and run.questions and all(each.kind == "asked" for each in run.questions):
            return Begun(run, len(events) - 1, tuple(events[:-1]), base)
        await run.resume(match_answers(run.questions, answer))
        return Begun(run, len(events), tuple(events), base)

    async def _recall(self, row: RunRow, events: list[Event], *, paced: bool) -> tuple[Run, State | None]:
        """Give a run that waits, if need be by its log alone, and the state that it began from."""
        started = first_of(events)
        base = await self._saver.history.base(self._plan, TENANT, started)
        run = self._saver.parked.get(row.key.run)
        if run is None:
            run = self._run(replay(self._plan, row.key.run, events, base=base), row, started, paced=paced)
        return run, base

    async def _fork(self, source: str, at: int | None, options: Options, *, paced: bool) -> Begun:
        """Begin a run with a copy of another; it does not hold again where that was held."""
        events = await read_log(self._saver.store, self._saver.key(source))
        now = self._clock.now_ms()
        started = msgspec.structs.replace(
            first_of(events), run=new_run_id(now), log=new_log_id(), ts=now, thread=options.thread
        )
        base = await self._saver.history.base(self._plan, TENANT, started)
        upto = end_of_work(self._plan, events) if at is None else at
        if started.held and not any(isinstance(event, RunResumed) for event in events[:upto]):
            # An edit that nothing had followed yet is made again: there is nothing to begin anew.
            started = msgspec.structs.replace(started, limit=options.limit or started.limit)
            machine = Machine(self._plan, started.run)
            machine.started(started, base)
            prefix, machine.events = machine.events, []
        else:
            prefix = fork(self._plan, events, started, at=at, limit=options.limit)
            machine = replay(self._plan, started.run, prefix, base=base)
        held = machine.held
        row = await self._create(started, prefix[1:], owned=True)
        run = self._run(machine, row, started, paced=paced)
        holds = {each.id: None for each in run.questions if each.kind != "asked"}
        if held or holds:
            await run.resume(holds)
        return Begun(run, len(prefix), tuple(prefix), base)

    async def _replace(self, newest: RunRow | None) -> None:
        """End a run that waits for answers, because its thread goes on without them."""
        if newest is not None and newest.status == "parked":
            run, _ = await self._recall(newest, await read_log(self._saver.store, newest.key), paced=False)
            await run.stop("the thread went on without it")

    # Places

    async def _rested(self, options: Options) -> RunRow | None:
        """Give the newest run of a thread, once nothing of it runs."""
        if options.thread is None:
            return None
        newest = await self._saver.newest(options.thread)
        if newest is None:
            return None
        run = self._saver.live.get(newest.key.run)
        if run is not None and run.forsaken:
            del self._saver.live[newest.key.run]
            run = None
        if run is not None and run.waits and run.reachable:
            await run.settled()
        elif run is not None:
            raise Busy("E3018", f"thread {options.thread!r} has run {newest.key.run}, which has not ended")
        elif newest.status == "running":  # its event loop was closed under it
            await bury(self._means, newest, NodeError("E3014", "its event loop was closed while it ran"))
        return await self._saver.newest(options.thread)

    async def _place(self, options: Options) -> Base | None:
        """Give the place that a config names, if it names one."""
        place = options.place
        if place is not None:
            row = await self._saver.find(place.run)
            if row is None or row.thread != options.thread or (place.seq or 0) > row.head:
                raise NotFound("E2005", f"thread {options.thread!r} has no place '{place.run}.{place.seq}'")
        return place

    async def _base(self, newest: RunRow | None, options: Options) -> Base | None:
        """Give where the state of a new run comes from."""
        place = await self._place(options)
        if place is None:
            return None if newest is None else Base(newest.key.run)
        if place.seq == 0:  # before its input: where that run itself began from
            return first_of(await read_log(self._saver.store, self._saver.key(place.run), 1)).base
        return place

    async def _last_writer(self, place: Base) -> str | None:
        """Give the node that wrote last before a place; None for the input."""
        events = await read_log(self._saver.store, self._saver.key(place.run), place.seq)
        for event in reversed(events):
            if isinstance(event, NodeCompleted) and not event.ns and event.node != START:
                return event.node
        return first_of(events).node

    # Runs

    async def _create(self, started: RunStarted, prefix: list[Event], *, owned: bool) -> RunRow:
        worker = "in process" if owned else None
        created = await self._saver.store.create(TENANT, started, prefix=prefix, worker=worker, lease_seconds=FOREVER)
        return created.row

    def _run(self, machine: Machine, row: RunRow, started: RunStarted, *, paced: bool) -> Run:
        store = self._saver.store
        return Run(machine, store, self._means, row, started, paced=paced, begins=self._saver.driven, rests=self._rest)

    def _rest(self, run: Run) -> None:
        self._saver.live.pop(run.id, None)
        if run.ended and not run.broken:
            self._saver.history.keep(self._plan, self._saver.key(run.id), None, run.state(), ended=True)
        elif run.waits:
            self._saver.parked[run.id] = run


def first_event(plan: Plan, options: Options, now: int, limit: int, **more: Any) -> RunStarted:
    """Make the first event of a new run in process.

    Args:
        plan: Its graph.
        options: What its caller said about it.
        now: Milliseconds since the Unix epoch.
        limit: Executions of nodes that it may make unless the options say otherwise.
        **more: Other fields of the event.

    Returns:
        The event.
    """
    return RunStarted(
        seq=1,
        ts=now,
        run=new_run_id(now),
        graph=plan.name,
        log=new_log_id(),
        limit=options.limit or limit,
        timeout=options.timeout,
        thread=options.thread,
        before=options.before,
        after=options.after,
        context=options.context,
        config=options.config,
        **more,
    )
