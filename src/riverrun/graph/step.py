"""One execution of a node while it lasts, and what the machine orders the driver to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from riverrun.events.kinds import NodeCompleted, NodeStarted
from riverrun.graph.fold import Fold
from riverrun.graph.merge import Moment
from riverrun.graph.moves import STEP_MOVES, StepState, move
from riverrun.graph.node import START, Node
from riverrun.graph.plan import Router
from riverrun.graph.schedule import Live
from riverrun.graph.state import Schema, State

FIRST = f"{START}:1"  # the execution of START, which is no node


class RunNode(NamedTuple):
    """Run this node with this state."""

    exec_id: str
    node: Node
    state: State
    attempt: int


class AskRouters(NamedTuple):
    """Ask these routers, in order, what follows; the state is the one after the node."""

    exec_id: str
    routers: tuple[Router, ...]
    state: State


class CancelNode(NamedTuple):
    """End this execution as soon as possible, and say so."""

    exec_id: str


Order = RunNode | AskRouters | CancelNode


class Step:
    """One execution of a node.

    Attributes:
        exec_id: `node:ordinal`.
        node: None for START.
        live: Its place in the schedule.
        seen: The state it began with.
        origin: The moment that every path to it goes through.
        state: Where it is in the table of moves.
        attempt: Which try, from 1.
        folds: Its messages, by key.
        updates: What it wrote so far, in order, without its streams.
        goto: What it chose to go to beside its plain edges.
        given: Whether the node gave back, so that only its routers may still be asked.
    """

    __slots__ = (
        "_writes",
        "agent",
        "attempt",
        "exec_id",
        "folds",
        "given",
        "goto",
        "live",
        "name",
        "node",
        "origin",
        "seen",
        "state",
        "updates",
    )

    def __init__(self, exec_id: str, node: Node | None, live: Live, seen: State, origin: Moment) -> None:
        self.exec_id = exec_id
        self.node = node
        self.name = START if node is None else node.name
        self.agent = None if node is None else node.agent
        self.live = live
        self.seen = seen
        self.origin = origin
        self.state = StepState.RUNNING
        self.attempt = 1
        self.folds: dict[str | None, Fold] = {}
        self.updates: list[dict[str, Any]] = []
        self.goto: tuple[str, ...] | None = None
        self._writes: tuple[Mapping[str, Any], ...] | None = None
        self.given = False

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
        return {"node": self.name, "exec": self.exec_id, "attempt": self.attempt, "agent": self.agent}

    @property
    def writes(self) -> tuple[Mapping[str, Any], ...]:
        """Everything it wrote, in order: its updates, then the folds of its streams. To be asked once it gave back."""
        if self._writes is None:  # kept: joining a long text again for every question would cost its length each time
            folded = {key: fold.value for key, fold in self.folds.items() if key is not None} if self.folds else None
            self._writes = (*self.updates, folded) if folded else tuple(self.updates)
        return self._writes

    def began(self, seq: int, ts: int, run: str) -> NodeStarted:
        """Tell that it began, and which executions triggered it, in merge order; START is none of them."""
        # Fields written out, here and below: through `label` a node costs 3 µs more.
        return NodeStarted(
            seq=seq,
            ts=ts,
            run=run,
            node=self.name,
            exec=self.exec_id,
            attempt=self.attempt,
            agent=self.agent,
            after=tuple([moment.exec_id for moment, _ in self.live.parents if moment.exec_id != FIRST]),
        )

    def completed(self, seq: int, ts: int, run: str) -> NodeCompleted:
        """Tell that it ended well. START tells only where it led; its input is in `run.started`."""
        folds: dict[str, str] = (
            {key: fold.how for key, fold in self.folds.items() if key is not None} if self.folds else {}
        )
        return NodeCompleted(
            seq=seq,
            ts=ts,
            run=run,
            node=self.name,
            exec=self.exec_id,
            attempt=self.attempt,
            agent=self.agent,
            writes=() if self.node is None else tuple(self.updates),
            folds=folds,
            goto=self.goto,
        )

    @property
    def heard(self) -> tuple[str, ...]:
        """Ids of the messages of which something was put out."""
        return tuple(fold.message for fold in self.folds.values() if fold.pieces)

    def renew(self) -> tuple[str, ...]:
        """Begin a new attempt; give the ids of the messages that are void now."""
        voids = self.heard
        self.folds = {}  # the new attempt may stream under other keys
        self.attempt += 1
        self.updates, self.goto, self._writes = [], None, None
        return voids
