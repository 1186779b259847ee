"""The words of Durable Streams: its offsets, headers, cursors, bodies and frames (PROTOCOL.md §16).

Everything here is a function of what it is given. It does not know where a stream lives, who may append to it, or who
writes the bytes.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from enum import Enum

import msgspec

from riverrun.base.errors import CursorError, InputError

JSON_TYPE = "application/json"
MESSAGES = 10_000  # in one request: each becomes an event, so a body of commas must not become a log of millions

NEXT_OFFSET = "stream-next-offset"
UP_TO_DATE = "stream-up-to-date"
CLOSED = "stream-closed"
CURSOR = "stream-cursor"

_DIGITS = 16
_START = frozenset({"-1", "0" * _DIGITS + "_" + "0" * _DIGITS})
_OFFSET = re.compile(rf"[0-9]{{{_DIGITS}}}", re.ASCII)
_TYPE = re.compile(r"[\w!#$&^.+-]{1,100}/[\w!#$&^.+-]{1,100}(\s*;[ -~]{0,200})?", re.ASCII)
_BREAK = re.compile(r"\r\n|\r|\n")
# The draft counts the intervals of its cursors from 2024-10-09T00:00:00Z, and moves by up to an hour from one in use.
_CURSOR_EPOCH_MS = 1_728_432_000_000
_CURSOR_MS = 20_000
_CURSOR_JITTER_MS = 3_600_000
_CURSOR_DIGITS = 15


class Form(Enum):
    """How the pieces of a stream stand in a body and in an event."""

    JSON = "json"
    TEXT = "text"
    BYTES = "bytes"


def form_of(content_type: str) -> Form:
    """Say how a stream of this type is written."""
    media = media_type(content_type)
    if media == JSON_TYPE:
        return Form.JSON
    return Form.TEXT if media.startswith("text/") else Form.BYTES


def media_type(content_type: str) -> str:
    """Give a content type without its parameters, in lower case: what two of them are compared by."""
    return content_type.partition(";")[0].strip().lower()


def content_type(text: str) -> str:
    """Check a content type.

    Args:
        text: The header.

    Returns:
        The header, without space around it.

    Raises:
        InputError: E2039, it is none.
    """
    stripped = text.strip()
    if not _TYPE.fullmatch(stripped):
        raise InputError("E2039", f"{text[:64]!r} is no content type", where="Content-Type")
    return stripped


def offset(place: int) -> str:
    """Write a place as an offset: as text, offsets have the order of their places."""
    return f"{place:0{_DIGITS}d}"


def parse_offset(text: str) -> int | None:
    """Read an offset.

    Args:
        text: As the reader sent it.

    Returns:
        The place of the last piece that the reader has, 0 for none; None for the end, wherever that is.

    Raises:
        CursorError: E2007, it is none.
    """
    if text == "now":
        return None
    if text in _START:
        return 0
    if not _OFFSET.fullmatch(text):
        raise CursorError("E2007", f"{text[:64]!r} is no offset", where="offset")
    return int(text)


def cursor(now_ms: int, given: str | None, chance: float) -> str:
    """Make the cursor of a live answer: caches in between share one answer per interval, and never run in a circle.

    Args:
        now_ms: Milliseconds since the Unix epoch.
        given: The cursor that the reader sent; what is none counts as not sent.
        chance: In [0, 1).

    Returns:
        The number of the interval; a larger one than the reader's, where it has this one already.
    """
    interval = max(0, now_ms - _CURSOR_EPOCH_MS) // _CURSOR_MS
    known = int(given) if given and given.isascii() and given.isdigit() and len(given) <= _CURSOR_DIGITS else -1
    if known < interval:
        return str(interval)
    return str(known + 1 + int(chance * _CURSOR_JITTER_MS) // _CURSOR_MS)


def messages(body: bytes) -> list[bytes]:
    """Take the messages out of a JSON body: an array is taken apart once, each message stays as it was written.

    Args:
        body: One JSON value.

    Returns:
        The messages; none for an empty array.

    Raises:
        InputError: E2001, it is not JSON; E2039, they are too many.
    """
    try:
        # A message is cut out unread, so it is read once as a whole: text that is not UTF-8 is found only by that.
        value = msgspec.json.decode(body)
        if not isinstance(value, list):
            return [body.strip(b" \t\r\n")]
        if len(value) > MESSAGES:
            raise InputError("E2039", f"{len(value)} messages in one request, at most {MESSAGES}", where="body")
        return [bytes(raw) for raw in msgspec.json.decode(body, type=list[msgspec.Raw])]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError("E2001", f"the body is not JSON: {error}", where="body") from None


def split(form: Form, body: bytes) -> list[bytes]:
    """Cut the body of a request into pieces.

    Args:
        form: Of the stream.
        body: As it was sent.

    Returns:
        JSON messages, or all of it as one piece; none of an empty body.

    Raises:
        InputError: E2001, it is not JSON; E2039, too many messages.
    """
    if not body:
        return []
    return messages(body) if form is Form.JSON else [body]


def body(form: Form, pieces: Sequence[bytes]) -> bytes:
    """Write pieces as the body of an answer: an array of JSON messages, or the bytes one after another."""
    return b"[%s]" % b",".join(pieces) if form is Form.JSON else b"".join(pieces)


def data_event(form: Form, pieces: Sequence[bytes]) -> bytes:
    """Write pieces as one server-sent event.

    Args:
        form: Of the stream.
        pieces: At least one.

    Returns:
        One block, which nothing in the pieces can break. CR, LF and CRLF in a text are told as line breaks.
    """
    whole = body(form, pieces)
    text = b64encode(whole).decode("ascii") if form is Form.BYTES else whole.decode("utf-8", "replace")
    # A reader drops one space behind the colon: a line that begins with one is given one more.
    lines = (f"data:{' ' if line.startswith(' ') else ''}{line}\n" for line in _BREAK.split(text))
    return f"event: data\n{''.join(lines)}\n".encode()


def control_event(place: int, *, cursor: str | None = None, up_to_date: bool = False) -> bytes:
    """Write the event that says where a reader is.

    Args:
        place: Of the last piece that the reader has.
        cursor: What it sends when it comes back; None: the stream is closed, and it need not.
        up_to_date: Whether there was nothing more.

    Returns:
        One block.
    """
    told: dict[str, str | bool] = {"streamNextOffset": offset(place)}
    if cursor is None:
        told["streamClosed"] = True
    else:
        told["streamCursor"] = cursor
    if up_to_date:
        told["upToDate"] = True
    return b"event: control\ndata:%s\n\n" % msgspec.json.encode(told)


def etag(log: str, start: int, end: int, *, closed: bool) -> str:
    """Name a page: the same name, the same bytes and the same headers.

    Args:
        log: Names the stream and its incarnation.
        start: Where the page begins.
        end: Where it ends.
        closed: Whether the answer says that nothing follows.

    Returns:
        A strong entity tag, in quotes.
    """
    return f'"{log}:{start}:{end}{":closed" if closed else ""}"'


def matches(if_none_match: str, tag: str) -> bool:
    """Say whether a page is one that the reader has (RFC 9110 §13.1.2)."""
    named = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return "*" in named or tag in named
