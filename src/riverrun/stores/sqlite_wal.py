"""Keeping the write-ahead log short without making a writer wait for it.

The bulk of a checkpoint (copying pages into the file, and its sync) is done by a reading thread beside the writer.
What was committed meanwhile is the small rest, which the writer does itself between two groups: only when all is
copied does SQLite begin the write-ahead log anew, so without the rest it would grow for ever under a steady load.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from enum import Enum

import apsw

BEGIN_PAGES = 1_000  # 4 MB: from here on a checkpoint is worth its sync
FORCE_PAGES = 16_000  # 64 MB: the threads beside do not keep up, so the writer does it all


class _Phase(Enum):
    REST = "rest"
    BESIDE = "beside"
    FINISH = "finish"


class WalKeeper:
    """Decide when what part of a checkpoint is done.

    Args:
        db: The writer's connection.
        beside: Runs a query on another thread's connection, and never raises.
    """

    def __init__(self, db: apsw.Connection, beside: Callable[[Callable[[apsw.Connection], None]], None]) -> None:
        self._db = db
        self._beside = beside
        self._pages = 0
        self._phase = _Phase.REST
        db.set_wal_hook(self._note)  # also ends SQLite's own checkpoints inside of commits

    def care(self) -> None:
        """Do what is due; called by the writer's thread after each group, when everybody has been answered."""
        if self._phase is _Phase.FINISH or self._pages >= FORCE_PAGES:
            self._phase = _Phase.REST
            with suppress(apsw.Error):  # put off: the next commit says what is wrong
                self._pages, copied = self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
                if copied == self._pages:
                    self._pages = 0
        elif self._phase is _Phase.REST and self._pages >= BEGIN_PAGES:
            self._phase = _Phase.BESIDE
            self._beside(self._copy)

    def _note(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        self._pages = pages
        return 0

    def _copy(self, db: apsw.Connection) -> None:
        with suppress(apsw.Error):
            db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        self._phase = _Phase.FINISH
