"""What a thread was like: `get_state`, `get_state_history` and `update_state`, read off the logs of its runs.

There are no checkpoints beside the log: a snapshot is a log folded up to an event, and its id is the run and that seq.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from msgspec import Struct

from riverrun.base.clock import iso
from riverrun.base.errors import InputError, NotFound
from riverrun.events.kinds import Event, NodeCompleted, NodeFailed, RunInterrupted, RunStarted, Send
from riverrun.face.interrupt import Interrupt
from riverrun.face.options import Options, thread_config
from riverrun.face.saver import TENANT, InMemorySaver
from riverrun.graph.fork import end_of_work
from riverrun.graph.machine import Machine
from riverrun.graph.moves import RunState
from riverrun.graph.node import END, START, Node
from riverrun.graph.plan import Plan
from riverrun.graph.replay import follow
from riverrun.graph.state import State
from riverrun.graph.step import RunNode
from riverrun.runs.context import Context, Deaf, RunFacts
from riverrun.runs.history import first_of, read_log
from riverrun.runs.perform import ask_routers


class Task(Struct, frozen=True, kw_only=True):
    """One node that is next.

    Attributes:
        id: Its execution.
        name: The node.
        error: What it failed with, where it did.
        interrupts: What it asked.
    """

    id: str
    name: str
    error: str | None = None
    interrupts: tuple[Interrupt, ...] = ()


class StateSnapshot(Struct, frozen=True, kw_only=True):
    """The state of a thread at one event.

    Attributes:
        values: The state; the keys of the output schema, where there is one.
        next: The nodes that come next; empty where nothing is left to do.
        config: Names this place: give it to `invoke` to go on from here.
        metadata: `source` (`input`, `loop` or `update`), `step`, `run` and `seq`.
        created_at: When, in ISO 8601.
        parent_config: Names the place before this; None for the first.
        tasks: What is next, with what it asked.
        interrupts: All that is asked.
    """

    values: State
    next: tuple[str, ...]
    config: dict[str, Any]
    metadata: dict[str, Any] | None = None
    created_at: str | None = None
    parent_config: dict[str, Any] | None = None
    tasks: tuple[Task, ...] = ()
    interrupts: tuple[Interrupt, ...] = ()


class Snapshots:
    """Look at the threads of a saver.

    Args:
        plan: The graph.
        saver: Where threads are.
    """

    def __init__(self, plan: Plan, saver: InMemorySaver) -> None:
        self._plan = plan
        self._saver = saver

    async def now(self, options: Options) -> StateSnapshot:
        """Give the state of a thread, or of a place in it.

        Args:
            options: Name the thread, and the place.

        Returns:
            The snapshot; an empty one for a thread that has no run.

        Raises:
            InputError: E2016, no thread is named.
            NotFound: E2005, the place is not there.
        """
        if options.thread is None:
            raise InputError("E2016", "the config names no thread_id", mend='Give {"configurable": {"thread_id": …}}.')
        place = options.place
        if place is not None:
            async for snapshot in self.history(options):
                if snapshot.config["configurable"]["checkpoint_id"] == f"{place.run}.{place.seq}":
                    return snapshot
            row = await self._saver.find(place.run)
            if row is None or row.thread != options.thread or (place.seq or 0) > row.head:
                raise NotFound("E2005", f"thread {options.thread!r} has no place '{place.run}.{place.seq}'")
            machine = await self._saver.history.at(self._plan, row.key, place.seq)
            return self._shot(machine, options.thread, place.run, place.seq or machine.seq, None, 0, {})
        newest = await self._saver.newest(options.thread)
        if newest is None:
            return StateSnapshot(values={}, next=(), config={"configurable": {"thread_id": options.thread}})
        async for snapshot in self.history(options):
            return snapshot
        raise AssertionError("a thread with a run has a history")

    async def history(self, options: Options) -> AsyncGenerator[StateSnapshot, None]:
        """Give the states of a thread, newest first.

        Args:
            options: Name the thread, and the place from which on backwards; None: from its end.

        Yields:
            A snapshot for the input of each run, for each step of the graph itself, and for the end of a run that did
            not complete.
        """
        rows = await self._saver.all(options.thread or "")
        found: list[StateSnapshot] = []
        for row in reversed(rows):
            found += await self._shots(row.key.run, found[-1] if found else None)
        upto = None if options.place is None else f"{options.place.run}.{options.place.seq}"
        seen = upto is None
        for snapshot in reversed(found):
            seen = seen or snapshot.config["configurable"]["checkpoint_id"] == upto
            if seen:
                yield snapshot

    async def _shots(self, run: str, before: StateSnapshot | None) -> list[StateSnapshot]:
        events = await read_log(self._saver.store, self._saver.key(run))
        started = first_of(events)
        base = await self._saver.history.base(self._plan, TENANT, started)
        shots: list[StateSnapshot] = []
        machine = Machine(self._plan, run)
        worked = events[: end_of_work(self._plan, events)]
        for step, event in enumerate(worked):
            follow(machine, event, base)
            if not _is_shown(event, step == len(worked) - 1):
                continue
            parent = shots[-1] if shots else before
            first = {"source": "update" if started.held else "input"} if step == 0 else {}
            if step == 0 and not started.held:
                given = self._shot(machine, started.thread, run, 0, parent, -1, first, event.ts)
                shots.append(_at_start(given, base or {}, self._plan))
                first, parent = {}, shots[-1]
            seq = 2 if started.held and step == 0 else event.seq  # it is held there, and goes on from there
            shots.append(self._shot(machine, started.thread, run, seq, parent, len(shots) - 1, first, event.ts))
        failed = {
            each.exec: each.error.message for each in events if isinstance(each, NodeFailed) and not each.tolerated
        }
        if shots:  # what was asked after the last step
            at_end = self._shot(machine, started.thread, run, 0, None, 0, {})
            if machine.held:
                at_end = await self._ahead(machine, at_end, run)
            shots[-1] = _replaced(shots[-1], next=at_end.next, tasks=at_end.tasks, interrupts=at_end.interrupts)
        if failed and shots:
            tasks = tuple(_with_error(task, failed) for task in shots[-1].tasks)
            shots[-1] = _replaced(shots[-1], tasks=tasks)
        return shots

    async def _ahead(self, machine: Machine, shot: StateSnapshot, run: str) -> StateSnapshot:
        """Say what comes next in a run that is held at its beginning: its routers are asked, and nothing is run."""
        names = list(machine.next)
        source = machine.held_behind
        order = RunNode(run, Node(name=source, function=dict, manner="sync"), {}, 1)
        state = machine.values()
        facts = RunFacts(run=run, tenant=TENANT)
        context = Context(facts, order, Deaf(), remaining_steps=machine.remaining)
        routers = self._plan.routers.get(source, ())
        targets = await ask_routers(routers, state, self._plan.nodes, lambda: context)
        names += [target.node if isinstance(target, Send) else target for target in targets]
        chosen = tuple(name for name in dict.fromkeys(names) if name != END)
        tasks = tuple(Task(id=f"{name}:1", name=name) for name in chosen)
        return _replaced(shot, next=chosen, tasks=tasks)

    def _shot(  # as many as a snapshot has parts
        self,
        machine: Machine,
        thread: str | None,
        run: str,
        seq: int,
        parent: StateSnapshot | None,
        step: int,
        metadata: dict[str, Any],
        ts: int = 0,
    ) -> StateSnapshot:
        asked = {each.exec: Interrupt(each.value, each.id) for each in machine.questions if each.kind == "asked"}
        steps = [each for each in machine.steps.values() if each.node is not None and not each.course.ns]
        tasks = tuple(
            Task(
                id=each.exec_id,
                name=each.name,
                interrupts=tuple(one for name, one in asked.items() if _is_below(name, each.exec_id)),
            )
            for each in steps
        )
        when = iso(ts) if ts else None
        ended = machine.state is RunState.ENDED
        return StateSnapshot(
            values=self._plan.schema.output(machine.values()),
            next=() if ended else machine.next,
            config=thread_config(thread, run, seq),
            metadata={"source": "loop", "step": step, "run": run, "seq": seq, **metadata},
            created_at=when,
            parent_config=None if parent is None else parent.config,
            tasks=() if ended else tasks,
            interrupts=tuple(asked.values()),
        )


def end_of_history(plan: Plan, events: Sequence[Event]) -> int:
    """Give the seq of the last event of a run that stands in the history of its thread.

    Args:
        plan: The graph.
        events: The log, from seq 1.

    Returns:
        A seq, at least 1.
    """
    worked = events[: end_of_work(plan, events)]
    return max(event.seq for event in worked if _is_shown(event, event is worked[-1]))


def _is_shown(event: Event, last: bool) -> bool:  # noqa: FBT001  # of one caller
    if isinstance(event, RunStarted):
        return True
    if isinstance(event, NodeCompleted):
        return not event.ns and event.node != START
    return last and not isinstance(event, RunInterrupted)


def _at_start(shot: StateSnapshot, values: State, plan: Plan) -> StateSnapshot:
    values = {**plan.schema.empty(), **values}
    return _replaced(shot, values=plan.schema.output(values), next=(START,), tasks=())


def _replaced(shot: StateSnapshot, **changes: Any) -> StateSnapshot:
    return StateSnapshot(**{**{name: getattr(shot, name) for name in shot.__struct_fields__}, **changes})


def _with_error(task: Task, failed: dict[str, str]) -> Task:
    error = failed.get(task.id)
    return task if error is None else Task(id=task.id, name=task.name, error=error, interrupts=task.interrupts)


def _is_below(exec_id: str, step: str) -> bool:
    return exec_id == step or exec_id.startswith(f"{step}/")
