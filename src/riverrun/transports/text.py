"""The text of one message from an offset on, held back until there is some (PROTOCOL.md §13)."""

from __future__ import annotations

import asyncio

import msgspec

from riverrun.base.errors import NotFound
from riverrun.events.ending import Close
from riverrun.log.store import Page
from riverrun.log.text import Asked, MessageText
from riverrun.transports.place import Attached, is_last
from riverrun.transports.serve import NOSNIFF, Reader, Readers, Receive, Send
from riverrun.wire.pages import TextPart

PAGE_EVENTS = 1000


async def answer(
    attached: Attached, asked: Asked, readers: Readers, receive: Receive, send: Send, *, wait: float
) -> None:
    """Answer one request with the text that a reader has not.

    Args:
        attached: The place in the log up to which the reader's text was read (0: nothing is said of it), and its page.
        asked: What the reader has.
        readers: Where the connection is counted while it is open.
        receive: Of ASGI.
        send: Of ASGI; nothing was sent yet.
        wait: Seconds, at most, that the answer is held back while there is nothing to give.

    Raises:
        NotFound: E2026, there is no such message.
        CursorError: E2025, its text ends before the offset.
        StoreError: E4002, the store cannot be read.
    """
    text = MessageText(asked, attached.after)
    _take(text, attached.page)
    reader, attends = Reader(attached.key), None if attached.drained else readers.attends
    if attends is not None:
        attends.polled(reader)
    if not _is_enough(text, attached.page, wait) and not attached.drained:
        async with readers.connection(receive, reader) as connection:
            connection.place = connection.head = attached.page.head
            await _read_on(text, attached, wait)
        if connection.close is Close.DETACHED:
            return
        if attends is not None:
            attends.polled(reader)
    if not text.found:
        raise NotFound("E2026", f"the run has no message {asked.message[:64]!r}", where="message")
    start, more, length = text.told()
    body = msgspec.json.encode(
        TextPart(
            run=attached.key.run,
            message=asked.message,
            text=more,
            offset=start,
            next=length,
            attempt=text.attempt,
            done=text.done or attached.drained,
            voided=text.voided,
            place=text.place,
        )
    )
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        NOSNIFF,
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _read_on(text: MessageText, attached: Attached, wait: float) -> None:
    """Look at the log up to its head, and then on until there is something to tell or the time is over."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + wait
    async with attached.onward(limit=PAGE_EVENTS, idle_interval=wait) as pages:
        async for page in pages:
            if page is None:
                return
            _take(text, page)
            # Other messages may be written meanwhile: each page begins the reading's own time-out anew.
            if _is_enough(text, page, give_up_at - loop.time()):
                return
            # A store in memory does not make this task wait, so others get their turn here.
            await asyncio.sleep(0)


def _take(text: MessageText, page: Page) -> None:
    text.take(page.records, ended=is_last(page))


def _is_enough(text: MessageText, page: Page, left: float) -> bool:
    """Say whether the log was looked at up to its head, and there is something to tell or no time left."""
    return text.looked >= page.head and (text.news or text.beyond or left <= 0)
