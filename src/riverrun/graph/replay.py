"""Bring a machine to where a log ends: crash recovery, history and `state at seq` are this one fold.

A log records signals (what nodes did) and what the machine made of them. Fed with the former, the machine must make
the latter again, event for event; where it does not, the graph is not the one that wrote the log. What the machine made
but the log lacks was lost with its owner before it was committed: it is renumbered and becomes the first that the new
owner appends.

A stop and a time-out are signals that only the terminal event records. What nodes finished between the two stands right
before it (`Machine.closing`: both come into the log in one piece), so that is where the signal is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

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
    NodeInterrupted,
    NodeRetrying,
    NodeStarted,
    RunFailed,
    RunForked,
    RunInterrupted,
    RunLost,
    RunResumed,
    RunStarted,
    RunStopped,
    RunTakenOver,
    RunTimedOut,
    Terminal,
)
from riverrun.graph.course import Step
from riverrun.graph.machine import Machine
from riverrun.graph.merge import node_of
from riverrun.graph.moves import RunState, StepState
from riverrun.graph.node import START
from riverrun.graph.plan import Plan
from riverrun.graph.questions import place_of
from riverrun.graph.state import State
from riverrun.graph.step import AskRouters, JudgeNode, Order, caller_of


def replay(
    plan: Plan,
    run: str,
    events: Iterable[Event],
    upto: int | None = None,
    base: State | None = None,
    begun: Machine | None = None,
) -> Machine:
    """Fold a log.

    Args:
        plan: The graph that wrote it.
        run: Id of the run.
        events: From seq 1 on, without a hole; all of them, or of a run that was neither stopped nor timed out a part.
        upto: The last seq to fold; None for all of them.
        base: The state that its first event takes as its base, if it takes one.
        begun: A machine that stands behind an earlier event (`checkpoint.thaw`), and is gone on with; the events are
            those after that.

    Returns:
        A machine that stands where the last event left it. Its `events` hold what must be appended next, its
        `commands` what must be running.

    Raises:
        NodeError: E3009, the log was not written by this graph.
        InputError: E2010, the input in it does not fit this graph.
    """
    log = list(events)
    machine = Machine(plan, run) if begun is None else begun
    last_signal = place_of_last_signal(plan, log)
    # A machine that was begun had not been told to stop, so that came behind where it stood.
    for place, event in enumerate(log if upto is None else log[: max(upto - machine.seq, 0)]):
        if place == last_signal:
            _cut_off(machine, log[-1], event)
        follow(machine, event, base)
    machine.commands = standing_orders(machine)
    return machine


def follow(machine: Machine, event: Event, base: State | None = None) -> None:
    """Bring a machine on by the next event of its log.

    Args:
        machine: Where the event before left it; of a run that was stopped or timed out only `replay` knows when.
        event: The next one.
        base: As in `replay`.

    Raises:
        NodeError: E3009, the log was not written by this graph.
        InputError: E2010, the input in it does not fit this graph.
    """
    if isinstance(event, RunTakenOver | RunForked):
        _take_over(machine, event)
    elif isinstance(event, Terminal):
        _end(machine, event)
    elif isinstance(event, NodeEvent) and (caller := caller_of(event)) is not None:
        machine.relayed(caller, event)
        _match(machine, event)
    else:
        if not machine.events:
            _feed(machine, event, base)
        _match(machine, event)


def standing_orders(machine: Machine) -> list[Order]:
    """Give the orders for everything that should be running now: what a new owner of the run has to do."""
    orders: list[Order] = []
    for step in machine.steps.values():
        if step.state is StepState.ROUTING:
            schema = step.course.plan.schema
            after = schema.write(step.base, step.writes)
            orders.append(AskRouters(step.exec_id, step.course.plan.routers[step.source], after))
        elif step.state is StepState.RUNNING and step.node is not None and step.node.manner != "graph":
            orders.append(step.order())
        elif step.state is StepState.RUNNING and step.node is not None and step.trouble is not None:
            orders.append(JudgeNode(step.exec_id, step.node, step.seen, step.trouble, step.failed))
    return orders


def _feed(machine: Machine, event: Event, base: State | None) -> None:
    """Give the machine the signal that an event records.

    What the machine makes of a signal is outstanding until it was met in the log; so when nothing is, the next event
    records a signal.
    """
    signal = _SIGNALS.get(type(event))
    try:
        if isinstance(event, RunStarted):
            machine.started(event, base)
        elif signal is not None:
            signal(machine, event)
    except RiverrunError as error:
        if error.code == "E2010":
            raise
        raise _misfit(machine, event, str(error)) from error


def _chunk(machine: Machine, event: NodeChunk) -> None:
    step = machine.steps.get(event.exec)
    schema = machine.plan.schema if step is None else step.course.plan.schema
    machine.yielded(event.exec, event.key, schema.read_chunk(event.key, event.value), event.ts)


def _interrupt(machine: Machine, event: NodeInterrupted) -> None:
    asked = event.question
    place = place_of(asked)
    machine.asked(event.exec, place, asked.value, event.ts, schema=asked.schema, problem=asked.problem)


def _complete(machine: Machine, event: NodeCompleted) -> None:
    step = machine.steps.get(event.exec)
    if step is None or event.node == START:
        machine.routed(event.exec, event.goto or (), event.ts)
        return
    goto = event.goto or ()
    if step.given:  # a sub graph: it gave back when the last of what is in it ended, and its routers were asked
        if step.state is StepState.ROUTING:
            machine.routed(event.exec, goto[len(step.goto or ()) :], event.ts)
        else:
            machine.cancelled(event.exec, event.ts)
        return
    schema = step.course.plan.schema
    for update in event.writes:
        machine.updated(event.exec, schema.read_update(update))
    # What routers added is in goto already, so the machine need not have them asked again.
    machine.returned(event.exec, None, tuple(event.folds), goto, event.ts, leaves=event.leaves, cached=event.cached)
    if step.state is StepState.ROUTING:
        machine.routed(event.exec, (), event.ts)


_SIGNALS: dict[type[Event], Callable[[Machine, Any], None]] = {
    NodeChunk: _chunk,
    NodeCompleted: _complete,
    NodeInterrupted: _interrupt,
    Custom: lambda machine, event: machine.emitted(event.exec, event.name, event.value, event.ts),
    NodeFailed: lambda machine, event: machine.failed(event.exec, event.error, event.ts),
    NodeRetrying: lambda machine, event: machine.retried(
        event.exec, event.reason, event.ts, error=event.error, delay=event.delay
    ),
    RunResumed: lambda machine, event: machine.resumed(event.answers, event.ts, event.control),
    RunInterrupted: lambda machine, event: machine.unanswered(event.ts),  # else it followed from what was before it
}


def _match(machine: Machine, event: Event) -> None:
    """Strike off the machine's first outstanding event, which must be this one."""
    made = machine.events.pop(0) if machine.events else None
    same = made is not None and type(made) is type(event) and made.seq == event.seq
    if same and isinstance(event, NodeEvent) and isinstance(made, NodeEvent):
        same = event.exec == made.exec and event.attempt == made.attempt
    if not same:
        what = "nothing" if made is None else f"{made.type} at {made.seq}"
        raise _misfit(machine, event, f"the graph makes {what}")


