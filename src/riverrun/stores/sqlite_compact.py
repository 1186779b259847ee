"""Joining the batches of runs that have ended into few small rows, in portions that hold no writer up.

Rules of this file (`docs/decisions/012-compaction.md`):

* A reader's thread reads and packs, because the log of a run that has ended never changes; the writer only changes
  rows, after a look whether they are still the same.
* From the end of a log to its beginning: a batch may name an earlier one that has its phrases, never a later one. So
  the log is whole after every commit, and a run that was left halfway is gone on with.
* Batches of two epochs are never joined (L4).
* What is damaged stays as it is, and so does what stands before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import apsw

from riverrun.base.errors import StoreError
from riverrun.events.record import Record
from riverrun.log.store import RunKey
from riverrun.stores.batch import is_compact, smallest
from riverrun.stores.checksum import batch_name, checksum
from riverrun.stores.sqlite_file import SEQ_MASK, place, rows
from riverrun.stores.sqlite_rows import Shelf, records_of
from riverrun.stores.sqlite_writer import Done

ROW_EVENTS = 2_000  # of one row; also how many rows one commit removes, at most
ROW_BYTES = 1024 * 1024  # of JSON, of one row

_ENDED = """
SELECT updated_ms, id, tenant, run FROM run
WHERE status = 'ended' AND compacted = 0 AND updated_ms < ?1 AND (updated_ms, id) > (?2, ?3)
ORDER BY updated_ms, id LIMIT 100
"""
_BACKWARDS = """
SELECT place, first_seq, epoch, body, crc FROM batch WHERE place > ?1 AND place <= ?2 ORDER BY place DESC
"""
_SAME = "SELECT count(*), min(first_seq) FROM batch WHERE place > ? AND place <= ?"
_DELETE = "DELETE FROM batch WHERE place > ? AND place <= ?"
_INSERT = "INSERT INTO batch (place, first_seq, epoch, body, crc) VALUES (?, ?, ?, ?, ?)"
_FINISH = "UPDATE run SET compacted = 1 WHERE id = ? AND status = 'ended' AND compacted = 0 RETURNING id"


class Ended(NamedTuple):
    """A run whose batches may be joined: when it ended, its number, and its name."""

    ended_ms: int
    id: int
    key: RunKey


class Portion(NamedTuple):
    """Rows to be put in the place of others.

    Attributes:
        first_seq: Of the rows that go.
        last_seq: Of them.
        old: How many they are.
        rows: What comes in their place: first and last seq, epoch, body; none of them needs another row.
    """

    first_seq: int
    last_seq: int
    old: int
    rows: list[tuple[int, int, int, bytes]]


def compactable(db: apsw.Connection, ended_before_ms: int, after: tuple[int, int]) -> list[Ended]:
    """Look for runs that have ended and whose batches were not joined.

    Args:
        db: A reader's connection.
        ended_before_ms: Milliseconds since the Unix epoch.
        after: When the last one that was given before had ended, and its number; or less than any.

    Returns:
        Some, in the order in which they ended; empty when there are no more.
    """
    found = rows(db, _ENDED, (ended_before_ms, *after))
    return [Ended(ended, run_id, RunKey(tenant, run)) for ended, run_id, tenant, run in found]


def next_portion(db: apsw.Connection, ended: Ended, below: int) -> Portion | None:
    """Join the last batches of a run that were not joined.

    Args:
        db: A reader's connection.
        ended: The run.
        below: seq behind the last event that is looked at.

    Returns:
        What to write; None when the beginning of the log is reached, or what cannot be read.
    """
    shelf = Shelf(db)
    shelf.run = place(ended.id, 0)
    taken: list[list[Record]] = []
    first_seq = last_seq = epoch = size = size_bytes = 0
    cursor = db.execute(_BACKWARDS, (shelf.run, shelf.run + below - 1))
    try:
        for batch in cursor:
            done = is_compact(batch[3])
            if taken and (done or batch[2] != epoch or size >= ROW_EVENTS or size_bytes >= ROW_BYTES):
                break
            if not done:
                records = records_of(ended.key.run, batch, shelf, batch[1], SEQ_MASK)
                taken.append(records)
                first_seq, epoch = batch[1], batch[2]
                last_seq = last_seq or batch[0] & SEQ_MASK
                size, size_bytes = size + len(records), size_bytes + sum(len(record.data) for record in records)
    except StoreError:
        return None
    finally:
        cursor.close()
    if not taken:
        return None
    joined = [record for records in reversed(taken) for record in records]
    return Portion(first_seq, last_seq, len(taken), _packed(joined, epoch))


def replace(ended: Ended, portion: Portion | None) -> Callable[[apsw.Connection, int], Done[bool]]:
    """Prepare the write of a portion.

    Args:
        ended: The run.
        portion: As it was packed; None: the run is done.

    Returns:
        The work; it says whether it did something: nothing when another process was faster, or the run is gone.
    """

    def work(db: apsw.Connection, _now_ms: int) -> Done[bool]:
        if portion is None:
            return Done(bool(rows(db, _FINISH, (ended.id,))))
        between = (place(ended.id, portion.first_seq - 1), place(ended.id, portion.last_seq))
        if [(portion.old, portion.first_seq)] != rows(db, _SAME, between):
            return Done(answer=False)
        db.execute(_DELETE, between)
        for first_seq, last_seq, epoch, body in portion.rows:
            at = place(ended.id, last_seq)
            db.execute(_INSERT, (at, first_seq, epoch, body, checksum(batch_name(at, first_seq, epoch), body)))
        return Done(answer=True)

    return work


def _packed(records: list[Record], epoch: int) -> list[tuple[int, int, int, bytes]]:
    made, part, size_bytes = [], list[Record](), 0
    for record in records:
        if part and (len(part) >= ROW_EVENTS or size_bytes + len(record.data) > ROW_BYTES):
            made.append(part)
            part, size_bytes = [], 0
        part.append(record)
        size_bytes += len(record.data)
    return [(one[0].seq, one[-1].seq, epoch, smallest(one)) for one in (*made, part)]
