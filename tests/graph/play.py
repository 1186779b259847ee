"""Plays a run by hand: the machine decides, a sketch says what nodes do, a chooser says who is next. No asyncio.

What a log must be, whoever wrote it, is in `tests.graph.laws`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from riverrun.events.codec import decode, encode
from riverrun.events.kinds import (
    ErrorInfo,
    Event,
    NodeCancelled,
    NodeCompleted,
    NodeFailed,
    NodeInterrupted,
    Question,
    RunResumed,
    RunStarted,
    RunTakenOver,
    Send,
)
from riverrun.graph.course import Step
from riverrun.graph.machine import Machine
from riverrun.graph.merge import node_of
from riverrun.graph.moves import RunState
from riverrun.graph.plan import Plan
from riverrun.graph.replay import replay
from riverrun.graph.step import AskRouters, CancelNode, DropNode, JudgeNode, Order, RunNode
from tests.graph.laws import check_log, chunks, texts
from tests.graph.sketch import ATTEMPTS, Move, Sketch, mended, script

__all__ = [
    "BOOM",
    "RUN",
    "Play",
    "check_log",
    "chooser",
    "chunks",
    "completions",
    "go_on",
    "play",
    "run_started",
    "take_over",
    "texts",
    "through_json",
]

RUN = "0123456789abcdef" * 2
BOOM = ErrorInfo(code="E3001", message="boom")

Chooser = Callable[[int], int]


def first(count: int) -> int:
    """Always take the first."""
    return 0


def chooser(numbers: Iterable[int]) -> Chooser:
    """Take by these numbers, then always the first."""
    left = iter(numbers)
    return lambda count: next(left, 0) % count


def run_started(limit: int = 60, timeout: float | None = None, given: Any = None, **options: Any) -> RunStarted:
    """The first event of a log."""
    return RunStarted(
        seq=1, ts=1, run=RUN, graph="sketch", log="00000000", input=given, limit=limit, timeout=timeout, **options
    )


@dataclass
class Play:
    """A run in the hands of a test.

    Attributes:
        log: Everything said so far.
        batches: What each signal made the machine say, in order; empty ones left out.
        states: The settled state after each of the batches.
        ran: The executions that were ordered to run, with attempt and the state they were given.
        closing_from: How long the log was when the run was stopped, if it was.
        failing: Executions that fail where they would have given back, whatever their sketch says.
        stubborn: Whether a node goes on to its end although it was told to end.
        impatient: Whether questions may be answered before the run is parked.
        watches: Whether the states are kept; each costs as much as a meeting of all that is alive.
        open: Questions that wait for an answer, as the log tells.
        work: The moves that are left of what runs, by execution.
    """

    sketch: Sketch
    machine: Machine
    pick: Chooser
    log: list[Event] = field(default_factory=list)
    batches: list[list[Event]] = field(default_factory=list)
    states: list[dict[str, Any]] = field(default_factory=list)
    ran: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    closing_from: int | None = None
    failing: frozenset[str] = frozenset()
    stubborn: bool = False
    impatient: bool = True
    watches: bool = True
    open: dict[str, Question] = field(default_factory=dict)
    work: dict[str, list[Any]] = field(default_factory=dict)
    _now: int = 1

    def drain(self) -> None:
        """Take what the machine says and orders."""
        batch, self.machine.events = self.machine.events, []
        orders, self.machine.commands = self.machine.commands, []
        if batch:
            self.log += batch
            self.batches.append(batch)
            if self.watches:
                self.states.append(self.machine.values())
            for event in batch:
                self.note(event)
        dropped = {order.exec_id for order in orders if isinstance(order, DropNode)}
        for order in orders:
            if order.exec_id not in dropped:
                self._take(order)
        for exec_id in dropped:
            self.work.pop(exec_id, None)

    def note(self, event: Event) -> None:
        """Keep account of what is asked."""
        if isinstance(event, NodeInterrupted):
            self.open[event.question.id] = event.question
        elif isinstance(event, RunResumed):
            for name in event.answers:
                del self.open[name]
        elif isinstance(event, NodeCancelled | NodeFailed):
            self.open = {name: each for name, each in self.open.items() if each.exec != event.exec}
        elif event.terminal:
            self.open = {}

    def _take(self, order: Order) -> None:
        exec_id = order.exec_id
        if isinstance(order, RunNode):
            self._run(order)
        elif isinstance(order, AskRouters | JudgeNode):
            self.work[exec_id] = [order]
        elif isinstance(order, CancelNode):
            # A stubborn node goes on to its end although it was told to end now; it may say nothing more.
            last = [move for move in self.work[exec_id] if isinstance(move, Move) and move.kind == "return"]
            self.work[exec_id] = last if self.stubborn and last else [Move("cancelled")]

    def _run(self, order: RunNode) -> None:
        self.ran.append((order.exec_id, order.attempt, order.state))
        self.work[order.exec_id] = script(self.sketch_of(order.exec_id), order, self._failures(order.exec_id))

    def sketch_of(self, exec_id: str) -> Sketch:
        """Give the sketch of the graph that an execution belongs to."""
        sketch = self.sketch
        for outer in exec_id.split("/")[:-1]:
            inside = sketch.manner(node_of(outer)).inside
            assert inside is not None
            sketch = inside
        return sketch

    def _failures(self, exec_id: str) -> int:
        """Count how often an execution has failed, and the graphs around it."""
        step: Step | None = self.machine.steps[exec_id]
        count = 0
        while step is not None:
            count += step.failed
            step = step.course.owner
        return count

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.machine.state is RunState.ENDED or not (self.work or self.open or self.held)

    @property
    def held(self) -> bool:
        """Whether the run waits at its very beginning."""
        return self.machine.state is RunState.PARKED and not self.open

    def advance(self) -> None:
        """Let one of the running executions make its next move, or answer something."""
        may_answer = self.machine.state in (RunState.RUNNING, RunState.PARKED) and (self.open or self.held)
        early = bool(may_answer and (self.impatient or not self.work))
        place = self.pick(len(self.work) + early)
        self._now += 1
        if place == len(self.work):
            self.answer()
        else:
            exec_id = list(self.work)[place]
            self._move(exec_id, self.work[exec_id].pop(0))
        self.drain()

    def answer(self) -> None:
        """Answer some of what is asked, or all of it; now and then the first answer to a question does not fit."""
        waiting = list(self.open.values())
        if waiting and self.machine.state is RunState.PARKED and self.pick(4) == 3:
            self.machine.unanswered(self._now)  # something woke it for nothing
            return
        answers = {}
        for _ in range(1 + self.pick(len(waiting)) if waiting else 0):
            question = waiting.pop(self.pick(len(waiting)))
            fits = question.problem or question.kind != "asked" or self.pick(3) != 1
            answers[question.id] = f"{'ok' if fits else 'bad'}{question.id.rpartition('?')[2]}"
        self.machine.resumed(answers, self._now)

    def _move(self, exec_id: str, move: Any) -> None:
        if isinstance(move, AskRouters):
            del self.work[exec_id]
            self.machine.routed(exec_id, self._answers(move), self._now)
        elif isinstance(move, JudgeNode):
            del self.work[exec_id]
            self._judge(move)
        elif move.kind == "chunk":
            self.machine.yielded(exec_id, node_of(exec_id), move.value, self._now)
        elif move.kind == "emit":
            self.machine.emitted(exec_id, "told", move.value, self._now)
        elif move.kind == "update":
            self.machine.updated(exec_id, move.value)
        else:
            del self.work[exec_id]
            self._last(exec_id, move)

    def _last(self, exec_id: str, move: Move) -> None:
        """Make the move that ends an attempt."""
        if move.kind == "cancelled":
            self.machine.cancelled(exec_id, self._now)
        elif move.kind == "ask":
            self.machine.asked(exec_id, move.place, f"{move.place}?", self._now, problem=move.value)
        elif exec_id in self.failing:
            self.machine.failed(exec_id, BOOM, self._now)
        elif move.kind == "fail":
            self._fail(exec_id)
        else:
            node = node_of(exec_id)
            streamed = (node,) if self._speaks(exec_id) else ()
            if move.goto or move.leaves:
                self.machine.check_goto(exec_id, move.goto, leaves=move.leaves)
            self.machine.returned(exec_id, move.value, streamed, move.goto, self._now, leaves=move.leaves)

    def _speaks(self, exec_id: str) -> bool:
        return bool(self.sketch_of(exec_id).chunks["abcdefg".index(node_of(exec_id))])

    def _fail(self, exec_id: str) -> None:
        """Do what a driver does by the policies of a node."""
        step = self.machine.steps[exec_id]
        manner = self.sketch_of(exec_id).manner(step.name)
        if manner.mends == "retry" and step.failed + 1 < ATTEMPTS:
            self.machine.retried(exec_id, "failed", self._now, error=BOOM)
            self._run(self.machine.steps[exec_id].order())
        elif manner.mends == "handler":
            self.machine.retried(exec_id, "handled", self._now, error=BOOM)
            self.work[exec_id] = mended(self.sketch_of(exec_id), self.machine.steps[exec_id].order())
        else:
            self.machine.failed(exec_id, BOOM, self._now)

    def _judge(self, order: JudgeNode) -> None:
        if order.node.retries and order.failed + 1 < ATTEMPTS:
            self.machine.retried(order.exec_id, "failed", self._now, error=order.error)
        elif order.node.handler is not None:
            self.machine.retried(order.exec_id, "handled", self._now, error=order.error)
            self.work[order.exec_id] = mended(self.sketch_of(order.exec_id), self.machine.steps[order.exec_id].order())
        else:
            self.machine.failed(order.exec_id, order.error, self._now)

    def _answers(self, order: AskRouters) -> tuple[str | Send, ...]:
        plan = self.machine.steps[order.exec_id].course.plan
        return tuple(
            name for router in order.routers for name in router.resolve(router.function(order.state), plan.nodes)
        )

    def stop(self) -> None:
        """Stop the run."""
        self.closing_from = len(self.log)
        self.machine.stopped("enough", self._now)
        self.drain()

    def expire(self) -> None:
        """Let the time of the run be over."""
        self.closing_from = len(self.log)
        self.machine.expired(self._now)
        self.drain()

    def to_the_end(self) -> Play:
        """Play on until nothing is left."""
        while not self.over:
            self.advance()
        assert self.machine.state is RunState.ENDED
        return self


def play(sketch: Sketch, plan: Plan, pick: Chooser = first, **options: Any) -> Play:
    """Begin a run."""
    limit = options.pop("limit", 60)
    given = options.pop("started", run_started(limit))
    game = Play(sketch, Machine(plan, RUN), pick, **options)
    game.machine.started(given)
    game.drain()
    return game


def go_on(sketch: Sketch, plan: Plan, log: list[Event], pick: Chooser = first) -> Play:
    """Go on where a log ends, which came out of a store."""
    game = Play(sketch, replay(plan, log[0].run, through_json(log)), pick, list(log), watches=False)
    for event in log:
        game.note(event)
    game.drain()
    return game


def take_over(sketch: Sketch, plan: Plan, log: list[Event], pick: Chooser, epochs: int = 2) -> Play:
    """Go on with a log that broke off, as a new owner would; `epochs` may count owners that did nothing."""
    epoch = 1 + sum(isinstance(event, RunTakenOver) for event in log)
    log = list(log)
    for _ in range(epochs - 1):
        epoch += 1
        log.append(RunTakenOver(seq=len(log) + 1, ts=9, run=RUN, epoch=epoch, worker="w"))
    return go_on(sketch, plan, log, pick)


def through_json(log: Iterable[Event]) -> list[Event]:
    """What comes back from a store."""
    return [decode(encode(event)) for event in log]


def completions(log: Iterable[Event]) -> dict[str, tuple[Any, ...]]:
    """What each execution did in the end, for a comparison that does not look at the order."""
    return {event.exec: (event.writes, event.folds, event.goto) for event in log if isinstance(event, NodeCompleted)}
