"""Reading what the tables hold: rows, states, pages. Used by the writer inside its transaction and by the readers.

Whatever concerns many runs is one statement with one row as its answer: each step of SQLite gives up the interpreter
lock, and under a busy event loop getting it back takes up to 5 ms (measured: 100 appends, 1 statement each: 535 ms;
together: 93 ms).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, get_args

import apsw
import msgspec

from riverrun.base.errors import NotFound, StoreError
from riverrun.events.ending import Ending
from riverrun.events.record import Record
from riverrun.log.log import check_place
from riverrun.log.store import Page, RunFilter, RunKey, RunRow, Status
from riverrun.stores.batch import book_of, unpack
from riverrun.stores.checksum import batch_name, fits
from riverrun.stores.phrases import Book
from riverrun.stores.sqlite_file import SEQ_BITS, SEQ_MASK, rows

ROW = (
    "tenant, run, graph, thread, base_run, log, status, ending, epoch, head, created_ms, updated_ms, worker, "
    "lease_until_ms, id"
)

# CROSS JOIN fixes the order: the keys outside, one look-up in the index of the runs for each.
_STATES = """
SELECT json_group_array(json_array(k.key, r.id, r.epoch, r.head, r.status, r.log, r.floor, r.controls))
FROM json_each(?) AS k CROSS JOIN run AS r ON r.tenant = k.value ->> 0 AND r.run = k.value ->> 1
"""

_PAGE = f"""
SELECT r.head, r.epoch, r.status, r.log, r.floor, b.place, b.first_seq, b.epoch, b.body, b.crc
FROM run AS r LEFT JOIN batch AS b
  ON b.place > (r.id << {SEQ_BITS}) + ?3 AND b.place <= (r.id << {SEQ_BITS}) + {SEQ_MASK}
WHERE r.tenant = ?1 AND r.run = ?2
ORDER BY b.place
"""  # noqa: S608 two integers of ours

_ROW = f"SELECT {ROW} FROM run WHERE id = ?"  # noqa: S608 names of ours
_LAST = "SELECT place, epoch FROM batch WHERE place > ? AND place <= ? ORDER BY place DESC LIMIT 1"
_BODY = "SELECT body, crc, first_seq, epoch FROM batch WHERE place = ?"

# What is asked for becomes part of the query as one of these fixed texts; its value never does.
_CLAUSES = {
    "run": "run = :run",
    "graph": "graph = :graph",
    "status": "status = :status",
    "thread": "thread = :thread",
    "created_after_ms": "created_ms >= :created_after_ms",
    "created_before_ms": "created_ms < :created_before_ms",
    "before": "run < :before",
}
_ENDINGS = frozenset((None, *(ending.value for ending in Ending)))
_LARGEST = (1 << 63) - 1
_TIMES = {"created_after_ms", "created_before_ms"}
_STATUSES = frozenset(get_args(Status))


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
        Those that exist, and can be read.
    """
    try:
        found = db.execute(_STATES, (msgspec.json.encode(keys).decode(),)).get
        return {keys[index]: State(*state) for index, *state in msgspec.json.decode(found)}
    except (UnicodeError, msgspec.DecodeError):  # one of them is damaged: the others have nothing to do with it
        return {key: state for one in keys for key, state in states(db, [one]).items()} if len(keys) > 1 else {}


def row_of(values: tuple[Any, ...]) -> RunRow:
    """Make a row of what stands in the columns `ROW`.

    Args:
        values: In their order.

    Returns:
        The row.

    Raises:
        StoreError: E4003, the row is damaged.
    """
    tenant, run, graph, thread, base_run, log, status, ending, epoch, head, created, updated, worker, until, _ = values
    if status not in _STATUSES or ending not in _ENDINGS:
        raise damaged(run, f"it is said to be {status!r}, {ending!r}")
    return RunRow(
        key=RunKey(tenant, run),
        graph=graph,
        thread=thread,
        base_run=base_run,
        log=log,
        status=status,
        ending=ending,
        epoch=epoch,
        head=head,
        created_ms=created,
        updated_ms=updated,
        worker=worker,
        lease_until_ms=until,
    )


class Shelf:
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
        """Give the book of the batch that ends at a seq.

        Raises:
            ValueError: There is none.
        """
        book = self._books.get(seq)
        if book is None:
            # Beyond the mask it would be a place of another run.
            found = rows(self._db, _BODY, (self.run + seq,)) if 0 <= seq <= SEQ_MASK else []
            for body, crc, first_seq, epoch in found:
                if fits(crc, batch_name(self.run + seq, first_seq, epoch), body):
                    book = self._books[seq] = book_of(body)
            if book is None:
                raise ValueError("there is no batch with these phrases")
        return book


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
    cursor = db.execute(_PAGE, (*key, min(max(after, 0), SEQ_MASK)))
    page: Page | None = None
    shelf = Shelf(db)
    try:
        for head, epoch, status, log, floor, *batch in cursor:
            _check_row(key.run, head, status, batch)
            if page is None:
                check_place(after, head, floor)
                page = Page([], head, epoch, status, log, floor)
            if batch[0] is None or len(page.records) >= limit:
                break
            place = page.records[-1].seq if page.records else after
            room = limit - len(page.records)
            page.records.extend(records_of(key.run, batch, shelf, place + 1, place + room))
            if batch[2] > epoch:
                raise damaged(key.run, f"its row says epoch {epoch}, and there are events of epoch {batch[2]}")
    except UnicodeError as error:
        raise damaged(key.run, f"its row is not text: {error}") from None
    finally:
        cursor.close()
    if page is None:
        raise NotFound("E2005", f"there is no run {key.run!r}")
    if not page.records and after < page.head and limit > 0:
        raise damaged(key.run, f"its log has a hole after {after}")
    return page