def _take_over(machine: Machine, event: RunTakenOver | RunForked) -> None:
    """Renumber what was lost with the former owner, and begin anew what it left unfinished."""
    lost, machine.events = machine.events, []
    unborn = {made.exec for made in lost if isinstance(made, (NodeStarted, NodeRetrying))}
    machine.seq = event.seq
    if isinstance(event, RunForked):
        machine.forked(event.limit, event.ts)
    for made in lost:
        machine.seq += 1
        machine.events.append(replace(made, seq=machine.seq))
    for step in list(machine.steps.values()):
        if step.state is StepState.CANCELLING:
            machine.cancelled(step.exec_id, event.ts)
        elif step.state is StepState.RUNNING and step.inside is None and _lacks(step, unborn):
            machine.retried(step.exec_id, "taken_over", event.ts)


def _lacks(step: Step, unborn: set[str]) -> bool:
    """Say whether an execution must begin anew: what was about to begin need not, unless nothing stands for it.

    That is a sub graph that had failed, and whose handler was about to take its place.
    """
    handled = step.node is not None and step.node.manner == "graph" and step.trouble is None
    return handled or step.exec_id not in unborn


def place_of_last_signal(plan: Plan, log: Sequence[Event]) -> int:
    """Say when a run was stopped, or timed out, which stands in no event but the last.

    Args:
        plan: The graph.
        log: All events, from seq 1.

    Returns:
        The place in the list before which it was; the length of the list when it was not.
    """
    place = len(log) - 1
    if not log or not isinstance(log[place], RunStopped | RunTimedOut):
        return len(log)
    given: set[str] = set()
    while _is_afterwards(plan, log[place - 1], given):
        place -= 1
    return place


def _is_afterwards(plan: Plan, event: Event, given: set[str]) -> bool:
    """Say whether an event can stand between a stop and the end: what nodes finished, and those that did not go.

    A sub graph never completes once its run is being cut off, unless it had given back before (`given` keeps those):
    then only its routers were cut off, and what is in it had ended.
    """
    if isinstance(event, NodeFailed):
        return event.error.code == "E3021"
    if not isinstance(event, NodeCompleted) or event.node == START or (event.ns and event.ns[-1] in given):
        return False
    around: Plan | None = plan
    for exec_id in event.ns:
        around = None if around is None else around.inner.get(node_of(exec_id))
    if around is None or event.node not in around.inner:
        return True
    given.add(event.exec)
    return event.node in around.routers


def _cut_off(machine: Machine, last: Event, first: Event) -> None:
    """Let the run be stopped, or time out, before the first of the events that stand between that and the last one."""
    if machine.events or machine.state not in (RunState.RUNNING, RunState.PARKED):
        raise _misfit(machine, first, "the graph would not end so")
    if isinstance(last, RunStopped):
        machine.stopped(last.reason, last.ts)
    else:
        machine.expired(last.ts)


def _end(machine: Machine, event: Terminal) -> None:
    """Let the run end as the log says: what was cancelled left no trace there."""
    # These two may also be written from outside, wherever the run is, when no worker can go on with it.
    from_outside = isinstance(event, RunFailed | RunLost)
    if from_outside and machine.state in (RunState.RUNNING, RunState.PARKED):
        machine.broke(_why(event), event.ts)
    if machine.state is RunState.ENDING:
        for step in list(machine.steps.values()):
            if step.inside is None:
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
