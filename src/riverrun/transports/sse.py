"""A log as server-sent events over one HTTP response (PROTOCOL.md §5).

A body ends cleanly only after the terminal event or the close frame. Whatever else happens leaves this file as an
exception, upon which an ASGI server cuts the connection: clients take a clean end for success.
"""

from __future__ import annotations

import asyncio

from riverrun.base.errors import ConnectionFault
from riverrun.base.ids import jitter
from riverrun.events.ending import Close
from riverrun.log.store import Page
from riverrun.transports.place import Attached, is_last
from riverrun.transports.serve import NOSNIFF, Connection, Headers, Pace, Reader, Readers, Receive, Send, portions
from riverrun.transports.wish import Stride, Wish
from riverrun.wire import sse
from riverrun.wire.joined import join

_NO_WISH = Wish()

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
    wish: Wish = _NO_WISH,
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
        wish: What the reader asked for.
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
    if wish.max_bytes is not None:
        pace = pace._replace(page_bytes=min(pace.page_bytes, wish.max_bytes))
    ended = False
    async with readers.connection(receive, Reader(attached.key, wish.reader)) as connection:
        connection.place = attached.after
        await send({"type": "http.response.start", "status": status, "headers": [*HEADERS, *headers]})
        writer = _Writer(connection, send, Stride(wish), pace)
        # The opening goes out with the first page, in one write, and at once also when the log is quiet.
        opening = sse.opening(attached.page.log, attached.after)
        page, limit = _fitting(attached.page, pace.page_events, pace)
        attached = attached._replace(page=page)
        ended = await writer.write(page, opening)
        attached = attached.past()
        if not ended and connection.close is None:
            ended = await _follow(attached, limit, pace, writer)
        if ended:
            connection.close = Close.ENDED
    if ended or connection.close is Close.DETACHED:
        return
    if connection.close is None:
        raise ConnectionFault("E5002", "the log stopped without a terminal event", where=f"run {attached.key.run}")
    await send({"type": "http.response.body", "body": sse.close(_reason(connection, readers)), "more_body": False})


async def _follow(attached: Attached, limit: int, pace: Pace, writer: _Writer) -> bool:
    """Write page after page until the log ends or the connection is to close; say whether the log ended."""
    connection = writer.connection
    while connection.close is None:
        if await writer.rest():
            connection.close = Close.ROTATED
            break
        # While the reader takes a page, only what is written of it is held: not the reading, nor what was too much.
        async with attached.onward(limit=limit, idle_interval=pace.heartbeat_interval) as pages:
            try:
                whole = await anext(pages)
            except StopAsyncIteration:
                return False
        if whole is None:
            await writer.put(sse.HEARTBEAT, more=True)
            continue
        page, limit = _fitting(whole, limit, pace)
        del whole
        if await writer.write(page):
            return True
        attached = attached._replace(page=page).past()
    return False


def _reason(connection: Connection, readers: Readers) -> str:
    if connection.close is Close.SUPERSEDED:
        return "superseded"
    return "shutdown" if readers.leaving else "rotated"


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


class _Writer:
    """The one who writes to a connection, and knows how fast it takes what is written."""

    __slots__ = ("_expires", "_now", "_pace", "_rested", "_send", "_stride", "connection")

    def __init__(self, connection: Connection, send: Send, stride: Stride, pace: Pace) -> None:
        self.connection = connection
        self._send = send
        self._stride = stride
        self._pace = pace
        self._now = asyncio.get_running_loop().time
        # Those that came together need not all go together.
        self._expires = self._now() + pace.max_age * (1 - 0.2 * jitter())
        self._rested = 0.0

    async def write(self, page: Page, opening: bytes = b"") -> bool:
        """Write a page in one go; say whether it held the terminal event."""
        ended, records, connection = is_last(page), page.records, self.connection
        if self._stride.joins and len(records) > 1:
            records = join(records, self._pace.page_bytes)
        connection.head = page.head
        await self.put(opening + sse.encode(page.log, records), more=not ended)
        connection.place = page.records[-1].seq if page.records else connection.place
        behind = page.head - connection.place
        self._stride.wrote(self._now() - connection.since, behind)
        self._rested = 0.0 if behind else self._now() + self._stride.pause
        if not ended and page.records and behind > 0:
            # Behind: neither a store in memory nor an empty socket makes this task wait, so others get their turn here.
            await asyncio.sleep(0)
        return ended

    async def put(self, body: bytes, *, more: bool) -> None:
        """Write bytes, and wait until the connection would take more."""
        self.connection.since = self._now()
        self.connection.writing = True
        await self._send({"type": "http.response.body", "body": body, "more_body": more})
        self.connection.writing = False

    async def rest(self) -> bool:
        """Let as much time pass between two writes as the reader wants; say whether the connection is old."""
        left = self._rested - self._now() if self._rested else 0.0
        if left > 0:
            await asyncio.sleep(left)
        return self._now() >= self._expires