def _check_row(run: str, head: int, status: str, batch: Sequence[Any]) -> None:
    """Hold the row of a run against its log, so that it needs no checksum of its own, which each append would pay."""
    if status not in _STATUSES:
        raise damaged(run, f"it is said to be {status!r}")
    if batch[0] is not None and batch[0] & SEQ_MASK > head:
        raise damaged(run, f"its row says that it ends at {head}, and there is event {batch[0] & SEQ_MASK}")


def is_whole(db: apsw.Connection, run_id: int, head: int, epoch: int) -> bool:
    """Say whether the row of a run and its log agree where it ends.

    Args:
        db: Any connection.
        run_id: Number of the run.
        head: As its row says.
        epoch: As its row says.

    Returns:
        Whether they do.
    """
    first = run_id << SEQ_BITS
    found = rows(db, _LAST, (first, first + SEQ_MASK))
    return bool(found) and found[0][0] == first + head and found[0][1] <= epoch


def records_of(run: str, batch: Sequence[Any], shelf: Shelf, begin: int, end: int) -> list[Record]:
    """Take events out of a row of the batches.

    Args:
        run: Id of the run, to be named in errors.
        batch: place, first_seq, epoch, body and crc, as they stand in the row.
        shelf: Where the books of the run are.
        begin: seq of the first event that is wanted.
        end: seq of the last one; what lies beyond the row is not there.

    Returns:
        The records.

    Raises:
        StoreError: E4003, the row is damaged, or does not hold the first one.
    """
    last, first_seq, epoch, body, crc = batch
    last_seq = last & SEQ_MASK
    if not fits(crc, batch_name(last, first_seq, epoch), body):
        raise damaged(run, f"events {first_seq}..{last_seq} are not what was written")
    if not first_seq <= begin <= last_seq:
        raise damaged(run, f"its log has a hole after {begin - 1}")
    shelf.run = last - last_seq
    try:
        return unpack(first_seq, last_seq, body, shelf, begin, end)
    except StoreError as error:
        raise damaged(run, error.message) from None


def damaged(run: str, what: str) -> StoreError:
    """Say that something of a run cannot be read.

    Args:
        run: Its id.
        what: Which part, with its seqs.

    Returns:
        What to raise.
    """
    mend = "Restore the file from a copy; other runs in it can still be read."
    return StoreError("E4003", f"run {run} is damaged: {what}", mend=mend)


def list_rows(db: apsw.Connection, tenant: str, choice: RunFilter) -> list[RunRow]:
    """Read rows of a tenant's runs, newest first.

    A row that is damaged is left out, unless it is the one that was asked for.

    Args:
        db: A reader's connection.
        tenant: Whose runs.
        choice: Which of them.

    Returns:
        The rows.

    Raises:
        StoreError: E4003, the run that was asked for is damaged.
    """
    asked = {name: value for name in _CLAUSES if (value := getattr(choice, name)) is not None}
    where = "".join(f" AND {_CLAUSES[name]}" for name in asked)
    # Where there is a time, the index that has it at hand, so that only what fits is looked up.
    index = " INDEXED BY run_by_time" if asked.keys() & _TIMES and "thread" not in asked else ""
    chosen = f"FROM run{index} WHERE tenant = :tenant{where} ORDER BY run DESC LIMIT :limit"
    wanted = {"tenant": tenant, "limit": max(choice.limit, 0), **asked}
    within = {name: _within(value) if isinstance(value, int) else value for name, value in wanted.items()}
    try:
        return [row_of(values) for values in db.execute(f"SELECT {ROW} {chosen}", within)]
    except (UnicodeError, StoreError):
        found = [row_at(db, run_id) for (run_id,) in rows(db, f"SELECT id {chosen}", within)]
    if choice.run is not None and None in found:
        raise damaged(choice.run, "its row does not say what it must")
    return [row for row in found if row is not None]


def row_at(db: apsw.Connection, run_id: int) -> RunRow | None:
    """Read the row of one run; None when it is damaged."""
    try:
        return next((row_of(values) for values in rows(db, _ROW, (run_id,))), None)
    except (UnicodeError, StoreError):
        return None


def _within(number: int) -> int:
    """Bring a number into what SQLite can compare; beyond that all are as large."""
    return min(max(number, -_LARGEST), _LARGEST)
