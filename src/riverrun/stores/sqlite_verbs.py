"""The rarer writes, each as the work of one request: create, claim, renew, control.

Each looks before it writes: what it refuses leaves nothing behind in the common transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import apsw
import msgspec

from riverrun.base.errors import InputError, NotFound
from riverrun.events.codec import decode, encode
from riverrun.events.kinds import Event, RunStarted, RunTakenOver
from riverrun.events.record import Record
from riverrun.log.log import check_repeat, check_thread, ending_of, status_at_birth, wakes
from riverrun.log.store import Control, Created, Held, Renewal, RunKey, RunRow
from riverrun.stores.batch import pack
from riverrun.stores.checksum import batch_name, checksum, fits
from riverrun.stores.phrases import Books
from riverrun.stores.sqlite_file import place, rows
from riverrun.stores.sqlite_rows import ROW, Shelf, is_whole, records_of, row_at, row_of, states
from riverrun.stores.sqlite_writer import Done
from riverrun.stores.tails import Change

Work = Callable[[apsw.Connection, int], Done[Any]]

PREFIX_EVENTS = 1_000  # of one batch, where a log is written at once: what a page reads too much at most
DAMAGED = "damaged"  # kind of a control that can no longer be read

_KNOWN = f"SELECT {ROW} FROM run WHERE tenant = ?1 AND run = ?2"  # noqa: S608 names of ours
_BY_IDEM_KEY = f"SELECT {ROW} FROM run WHERE tenant = ?1 AND idem_key = ?2"  # noqa: S608 names of ours
_INSERT_RUN = f"""
INSERT INTO run (tenant, run, graph, thread, base_run, log, status, ending, epoch, head, created_ms, updated_ms, worker,
  lease_until_ms, idem_key)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING {ROW}
"""  # noqa: S608 names of ours
_INSERT_BATCH = "INSERT INTO batch (place, first_seq, epoch, body, crc) VALUES (?, ?, ?, ?, ?)"
_CONTROL = "SELECT n, kind, payload, idem_key, crc FROM control WHERE run = ?"
_CONTROL_BY_KEY = f"{_CONTROL} AND idem_key = ?"
_CONTROLS = f"{_CONTROL} AND n > ? ORDER BY n"
_IN_THREAD = "SELECT run FROM run WHERE tenant = ? AND thread = ? AND status <> 'ended' ORDER BY id LIMIT 1"
_FREE = """
SELECT r.id, r.status FROM run AS r
WHERE r.status IN ('queued', 'running') AND (r.status = 'queued' OR r.lease_until_ms <= ?1)
  AND r.graph IN (SELECT value FROM json_each(?2)) AND r.id > ?4
  AND NOT (r.status = 'queued' AND r.thread IS NOT NULL AND EXISTS (
    SELECT 1 FROM run AS o
    WHERE o.tenant = r.tenant AND o.thread = r.thread AND o.thread IS NOT NULL AND o.status <> 'ended' AND o.id < r.id
  ))
ORDER BY r.id LIMIT ?3
"""
_FIRST_BATCH = "SELECT place, first_seq, epoch, body, crc FROM batch WHERE place > ? ORDER BY place LIMIT 1"
_OWN = f"""
UPDATE run SET status = 'running', epoch = epoch + 1, head = head + ?5, worker = ?2, lease_until_ms = ?3,
  updated_ms = ?4
