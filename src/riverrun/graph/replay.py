"""Bring a machine to where a log ends: crash recovery, history and `state at seq` are this one fold.

A log records signals (what nodes did) and what the machine made of them. Fed with the former, the machine must make
the latter again, event for event; where it does not, the graph is not the one that wrote the log. What the machine made
but the log lacks was lost with its owner before it was committed: it is renumbered and becomes the first that the new
owner appends.

A stop and a time-out are signals that only the terminal event records. What nodes finished between the two stands right
before it (`Machine.closing`: both come into the log in one piece), so that is where the signal is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from riverrun.base.errors import NodeError, RiverrunError
from riverrun.events.kinds import (
    Custom,
    ErrorInfo,
    Event,
    NodeChunk,
    NodeCompleted,
    NodeEvent,
    NodeFailed,
    NodeRetrying,
    NodeStarted,
    RunFailed,
    RunLost,
    RunStarted,
    RunStopped,
    RunTakenOver,
    RunTimedOut,
    Terminal,
)
from riverrun.graph.machine import Machine
from riverrun.graph.moves import RunState, StepState
from riverrun.graph.node import START
from riverrun.graph.plan import Plan
from riverrun.graph.step import AskRouters, Order, RunNode


def replay(plan: Plan, run: str, events: Iterable[Event], upto: int | None = None) -> Machine:
    """Fold a log.

    Args:
        plan: The graph that wrote it.
        run: Id of the run.
        events: From seq 1 on, without a hole; all of them, or of a run that was neither stopped nor timed out a part.
        upto: The last seq to fold; None for all of them.

    Returns:
        A machine that stands where the last event left it. Its `events` hold what must be appended next, its
        `commands` what must be running.

    Raises:
        NodeError: E3009, the log was not written by this graph.
        InputError: E2010, the input in it does not fit this graph.
    """
    log = list(events)
    machine = Machine(plan, run)
    last_signal = _place_of_last_signal(log)
    for place, event in enumerate(log[:upto]):
        if place == last_signal:
            _cut_off(machine, log[-1], event)
        if isinstance(event, RunTakenOver):
            _take_over(machine, event)
        elif isinstance(event, Terminal):
            _end(machine, event)
        else:
            _feed(machine, event)
            _match(machine, event)
    machine.commands = _standing_orders(machine)
    return machine


def _standing_orders(machine: Machine) -> list[Order]:
    """Give the orders for everything that should be running now: what a new owner of the run has to do."""
    orders: list[Order] = []
    for step in machine.steps.values():
        if step.state is StepState.ROUTING:
            after = machine.plan.schema.write(step.seen, step.writes)
            orders.append(AskRouters(step.exec_id, machine.plan.routers[step.name], after))
        elif step.node is not None:
            orders.append(RunNode(step.exec_id, step.node, dict(step.seen), step.attempt))
    return orders


def _feed(machine: Machine, event: Event) -> None:
    """Give the machine the signal that an event records, if it records one."""
    try:
        if isinstance(event, NodeChunk):
            value = machine.plan.schema.read_chunk(event.key, event.value)
            machine.yielded(event.exec, event.key, value, event.ts)
        elif isinstance(event, NodeCompleted):
            _complete(machine, event)
        elif isinstance(event, Custom):
            machine.emitted(event.exec, event.name, event.value, event.ts)
        elif isinstance(event, NodeFailed):
            machine.failed(event.exec, event.error, event.ts)
        elif isinstance(event, RunStarted):
            machine.started(event)
        elif isinstance(event, NodeRetrying) and not machine.events:
            machine.retried(event.exec, event.reason, event.ts)
    except RiverrunError as error:
        if error.code == "E2010":
            raise
        raise _misfit(machine, event, str(error)) from error


def _complete(machine: Machine, event: NodeCompleted) -> None:
    step = machine.steps.get(event.exec)
    if step is None or event.node == START:
        machine.routed(event.exec, event.goto or (), event.ts)
        return
    for update in event.writes:
        machine.updated(event.exec, machine.plan.schema.read_update(update))
    # What routers added is in goto already, so the machine need not have them asked again.
    machine.returned(event.exec, None, tuple(event.folds), event.goto or (), event.ts)
    if step.state is StepState.ROUTING:
        machine.routed(event.exec, (), event.ts)


def _match(machine: Machine, event: Event) -> None:
    """Strike off the machine's first outstanding event, which must be this one."""
    made = machine.events.pop(0) if machine.events else None
    same = made is not None and type(made) is type(event) and made.seq == event.seq
    if same and isinstance(event, NodeEvent) and isinstance(made, NodeEvent):
        same = event.exec == made.exec and event.attempt == made.attempt
    if not same:
        what = "nothing" if made is None else f"{made.type} at {made.seq}"
        raise _misfit(machine, event, f"the graph makes {what}")


def _take_over(machine: Machine, event: RunTakenOver) -> None:
    """Renumber what was lost with the former owner, and begin anew what it left unfinished."""
    lost, machine.events = machine.events, []
    unborn = {made.exec for made in lost if isinstance(made, (NodeStarted, NodeRetrying))}
    machine.seq = event.seq
    for made in lost:
        machine.seq += 1
        machine.events.append(replace(made, seq=machine.seq))
    for step in list(machine.steps.values()):
        if step.state is StepState.CANCELLING:
            machine.cancelled(step.exec_id, event.ts)
        elif step.state is StepState.RUNNING and step.exec_id not in unborn:
            machine.retried(step.exec_id, "taken_over", event.ts)


def _place_of_last_signal(log: Sequence[Event]) -> int:
    """Give the place before which a run was stopped, or timed out; a place beyond the log when it was not."""
    place = len(log) - 1
    if not log or not isinstance(log[place], RunStopped | RunTimedOut):
        return len(log)
    while isinstance(before := log[place - 1], NodeCompleted) and before.node != START:
        place -= 1
    return place


def _cut_off(machine: Machine, last: Event, first: Event) -> None:
    """Let the run be stopped, or time out, before the first of the events that stand between that and the last one."""
    if machine.events or machine.state is not RunState.RUNNING:
        raise _misfit(machine, first, "the graph would not end so")
    if isinstance(last, RunStopped):
        machine.stopped(last.reason, last.ts)
    else:
        machine.expired(last.ts)


def _end(machine: Machine, event: Terminal) -> None:
    """Let the run end as the log says: what was cancelled left no trace there."""
    # These two may also be written from outside, wherever the run is, when no worker can go on with it.
    from_outside = isinstance(event, RunFailed | RunLost)
    if from_outside and machine.state is RunState.RUNNING:
        machine.broke(_why(event), event.ts)
    if machine.state is RunState.ENDING:
        for step in list(machine.steps.values()):
            machine.cancelled(step.exec_id, event.ts)
    made = machine.events.pop(0) if machine.events else None
    same = made is not None and type(made) is type(event) and made.seq == event.seq
    if not from_outside and (machine.events or not same):
        raise _misfit(machine, event, "the graph would not end so")
    machine.events.clear()
    machine.seq = event.seq


def _why(event: Terminal) -> ErrorInfo:
    if isinstance(event, RunFailed):
        return event.error
    return ErrorInfo(code="E3014", message=event.reason if isinstance(event, RunLost) else "")


def _misfit(machine: Machine, event: Event, what: str) -> NodeError:
    where = f"seq {event.seq}, {event.type}"
    return NodeError("E3009", f"the log does not fit graph {machine.plan.name!r}: {what}", where=where)
