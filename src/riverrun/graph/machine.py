"""The engine: signals in, events and commands out, no I/O (the same shape as h11 and websockets: a pure protocol).

Signals are methods named in the past tense; most take `now`, the wall clock in milliseconds. What the world may know is
appended to `events`, what the driver must do to `commands`; the driver drains both after each signal. The machine is
deterministic: the same signals give the same events, so feeding it what a log records brings it back to where the log
ends (`riverrun.graph.replay`).

It knows no asyncio, clock, store or task, and calls no user code but reducers, which are pure. What follows from a
signal is in `riverrun.graph.flow`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from riverrun.base.errors import InputError, RiverrunError
from riverrun.events.kinds import (
    Custom,
    ErrorInfo,
    Json,
    NodeChunk,
    NodeEvent,
    NodeFailed,
    NodeInterrupted,
    NodeRetrying,
    Question,
    RunFailed,
    RunResumed,
    RunStarted,
    RunStopped,
    RunTimedOut,
    Send,
)
from riverrun.graph.flow import Flow, error_info
from riverrun.graph.moves import RUN_MOVES, RunState, StepState, move
from riverrun.graph.questions import question_id
from riverrun.graph.state import State
from riverrun.graph.step import NOTE

__all__ = ["Machine", "error_info"]

_RUNNING = StepState.RUNNING  # a name: to ask an Enum for its member takes 80 ns


class Machine(Flow):
    """Decide what a run does next.

    Args:
        plan: The graph.
        run: Id of the run.
    """

    # The run as a whole

    def started(self, event: RunStarted, base: State | None = None) -> None:
        """Take in that the run exists: `event` is the first of its log.

        Args:
            event: The event.
            base: The state that `event.base` names, if it names one.

        Raises:
            IllegalMove: E3012, it was started before.
            InputError: E2010, the input does not fit the state; E2004, the run should begin at a node that there is
                not.
        """
        for name in (event.node, *(each.node if isinstance(each, Send) else each for each in event.goto or ())):
            if name is not None and name not in self.plan.number:
                raise InputError("E2004", f"graph {self.plan.name!r} has no node {name!r} to go on with")
        schema = self.plan.schema
        ground = {**schema.empty(), **(base or {})}
        if event.held:  # what its user wrote from outside, as a node would
            given: State = {**event.defaults, **schema.read_update(event.input or {})}
            after = schema.write(ground, (given,))
        else:
            given, after = schema.first(event.input, event.defaults, ground)
        self.state = move(RUN_MOVES, self.state, "started", "the run")
        self.limit, self.timeout, self.seq = event.limit, event.timeout, event.seq
        self._root.before = (*self._root.before, *event.before)
        self._root.after = (*self._root.after, *event.after)
        self.events.append(event)
        step = self._root.open(ground, given, event)
        self.steps[step.exec_id] = step
        if event.held:
            self._held = step
            self._park(event.ts)
        else:
            step.take("returned")
            self._given(step, after, event.ts)

    def resumed(self, answers: Mapping[str, Json], now: int, control: int = 0) -> None:
        """Take in answers; who asked runs again, and nobody else.

        Args:
            answers: By id of the question; some of those that are open, or all. A run that is held needs none.
            now: Milliseconds since the Unix epoch.
            control: Which request brought them.

        Raises:
            IllegalMove: E3012, it has not begun, is ending or has ended.
            InputError: E2015, an answer is to a question that nobody asks.
        """
        following = move(RUN_MOVES, self.state, "resumed", "the run")
        self._questions.check(answers)
        if self.state is RunState.PARKED:
            self.parked_ms += max(0, now - self._parked_since)
        self.state = following
        self.control = max(self.control, control)
        self._emit(RunResumed, now, answers=dict(answers), control=control)
        held, self._held = self._held, None
        if held is not None:
            self._root.passes = True
            held.take("returned")
            self._given(held, self.plan.schema.write(held.base, held.writes), now)
        taken = [(*self._questions.take(name), answer) for name, answer in answers.items()]
        self._advancing = True  # nothing follows before every answer is taken: the run might seem to rest in between
        for step, question, answer in taken:
            if self.steps.get(step.exec_id) is step:  # else what another answer began has ended it
                self._answered(step, question, answer, now)
        self._advancing = False
        self._advance(self._root, now)

    def stopped(self, reason: str, now: int) -> None:
        """Take in that the user ends the run.

        Raises:
            IllegalMove: E3012, it has not begun or has ended.
        """
        self._end("stopped", RunStopped, now, reason=reason)

    def expired(self, now: int) -> None:
        """Take in that the time of the run is over.

        Raises:
            IllegalMove: E3012, it has not begun or has ended.
        """
        self._end("expired", RunTimedOut, now, limit=self.timeout or 0.0)

    def broke(self, error: ErrorInfo, now: int) -> None:
        """Take in that the run cannot go on, for a reason that lies in no single node.

        Raises:
            IllegalMove: E3012, it has not begun or has ended.
        """
        self._end("broke", RunFailed, now, error=error)

    # One execution of a node

    def yielded(self, exec_id: str, key: str | None, value: object, now: int) -> None:
        """Take in a chunk.

        Args:
            exec_id: Who put it out.
            key: Key under which the fold will be stored, if any.
            value: The chunk.
            now: Milliseconds since the Unix epoch.

        Raises:
            IllegalMove: E3012, this execution may not put out anything (any more).
        """
        step = self.steps.get(exec_id)
        if step is None or step.state is not _RUNNING:  # what the table says, without a call for the yes
            step = self._take(exec_id, "yielded")
        course = step.course
        fold = step.folds.get(key) or step.open_fold(key, course.plan.schema)
        self.seq += 1
        # Written out rather than by _emit: this is the hot path (0.7 µs instead of 1.9 µs per chunk).
        self.events.append(
            NodeChunk(
                seq=self.seq,
                ts=now,
                run=self.run,
                ns=course.ns,
                node=step.name,
                exec=exec_id,
                attempt=step.attempt,
                agent=step.agent,
                message=fold.message,
                key=key,
                start=fold.add(value),
                value=value,
            )
        )

    def updated(self, exec_id: str, update: Mapping[str, Any]) -> None:
        """Take in an update that a generator yielded; it counts once the node has ended.

        Raises:
            IllegalMove: E3012, this execution may not write anything (any more).
        """
        # A copy: a generator may fill one mapping again and again.
        self._take(exec_id, "updated").updates.append(dict(update))

    def emitted(self, exec_id: str, name: str, value: object, now: int) -> None:
        """Take in what a node tells its readers (`ctx.emit`).

        Raises:
            IllegalMove: E3012, this execution may not say anything (any more).
        """
        step = self._take(exec_id, "emitted")
        if name == NOTE:
            step.note = value
        self._emit(Custom, now, **step.label, name=name, value=value)

    def relayed(self, exec_id: str, event: NodeEvent) -> None:
        """Take in an event of a graph that a node called, made one of this run (`step.relay`).

        Raises:
            IllegalMove: E3012, this execution may not say anything (any more).
        """
        step = self._take(exec_id, "emitted")
        self.seq = event.seq
        step.hear(event)
        self.events.append(event)

    def asked(self, exec_id: str, place: int, value: Json, now: int, *, schema: Json = None, problem: str = "") -> None:
        """Take in that a node asks something and waits: it ends here, and runs again once it is answered.

        Args:
            exec_id: Who asks.
            place: Which of its questions this is, from 1; answers from this place on are forgotten.
            value: What is asked.
            now: Milliseconds since the Unix epoch.
            schema: JSON Schema of an answer.
            problem: Why the answer before did not fit.

        Raises:
            IllegalMove: E3012, this execution may not ask anything (any more).
        """
        step = self._take(exec_id, "asked")
        step.answers = step.answers[: place - 1]
        name = question_id(exec_id, place)
        question = Question(id=name, node=step.name, exec=exec_id, value=value, schema=schema, problem=problem)
        self._questions.ask(step, question)
        self._emit(NodeInterrupted, now, **step.label, question=question)
        self._advance(step.course, now)

    def returned(  # a node may give back so many things
        self,
        exec_id: str,
        update: Mapping[str, Any] | None,
        streamed: tuple[str, ...],
        goto: tuple[str | Send, ...],
        now: int,
        *,
        leaves: bool = False,
        cached: bool = False,
    ) -> None:
        """Take in that a node ended well.

        Args:
            exec_id: Which execution.
            update: What it returned, without its streams.
            streamed: Keys whose value is the fold of the chunks that were yielded under them.
            goto: What a returned Command chose.
            now: Milliseconds since the Unix epoch.
            leaves: Whether it leaves its sub graph: all this is meant for the graph around it.
            cached: Whether its function did not run.

        Raises:
            IllegalMove: E3012, this execution cannot end (again).
        """
        step = self._take(exec_id, "returned")
        if update:
            step.updates.append(dict(update))  # a copy: the event must not change with what the node still holds
        schema = step.course.plan.schema
        for key in streamed:
            if key not in step.folds:
                step.open_fold(key, schema)
        step.goto = goto or None
        if leaves:
            self._left(step, now)
            return
        try:
            after = schema.write(step.base, step.writes)
        except RiverrunError as error:
            if step.state is StepState.COMPLETED:  # it was being cancelled: an error on the way out is no news
                step.state = StepState.CANCELLED
                self._gone(step, now)
            else:
                step.state = StepState.FAILED
                self._broken(step, error_info(error), now)
            return
        self._given(step, after, now, cached=cached)

    def routed(self, exec_id: str, targets: tuple[str | Send, ...], now: int) -> None:
        """Take in where the routers of a node lead.

        Raises:
            IllegalMove: E3012, this execution waits for no router.
        """
        step = self._take(exec_id, "routed")
        if step.goto:
            targets = (*step.goto, *[each for each in targets if isinstance(each, Send) or each not in step.goto])
        step.goto = targets
        self._completed(step, self._after(step), now)

    def failed(self, exec_id: str, error: ErrorInfo, now: int) -> None:
        """Take in that a node, or a router of it, raised.

        Raises:
            IllegalMove: E3012, this execution cannot fail (any more).
        """
        step = self._take(exec_id, "failed")
        if step.state is StepState.CANCELLED:  # an error on the way out of a cancelled node is no news
            if error.code == "E3021":  # but that it did not go is
                self._emit(NodeFailed, now, **step.label, error=error)
            self._gone(step, now)
        else:
            self._broken(step, error, now)

    def cancelled(self, exec_id: str, now: int) -> None:
        """Take in that an execution ended because it was told to.

        Raises:
            IllegalMove: E3012, it was not told to.
        """
        self._gone(self._take(exec_id, "cancelled"), now)

    def retried(
        self, exec_id: str, reason: str, now: int, *, error: ErrorInfo | None = None, delay: float = 0.0
    ) -> None:
        """Take in that an execution begins anew; what it put out so far is void.

        Args:
            exec_id: Which execution.
            reason: As in `NodeRetrying`. With `handled` it is no new attempt of a sub graph: its handler takes its
                place.
            now: Milliseconds since the Unix epoch.
            error: Why the attempt failed, if it did.
            delay: Seconds until the new one begins.

        Raises:
            IllegalMove: E3012, it is not running.
        """
        step = self._take(exec_id, "retried")
        voids = step.renew()
        step.failed += reason == "failed"
        step.jumps = reason == "handled"  # a handler says itself what follows
        self._emit(NodeRetrying, now, **step.label, voids=voids, reason=reason, error=error, delay=delay)
        if step.node is not None and step.node.manner == "graph" and reason != "handled":
            self._open_inside(step, now)
            self._advance(step.course, now)