WHERE id = ?1 RETURNING {ROW}
"""  # noqa: S608 names of ours


class Wanted(NamedTuple):
    """What `LogStore.create` was asked for, beside the events.

    Attributes:
        tenant: Whose run it is.
        idem_key: Of this call.
        worker: The first owner.
        lease_ms: How long its claim lasts.
        one_per_thread: Refuse when the thread has an unfinished run.
    """

    tenant: str
    idem_key: str | None = None
    worker: str | None = None
    lease_ms: int = 0
    one_per_thread: bool = False


def create(
    wanted: Wanted, started: RunStarted, prefix: Sequence[Event] = ()
) -> Callable[[apsw.Connection, int], Done[Created]]:
    """Prepare `LogStore.create`.

    Args:
        wanted: What is asked for.
        started: The first event.
        prefix: The others.

    Returns:
        The work.

    Raises:
        NodeError: E3008, an event is not JSON.
        HeadMoved: E4005, the events do not continue each other.
    """
    tenant, idem_key, worker, lease_ms, one_per_thread = wanted
    status = status_at_birth(started, prefix, owned=worker is not None)
    ending = ending_of(prefix[-1] if prefix else started)
    line = encode(started)
    batches = [(1, 1, line), *_packed(RunKey(tenant, started.run), prefix)]
    base_run = None if started.base is None else started.base.run

    def work(db: apsw.Connection, now_ms: int) -> Done[Created]:
        known = rows(db, _BY_IDEM_KEY, (tenant, idem_key)) or rows(db, _KNOWN, (tenant, started.run))
        if known:
            row = row_of(known[0])
            _check_repeat(db, row.key, known[0][-1], line)
            return Done(Created(row, fresh=False))
        if one_per_thread and started.thread is not None:
            for (unfinished,) in rows(db, _IN_THREAD, (tenant, started.thread)):
                check_thread(started.thread, unfinished)
        owned = worker is not None
        values = (
            *(tenant, started.run, started.graph, started.thread, base_run, started.log, status),
            *(None if ending is None else ending.value, int(owned), 1 + len(prefix), now_ms, now_ms, worker),
            *(now_ms + lease_ms if owned else 0, idem_key),
        )
        (inserted,) = rows(db, _INSERT_RUN, values)
        row, run_id = row_of(inserted), inserted[-1]
        for first_seq, last_seq, body in batches:
            _put(db, place(run_id, last_seq), first_seq, row.epoch, body)
        # Of a run that begins with a log of its own, the tail is read from the file: nobody has waited for it.
        told = (_change(row, [Record(1, started, line)]),) if owned and not prefix else ()
        return Done(Created(row, fresh=True), told)

    return work


def _packed(key: RunKey, events: Sequence[Event]) -> list[tuple[int, int, bytes]]:
    """Make batches of events that are written at once, each with its first and last seq, and none too large to read."""
    books = Books()
    parts = [events[begin : begin + PREFIX_EVENTS] for begin in range(0, len(events), PREFIX_EVENTS)]
    return [(part[0].seq, part[-1].seq, pack(key, part, books).body()) for part in parts]


def _put(db: apsw.Connection, at: int, first_seq: int, epoch: int, body: bytes) -> None:
    db.execute(_INSERT_BATCH, (at, first_seq, epoch, body, checksum(batch_name(at, first_seq, epoch), body)))


def claim(
    worker: str, graphs: frozenset[str], limit: int, lease_ms: int
) -> Callable[[apsw.Connection, int], Done[list[RunRow]]]:
    """Prepare `LogStore.claim`."""
    names = msgspec.json.encode(sorted(graphs)).decode()

    def work(db: apsw.Connection, now_ms: int) -> Done[list[RunRow]]:
        changes = []
        taken = []
        for run_id, status in _free(db, now_ms, names, limit):
            was_running = status == "running"
            (owned,) = rows(db, _OWN, (run_id, worker, now_ms + lease_ms, now_ms, int(was_running)))
            row = row_of(owned)
            records = []
            if was_running:
                event = RunTakenOver(seq=row.head, ts=now_ms, run=row.key.run, epoch=row.epoch, worker=worker)
                records = [Record(event.seq, event, encode(event))]
                _put(db, place(run_id, row.head), row.head, row.epoch, records[0].data)
            taken.append(row)
            changes.append(_change(row, records))
        return Done(taken, changes)

    return work


def _free(db: apsw.Connection, now_ms: int, names: str, limit: int) -> list[tuple[int, str]]:
    """Find runs that can be claimed; one whose row is damaged, or not that of its log, is passed over."""
    found: list[tuple[int, str]] = []
    after = 0
    while len(found) < limit and (more := rows(db, _FREE, (now_ms, names, limit - len(found), after))):
        for run_id, status in more:
            row = row_at(db, run_id)
            if row is not None and is_whole(db, run_id, row.head, row.epoch):
                found.append((run_id, status))
        after = more[-1][0]
    return found


def renew(held: list[Held], lease_ms: int) -> Callable[[apsw.Connection, int], Done[Renewal]]:
    """Prepare `LogStore.renew`."""

    def work(db: apsw.Connection, now_ms: int) -> Done[Renewal]:
        now = states(db, [key for key, _, _ in held])
        lost = [key for key, epoch, _ in held if key not in now or now[key].epoch != epoch]
        mine = [(now[key], key, seen) for key, epoch, seen in held if key in now and now[key].epoch == epoch]
        live = msgspec.json.encode([state.id for state, _, _ in mine if state.status != "ended"]).decode()
        until_ms = now_ms + lease_ms
        db.execute("UPDATE run SET lease_until_ms = ? WHERE id IN (SELECT value FROM json_each(?))", (until_ms, live))
        controls = {key: _controls(db, state.id, seen) for state, key, seen in mine if state.controls > seen}
        return Done(Renewal(lost, controls), strange=lost)

    return work


def control(
    key: RunKey, kind: str, payload: dict[str, Any], idem_key: str | None
) -> Callable[[apsw.Connection, int], Done[Control]]:
    """Prepare `LogStore.control`.

    Raises:
        InputError: E2002, the payload is not JSON.
    """
    try:
        body = msgspec.json.encode(payload)
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise InputError("E2002", f"the payload of a {kind!r} is not JSON: {error}") from None

    def work(db: apsw.Connection, now_ms: int) -> Done[Control]:
        state = states(db, [key]).get(key)
        if state is None:
            raise NotFound("E2005", f"there is no run {key.run!r}")
        if idem_key is not None:
            for values in rows(db, _CONTROL_BY_KEY, (state.id, idem_key)):
                return Done(_control(state.id, *values))
        if state.status == "ended":
            raise InputError("E2009", f"run {key.run} has ended")
        n = state.controls + 1
        crc = checksum(_control_name(state.id, n, kind, idem_key), body)
        db.execute("INSERT INTO control (run, n, kind, payload, idem_key, crc) VALUES (?, ?, ?, ?, ?, ?)",
                   (state.id, n, kind, body, idem_key, crc))  # fmt: skip
        db.execute("UPDATE run SET controls = ? WHERE id = ?", (n, state.id))
        woken = state.status == "parked" and wakes(kind)
        if woken:
            db.execute("UPDATE run SET status = 'queued', updated_ms = ? WHERE id = ?", (now_ms, state.id))
        # From now on any process may go on with it: its tail here may be old at any time.
        return Done(Control(n=n, kind=kind, payload=msgspec.json.decode(body)), strange=[key] if woken else ())

    return work


def _check_repeat(db: apsw.Connection, key: RunKey, run_id: int, line: bytes) -> None:
    shelf = Shelf(db)
    for batch in rows(db, _FIRST_BATCH, (place(run_id, 0),)):
        # Both from their JSON, so that a tuple in the one and a list in the other are no difference.
        first, again = records_of(key.run, batch, shelf, 1, 1)[0].event, decode(line)
        if isinstance(first, RunStarted) and isinstance(again, RunStarted):
            check_repeat(first, again)


def _controls(db: apsw.Connection, run_id: int, seen: int) -> list[Control]:
    return [_control(run_id, *values) for values in rows(db, _CONTROLS, (run_id, seen))]


def _control(run_id: int, n: int, kind: str, body: bytes, idem_key: str | None, crc: int | None) -> Control:
    """Give a control as it was put. What is damaged is told, not raised: the renewal of other runs must not fail."""
    if fits(crc, _control_name(run_id, n, kind, idem_key), body):
        with suppress(msgspec.DecodeError, UnicodeError, RecursionError):
            return Control(n=n, kind=kind, payload=msgspec.json.decode(body, type=dict[str, Any]))
    return Control(n=n, kind=DAMAGED, payload={})


def _control_name(run_id: int, n: int, kind: str, idem_key: str | None) -> bytes:
    return msgspec.json.encode((run_id, n, kind, idem_key))


def _change(row: RunRow, records: list[Record]) -> Change:
    return Change(row.key, row.epoch, row.status, row.log, 0, row.head, records)
