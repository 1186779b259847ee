"""Reading what the tables hold: rows, states, pages. Used by the writer inside its transaction and by the readers.

Whatever concerns many runs is one statement with one row as its answer: each step of SQLite gives up the interpreter
lock, and under a busy event loop getting it back takes up to 5 ms (measured: 100 appends, 1 statement each: 535 ms;
together: 93 ms).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import apsw
import msgspec

from riverrun.base.errors import NotFound, StoreError
from riverrun.log.log import check_place
from riverrun.log.store import Page, RunFilter, RunKey, RunRow, Status
from riverrun.stores.batch import book_of, unpack
from riverrun.stores.phrases import Book
from riverrun.stores.sqlite_file import SEQ_BITS, SEQ_MASK, rows

ROW = "tenant, run, graph, thread, log, status, ending, epoch, head, created_ms, updated_ms, worker, lease_until_ms, id"

# CROSS JOIN fixes the order: the keys outside, one look-up in the index of the runs for each.
_STATES = """
SELECT json_group_array(json_array(k.key, r.id, r.epoch, r.head, r.status, r.log, r.floor, r.controls))
FROM json_each(?) AS k CROSS JOIN run AS r ON r.tenant = k.value ->> 0 AND r.run = k.value ->> 1
"""

_PAGE = f"""
SELECT r.head, r.epoch, r.status, r.log, r.floor, b.place, b.first_seq, b.body
FROM run AS r LEFT JOIN batch AS b
  ON b.place > (r.id << {SEQ_BITS}) + ?3 AND b.place <= (r.id << {SEQ_BITS}) + r.head
WHERE r.tenant = ?1 AND r.run = ?2
ORDER BY b.place
"""  # noqa: S608 two integers of ours

_BODY = "SELECT body FROM batch WHERE place = ?"

_LIST = f"""
SELECT {ROW} FROM run
WHERE tenant = :tenant
  AND (:run IS NULL OR run = :run)
  AND (:graph IS NULL OR graph = :graph)
  AND (:status IS NULL OR status = :status)
  AND (:before IS NULL OR run < :before)
ORDER BY run DESC LIMIT :limit
"""  # noqa: S608 names of ours


class State(NamedTuple):
    """What the rules need to know of a run."""

    id: int
    epoch: int
    head: int
    status: Status
    log: str
    floor: int
    controls: int


def states(db: apsw.Connection, keys: list[RunKey]) -> dict[RunKey, State]:
    """Look up many runs in one step.

    Args:
        db: Any connection.
        keys: Of the runs.

    Returns:
        Those that exist.
    """
    found = db.execute(_STATES, (msgspec.json.encode(keys).decode(),)).get
    return {keys[index]: State(*state) for index, *state in msgspec.json.decode(found)}


def row_of(values: tuple[Any, ...]) -> RunRow:
    """Make a row of what stands in the columns `ROW`."""
    tenant, run, graph, thread, log, status, ending, epoch, head, created_ms, updated_ms, worker, until_ms, _ = values
    return RunRow(
        key=RunKey(tenant, run),
        graph=graph,
        thread=thread,
        log=log,
        status=status,
        ending=ending,
        epoch=epoch,
        head=head,
        created_ms=created_ms,
        updated_ms=updated_ms,
        worker=worker,
        lease_until_ms=until_ms,
    )


def read_page(db: apsw.Connection, key: RunKey, after: int, limit: int) -> Page:
    """Read events and what goes with them in one statement, so that all are of one moment.

    Args:
        db: A reader's connection.
        key: Which run.
        after: seq of the last event that the reader has.
        limit: At most this many events.

    Returns:
        The page.

    Raises:
        NotFound: E2005.
        CursorError: E2006, E4007, E2007.
        StoreError: E4003, the file is damaged.
    """
    cursor = db.execute(_PAGE, (*key, max(after, 0)))
    page: Page | None = None
    book_at = _Shelf(db)
    try:
        for head, epoch, status, log, floor, last, first_seq, body in cursor:
            if page is None:
                check_place(after, head, floor)
                page = Page([], head, epoch, status, log, floor)
            if body is None or len(page.records) >= limit:
                break
            last_seq = last & SEQ_MASK
            book_at.run = last - last_seq
            records = unpack(first_seq, last_seq, body, book_at)
            place = page.records[-1].seq if page.records else after
            if not first_seq <= place + 1 <= last_seq:
                raise StoreError("E4003", f"the log of run {key.run} has a hole after {place}")
            page.records.extend(records[place + 1 - first_seq :] if place + 1 > first_seq else records)
    finally:
        cursor.close()
    if page is None:
        raise NotFound("E2005", f"there is no run {key.run!r}")
    if not page.records and after < page.head and limit > 0:
        raise StoreError("E4003", f"the log of run {key.run} has a hole after {after}")
    del page.records[max(limit, 0) :]
    return page


class _Shelf:
    """The books that the batches of one run refer to, each read once, of the same moment as the batches.

    Args:
        db: The connection that reads the batches.

    Attributes:
        run: Place of the run: what its batches have in common.
    """

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._books: dict[int, Book] = {}
        self.run = 0

    def __call__(self, seq: int) -> Book:
        book = self._books.get(seq)
        if book is None:
            # Beyond the mask it would be a place of another run.
            found = rows(self._db, _BODY, (self.run + seq,)) if 0 <= seq <= SEQ_MASK else []
            if not found:
                raise ValueError("there is no batch with these phrases")
            book = self._books[seq] = book_of(found[0][0])
        return book


def list_rows(db: apsw.Connection, tenant: str, choice: RunFilter) -> list[RunRow]:
    """Read rows of a tenant's runs, newest first.

    Args:
        db: A reader's connection.
        tenant: Whose runs.
        choice: Which of them.

    Returns:
        The rows.
    """
    wanted = {
        "tenant": tenant,
        "run": choice.run,
        "graph": choice.graph,
        "status": choice.status,
        "before": choice.before,
        "limit": max(choice.limit, 0),
    }
    return [row_of(values) for values in db.execute(_LIST, wanted)]
