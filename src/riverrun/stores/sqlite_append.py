"""The owner's write, for all runs of a group at once: three statements, however many appends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw
import msgspec

from riverrun.base.errors import NotFound, RiverrunError
from riverrun.events.kinds import Event
from riverrun.events.record import Record
from riverrun.log.log import WAKING, check_append, ending_of, status_after
from riverrun.log.store import RunKey
from riverrun.stores.batch import pack
from riverrun.stores.checksum import batch_name, checksum
from riverrun.stores.phrases import Book, Books
from riverrun.stores.sqlite_file import place, rows
from riverrun.stores.sqlite_rows import State, states
from riverrun.stores.sqlite_writer import Done, Request
from riverrun.stores.tails import Change

# Rows of numbers as JSON, all bodies as one blob: one step each, see `sqlite_rows`.
_INSERT = """
INSERT INTO batch (place, first_seq, epoch, crc, body)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, substr(?2, value ->> 4, value ->> 5) FROM json_each(?1)
"""
_UPDATE = """
UPDATE run SET head = j.value ->> 1, status = j.value ->> 2, ending = j.value ->> 3, lease_until_ms = j.value ->> 4,
  updated_ms = ?2
FROM json_each(?1) AS j WHERE run.id = j.value ->> 0
"""
_UNHEARD = f"SELECT 1 FROM control WHERE run = ? AND n > ? AND kind IN {WAKING!r} LIMIT 1"  # noqa: S608 names of ours


class Append(Request[int]):
    """One append that waits for its commit.

    Args:
        key: Which run.
        epoch: The owner's fencing number.
        expected_seq: The head as the owner knows it.
        events: What to append; encoded here, so that what is not JSON is refused before anything is written.
        lease_ms: How long the renewed lease lasts.
        books: Of the store.
        controls_seen: `n` of the last control that the owner took; None: it does not ask.
    """

    __slots__ = ("controls_seen", "epoch", "events", "expected_seq", "key", "lease_ms", "packed")

    def __init__(
        self,
        key: RunKey,
        epoch: int,
        expected_seq: int,
        events: list[Event],
        lease_ms: int,
        books: Books,
        controls_seen: int | None = None,
    ) -> None:
        self.packed = pack(key, events, books)
        super().__init__(_alone, keys=(key,), size_bytes=len(self.packed.text))
        self.key = key
        self.epoch = epoch
        self.expected_seq = expected_seq
        self.events = events
        self.lease_ms = lease_ms
        self.controls_seen = controls_seen

    def judge(self, state: State | None, unheard: Callable[[int, int], bool]) -> State:
        """Apply the rules, and say what the run is like afterwards.

        Args:
            state: The run as it is; None when there is none.
            unheard: Says whether a run, by its number, has a control that wakes it behind the n-th one.

        Returns:
            The run as it will be.

        Raises:
            Fenced: E4004, the epoch is old.
            HeadMoved: E4005, the head is not where it was expected.
            InputError: E2009, the log has its terminal event.
            NotFound: E2005.
        """
        if state is None:
            raise NotFound("E2005", f"there is no run {self.key.run!r}")
        check_append(state.epoch, state.head, state.status, self.epoch, self.expected_seq, self.events)
        last = self.events[-1]
        status = status_after(last)
        seen = self.controls_seen
        if status == "parked" and seen is not None and state.controls > seen and unheard(state.id, seen):
            status = "queued"
        after = state._replace(head=last.seq, status=status)
        records = list(map(Record, range(state.head + 1, last.seq + 1), self.events, self.packed.lines))
        change = Change(self.key, after.epoch, after.status, after.log, after.floor, after.head, records)
        self.done = Done(after.head, (change,))
        return after


class Appender:
    """Carries out all appends of a group, each by the rules (`sqlite_writer.Bulk`).

    It knows which phrases the batches of a run have last brought along, so that the next ones only name the place. That
    must never be a place that is not there: what a transaction wrote is forgotten with it.

    Args:
        db: The writer's connection.
        limit: For how many runs it knows that.
    """

    def __init__(self, db: apsw.Connection, limit: int = 4096) -> None:
        self._limit = limit
        self._known: dict[int, tuple[Book, int]] = {}
        db.set_rollback_hook(self._known.clear)

    def __call__(self, db: apsw.Connection, now_ms: int, group: list[Request[Any]]) -> list[Request[Any]]:
        """Carry out the appends.

        Args:
            db: The writer's connection, in its transaction.
            now_ms: Time of the store, in milliseconds since the Unix epoch.
            group: Requests of all kinds.

        Returns:
            Those that are not appends, still to be done.
        """
        appends = [request for request in group if isinstance(request, Append)]
        if not appends:
            return group

        def unheard(run_id: int, seen: int) -> bool:
            return bool(rows(db, _UNHEARD, (run_id, seen)))

        now = states(db, list({append.key: None for append in appends}))
        batches, runs, bodies, offset = [], {}, [], 1
        for append in appends:
            try:
                before = now.get(append.key)
                now[append.key] = state = append.judge(before, unheard)
            except RiverrunError as error:
                append.error = error
                continue
            ending, body = ending_of(append.events[-1]), self._body(append, state)
            names = (place(state.id, state.head), append.expected_seq + 1, state.epoch)
            batches.append((*names, checksum(batch_name(*names), body), offset, len(body)))
            runs[state.id] = (
                state.id,
                state.head,
                state.status,
                None if ending is None else ending.value,
                now_ms + append.lease_ms,
            )
            bodies.append(body)
            offset += len(body)
        if batches:
            db.execute(_INSERT, (msgspec.json.encode(batches).decode(), b"".join(bodies)))
            db.execute(_UPDATE, (msgspec.json.encode(list(runs.values())).decode(), now_ms))
        return [request for request in group if not isinstance(request, Append)]

    def _body(self, append: Append, state: State) -> bytes:
        book = append.packed.book
        if book is None:
            return append.packed.text
        known, seq = self._known.pop(state.id, (None, 0))
        known_at = seq if known is book else None
        self._known[state.id] = (book, state.head if known_at is None else known_at)
        while len(self._known) > self._limit:
            del self._known[next(iter(self._known))]
        return append.packed.body(known_at)


def _alone(_db: apsw.Connection, _now_ms: int) -> Done[int]:
    raise AssertionError("appends are carried out together, by the Appender")
