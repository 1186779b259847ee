"""A log as JSON pages, held back until there is something: for networks that let nothing stream (PROTOCOL.md §6)."""

from __future__ import annotations

from riverrun.events.ending import Close
from riverrun.log.store import Page
from riverrun.transports.place import Attached
from riverrun.transports.serve import NOSNIFF, Pace, Readers, Receive, Send, portions
from riverrun.wire import pages


async def answer(
    attached: Attached, pace: Pace, readers: Readers, receive: Receive, send: Send, *, limit: int, wait: float
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

    Raises:
        StoreError: E4002, the store cannot be read.
    """
    page = attached.page
    if wait and not page.records and not attached.drained:
        async with readers.connection(receive) as connection:
            page = await _next_page(attached, limit, wait)
        if connection.close is Close.DETACHED:
            return
    # What does not fit is there for the next request: a reader with a small memory is never sent a large page.
    fitting = next(portions(page.records, pace.page_bytes))
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
