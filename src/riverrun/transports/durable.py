"""Pages of a durable stream over HTTP: at once, held back until there is something, or live (PROTOCOL.md §16).

Nothing is sent that was not read from a log, but for the `control` events, which say where the reader is. It does not
know what a stream is made of (`stretches.py`), nor who may read it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from riverrun.base.errors import NotFound
from riverrun.base.ids import jitter
from riverrun.events.ending import Close
from riverrun.transports.serve import NOSNIFF, Connection, Headers, Reader, Readers, Receive, Send
from riverrun.transports.stretches import Found, Pager
from riverrun.wire import durable

# A page of this site may show what it reads; other sites need to be let in by CORS (PROTOCOL.md §10). And whoever may
# append says what type it is: a stream that somebody opens as a page may do nothing in the name of this server.
FIXED = (
    NOSNIFF,
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; sandbox"),
)
ROTATE_SECONDS = 60.0

_LOOK_AGAIN_INTERVAL = 1.0
_NO_STORE = b"no-store"
_ASK_AGAIN = b"no-cache"


class Terms(NamedTuple):
    """What answers to one reader say beside the pieces.

    Attributes:
        cursor: Makes the next one.
        use: Called now and then while a reader is there, so that its stream does not expire.
        idle_interval: Seconds without a piece after which something is said all the same.
        shared: Whether caches between here and the reader may give a page to others.
        reader: Who reads which run; None where it is no run.
    """

    cursor: Callable[[], str]
    use: Callable[[], Awaitable[None]]
    idle_interval: float
    shared: bool = False
    reader: Reader | None = None


async def catch_up(pager: Pager, terms: Terms, send: Send, *, start: int | None, if_none_match: str = "") -> None:
    """Answer with one page, at once.

    Args:
        pager: At the beginning of the page.
        terms: Of the answer.
        send: Of ASGI; nothing was sent yet.
        start: The offset that was asked for; None: the end, wherever that is, which no cache may keep.
        if_none_match: Names of the pages that the reader has.

    Raises:
        CursorError: E2006, the place is behind the end.
        NotFound: E2005, the log is gone.
        StoreError: E4002, the store cannot be read.
    """
    found = await pager.page()
    headers = _headers(pager, found)
    if start is None:
        await _answer(send, 200, [*headers, (b"cache-control", _NO_STORE)], durable.body(pager.form, found.pieces))
        return
    tag = durable.etag(pager.log, start, found.offset, closed=found.closed)
    who = b"public" if terms.shared else b"private"
    kept = _ASK_AGAIN if found.at_end else who + b", max-age=60, stale-while-revalidate=300"
    # Where others read what was kept, not all of them are let in by CORS.
    headers += [(b"etag", tag.encode()), (b"cache-control", kept), (b"vary", b"Origin")]
    if if_none_match and durable.matches(if_none_match, tag):
        await _answer(send, 304, headers, b"")
    else:
        await _answer(send, 200, headers, durable.body(pager.form, found.pieces))


async def long_poll(pager: Pager, terms: Terms, readers: Readers, receive: Receive, send: Send) -> None:
    """Answer with one page, as soon as there is one, or with 204 when the time is over.

    Args:
        pager: At the beginning of the page.
        terms: Of the answer.
        readers: Where the connection is counted while it waits, and asked to leave.
        receive: Of ASGI.
        send: Of ASGI; nothing was sent yet.

    Raises:
        CursorError: E2006, the place is behind the end.
        NotFound: E2005 or E2031, the stream is gone.
        StoreError: E4002, the store cannot be read.
    """
    found = await pager.page()
    if _says_nothing(found):
        async with readers.connection(receive, terms.reader) as connection:
            connection.place = connection.head = found.offset
            found = await _awaited(pager, terms, found)
        if connection.close is Close.DETACHED:
            return
    if found.gone:
        raise NotFound("E2031", "the stream was deleted")
    if terms.reader is not None and readers.attends is not None and not found.closed:
        readers.attends.polled(terms.reader)  # it will ask again
    headers = [*_headers(pager, found), (b"cache-control", _NO_STORE)]
    if not found.closed:
        headers.append((durable.CURSOR.encode(), terms.cursor().encode()))
    if found.pieces:
        await _answer(send, 200, headers, durable.body(pager.form, found.pieces))
    else:
        await _answer(send, 204, headers, b"")


async def stream(pager: Pager, found: Found, terms: Terms, readers: Readers, receive: Receive, send: Send) -> None:
    """Answer with all that there is and all that comes, as server-sent events.

    The body ends when the stream is closed or gone, when the server asks its readers to leave, and after a while.

    Args:
        pager: Behind its first page.
        found: The first page.
        terms: Of the answer.
        readers: Where the connection is counted and asked to leave.
        receive: Of ASGI.
        send: Of ASGI; nothing was sent yet.

    Raises:
        NotFound: E2005, the log is gone.
        StoreError: E4002, the store cannot be read; the server must cut the connection.
    """
    async with readers.connection(receive, terms.reader) as connection:
        _note(connection, found)
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache, no-transform"), *FIXED]
        headers.append((b"x-accel-buffering", b"no"))
        if pager.form is durable.Form.BYTES:
            headers.append((b"stream-sse-data-encoding", b"base64"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await _follow(pager, terms, found, connection, send)
    if connection.close is not Close.DETACHED:
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _follow(pager: Pager, terms: Terms, found: Found, connection: Connection, send: Send) -> None:
    loop = asyncio.get_running_loop()
    # Those that came together need not all go together.
    rotate_at = loop.time() + ROTATE_SECONDS * (1 - 0.2 * jitter())
    speak_at = 0.0  # the first page is told of even when it is empty: then the reader knows where it is
    while not found.gone:
        now = loop.time()
        if found.pieces or found.closed or now >= speak_at:
            await _put(_told(pager, terms, found), connection, send)
            speak_at = loop.time() + terms.idle_interval
        connection.place = found.offset
        if found.closed:
            connection.close = Close.ENDED
        if now >= rotate_at:
            connection.close = Close.ROTATED
        if connection.close is not None:
            return
        if found.at_end:
            await pager.wait(max(0.0, min(_LOOK_AGAIN_INTERVAL, speak_at - now, rotate_at - now)))
            await terms.use()
        else:
            # Behind: neither a store in memory nor an empty socket makes this task wait, so others get their turn here.
            await asyncio.sleep(0)
        found = await pager.page()
        _note(connection, found)


def _note(connection: Connection, found: Found) -> None:
    """Note where a reader is before it is given a page."""
    # Each event of a run is a piece; of other streams nobody asks how far their readers are.
    connection.place, connection.head = found.offset - len(found.pieces), found.head


def _told(pager: Pager, terms: Terms, found: Found) -> bytes:
    data = durable.data_event(pager.form, found.pieces) if found.pieces else b""
    cursor = None if found.closed else terms.cursor()
    return data + durable.control_event(found.offset, cursor=cursor, up_to_date=found.at_end)


async def _awaited(pager: Pager, terms: Terms, found: Found) -> Found:
    loop = asyncio.get_running_loop()
    until = loop.time() + terms.idle_interval
    while _says_nothing(found) and (left := until - loop.time()) > 0:
        await pager.wait(min(left, _LOOK_AGAIN_INTERVAL))
        await terms.use()
        found = await pager.page()
    return found


def _says_nothing(found: Found) -> bool:
    return not (found.pieces or found.closed or found.gone)


def _headers(pager: Pager, found: Found) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"content-type", pager.content_type.encode()),
        (durable.NEXT_OFFSET.encode(), durable.offset(found.offset).encode()),
        *FIXED,
    ]
    if found.at_end:
        headers.append((durable.UP_TO_DATE.encode(), b"true"))
    if found.closed:
        headers.append((durable.CLOSED.encode(), b"true"))
    return headers


async def _answer(send: Send, status: int, headers: Headers, body: bytes) -> None:
    length = [] if status in {204, 304} else [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _put(body: bytes, connection: Connection, send: Send) -> None:
    connection.since = asyncio.get_running_loop().time()
    connection.writing = True
    await send({"type": "http.response.body", "body": body, "more_body": True})
    connection.writing = False
