"""Events that continue a durable stream, in the making: what one commit is to write (PROTOCOL.md §16).

A draft changes nothing by itself; whether it was decided on what is still so, the log says when it is appended. It does
not know who may write what (`appending.py`).
"""

from __future__ import annotations

from base64 import b64encode
from collections import ChainMap
from collections.abc import Sequence
from copy import copy
from typing import NamedTuple

import msgspec

from riverrun.events.kinds import Base, Custom, Event, Json, NodeChunk, RunStarted, RunStopped
from riverrun.log.durable import (
    CLOSED,
    EXEC,
    FORKED,
    GRAPH,
    GRAPH_THAT_EXPIRES,
    NODE,
    SUM_EVENTS,
    SUMMED,
    TOUCHED,
    WRITER,
    Config,
    Producer,
    State,
)


class Draft:
    """Events that continue a log, in the making.

    Args:
        state: The stream before them; it is not changed.
        now_ms: Their time.

    Attributes:
        state: The stream after them.
        events: In order.
        now_ms: As given.
    """

    def __init__(self, state: State, now_ms: int) -> None:
        self.state = copy(state)
        self.state.producers = ChainMap({}, state.producers)
        self.state.forks = set(state.forks)
        self.events: list[Event] = []
        self.now_ms = now_ms

    def piece(self, piece: bytes) -> None:
        """Add a piece."""
        place = self._place()
        self._add(NodeChunk(**place, node=NODE, exec=EXEC, message=EXEC, value=value_of(piece)))

    def writer(self, producer: Producer | None, writer_seq: str | None) -> None:
        """Say who appends what follows."""
        self._tell(WRITER, {"producer": producer, "seq": writer_seq})

    def close(self) -> None:
        """Say that nothing follows."""
        self._tell(CLOSED, None)

    def touch(self) -> None:
        """Say that it was used."""
        self._tell(TOUCHED, None)

    def fork(self, run: str) -> None:
        """Say that another log begins with this one."""
        self._tell(FORKED, run)

    def sum_up(self) -> None:
        """Say what it all adds up to, if that is due: who comes later folds only what stands behind."""
        state = self.state
        # A sum that is long is written as much more seldom: it never is most of what is written.
        if state.head - state.summed >= max(SUM_EVENTS, 10 * (len(state.producers) + len(state.forks))):
            self._tell(SUMMED, state.sum())

    def delete(self, reason: str) -> None:
        """End the log."""
        self._add(RunStopped(**self._place(), reason=reason))

    def _tell(self, name: str, value: Json) -> None:
        self._add(Custom(**self._place(), node=NODE, exec=EXEC, name=name, value=msgspec.to_builtins(value)))

    def _place(self) -> dict[str, Json]:
        return {"seq": self.state.head + 1, "ts": self.now_ms, "run": self.state.run}

    def _add(self, event: Event) -> None:
        self.state.apply(event)
        self.events.append(event)


class Began(NamedTuple):
    """The first events of a stream: `run.started`, and those that come with it."""

    started: RunStarted
    others: list[Event]


def began(config: Config, *, run: str, log: str, now_ms: int, pieces: Sequence[bytes], closed: bool) -> Began:
    """Make the first events of a stream.

    Args:
        config: What it is.
        run: Id of its log.
        log: Of its incarnation.
        now_ms: When.
        pieces: What it begins with, beside what it inherits.
        closed: Whether nothing follows.

    Returns:
        Its events.
    """
    source = config.inherited[-1].run if config.inherited else None
    started = RunStarted(
        seq=1,
        ts=now_ms,
        run=run,
        graph=GRAPH if config.ttl is None and config.expires_ms is None else GRAPH_THAT_EXPIRES,
        input=msgspec.to_builtins(config),
        log=log,
        thread=config.path,
        # Retention leaves the log of the source as long as this one stays.
        base=None if source is None else Base(run=source),
    )
    draft = Draft(State(started), now_ms)
    for piece in pieces:
        draft.piece(piece)
    if closed:
        draft.close()
    return Began(started, draft.events)


def value_of(piece: bytes) -> Json:
    """Write a piece as JSON: text where it is text, so that a log can be read."""
    try:
        return piece.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": b64encode(piece).decode("ascii")}
