"""The one loop that reads a log: a bounded batch, then the next, and at the tail wait for the hint.

Every reader of every run uses it, in process and on every transport, but for the one that sets the pace of a run
(`riverrun.face.run`), which is the only one and needs no heartbeats. It keeps a place and nothing else: no queue per
reader, so a slow one costs nothing, and a lost hint costs at most `_LOOK_AGAIN_INTERVAL`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from riverrun.log.store import LogStore, Page, RunKey

_LOOK_AGAIN_INTERVAL = 1.0


async def news(
    store: LogStore, key: RunKey, after: int, *, head: int | None, limit: int, idle_interval: float
) -> Page | None:
    """Give what follows a seq, once there is something: one turn of the loop, for who keeps the place itself.

    Args:
        store: Where the log lives.
        key: Which run.
        after: seq of the last event that the reader has.
        head: seq of the last event that the log of a run that has not ended was seen to have, if it was looked at: who
            is there already begins by waiting, without another look. None: not looked at, or the run has ended.
        limit: At most this many events.
        idle_interval: Seconds without an event after which None is given.

    Returns:
        A page, which is empty only where the run has ended and the reader has all of it; or None.

    Raises:
        NotFound: E2005, there is no such run.
        CursorError: E2006 or E4007, the log does not have the place.
        StoreError: E4002, the store cannot be read.
    """
    now = asyncio.get_running_loop().time
    until = now() + idle_interval
    while True:
        if after == head:
            left = until - now()
            if left <= 0:
                return None
            # After a page that reached the head as well: `wait` gives way at once when there is more by now.
            await store.wait(key, after, min(left, _LOOK_AGAIN_INTERVAL))
        page = await store.read(key, after, limit)
        if page.records or page.status == "ended":
            return page
        head = page.head


async def follow(
    store: LogStore,
    key: RunKey,
    after: int,
    *,
    head: int | None = None,
    limit: int = 1000,
    idle_interval: float = 15.0,
) -> AsyncGenerator[Page | None, None]:
    """Give the events of a run after a seq, page by page, live, until its terminal event.

    Args:
        store: Where the log lives.
        key: Which run.
        after: seq of the last event that the reader has; 0 for all.
        head: As `news` says.
        limit: At most this many events in a page.
        idle_interval: Seconds without an event after which None is given, so that a transport can send a heartbeat.

    Yields:
        Pages that are never empty, or None.

    Raises:
        NotFound: E2005, there is no such run.
        CursorError: E2006 or E4007, the log does not have the place.
        StoreError: E4002, the store cannot be read.
    """
    while True:
        page = await news(store, key, after, head=head, limit=limit, idle_interval=idle_interval)
        if page is None:
            yield None
            continue
        if page.records:
            after, head = page.records[-1].seq, page.head
            yield page
        if page.status == "ended" and after >= page.head:
            return
