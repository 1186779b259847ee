"""Plays a run by hand: the machine decides, a sketch says what nodes do, a chooser says who is next. No asyncio.

What a log must be, whoever wrote it, is `check_log`; every test that makes a log asks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from riverrun.events.codec import decode, encode
from riverrun.events.kinds import (
    ErrorInfo,
    Event,
    NodeChunk,
    NodeCompleted,
    NodeEvent,
    NodeFailed,
    NodeRetrying,
    NodeStarted,
    RunCompleted,
    RunStarted,
    RunTakenOver,
)
from riverrun.graph.machine import Machine
from riverrun.graph.moves import RunState
from riverrun.graph.plan import Plan
from riverrun.graph.replay import replay
from riverrun.graph.step import AskRouters, CancelNode, RunNode
from riverrun.log.tail import Verdict
from riverrun.log.view import View
from tests.graph.sketch import Sketch, script

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


def run_started(limit: int = 60, timeout: float | None = None, given: Any = None) -> RunStarted:
    """The first event of a log."""
    return RunStarted(seq=1, ts=1, run=RUN, graph="sketch", log="00000000", input=given, limit=limit, timeout=timeout)


@dataclass
class Play:
    """A run in the hands of a test.

    Attributes:
        log: Everything said so far.
        batches: What each signal made the machine say, in order; empty ones left out.
        states: The settled state after each of the batches.
        ran: The executions that were ordered to run, with attempt and the state they were given.
        closing_from: How long the log was when the run was stopped, if it was.
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
    _work: dict[str, list[tuple[str, Any]]] = field(default_factory=dict)
    _now: int = 1

    def drain(self) -> None:
        """Take what the machine says and orders."""
        batch, self.machine.events = self.machine.events, []
        orders, self.machine.commands = self.machine.commands, []
        if batch:
            self.log += batch
            self.batches.append(batch)
            self.states.append(self.machine.values())
        for order in orders:
            if isinstance(order, RunNode):
                self.ran.append((order.exec_id, order.attempt, order.state))
                self._work[order.exec_id] = script(self.sketch, order.node.name, order.state)
            elif isinstance(order, AskRouters):
                self._work[order.exec_id] = [("route", order)]
            elif isinstance(order, CancelNode):
                moves = self._work[order.exec_id]
                # A stubborn node goes on to its end although it was told to end now; it may say nothing more.
                last = [move for move in moves if move[0] == "return"]
                self._work[order.exec_id] = last if self.stubborn and last else [("cancelled", None)]

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return not self._work

    def advance(self) -> None:
        """Let one of the running executions make its next move."""
        exec_id = list(self._work)[self.pick(len(self._work))]
        move, value = self._work[exec_id].pop(0)
        node = exec_id.rpartition(":")[0]
        self._now += 1
        if exec_id in self.failing and move == "return":
            self.machine.failed(exec_id, BOOM, self._now)
        elif move == "chunk":
            self.machine.yielded(exec_id, node, value, self._now)
        elif move == "emit":
            self.machine.emitted(exec_id, "told", value, self._now)
        elif move == "update":
            self.machine.updated(exec_id, value)
        elif move == "return":
            streamed = (node,) if self.sketch.chunks["abcdefg".index(node)] else ()
            self.machine.returned(exec_id, value, streamed, (), self._now)
        elif move == "route":
            self.machine.routed(exec_id, self._answers(value), self._now)
        else:
            self.machine.cancelled(exec_id, self._now)
        if move in ("return", "route", "cancelled"):
            del self._work[exec_id]
        self.drain()

    def _answers(self, order: AskRouters) -> tuple[str, ...]:
        plan = self.machine.plan
        return tuple(
            name for router in order.routers for name in router.resolve(router.function(order.state), plan.nodes)
        )

    def stop(self) -> None:
        """Stop the run."""
        self.closing_from = len(self.log)
        self.machine.stopped("enough", self._now)
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
    game = Play(sketch, Machine(plan, RUN), pick, **options)
    game.machine.started(run_started(limit))
    game.drain()
    return game


def take_over(sketch: Sketch, plan: Plan, log: list[Event], pick: Chooser, epochs: int = 2) -> Play:
    """Go on with a log that broke off, as a new owner would; `epochs` may count owners that did nothing."""
    epoch = 1 + sum(isinstance(event, RunTakenOver) for event in log)
    log = list(log)
    for _ in range(epochs - 1):
        epoch += 1
        log.append(RunTakenOver(seq=len(log) + 1, ts=9, run=RUN, epoch=epoch, worker="w"))
    game = Play(sketch, replay(plan, RUN, through_json(log)), pick, log)
    game.drain()
    return game


def through_json(log: Iterable[Event]) -> list[Event]:
    """What comes back from a store."""
    return [decode(encode(event)) for event in log]


def texts(log: Iterable[Event]) -> dict[str, str]:
    """Fold a log as a reader does and give the text of each message."""
    view = View()
    for event in log:
        assert view.apply(event) is Verdict.APPLY
    return {name: message.text for name, message in view.messages.items() if message.text}


def check_log(log: list[Event]) -> None:
    """Hold a log against everything that every log must be."""
    assert list(range(1, len(log) + 1)) == [event.seq for event in log], "seqs are dense"
    assert [log[-1]] == [event for event in log if event.terminal], "one terminal event, the last"
    attempts: dict[str, int] = {}
    ended: set[str] = set()
    for event in log:
        if not isinstance(event, NodeEvent) or event.node == "__start__":
            continue
        if isinstance(event, NodeStarted):
            assert event.exec not in attempts, "an execution starts once"
            attempts[event.exec] = event.attempt
            continue
        assert event.exec in attempts, "nothing is said before its node started"
        assert event.exec not in ended, "nothing is said after its node ended"
        if isinstance(event, NodeRetrying):
            attempts[event.exec] += 1
        elif isinstance(event, NodeCompleted | NodeFailed):
            ended.add(event.exec)
        assert attempts[event.exec] == event.attempt
    if isinstance(log[-1], RunCompleted):
        assert set(attempts) == ended, "a completed run has completed what it started"
    texts(log)  # every piece of text continues its message


def completions(log: Iterable[Event]) -> dict[str, tuple[Any, ...]]:
    """What each execution did in the end, for a comparison that does not look at the order."""
    return {event.exec: (event.writes, event.folds, event.goto) for event in log if isinstance(event, NodeCompleted)}


def chunks(log: Iterable[Event]) -> list[NodeChunk]:
    """The chunks of a log."""
    return [event for event in log if isinstance(event, NodeChunk)]
