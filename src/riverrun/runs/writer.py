"""The owner's pen: everything a run says goes through here into its log, in order, once.

One append is in flight at a time and takes all that was said meanwhile: the first chunk after silence goes at once,
with what a run that begins says in the same pass of the loop; under load batches grow by themselves. A store that
commits without waiting is written to directly. An append of unknown outcome is settled by looking at the tail (law
L7), never guessed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import cast

from riverrun.base.errors import StoreError
from riverrun.events.kinds import Event, NodeChunk, NodeCompleted, NodeFailed, RunInterrupted
from riverrun.graph.machine import Machine
from riverrun.log.limits import Gauge, Limits, Statistics
from riverrun.log.log import settle
from riverrun.log.store import AppendsAtOnce, LogStore, RunKey
from riverrun.runs.points import reach

_log = logging.getLogger("riverrun.runs")

# What an event weighs in the buffer beside its text: the object and its JSON envelope, roughly.
_ENVELOPE_BYTES = 200
_PIECE_EVENTS = 2_000
_PIECE_BYTES = 512 * 1024
_FIRST_RETRY_INTERVAL = 0.05
_LAST_RETRY_INTERVAL = 2.0


class Writer:
    """Append what a machine says to the log of its run.

    Args:
        store: Where the log lives.
        key: Which run.
        epoch: The owner's fencing number.
        machine: Whose events are written.
        head: Where the log ends now.
        lease_seconds: Renewed with every append.
        limits: Size of the buffer between the run and its log.
        paced: The buffer is emptied by a sole reader (`consumed`) rather than by commits.

    Attributes:
        full: Whether producers must wait (`room`) before they say more.
        controls_seen: The number of the last control that the run was told: one that crosses its parking is not lost.
    """

    def __init__(
        self,
        store: LogStore,
        key: RunKey,
        epoch: int,
        machine: Machine,
        *,
        head: int,
        lease_seconds: float,
        limits: Limits,
        paced: bool = False,
    ) -> None:
        self._store = store
        self._key = key
        self._epoch = epoch
        self._machine = machine
        self._lease_seconds = lease_seconds
        self._gauge = Gauge(limits)
        # 3.1 µs per chunk from node to log instead of 9.8 through a task of its own (memory store).
        self._at_once = cast("AppendsAtOnce", store) if hasattr(store, "append_now") else None
        self._head = head
        self._wake: asyncio.Future[None] | None = None
        self._room: list[asyncio.Future[None]] = []
        # Of each push: last seq, events, bytes. Only where it is looked at: an empty deque takes 0.6 KiB.
        self._unread: deque[tuple[int, int, int]] | None = deque() if paced else None
        self._tail: list[Event] = []  # what the sole reader has not been given; it is in the log already
        self._closing = False
        self._over = False
        self.controls_seen = 0
        self.full = False  # kept, not asked of the gauge: every chunk looks at it (0.2 µs)

    def push(self) -> None:
        """Take note that the machine has said something.

        Raises:
            Fenced: E4004, the run has another owner (stores that commit at once).
        """
        events = self._machine.events
        if not events or self._machine.closing:
            return
        if self._at_once is not None:
            self._machine.events = []
            self._head = self._at_once.append_now(
                self._key, self._epoch, self._head, events, controls_seen=self.controls_seen
            )
            if self._unread is not None:
                size_bytes = _weight(events)
                self._gauge.add(len(events), size_bytes)
                self.full = self._gauge.full
                self._unread.append((self._head, len(events), size_bytes))
                self._tail += events
            last = events[-1]
            self._over = last.terminal or type(last) is RunInterrupted
            if not self._over:
                return
        else:
            self._gauge.add(1, weight(events[-1]))
            self.full = self._gauge.full
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def room(self) -> None:
        """Wait until the buffer is half empty."""
        self._gauge.waits += 1
        while not self._gauge.low and not self._closing:
            future = asyncio.get_running_loop().create_future()
            self._room.append(future)
            await future

    def take(self, after: int) -> list[Event]:
        """Give the sole reader what was appended since it last asked, without a look into the store (2 µs per chunk).

        Args:
            after: seq of the last event that it has.

        Returns:
            What follows that; nothing where there is nothing, or where only the log itself knows what does.
        """
        tail, self._tail = self._tail, []
        return tail if tail and tail[0].seq == after + 1 else []

    def consumed(self, upto: int) -> None:
        """Take note that the sole reader is done with everything up to and with this seq."""
        unread = self._unread
        while unread and unread[0][0] <= upto:
            _, items, size_bytes = unread.popleft()
            self._gauge.remove(items, size_bytes)
        if self.full:
            self.full = self._gauge.full
        if self._room:
            self._make_room()

    def reopen(self) -> None:
        """Be ready to write again, after the run was parked."""
        self._over = self._closing = False

    def release(self) -> None:
        """Let all producers go on: nobody will read any more."""
        self._closing = True
        self._make_room()

    def statistics(self) -> Statistics:
        """Tell how full the buffer is and was."""
        return self._gauge.statistics()

    async def run(self) -> None:
        """Write until the run rests: its last event is in the log, or it is parked. Where `push` writes, only wait.

        Raises:
            Fenced: E4004, the run has another owner: nothing more was written.
            HeadMoved: E4005, somebody wrote to the log under this epoch.
            NodeError: E3008, an event cannot be stored.
        """
        if self._at_once is None:
            # What the first nodes say without waiting goes with the event that they began: a commit less per run.
            await asyncio.sleep(0)
        while not self._over:
            if self._at_once is not None or not self._machine.events or self._machine.closing:
                self._wake = asyncio.get_running_loop().create_future()
                await self._wake
                self._wake = None
                continue
            count = in_one_piece(self._machine.events)
            batch, self._machine.events = self._machine.events[:count], self._machine.events[count:]
            # The gauge counted one per push; a push may have said several things, so what is waiting is recounted.
            await self._append(batch)
            gauge = self._gauge.statistics()
            self._gauge.remove(gauge.items, gauge.size_bytes)
            self._gauge.add(len(self._machine.events), _weight(self._machine.events))
            self.full = self._gauge.full
            self._make_room()
            # Answers that came meanwhile have made it go on already.
            self._over = _rests(batch[-1]) and not self._machine.events

    async def _append(self, batch: list[Event]) -> None:
        interval = _FIRST_RETRY_INTERVAL
        while True:
            if reach:
                reach("append.before")
            try:
                self._head = await self._store.append(
                    self._key,
                    self._epoch,
                    self._head,
                    batch,
                    self._lease_seconds,
                    controls_seen=self.controls_seen,
                )
            except StoreError as error:
                _log.warning("run %s waits for its store: %s", self._key.run, error)
            else:
                if reach:
                    reach("append.after")
                return
            written = None
            while written is None:
                await asyncio.sleep(interval)
                interval = min(interval * 2, _LAST_RETRY_INTERVAL)
                written = await self._is_written(len(batch))
            if written:
                self._head += len(batch)
                return

    async def _is_written(self, count: int) -> bool | None:
        """Say what became of an append, None while it cannot be known; Fenced and HeadMoved pass to the driver."""
        try:
            tail = await self._store.read(self._key, self._head, count)
            return settle(tail, self._epoch, self._head, count)
        except StoreError:
            return None  # a guess would be refused as a moved head if it was wrong, and end the run

    def _make_room(self) -> None:
        if self._room and (self._gauge.low or self._closing):
            waiting, self._room = self._room, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)


def in_one_piece(events: list[Event]) -> int:
    """Say how many of these go into one append: all, unless they are many.

    A batch is a row, and a reader that wants one event of it unpacks it whole: 30 readers of rows of 10 MB took 190 MB.
    What stands right before a terminal event is never torn from it (`graph.replay`: a stop is one piece).

    Args:
        events: What waits, at least one.

    Returns:
        How many to take, from the first on.
    """
    size = count = 0
    for event in events:
        size += weight(event)
        if count and (size > _PIECE_BYTES or count >= _PIECE_EVENTS):
            break
        count += 1
    if count == len(events) or not events[-1].terminal:
        return count
    whole = len(events) - 1
    while whole and isinstance(events[whole - 1], NodeCompleted | NodeFailed):
        whole -= 1
    return min(count, whole) or len(events)


def _rests(event: Event) -> bool:
    """Say whether a run rests whose last event this is."""
    return event.terminal or isinstance(event, RunInterrupted)


def _weight(events: list[Event]) -> int:
    return weight(events[0]) if len(events) == 1 else sum(map(weight, events))


def weight(event: Event) -> int:
    """Estimate what an event takes in memory, in bytes, without encoding it."""
    text = event.value if isinstance(event, NodeChunk) else None
    return _ENVELOPE_BYTES + (len(text) if isinstance(text, str) else 0)
