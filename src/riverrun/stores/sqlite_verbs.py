"""The rarer writes, each as the work of one request: create, claim, renew, control, sweep.

Each looks before it writes: what it refuses leaves nothing behind in the common transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw
import msgspec

from riverrun.base.errors import InputError, NotFound
from riverrun.events.codec import decode, encode
from riverrun.events.kinds import RunStarted, RunTakenOver
from riverrun.events.record import Record
from riverrun.log.log import check_repeat
from riverrun.log.store import Control, Created, Held, Renewal, RunKey, RunRow
from riverrun.stores.sqlite_file import SEQ_MASK, place, rows
from riverrun.stores.sqlite_rows import ROW, row_of, states
from riverrun.stores.sqlite_writer import Done
from riverrun.stores.tails import Change

Work = Callable[[apsw.Connection, int], Done[Any]]

SWEEP_RUNS = 50  # per commit, so that a sweep never holds other writers up for long

_KNOWN = f"SELECT {ROW} FROM run WHERE tenant = ?1 AND run = ?2"  # noqa: S608 names of ours
_BY_IDEM_KEY = f"SELECT {ROW} FROM run WHERE tenant = ?1 AND idem_key = ?2"  # noqa: S608 names of ours
_INSERT_RUN = f"""
INSERT INTO run (tenant, run, graph, thread, log, status, epoch, head, created_ms, updated_ms, worker, lease_until_ms,
  idem_key)
VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?) RETURNING {ROW}
"""  # noqa: S608 names of ours
_INSERT_BATCH = "INSERT INTO batch (place, first_seq, epoch, body) VALUES (?, ?, ?, ?)"
_FREE = f"""
SELECT {ROW} FROM run
WHERE status IN ('queued', 'running') AND (status = 'queued' OR lease_until_ms <= ?1)
  AND graph IN (SELECT value FROM json_each(?2))
ORDER BY id LIMIT ?3
"""  # noqa: S608 names of ours
_OWN = f"""
UPDATE run SET status = 'running', epoch = epoch + 1, head = head + (epoch > 0), worker = ?2, lease_until_ms = ?3,
  updated_ms = ?4
WHERE id = ?1 RETURNING {ROW}
"""  # noqa: S608 names of ours
_OLD = "SELECT id, tenant, run FROM run WHERE status = 'ended' AND updated_ms < ? LIMIT ?"


def create(
    tenant: str, started: RunStarted, idem_key: str | None, worker: str | None, lease_ms: int
) -> Callable[[apsw.Connection, int], Done[Created]]:
    """Prepare `LogStore.create`.

    Raises:
        NodeError: E3008, the input is not JSON.
    """
    line = encode(started)

    def work(db: apsw.Connection, now_ms: int) -> Done[Created]:
        known = rows(db, _BY_IDEM_KEY, (tenant, idem_key)) or rows(db, _KNOWN, (tenant, started.run))
        if known:
            _check_repeat(db, known[0][-1], line)
            return Done(Created(row_of(known[0]), fresh=False))
        owned = worker is not None
        values = (
            *(tenant, started.run, started.graph, started.thread, started.log),
            *("running" if owned else "queued", int(owned), now_ms, now_ms, worker),
            *(now_ms + lease_ms if owned else 0, idem_key),
        )
        (inserted,) = rows(db, _INSERT_RUN, values)
        row, run_id = row_of(inserted), inserted[-1]
        db.execute(_INSERT_BATCH, (place(run_id, 1), 1, row.epoch, line))
        return Done(Created(row, fresh=True), (_change(row, [Record(1, started, line)]),) if owned else ())

    return work


def claim(
    worker: str, graphs: frozenset[str], limit: int, lease_ms: int
) -> Callable[[apsw.Connection, int], Done[list[RunRow]]]:
    """Prepare `LogStore.claim`."""
    names = msgspec.json.encode(sorted(graphs)).decode()

    def work(db: apsw.Connection, now_ms: int) -> Done[list[RunRow]]:
        changes = []
        taken = []
        for *_, run_id in rows(db, _FREE, (now_ms, names, max(limit, 0))):
            (owned,) = rows(db, _OWN, (run_id, worker, now_ms + lease_ms, now_ms))
            row = row_of(owned)
            records = []
            if row.epoch > 1:
                event = RunTakenOver(seq=row.head, ts=now_ms, run=row.key.run, epoch=row.epoch, worker=worker)
                records = [Record(event.seq, event, encode(event))]
                db.execute(_INSERT_BATCH, (place(run_id, row.head), row.head, row.epoch, records[0].data))
            taken.append(row)
            changes.append(_change(row, records))
        return Done(taken, changes)

    return work


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

    def work(db: apsw.Connection, _now_ms: int) -> Done[Control]:
        state = states(db, [key]).get(key)
        if state is None:
            raise NotFound("E2005", f"there is no run {key.run!r}")
        if idem_key is not None:
            query = "SELECT n, kind, payload FROM control WHERE run = ? AND idem_key = ?"
            for n, was, kept in rows(db, query, (state.id, idem_key)):
                return Done(Control(n=n, kind=was, payload=msgspec.json.decode(kept)))
        if state.status == "ended":
            raise InputError("E2009", f"run {key.run} has ended")
        n = state.controls + 1
        db.execute("INSERT INTO control (run, n, kind, payload, idem_key) VALUES (?, ?, ?, ?, ?)",
                   (state.id, n, kind, body, idem_key))  # fmt: skip
        db.execute("UPDATE run SET controls = ? WHERE id = ?", (n, state.id))
        return Done(Control(n=n, kind=kind, payload=msgspec.json.decode(body)))

    return work


def sweep(ended_before_ms: int) -> Callable[[apsw.Connection, int], Done[int]]:
    """Prepare one portion of `LogStore.sweep`; to be repeated until it gives 0."""

    def work(db: apsw.Connection, _now_ms: int) -> Done[int]:
        old = rows(db, _OLD, (ended_before_ms, SWEEP_RUNS))
        for run_id, _, _ in old:
            db.execute("DELETE FROM batch WHERE place BETWEEN ? AND ?", (place(run_id, 0), place(run_id, SEQ_MASK)))
            db.execute("DELETE FROM control WHERE run = ?", (run_id,))
            db.execute("DELETE FROM run WHERE id = ?", (run_id,))
        return Done(len(old), strange=[RunKey(tenant, run) for _, tenant, run in old])

    return work


def _check_repeat(db: apsw.Connection, run_id: int, line: bytes) -> None:
    query = "SELECT body FROM batch WHERE place > ? ORDER BY place LIMIT 1"
    ((body,),) = rows(db, query, (place(run_id, 0),))
    # Both from their JSON, so that a tuple in the one and a list in the other are no difference.
    first, again = decode(body.split(b"\n", 1)[0]), decode(line)
    if isinstance(first, RunStarted) and isinstance(again, RunStarted):
        check_repeat(first, again)


def _controls(db: apsw.Connection, run_id: int, seen: int) -> list[Control]:
    query = "SELECT n, kind, payload FROM control WHERE run = ? AND n > ? ORDER BY n"
    return [
        Control(n=n, kind=kind, payload=msgspec.json.decode(body))
        for n, kind, body in db.execute(query, (run_id, seen))
    ]


def _change(row: RunRow, records: list[Record]) -> Change:
    return Change(row.key, row.epoch, row.status, row.log, 0, row.head, records)
