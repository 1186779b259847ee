"""What a run is made of, and what can be asked of it at any moment: the ground floor of the machine.

What follows from a signal is `riverrun.graph.flow`, which signals there are `riverrun.graph.machine`. Like them, this
knows no asyncio, clock or store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from riverrun.base.errors import IllegalMove, NodeError
from riverrun.events.kinds import ErrorInfo, Event, Question, RunCompleted, RunInterrupted, Send
from riverrun.graph.course import Course, Step
from riverrun.graph.moves import RUN_MOVES, STEP_MOVES, RunState, StepState, move
from riverrun.graph.node import START
from riverrun.graph.plan import Plan
from riverrun.graph.questions import Questions
from riverrun.graph.state import State
from riverrun.graph.step import Order

_WELL: tuple[Callable[..., Event], dict[str, Any]] = (RunCompleted, {})  # how a run ends that nothing ends


class Standing:
    """Keep where a run stands.

    Args:
        plan: The graph.
        run: Id of the run.

    Attributes:
        events: Facts that were not drained yet.
        commands: Orders that were not drained yet.
        seq: The last seq that was given.
        state: Where the run is.
        steps: What runs, by execution id.
        made: How many executions of nodes began.
        limit: How many may begin.
        timeout: Seconds the run may take; None for no limit.
        parked_ms: How long it was parked; that does not count.
        control: The last request that brought it answers: all requests come again with every owner.
        closing: Whether a stop or a time-out is under way. Only the terminal event tells of it, so what is said until
            then must come into the log together with that: a part would not say why nothing followed.
    """

    def __init__(self, plan: Plan, run: str) -> None:
        self.plan = plan
        self.run = run
        self.events: list[Event] = []
        self.commands: list[Order] = []
        self.seq = 0
        self.state = RunState.NEW
        self.steps: dict[str, Step] = {}
        self.made = 0
        self.limit = 0
        self.timeout: float | None = None
        self.parked_ms = 0
        self.control = 0
        self.closing = False
        self._root = Course(plan)
        self._questions = Questions()
        self._held: Step | None = None
        self._parked_since = 0
        self._owners = 0  # how many of the steps are sub graphs at work: nobody runs them but what is inside
        self._stirred: list[Course] = []
        self._advancing = False
        self._ending = _WELL
        self._partial: list[str] = []
        self._final: State | None = None

    @property
    def questions(self) -> tuple[Question, ...]:
        """What is open, in the order in which it was asked; nothing once the run is ending."""
        return self._questions.all if self.state in (RunState.RUNNING, RunState.PARKED) else ()

    @property
    def failure(self) -> ErrorInfo | None:
        """What the run fails by, or has failed by; None where it has not."""
        error = self._ending[1].get("error")
        return error if isinstance(error, ErrorInfo) else None

    @property
    def at_rest(self) -> bool:
        """Whether it is parked and has nothing more to say."""
        return self.state is RunState.PARKED and not self.events

    @property
    def held(self) -> bool:
        """Whether it waits at its beginning."""
        return self._held is not None and self.state is RunState.PARKED

    @property
    def held_behind(self) -> str:
        """The node behind which it waits at its beginning; START where it waits for nothing."""
        return self._held.source if self._held is not None and self.held else START

    @property
    def next(self) -> tuple[str, ...]:
        """The nodes of the graph itself that run, wait for an answer, or would if the run went on."""
        if self._held is not None and self.held:
            return self._root.followers(self._held)
        return tuple(step.name for step in self.steps.values() if step.course is self._root and step.node is not None)

    @property
    def remaining(self) -> int:
        """How many more executions of nodes may begin."""
        return self.limit - self.made

    def values(self) -> State:
        """Give the state as far as it is settled: of an ended run the final one."""
        return dict(self._root.settled() if self._final is None else self._final)

    def check_goto(self, exec_id: str, targets: tuple[str | Send, ...], *, leaves: bool) -> Plan:
        """Check what a node chose itself.

        Args:
            exec_id: Who chose.
            targets: Names and calls.
            leaves: Whether they are meant for the graph around its own.

        Returns:
            The graph they are meant for.

        Raises:
            IllegalMove: E3012, it runs no more.
            NodeError: E3006, there is no such node; E3019, there is no graph around it.
        """
        step = self.steps.get(exec_id)
        if step is None:
            raise IllegalMove("E3012", f"there is no execution {exec_id!r}")
        course = step.course
        if leaves:
            if course.owner is None:
                what = f"node {step.name!r} returned a Command for the graph around its own"
                raise NodeError("E3019", what, where=step.node.where if step.node is not None else "")
            course = course.owner.course
        course.plan.check_goto(step.name, targets)
        return course.plan

    def unanswered(self, now: int) -> None:
        """Take in that it was woken by nothing that it waits for: it says again what that is, and stays parked.

        Raises:
            IllegalMove: E3012, it is not parked.
        """
        self.state = move(RUN_MOVES, self.state, "unanswered", "the run")
        self._emit(RunInterrupted, now, questions=self._questions.all)

    def forked(self, limit: int | None, now: int) -> None:
        """Take in that all before was copied from another run: its inbox and its time are not those of this one.

        Args:
            limit: Executions of nodes that this one may make, counted from the beginning; None: as before.
            now: Milliseconds since the Unix epoch.
        """
        self.control = 0
        self.parked_ms, self._parked_since = 0, now
        if limit is not None:
            self.limit = limit

    def _take(self, exec_id: str, signal: str) -> Step:
        step = self.steps.get(exec_id)
        if step is None:
            raise IllegalMove("E3012", f"there is no execution {exec_id!r} that could take the signal {signal!r}")
        following = STEP_MOVES[step.state].get(signal)
        if following is None:
            step.take(signal)  # which says why not
        else:
            step.state = following
        return step

    def _after(self, step: Step) -> State:
        """Give the state after a step whose routers were asked; one that was brought back makes it again."""
        return step.course.plan.schema.write(step.base, step.writes) if step.reached is None else step.reached

    def _emit(self, kind: Callable[..., Event], now: int, **fields: object) -> None:
        self.seq += 1
        self.events.append(kind(seq=self.seq, ts=now, run=self.run, **fields))

    def _resting(self) -> bool:
        return all(step.inside is not None or step.state is StepState.PARKED for step in self.steps.values())

    def _park(self, now: int) -> None:
        self.state = move(RUN_MOVES, self.state, "parked", "the run")
        self._parked_since = now
        self._emit(RunInterrupted, now, questions=self._questions.all)
