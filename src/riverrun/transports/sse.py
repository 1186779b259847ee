"""A log as server-sent events over one HTTP response (PROTOCOL.md §5).

A body ends cleanly only after the terminal event or the close frame. Whatever else happens leaves this file as an
exception, upon which an ASGI server cuts the connection: clients take a clean end for success.
"""

from __future__ import annotations

import asyncio

from riverrun.base.errors import ConnectionFault
from riverrun.events.ending import Close
from riverrun.log.store import Page
from riverrun.transports.place import Attached, is_last
from riverrun.transports.serve import NOSNIFF, Connection, Headers, Pace, Readers, Receive, Send, portions
from riverrun.wire import sse

HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    # no-transform: a proxy that compresses also buffers. X-Accel-Buffering: nginx buffers unless told not to.
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
    NOSNIFF,
)


async def stream(
    attached: Attached,
    pace: Pace,
    readers: Readers,
    receive: Receive,
    send: Send,
    *,
    status: int = 200,
    headers: Headers = (),
) -> None:
    """Answer one request with the events of a run, from a place to the end, live.

    Args:
        attached: The place and its first page.
        pace: How much at once, and how often a heartbeat.
        readers: Where the connection is counted and asked to leave.
        receive: Of ASGI.
        send: Of ASGI; nothing was sent yet.
        status: Of the response, unless everything was read already (204).
        headers: More of the response.

    Raises:
        ConnectionFault: E5002, the log stopped without a terminal event; the server must cut the connection.
        StoreError: E4002, the store cannot be read; likewise.
    """
    if attached.drained:
        # PROTOCOL.md §5.5: "204 No Content, which stops an EventSource for good".
        await send({"type": "http.response.start", "status": 204, "headers": [NOSNIFF, *headers]})
        await send({"type": "http.response.body", "body": b""})
        return
    ended = False
    async with readers.connection(receive) as connection:
        await send({"type": "http.response.start", "status": status, "headers": [*HEADERS, *headers]})
        # The opening goes out with the first page, in one write, and at once also when the log is quiet.
        opening = sse.opening(attached.page.log, attached.after)
        page, limit = _fitting(attached.page, pace.page_events, pace)
        attached = attached._replace(page=page)
        ended = await _write(page, opening, connection, send)
        attached = attached.past()
        if not ended and connection.close is None:
            ended = await _follow(attached, limit, pace, connection, send)
    if ended or connection.close is Close.DETACHED:
        return
    if connection.close is None:
        raise ConnectionFault("E5002", "the log stopped without a terminal event", where=f"run {attached.key.run}")
    await send({"type": "http.response.body", "body": sse.close("shutdown"), "more_body": False})


async def _follow(attached: Attached, limit: int, pace: Pace, connection: Connection, send: Send) -> bool:
    """Write page after page until the log ends or the connection is to close; say whether the log ended."""
    while connection.close is None:
        # While the reader takes a page, only what is written of it is held: not the reading, nor what was too much.
        async with attached.onward(limit=limit, idle_interval=pace.heartbeat_interval) as pages:
            try:
                whole = await anext(pages)
            except StopAsyncIteration:
                return False
        if whole is None:
            await _put(sse.HEARTBEAT, connection, send, more=True)
            continue
        page, limit = _fitting(whole, limit, pace)
        del whole
        if await _write(page, b"", connection, send):
            return True
        attached = attached._replace(page=page).past()
    return False


def _fitting(page: Page, limit: int, pace: Pace) -> tuple[Page, int]:
    """Keep of a page what may be written at once, and say how many events to read next: so little is read twice."""
    if not page.records:
        return page, limit
    records = next(portions(page.records, pace.page_bytes))
    if len(records) < len(page.records):
        return page._replace(records=records), len(records)
    if len(records) < limit or 2 * sum(len(record.data) for record in records) > pace.page_bytes:
        return page, limit
    return page, min(2 * limit, pace.page_events)


async def _write(page: Page, opening: bytes, connection: Connection, send: Send) -> bool:
    """Write a page in one go; say whether it held the terminal event."""
    ended = is_last(page)
    await _put(opening + sse.encode(page.log, page.records), connection, send, more=not ended)
    if not ended and page.records and page.records[-1].seq < page.head:
        # Behind: neither a store in memory nor an empty socket makes this task wait, so others get their turn here.
        await asyncio.sleep(0)
    return ended


async def _put(body: bytes, connection: Connection, send: Send, *, more: bool) -> None:
    connection.writing = True
    await send({"type": "http.response.body", "body": body, "more_body": more})
    connection.writing = False
