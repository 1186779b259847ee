"""Keeping checkpoints in a SQLite file: one row per run, which may be gone at any time without harm.

What is in one is the business of `riverrun.graph.checkpoint`; here it is bytes with a checksum.
"""

from __future__ import annotations

from collections.abc import Callable

import apsw

from riverrun.log.store import Kept, RunKey
from riverrun.stores.checksum import checksum, fits
from riverrun.stores.sqlite_file import rows
from riverrun.stores.sqlite_rows import states
from riverrun.stores.sqlite_writer import Done

_KEEP = """
INSERT INTO checkpoint (run, seq, body, crc) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (run) DO UPDATE SET seq = ?2, body = ?3, crc = ?4 WHERE seq < ?2 RETURNING 1
"""
_KEPT = """
SELECT c.run, c.seq, c.body, c.crc, r.log FROM run AS r JOIN checkpoint AS c ON c.run = r.id
WHERE r.tenant = ? AND r.run = ? AND c.seq <= r.head
"""


def keep(key: RunKey, epoch: int, seq: int, body: bytes) -> Callable[[apsw.Connection, int], Done[bool]]:
    """Prepare `KeepsCheckpoints.keep`."""

    def work(db: apsw.Connection, _now_ms: int) -> Done[bool]:
        state = states(db, [key]).get(key)
        if state is None or state.epoch != epoch or state.head < seq:
            return Done(answer=False)
        crc = checksum(_name(state.id, seq), body)
        return Done(bool(rows(db, _KEEP, (state.id, seq, body, crc))))

    return work


def kept(db: apsw.Connection, key: RunKey) -> Kept | None:
    """Read the checkpoint of a run, as `KeepsCheckpoints.kept` says.

    Args:
        db: A reader's connection.
        key: Which run.

    Returns:
        The checkpoint; None when there is none, or it is damaged.
    """
    try:
        found = rows(db, _KEPT, key)
    except UnicodeError:  # the row of the run is damaged: who reads its log is told so
        return None
    for run_id, seq, body, crc, log in found:
        if fits(crc, _name(run_id, seq), body):
            return Kept(seq, log, body)
    return None


def _name(run_id: int, seq: int) -> bytes:
    return b"checkpoint %d %d" % (run_id, seq)
