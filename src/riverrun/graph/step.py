"""One execution of a node while it lasts, and what the machine orders the driver to do about it."""

from __future__ import annotations

from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from riverrun.events.kinds import (
    ErrorInfo,
    Event,
    Json,
    NodeCancelled,
    NodeChunk,
    NodeCompleted,
    NodeEvent,
    NodeFailed,
    NodeRetrying,
    NodeStarted,
    Send,
)
from riverrun.graph.fold import Fold
from riverrun.graph.merge import Moment, node_of
from riverrun.graph.moves import STEP_MOVES, StepState, move
from riverrun.graph.node import START, Node
from riverrun.graph.plan import Plan, Router
from riverrun.graph.schedule import Live
from riverrun.graph.state import Schema, State

FIRST = f"{START}:1"  # the execution of START, which is no node
NOTE = "riverrun.note"  # the name of the event by which a node keeps something for its next attempt


class Failure(NamedTuple):
    """A node that failed: as the node is told at which its branch should have arrived, or as its error handler is.

    Attributes:
        node: Its name.
        error: What is known of the error; for an error handler the exception itself.
    """

    node: str
    error: Any


class RunNode(Struct, frozen=True):
    """Run this node.

    Attributes:
        exec_id: Which execution.
        node: Its node.
        state: What it is given; a copy of its own.
        attempt: Which try, from 1.
        answers: To what it asked so far, in order.
        failures: Branches that failed and should have arrived here.
        failed: How many attempts have failed before.
        note: What an attempt before kept for this one.
    """

    exec_id: str
    node: Node
    state: Any
    attempt: int
    answers: tuple[Json, ...] = ()
    failures: tuple[Failure, ...] = ()
    failed: int = 0
    note: Json = None


class AskRouters(Struct, frozen=True):
    """Ask these routers, in order, what follows; the state is the one after the node."""

    exec_id: str
    routers: tuple[Router, ...]
    state: State


class CancelNode(Struct, frozen=True):
    """End this execution as soon as possible, and say so."""

    exec_id: str


class DropNode(Struct, frozen=True):
    """End this execution as soon as possible; whatever it still says is not heard."""

    exec_id: str


class JudgeNode(Struct, frozen=True):
    """A sub graph failed: say by the policies of its node whether it begins anew, is handled, or fails."""

    exec_id: str
    node: Node
    state: Any
    error: ErrorInfo
    failed: int


Order = RunNode | AskRouters | CancelNode | DropNode | JudgeNode


class Around(Protocol):
    """What an execution has to know of the course of its graph."""

    @property
    def plan(self) -> Plan:
        """The graph."""
        ...

    @property
    def ns(self) -> tuple[str, ...]:
        """The executions of the sub graphs around it, outermost first."""
        ...

    @property
    def attempt(self) -> int:
        """What its executions begin with."""
        ...

    @property
    def first_id(self) -> str:
        """The execution of its START."""
        ...

    tries: int


AnyAround = TypeVar("AnyAround", bound=Around)


