"""Removing runs that are old, in portions: looking for them is a reader's work, and the writer looks once more.

A run stays as long as another one takes its state from it, so a thread goes from its newest run to its oldest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import apsw

from riverrun.log.store import RunKey
from riverrun.stores.sqlite_file import SEQ_MASK, place, rows
from riverrun.stores.sqlite_writer import Done

SWEEP_RUNS = 50  # per commit, so that a sweep never holds other writers up for long

_UNFOUNDED = "NOT EXISTS (SELECT 1 FROM run AS c WHERE c.tenant = r.tenant AND c.base_run = r.run)"
_OLD = f"""
SELECT updated_ms, id FROM run AS r
WHERE status = 'ended' AND updated_ms < ?1 AND (updated_ms, id) > (?2, ?3) AND {_UNFOUNDED}
ORDER BY updated_ms, id LIMIT 1000
"""  # noqa: S608 text of ours
_REMOVABLE = f"""
SELECT id, tenant, run, base_run FROM run AS r
WHERE id = ? AND status = 'ended' AND updated_ms < ? AND {_UNFOUNDED}
"""  # noqa: S608 text of ours
_ID = "SELECT id FROM run WHERE tenant = ? AND run = ?"


def sweepable(db: apsw.Connection, ended_before_ms: int, after: tuple[int, int]) -> list[tuple[int, int]]:
    """Look for runs that may be removed; for a reader's connection, because it may have to look at many.

    Args:
        db: Any connection.
        ended_before_ms: Milliseconds since the Unix epoch.
        after: The last that was given before, or less than any.

    Returns:
        When they ended and the numbers of the runs, in this order; empty when there are no more.
    """
    return [(ended, run_id) for ended, run_id in rows(db, _OLD, (ended_before_ms, *after))]


def sweep(
    ended_before_ms: int, run_ids: Sequence[int]
) -> Callable[[apsw.Connection, int], Done[tuple[int, list[int]]]]:
    """Prepare one portion of `LogStore.sweep`: how many runs it removes, and which are still to be looked at.

    A run that nothing stands on any more once another is gone follows it, so that a long thread goes in one go.
    """

    def work(db: apsw.Connection, _now_ms: int) -> Done[tuple[int, list[int]]]:
        left, gone = list(run_ids), list[RunKey]()
        while left and len(gone) < SWEEP_RUNS:
            for run_id, tenant, run, base_run in rows(db, _REMOVABLE, (left.pop(), ended_before_ms)):
                last = place(run_id, SEQ_MASK)
                db.execute("DELETE FROM batch WHERE place BETWEEN ? AND ?", (place(run_id, 0), last))
                db.execute("DELETE FROM control WHERE run = ?", (run_id,))
                db.execute("DELETE FROM run WHERE id = ?", (run_id,))
                gone.append(RunKey(tenant, run))
                left += [base for (base,) in rows(db, _ID, (tenant, base_run))]
        return Done((len(gone), left), strange=gone)

    return work
