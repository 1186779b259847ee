"""What the nodes of a run say, on its way to the machine and from there to the log.

The half of the driver that nodes talk to; it starts and cancels nothing (`riverrun.runs.driver`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from riverrun.base.errors import Interrupted, RiverrunError
from riverrun.events.kinds import ErrorInfo, NodeEvent
from riverrun.graph.machine import Machine
from riverrun.graph.step import relay
from riverrun.runs.attempts import Deadline
from riverrun.runs.lanes import Lanes, Place
from riverrun.runs.perform import Outcome, describe
from riverrun.runs.points import reach
from riverrun.runs.watchdog import Blocked, Watch
from riverrun.runs.writer import Writer


class Voices:
    """Hear nodes.

    Args:
        machine: That of the run.
        writer: Its pen.
        lanes: Where its nodes are.
        now: Gives the wall clock in milliseconds.

    Attributes:
        machine: As given.
        calls: Graphs that nodes have called and that wait for answers, by the place of the call.
    """

    def __init__(self, machine: Machine, writer: Writer, lanes: Lanes, now: Callable[[], int]) -> None:
        self.machine = machine
        self.calls: dict[str, Any] = {}
        self._writer = writer
        self._lanes = lanes
        self._now = now
        self._deadlines: dict[str, Deadline] = {}
        self._watch: Watch | None = None
        self._raised: dict[ErrorInfo, BaseException] = {}

    def chunk(self, exec_id: str, key: str | None, value: object) -> None:
        """Take a chunk of a node."""
        self.machine.yielded(exec_id, key, value, self._now())
        if self._deadlines:
            self.heartbeat(exec_id)
        self._push()

    def update(self, exec_id: str, update: Mapping[str, Any]) -> None:
        """Take an update that a generator yielded."""
        self.machine.updated(exec_id, update)

    def emit(self, exec_id: str, name: str, value: object) -> None:
        """Take what a node tells its readers; refuse late words of an orphan, or of an attempt that is over."""
        if not self._lanes.is_leaving(exec_id):
            self.machine.emitted(exec_id, name, value, self._now())
            if self._deadlines:
                self.heartbeat(exec_id)
            self._push()

    def relay(self, exec_id: str, call: str, event: NodeEvent) -> None:
        """Take an event of a graph that a node called."""
        step = self.machine.steps.get(exec_id)
        if step is not None and not self._lanes.is_leaving(exec_id):
            made = relay(event, self.machine.seq + 1, self.machine.run, step.course.ns, call)
            self.machine.relayed(exec_id, made)
            if self._deadlines:
                self.heartbeat(exec_id)
            self._push()

    def blocked(self, blocked: Blocked) -> None:
        """Tell the readers that a node held up its event loop; that is no sign of its being alive."""
        exec_id = blocked.exec_id
        if not self._lanes.is_leaving(exec_id):
            value = {"where": blocked.where, "seconds": round(blocked.seconds, 3)}
            self.machine.emitted(exec_id, "riverrun.blocked", value, self._now())
            self._push()

    def _tell_blocked(self) -> None:
        """Tell of it before its node has ended: afterwards that may say nothing more."""
        if self._watch is not None and self._watch.blocked is not None:
            self._watch.tell()

    def heartbeat(self, exec_id: str) -> None:
        """Take note that a node is alive."""
        deadline = self._deadlines.get(exec_id)
        if deadline is not None:
            deadline.touch()

    @property
    def full(self) -> bool:
        """Whether producers must wait."""
        return self._writer.full

    async def room(self) -> None:
        """Wait until producers may go on."""
        await self._writer.room()

    def _push(self) -> None:
        """Push, wherever we are, also in user code or a callback: what the log refuses breaks the run, not those."""
        try:
            self._writer.push()
        except RiverrunError as error:
            self._lanes.fail(error)

    def heard(self, exec_id: str) -> dict[str | None, list[Any]]:
        """Give what an execution has put out so far, by key."""
        folds = self.machine.steps[exec_id].folds
        return {key: list(fold.pieces) for key, fold in folds.items() if fold.pieces}

    def written(self, exec_id: str) -> list[dict[str, Any]]:
        """Give the updates that an execution has made on its way."""
        return [dict(update) for update in self.machine.steps[exec_id].updates]

    def say(self, exec_id: str, key: str | None, value: object) -> None:
        """Put out a chunk in the name of an execution."""
        self.chunk(exec_id, key, value)

    def watch(self, exec_id: str, deadline: Deadline | None) -> None:
        """Tell a deadline of everything that an execution says, or no more."""
        if deadline is None:
            self._deadlines.pop(exec_id, None)
        else:
            self._deadlines[exec_id] = deadline

    # How a node ended

    def cause(self, error: ErrorInfo) -> BaseException | None:
        """Give the exception that user code raised, of which readers were told this; None where nobody raised it."""
        return self._raised.get(error)

    def _returned(self, exec_id: str, outcome: Outcome, place: Place) -> None:
        self._tell_blocked()
        if reach:
            reach("node.after")
        if place.counts:
            self.machine.returned(
                exec_id,
                outcome.update,
                outcome.streamed,
                outcome.goto,
                self._now(),
                leaves=outcome.leaves,
                cached=outcome.cached,
            )

    def _asked(self, exec_id: str, asked: Interrupted, place: Place) -> None:
        self._tell_blocked()
        if place.told or place.abandoned:  # nobody will answer
            raise asyncio.CancelledError
        self.machine.asked(exec_id, asked.place, asked.value, self._now(), schema=asked.schema, problem=asked.problem)

    def _failed(self, exec_id: str, node: str, error: BaseException, place: Place) -> None:
        self._tell_blocked()
        if not place.counts:
            return
        info = describe(error, node)
        self._raised[info] = error
        self.machine.failed(exec_id, info, self._now())
