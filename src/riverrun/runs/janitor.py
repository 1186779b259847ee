"""What is done with runs that have ended: packed after an hour, removed after a month.

One of the four places with a broad `except`: housekeeping that fails is told and tried again, and nobody else notices.
Never an unfinished run, nor one that another stands on: that is the store's law (L14), not decided here.

A wall clock that is set looks like time that has passed. So what passed by it is held against a clock that nobody can
set. A clock that was set is not trusted for as long as it was set by, at most a day: an hour can be waited for, and
what was removed cannot be had back.
"""

from __future__ import annotations

import asyncio
import logging

from msgspec import Struct

from riverrun.base.clock import Clock
from riverrun.log.store import LogStore

_log = logging.getLogger("riverrun.runs")

_DAY = 86_400.0  # seconds
_TOLERANCE = 60.0  # seconds by which the two clocks may differ from one look to the next


class Retention(Struct, frozen=True, kw_only=True):
    """How long what has ended is kept, and in which form.

    Attributes:
        keep_days: Days after its end that a run is removed; 0: never.
        compact_after: Seconds after its end that the log of a run is packed.
        interval: Seconds between two looks.
    """

    keep_days: float = 30.0
    compact_after: float = 3600.0
    interval: float = 600.0


class Janitor:
    """Look after the ended runs of one store. Opening and closing are idempotent.

    Args:
        store: Where they are.
        clock: The time, by both of its clocks.
        retention: How long they are kept.

    Attributes:
        counts: How many runs were removed and packed, and how often the clock was not trusted or the store failed.
    """

    def __init__(self, store: LogStore, clock: Clock, retention: Retention) -> None:
        self._store = store
        self._clock = clock
        self._retention = retention
        self._task: asyncio.Task[None] | None = None
        self._ahead = self._difference()
        self._trusted_at = 0.0
        self.counts = {"removed": 0, "packed": 0, "distrusted": 0, "failed": 0}

    def open(self) -> None:
        """Begin to look, at once and then again and again."""
        if self._task is None:
            self._task = asyncio.create_task(self._look_after(), name="riverrun-janitor")

    async def close(self) -> None:
        """End it. What it was at goes on to the end of its portion in the store."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def look(self) -> None:
        """Remove what is old and pack what has ended, unless the clock was set not long ago.

        Raises:
            StoreError: E4002, the store cannot be written.
        """
        ahead, steady = self._difference(), self._clock.monotonic()
        jump, self._ahead = abs(ahead - self._ahead), ahead
        if jump > _TOLERANCE:
            distrust = min(jump, _DAY)
            self._trusted_at = steady + distrust
            _log.warning("the clock was set by %.0f s; ended runs are left alone for %.0f s", jump, distrust)
        if steady < self._trusted_at:
            self.counts["distrusted"] += 1
            return
        now_ms = self._clock.now_ms()
        if self._retention.keep_days:
            self.counts["removed"] += await self._store.sweep(now_ms - round(self._retention.keep_days * _DAY * 1000))
        self.counts["packed"] += await self._store.compact(now_ms - round(self._retention.compact_after * 1000))

    async def _look_after(self) -> None:
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001  # a task that dies is seen by nobody, and the disk fills up
                self.counts["failed"] += 1
                _log.warning("could not look after ended runs: %s", error)
            await asyncio.sleep(self._retention.interval)

    def _difference(self) -> float:
        """Give by how many seconds the one clock is ahead of the other."""
        return self._clock.now_ms() / 1000 - self._clock.monotonic()
