"""The ends of the logs that this process writes, kept in memory: what readers that keep up are given.

Rules of this file:

* A commit comes in here after it has succeeded, never before (L2).
* A log has a tail here only while this process is the one that writes it. When another process may have written
  (fenced, a lost lease, a commit of unknown outcome), the tail is forgotten and the store is asked.
* A run that nobody runs (parked, queued) may be claimed by any process: the store is asked, until this one claims it.
* Memory is bounded: per log and in all; what does not fit is in the store.
* Every method may be called from any thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from threading import Lock
from time import monotonic
from typing import NamedTuple

from riverrun.events.record import Record
from riverrun.log.store import Page, RunKey, Status
from riverrun.stores.waiting import Waiting, WaitingRooms

RECORD_BYTES = 400  # what a record costs beside its JSON: the object, the event it may hold, its place in the list
TAIL_BYTES = 1_000  # what a tail without records costs
FRESH_SECONDS = 0.25  # for so long "nothing new" is answered without asking the store


class Change(NamedTuple):
    """What one commit did to one log."""

    key: RunKey
    epoch: int
    status: Status
    log: str
    floor: int
    head: int
    records: list[Record]


class _Tail:
    """The last records of one log, and what was committed with them."""

    __slots__ = ("change", "checked", "cost", "records")

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.cost = 0
        self.checked = 0.0

    def take(self, change: Change, limit_bytes: int) -> int:
        """Add what was committed, and say by how much the cost of this tail changed."""
        before = self.cost
        self.cost = self.cost or TAIL_BYTES
        first = change.records[0].seq if change.records else change.head + 1
        if self.records and first != self.records[-1].seq + 1:  # another process wrote in between
            self.records, self.cost = [], TAIL_BYTES
        self.change = change
        self.checked = monotonic()
        self.records.extend(change.records)
        self.cost += sum(_cost(record) for record in change.records)
        if self.cost > limit_bytes:
            self._halve(limit_bytes)
        return self.cost - before

    def page(self, after: int, limit: int) -> Page | None:
        """Give a page from here, or None when the store must be asked."""
        change = self.change
        if not self.is_ours():
            return None
        if after == change.head:
            known = change.status == "ended" or monotonic() - self.checked < FRESH_SECONDS
            records: list[Record] = []
        else:
            first = self.records[0].seq if self.records else change.head + 1
            known = first <= after + 1 <= change.head
            records = self.records[after + 1 - first : after + 1 - first + max(limit, 0)] if known else []
        return Page(records, change.head, change.epoch, change.status, change.log, change.floor) if known else None

    def is_ours(self) -> bool:
        """Say whether no other process may have written since: not of a run that nobody runs, which any may claim."""
        return self.change.status in ("running", "ended")

    def _halve(self, limit_bytes: int) -> None:
        drop = 0
        while self.cost > limit_bytes // 2 and drop < len(self.records):
            self.cost -= _cost(self.records[drop])
            drop += 1
        del self.records[:drop]


class Tails:
    """All tails of one store, and the readers that wait.

    Args:
        one_bytes: Memory per log, at most.
        all_bytes: Memory in all, at most; the logs that were written longest ago go first.

    Attributes:
        call: Called when the first reader begins to wait for a log that another process may write.
    """

    def __init__(self, one_bytes: int = 1024 * 1024, all_bytes: int = 32 * 1024 * 1024) -> None:
        self.call: Callable[[], None] = lambda: None
        self._one_bytes = one_bytes
        self._all_bytes = all_bytes
        self._lock = Lock()
        self._tails: dict[RunKey, _Tail] = {}
        self._cost = 0
        self._here: dict[RunKey, Waiting] = {}
        self._abroad: dict[RunKey, Waiting] = {}
        self._news = False
        self._rooms = WaitingRooms()

    def page(self, key: RunKey, after: int, limit: int) -> Page | None:
        """Give a page from memory, or None when the store must be asked."""
        with self._lock:
            tail = self._tails.get(key)
            return None if tail is None else tail.page(after, limit)

    def publish(self, changes: Iterable[Change]) -> list[asyncio.Future[None]]:
        """Take in what was committed.

        Args:
            changes: In the order of the commit.

        Returns:
            Futures of the readers to wake; waking them is the caller's.
        """
        woken: list[asyncio.Future[None]] = []
        with self._lock:
            for change in changes:
                tail = self._tails.pop(change.key, None) or _Tail()
                self._tails[change.key] = tail  # again at the end: the one written last
                self._cost += tail.take(change, self._one_bytes)
                for waiting in (self._here, self._abroad):
                    woken.extend(waiting.pop(change.key, ()))
            while self._cost > self._all_bytes and len(self._tails) > 1:
                self._drop(next(iter(self._tails)))
        return woken

    def compare(self, key: RunKey, page: Page) -> None:
        """Take note of what the store says: a tail that is behind is forgotten, one that is not is good for a while."""
        with self._lock:
            tail = self._tails.get(key)
            if tail is None:
                return
            if (page.epoch, page.head) > (tail.change.epoch, tail.change.head):
                self._drop(key)
            else:
                tail.checked = monotonic()

    def forget(self, keys: Iterable[RunKey]) -> None:
        """Ask the store from now on: another process may write these logs, or they are gone."""
        with self._lock:
            for key in keys:
                if key in self._tails:
                    self._drop(key)

    async def wait(self, key: RunKey, after: int, timeout: float) -> None:
        """Wait until a log has more than `after`, at most `timeout` seconds."""
        first = False
        with self._lock:
            tail = self._tails.get(key)
            if tail is not None and tail.change.head > after:
                return
            here = tail is not None and tail.is_ours()
            if not here:
                first, self._news = not self._abroad, True
            side = self._here if here else self._abroad
            waiting = side.setdefault(key, {})
            room = self._rooms.here()
            future: asyncio.Future[None] = room.loop.create_future()
            waiting[future] = after
        if first:
            self.call()
        try:
            await room.rest(waiting, future, timeout)
        finally:
            with self._lock:
                for side in (self._here, self._abroad):
                    if side.get(key) is waiting and not waiting:
                        del side[key]

    def watched(self) -> bool:
        """Say whether somebody waits for a log that another process may write."""
        return bool(self._abroad)

    def watch_list(self, *, changed: bool) -> list[RunKey]:
        """Give the logs to look at.

        Args:
            changed: Whether another process has committed since the last time.

        Returns:
            Logs that readers wait for; none when nothing changed and nobody came since the last time.
        """
        with self._lock:
            wanted, self._news = changed or self._news, False
            return list(self._abroad) if wanted else []

    def seen(self, heads: Iterable[tuple[RunKey, int]]) -> list[asyncio.Future[None]]:
        """Give the futures of the readers that wait for less than these heads; waking them is the caller's."""
        woken: list[asyncio.Future[None]] = []
        with self._lock:
            for key, head in heads:
                waiting = self._abroad.get(key, {})
                woken.extend(future for future, after in waiting.items() if head > after)
        return woken

    def release(self) -> list[asyncio.Future[None]]:
        """Forget everything, and give the futures of all that wait."""
        with self._lock:
            woken = [future for side in (self._here, self._abroad) for waiting in side.values() for future in waiting]
            self._tails.clear()
            self._cost = 0
        return woken

    def _drop(self, key: RunKey) -> None:
        self._cost -= self._tails.pop(key).cost
        waiting = self._here.pop(key, None)
        if waiting:
            self._news = True
            self._abroad[key] = waiting


def _cost(record: Record) -> int:
    return len(record.data) + RECORD_BYTES