class StepOf(Struct, Generic[AnyAround], eq=False):
    """One execution of a node. A Struct, like all that is made for every node: C sets its fields (0.3 µs, not 1.2).

    Attributes:
        exec_id: `node:ordinal`, below the executions of the sub graphs around it.
        course: The course of the graph that it belongs to.
        node: None for START.
        live: Its place in the schedule.
        base: The state that its writes are written to.
        origin: The moment that every path to it goes through.
        name: Name of its node.
        source: Whose edges it is followed by; of START another node where the run goes on behind that.
        agent: Name to show to people.
        seen: What it was given: that state, or the input of a call.
        attempt: Which try, from 1.
        state: Where it is in the table of moves.
        folds: Its messages, by key.
        updates: What it wrote so far, in order, without its streams.
        goto: What it chose to go to beside its plain edges.
        given: Whether the node gave back, so that only its routers may still be asked.
        reached: The state after it, while they are.
        jumps: Whether only `goto` follows it.
        answers: To what it asked so far, in order.
        failed: How many of its attempts have failed.
        note: What its function keeps for the next attempt; all attempts have it.
        inside: The course of the sub graph that runs in its place.
        heard_inside: The messages of its sub graph, once that has ended, and of graphs that it called.
        cut_inside: Those of them that were cut short.
        tries_inside: The highest attempt of a step of its sub graphs so far.
        trouble: Why its sub graph failed, while its policies are asked what becomes of that.
    """

    exec_id: str
    course: AnyAround
    node: Node | None
    live: Live
    base: State
    origin: Moment
    name: str = START
    source: str = START
    agent: str | None = None
    seen: Any = None
    attempt: int = 1
    state: StepState = StepState.RUNNING
    folds: dict[str | None, Fold] = {}
    updates: list[dict[str, Any]] = []
    goto: tuple[str | Send, ...] | None = None
    _writes: tuple[dict[str, Any], ...] | None = None
    given: bool = False
    reached: State | None = None
    jumps: bool = False
    answers: tuple[Json, ...] = ()
    failed: int = 0
    note: Json = None
    inside: AnyAround | None = None
    heard_inside: tuple[str, ...] = ()
    cut_inside: tuple[str, ...] = ()
    tries_inside: int = 0
    trouble: ErrorInfo | None = None

    def take(self, signal: str) -> None:
        """Move by a signal.

        Args:
            signal: As in `STEP_MOVES`.

        Raises:
            IllegalMove: E3012, the table has no such move; nothing changed.
        """
        self.state = move(STEP_MOVES, self.state, signal, self.exec_id)

    def open_fold(self, key: str | None, schema: Schema) -> Fold:
        """Begin a message.

        Args:
            key: Key under which its fold will be stored; None: it is only streamed.
            schema: Says what a stream that gives nothing adds up to.

        Returns:
            The fold, empty.
        """
        message = self.exec_id if key is None else f"{self.exec_id}/{key}"
        listed = key is not None and schema.folds_to_list(key)
        fold = self.folds[key] = Fold(message, key, "list" if listed else "text")
        return fold

    @property
    def label(self) -> dict[str, Any]:
        """The fields that all events of this execution share."""
        return {
            "ns": self.course.ns,
            "node": self.name,
            "exec": self.exec_id,
            "attempt": self.attempt,
            "agent": self.agent,
        }

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The branches that failed and should have arrived here, in merge order."""
        moments = [moment for moment, _ in self.live.parents if moment.error is not None]
        return tuple(Failure(node_of(each.exec_id), each.error) for each in moments if each.error is not None)

    def order(self) -> RunNode:
        """Say what the driver has to do for it."""
        if self.node is None:
            raise AssertionError("START is run by nobody")
        node = self.node
        failures = self.failures if node.join is not None else ()
        state, sees = private(self.seen), node.sees
        if sees is not None and self.seen is self.base:
            state = {name: value for name, value in state.items() if name in sees}
        return RunNode(self.exec_id, node, state, self.attempt, self.answers, failures, self.failed, self.note)

    @property
    def writes(self) -> tuple[dict[str, Any], ...]:
        """Everything it wrote, in order: its updates, then the folds of its streams. To be asked once it gave back."""
        if self._writes is None:  # kept: joining a long text again for every question would cost its length each time
            folded = {key: fold.value for key, fold in self.folds.items() if key is not None} if self.folds else None
            self._writes = (*self.updates, folded) if folded else tuple(self.updates)
        return self._writes

    def began(self, seq: int, ts: int, run: str) -> NodeStarted:
        """Tell that it began, and which executions triggered it, in merge order; START is none of them."""
        first, parents = self.course.first_id, self.live.parents
        if len(parents) == 1:  # as most have: a list would cost 0.2 µs
            only = parents[0][0].exec_id
            after: tuple[str, ...] = () if only == first else (only,)
        else:
            after = tuple([moment.exec_id for moment, _ in parents if moment.exec_id != first])
        # Fields written out, here and below: through `label` a node costs 3 µs more.
        return NodeStarted(
            seq=seq,
            ts=ts,
            run=run,
            ns=self.course.ns,
            node=self.name,
            exec=self.exec_id,
            attempt=self.attempt,
            agent=self.agent,
            after=after,
        )

    def completed(self, seq: int, ts: int, run: str, *, leaves: bool = False, cached: bool = False) -> NodeCompleted:
        """Tell that it ended well. START tells only where it led; its input is in `run.started`."""
        writes = self._writes
        folds: dict[str, str] = {}
        if self.folds or writes is None:
            writes = tuple(self.updates)
            folds = {key: fold.how for key, fold in self.folds.items() if key is not None}
        return NodeCompleted(
            seq=seq,
            ts=ts,
            run=run,
            ns=self.course.ns,
            node=self.name,
            exec=self.exec_id,
            attempt=self.attempt,
            agent=self.agent,
            leaves=leaves,
            cached=cached,
            writes=() if self.node is None else writes,
            folds=folds,
            goto=self.goto,
        )

    @property
    def heard(self) -> tuple[str, ...]:
        """Ids of the messages of which something was put out."""
        return tuple(fold.message for fold in self.folds.values() if fold.pieces)

    def hear(self, event: NodeEvent) -> None:
        """Note which messages a graph that it called has begun, and which of them are whole."""
        if isinstance(event, NodeChunk):
            if event.message not in self.cut_inside:
                self.heard_inside = (*self.heard_inside, event.message)
                self.cut_inside = (*self.cut_inside, event.message)
        elif isinstance(event, NodeCompleted):
            whole = f"{event.exec}/"
            self.cut_inside = tuple([each for each in self.cut_inside if not f"{each}/".startswith(whole)])
        elif isinstance(event, NodeRetrying | NodeCancelled | NodeFailed):
            self.cut_inside = tuple([each for each in self.cut_inside if each not in event.voids])

    def renew(self) -> tuple[str, ...]:
        """Begin a new attempt; give the ids of the messages that are void now."""
        voids = (*dict.fromkeys(self.heard_inside), *self.heard)
        self.heard_inside = self.cut_inside = ()
        self.folds = {}  # the new attempt may stream under other keys
        self.attempt += 1
        self.course.tries = max(self.course.tries, self.attempt)
        self.updates, self.goto, self._writes, self.reached, self.trouble = [], None, None, None, None
        return voids


def caller_of(event: Event) -> str | None:
    """Give the execution whose function called the graph that an event comes from; None where nothing was called."""
    for around in event.ns:
        if "~" in around:
            return around.rpartition("~")[0]
    return None


def relay(event: NodeEvent, seq: int, run: str, ns: tuple[str, ...], call: str) -> NodeEvent:
    """Give the event of a called graph as one of the run whose node called it.

    Args:
        event: An event of a node there.
        seq: Its place here.
        run: Id of the run here.
        ns: The sub graphs around the caller.
        call: The id of the call: `exec~ordinal`.

    Returns:
        The event, under ids that are unique here.
    """
    here: dict[str, Any] = {
        "seq": seq,
        "run": run,
        "ns": (*ns, call, *(f"{call}/{each}" for each in event.ns)),
        "exec": f"{call}/{event.exec}",
    }
    if isinstance(event, NodeChunk):
        here["message"] = f"{call}/{event.message}"
    elif isinstance(event, NodeStarted):
        here["after"] = tuple(f"{call}/{each}" for each in event.after)
    elif isinstance(event, NodeRetrying | NodeCancelled | NodeFailed):
        here["voids"] = tuple(f"{call}/{each}" for each in event.voids)
    return replace(event, **here)


def private(state: Any) -> Any:
    """Give a state that its owner may change: nobody else sees it. What lies below one level is shared."""
    if type(state) is not dict:
        return state
    made: dict[str, Any] = state.copy()
    for key, value in state.items():
        if type(value) in _GROWING:
            made[key] = value.copy()
    return made


_GROWING = frozenset({list, dict, set})
