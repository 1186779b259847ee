"""A log as JSON pages, held back until there is something: for networks that let nothing stream (PROTOCOL.md §6)."""

from __future__ import annotations

import asyncio

from riverrun.events.ending import Close
from riverrun.log.store import Page
from riverrun.transports.place import Attached, is_last
from riverrun.transports.serve import NOSNIFF, Pace, Reader, Readers, Receive, Send, portions
from riverrun.transports.wish import Wish
from riverrun.wire import pages
from riverrun.wire.joined import join

_NO_WISH = Wish()


async def answer(
    attached: Attached,
    pace: Pace,
    readers: Readers,
    receive: Receive,
    send: Send,
    *,
    limit: int,
    wait: float,
    wish: Wish = _NO_WISH,
) -> None:
    """Answer one request with a page of events.

    Args:
        attached: The place and its first page.
        pace: Bounds the bytes of a page.
        readers: Where the connection is counted while it waits, and asked to leave.
        receive: Of ASGI.
        send: Of ASGI; nothing was sent yet.
        limit: At most this many events.
        wait: Seconds, at most, that the answer is held back while there is nothing to give.
        wish: What the reader asked for.

    Raises:
        StoreError: E4002, the store cannot be read.
    """
    page, reader = attached.page, Reader(attached.key, wish.reader)
    if readers.attends is not None and not attached.drained:
        readers.attends.polled(reader)
    if wait and not page.records and not attached.drained:
        async with readers.connection(receive, reader) as connection:
            connection.place, connection.head = attached.after, attached.page.head
            page = await _next_page(attached, limit, wait)
            if wish.interval and page.records and not is_last(page):
                # What comes soon after the first event comes with it.
                await asyncio.sleep(wish.interval)
                page = await attached.store.read(attached.key, attached.after, limit)
        if connection.close is Close.DETACHED:
            return
        if readers.attends is not None:
            readers.attends.polled(reader)
    limit_bytes = pace.page_bytes if wish.max_bytes is None else min(pace.page_bytes, wish.max_bytes)
    # What does not fit is there for the next request: a reader with a small memory is never sent a large page.
    fitting = next(portions(page.records, limit_bytes))
    behind = bool(fitting) and fitting[-1].seq < page.head
    if wish.interval is not None or (wish.adaptive and behind):
        fitting = join(fitting, limit_bytes)
    body = pages.page(page._replace(records=fitting), attached.after)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        NOSNIFF,
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _next_page(attached: Attached, limit: int, wait: float) -> Page:
    async with attached.onward(limit=limit, idle_interval=wait) as found:
        async for page in found:
            return page or attached.page  # None: the time is over
    return attached.page
