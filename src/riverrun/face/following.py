"""A machine beside a log: what the state was at each event that a reader is shown, in the graph and its sub graphs.

It decides nothing and waits for nothing. It does not know what readers make of it (`face/modes.py`).
"""

from __future__ import annotations

from riverrun.events.kinds import (
    Event,
    NodeCancelled,
    NodeCompleted,
    NodeEvent,
    NodeFailed,
    NodeRetrying,
    NodeStarted,
    Terminal,
)
from riverrun.graph.course import Course, Step
from riverrun.graph.machine import Machine
from riverrun.graph.merge import node_of
from riverrun.graph.node import START
from riverrun.graph.plan import Plan
from riverrun.graph.replay import follow
from riverrun.graph.state import Schema, State
from riverrun.graph.step import private


class Following:
    """Bring a machine on by the events of one log, as they come.

    Only the end of a log tells that its run was stopped or timed out. What nodes finished on the way out stands before
    that, and nothing follows from it, as the machine thinks it does; where that shows, the machine is left behind: what
    such nodes wrote is still known, the state is not.

    Args:
        plan: The graph that writes the log.
        base: The state that its first event takes as its base, if it takes one.
    """

    def __init__(self, plan: Plan, base: State | None = None) -> None:
        self._plan = plan
        self._base = base
        self._machine = Machine(plan, "")
        self._steps: dict[str, Step] = {}
        self._inside: dict[str, Course] = {}
        self._behind = False

    def take(self, event: Event) -> Step | None:
        """Take in the next event.

        Args:
            event: The next one of the log, from seq 1 on.

        Returns:
            The execution that it is about, with what it wrote; None for an event of no execution, or of START, or where
            it was cancelled in the moment in which it began.

        Raises:
            NodeError: E3009, the log was not written by this graph.
            InputError: E2010, the input in it does not fit this graph.
        """
        if isinstance(event, Terminal):  # it changes no state, and only a whole log tells when a run was stopped
            return None
        self._behind = self._behind or self._is_cut(event)
        if not self._behind:
            follow(self._machine, event, self._base)
            self._machine.commands.clear()  # nobody carries them out
        if not isinstance(event, NodeEvent):
            return None
        if isinstance(event, NodeStarted) and event.exec in self._machine.steps:
            self._steps[event.exec] = self._machine.steps[event.exec]
        step = self._steps.get(event.exec)
        if isinstance(event, NodeStarted | NodeRetrying) and step is not None and step.inside is not None:
            self._inside[event.exec] = step.inside
        elif isinstance(event, NodeCompleted | NodeFailed | NodeCancelled):
            self._inside.pop(event.exec, None)
            self._steps.pop(event.exec, None)
        if self._behind and isinstance(event, NodeCompleted) and step is not None and not step.given:
            self._write(step, event)
        return step

    def values(self, ns: tuple[str, ...] = ()) -> State | None:
        """Give the state of the graph, or of a sub graph, as far as it is settled.

        Args:
            ns: The executions of the sub graphs around it, outermost first.

        Returns:
            A copy that the caller may change, lists and mappings under a key included; None where no such sub graph is
            under way, or the state cannot be known any more.
        """
        if self._behind:
            return None
        if not ns:
            return dict(private(self._machine.values()))
        course = self._inside.get(ns[-1])
        return None if course is None else dict(private(course.settled()))

    @property
    def inside(self) -> list[tuple[str, ...]]:
        """The sub graphs that are under way, each by the executions around what runs in it."""
        return [course.ns for course in self._inside.values()]

    @property
    def next(self) -> tuple[tuple[str, str], ...]:
        """What is next in the graph itself: executions, each with its node."""
        steps = self._machine.steps.values()
        return tuple((each.exec_id, each.name) for each in steps if not each.course.ns and each.name != START)

    def schema(self, ns: tuple[str, ...]) -> Schema:
        """Give the schema of the graph, or of a sub graph.

        Args:
            ns: As in `values`.

        Returns:
            The schema.
        """
        plan = self._plan
        for exec_id in ns:
            plan = plan.inner.get(node_of(exec_id), plan)
        return plan.schema

    def _is_cut(self, event: Event) -> bool:
        """Say whether an event can only be there because the run was stopped or timed out in the meantime."""
        made = self._machine.events[0] if self._machine.events else None
        if made is None or not isinstance(event, NodeCompleted | NodeFailed) or event.node == START:
            return False
        return not isinstance(made, type(event)) or made.exec != event.exec

    def _write(self, step: Step, event: NodeCompleted) -> None:
        """Note what an execution wrote, in place of the machine."""
        schema = self.schema(event.ns)
        step.updates = [schema.read_update(each) for each in event.writes]
        for key in event.folds:
            if key not in step.folds:
                step.open_fold(key, schema)
