"""A log as server-sent events over one HTTP response (PROTOCOL.md §5).

A body ends cleanly only after the terminal event or the close frame. Whatever else happens leaves this file as an
exception, upon which an ASGI server cuts the connection: clients take a clean end for success.
"""

from __future__ import annotations

import asyncio

from riverrun.base.errors import ConnectionFault
from riverrun.base.ids import jitter
from riverrun.events.ending import Close
from riverrun.events.record import lines
from riverrun.log.store import Page
from riverrun.runs.reader import news
from riverrun.transports.place import Attached, is_last
from riverrun.transports.serve import (
    NOSNIFF,
    Connection,
    Headers,
    Pace,
    Reader,
    Readers,
    Receive,
    Send,
    Shared,
    portions,
)
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
        writer = _Writer(connection, send, Stride(wish), pace, readers.shared)
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
    # In plain names, and without a generator: each reader of a run takes this way for each chunk, and all of them at
    # once. With `Shared` 6 instead of 15 µs.
    store, key, after, (_, head, *_) = attached
    connection, idle_interval = writer.connection, pace.heartbeat_interval
    while connection.close is None:
        pause = writer.pause()
        if pause > 0:
            await asyncio.sleep(pause)
        if writer.is_old():
            connection.close = Close.ROTATED
            break
        page = await news(store, key, after, head=head, limit=limit, idle_interval=idle_interval)
        if page is None:
            await writer.put(sse.HEARTBEAT, more=True)
            continue
        if not page.records:
            return False
        # While the reader takes a page, only what is written of it is held, and nothing while it waits for the next.
        page, limit = _fitting(page, limit, pace)
        after, head = page.records[-1].seq, page.head
        if await writer.write(page):
            return True
        del page
    return False


def _reason(connection: Connection, readers: Readers) -> str:
    if connection.close is Close.SUPERSEDED:
        return "superseded"
    return "shutdown" if readers.leaving else "rotated"


def _fitting(page: Page, limit: int, pace: Pace) -> tuple[Page, int]:
    """Keep of a page what may be written at once, and say how many events to read next: so little is read twice."""
    if len(page.records) <= 1 < limit:
        return page, limit
    records = next(portions(page.records, pace.page_bytes))
    if len(records) < len(page.records):
        return page._replace(records=records), len(records)
    most = pace.page_events
    if len(records) < limit or limit >= most or 2 * sum(map(len, lines(records))) > pace.page_bytes:
        return page, limit
    return page, min(2 * limit, most)


class _Writer:
    """The one who writes to a connection, and knows how fast it takes what is written."""

    __slots__ = ("_expires", "_now", "_pace", "_rested", "_send", "_shared", "_stride", "connection")

    def __init__(self, connection: Connection, send: Send, stride: Stride, pace: Pace, shared: Shared) -> None:
        self.connection = connection
        self._send = send
        self._shared = shared
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
        await self.put(opening + self._shared.encoded(page.log, records, sse.encode), more=not ended)
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

    def pause(self) -> float:
        """Tell how much time is to pass before the next write, because the reader wants it so; in seconds."""
        return self._rested - self._now() if self._rested else 0.0

    def is_old(self) -> bool:
        """Say whether the reader is to come back by a new connection."""
        return self._now() >= self._expires
