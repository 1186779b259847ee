"""What a store should hold, in the simplest words that can be said: lists and dictionaries, no rules imported.

It restates the laws on purpose instead of calling `riverrun.log.log`, so that a mistake there does not excuse itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from riverrun.events.codec import encode
from riverrun.events.kinds import (
    Custom,
    Event,
    NodeCancelled,
    NodeChunk,
    NodeCompleted,
    NodeEvent,
    NodeInterrupted,
    Question,
    RunCompleted,
    RunForked,
    RunInterrupted,
    RunResumed,
    RunStarted,
    RunStopped,
    Send,
)
from riverrun.log.store import Control, RunKey, RunRow, Status


class ModelRun:
    """One run as it should be, from the events that it was made with."""

    def __init__(self, key: RunKey, started: RunStarted, now_ms: int, prefix: Sequence[Event] = ()) -> None:
        self.key = key
        self.started = started
        self.lines = [encode(event) for event in (started, *prefix)]
        self.epoch = 0
        self.status: Status = "queued"
        self.compacted = False
        self.ending: str | None = None
        self.worker: str | None = None
        self.created_ms = self.ended_ms = now_ms
        self.lease_until_ms = 0
        self.controls: list[Control] = []
        self.control_keys: dict[str, Control] = {}
        if prefix and prefix[-1].type in TERMINAL:
            self.status, self.ending = "ended", TERMINAL[prefix[-1].type]
        elif prefix and prefix[-1].type == "run.interrupted":
            self.status = "parked"

    @property
    def head(self) -> int:
        """Seq of the last event."""
        return len(self.lines)

    def own(self, worker: str, until_ms: int) -> None:
        """Take note of a claim; a run that is born ended stays ended."""
        self.epoch += 1
        self.worker, self.lease_until_ms = worker, until_ms
        self.status = self.status if self.status == "ended" else "running"

    def allows(self, epoch: int, expected_seq: int, events: list[Event]) -> str:
        """Give the code with which an append must be refused, or the empty text."""
        seqs = [event.seq for event in events]
        last_at = [index for index, event in enumerate(events) if event.type in TERMINAL]
        if epoch != self.epoch:
            return "E4004"
        if self.status == "ended":
            return "E2009"
        if expected_seq != self.head or seqs != list(range(self.head + 1, self.head + 1 + len(seqs))) or not seqs:
            return "E4005"
        return "E4005" if last_at not in ([], [len(events) - 1]) else ""

    def take(self, events: list[Event], now_ms: int, controls_seen: int | None = None) -> None:
        """Take note of an append that succeeded."""
        for event in events:
            self.lines.append(encode(event))
        last = events[-1].type
        self.status = "ended" if last in TERMINAL else "parked" if last == "run.interrupted" else "running"
        unseen = [] if controls_seen is None else self.controls[controls_seen:]
        if self.status == "parked" and any(control.kind in ("resume", "stop") for control in unseen):
            self.status = "queued"
        if self.status == "ended":
            self.ending, self.ended_ms = TERMINAL[last], now_ms

    def control(self, kind: str, payload: dict[str, object], idem_key: str | None) -> Control:
        """Take note of a control, and say what the store should give."""
        if idem_key in self.control_keys:
            return self.control_keys[idem_key]
        control = Control(n=len(self.controls) + 1, kind=kind, payload=payload)
        self.controls.append(control)
        if idem_key is not None:
            self.control_keys[idem_key] = control
        if self.status == "parked" and kind in ("resume", "stop"):
            self.status = "queued"
        return control

    def claimable(self, now_ms: int, older: Sequence[ModelRun] = ()) -> bool:
        """Say whether a claim may take it, when these runs are older."""
        if self.status == "queued":
            return not any(run.shares_thread(self) and run.status != "ended" for run in older)
        return self.status == "running" and self.lease_until_ms <= now_ms

    def shares_thread(self, other: ModelRun) -> bool:
        """Say whether the two belong to one thread."""
        mine, others = self.started.thread, other.started.thread
        return mine is not None and (self.key.tenant, mine) == (other.key.tenant, others)

    @property
    def base_run(self) -> str | None:
        """Id of the run that it stands on."""
        return None if self.started.base is None else self.started.base.run

    def agrees(self, row: RunRow) -> bool:
        """Say whether a row tells the truth; when `updated_ms` moves is left to stores."""
        return (
            (row.key, row.graph, row.thread, row.log) == (self.key, self.started.graph, self.started.thread, self.log)
            and row.base_run == self.base_run
            and (row.status, row.ending, row.epoch, row.head) == (self.status, self.ending, self.epoch, self.head)
            and (row.worker, row.lease_until_ms) == (self.worker, self.lease_until_ms)
            and row.created_ms == self.created_ms
        )

    @property
    def log(self) -> str:
        """Id of its log."""
        return self.started.log


TERMINAL = {"run.completed": "completed", "run.stopped": "stopped"}


def make_events(run: str, first_seq: int, kinds: list[str]) -> list[Event]:
    """Make events of the kinds that a store tells apart.

    Args:
        run: Id of the run.
        first_seq: seq of the first.
        kinds: `chunk`, `odd` (text that stores get wrong), `asked`, `cancelled`, `called`, `interrupted`, `resumed`,
            `forked`, `completed`, `stopped`.

    Returns:
        One event per kind.
    """
    made: list[Event] = []
    for seq, kind in enumerate(kinds, first_seq):
        if kind == "chunk":
            event: Event = NodeChunk(
                seq=seq, ts=seq, run=run, node="n", exec="n:1", message="n:1:k", key="k", value=f"w{seq} ", start=seq
            )
        elif kind == "odd":
            event = Custom(seq=seq, ts=seq, run=run, node="n", exec="n:1", name="odd", value="a\n\r\u2028\0'\"\\😀é")
        elif kind in _NODE_EVENTS:
            event = _NODE_EVENTS[kind][0](seq=seq, ts=seq, run=run, node="n", exec="n:1", **_NODE_EVENTS[kind][1])
        elif kind == "forked":
            event = RunForked(seq=seq, ts=seq, run=run, source="f" * 32, at=seq - 1, limit=9)
        elif kind == "interrupted":
            event = RunInterrupted(seq=seq, ts=seq, run=run, questions=(QUESTION,))
        else:
            event = _RUN_EVENTS[kind](seq=seq, ts=seq, run=run)
        made.append(event)
    return made


QUESTION = Question(id="n:1?1", node="n", exec="n:1", value={"really": "?"}, schema={"type": "boolean"}, problem="no")
_NODE_EVENTS: dict[str, tuple[type[NodeEvent], dict[str, Any]]] = {
    "asked": (NodeInterrupted, {"question": QUESTION}),
    "cancelled": (NodeCancelled, {"voids": ("n:1:k",), "reason": "left"}),
    "called": (NodeCompleted, {"writes": ({"a": 1},), "goto": ("m", Send("s", {"page": 1})), "leaves": True}),
}
_RUN_EVENTS: dict[str, type[Event]] = {
    "resumed": RunResumed,
    "completed": RunCompleted,
    "stopped": RunStopped,
}
