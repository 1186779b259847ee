"""What requests to durable streams may say in their headers and addresses, checked before anything happens.

All that is wrong with them is E2039, with the header's name; an offset that is none is E2007. It does not know routes.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import Enum
from typing import NamedTuple
from urllib.parse import unquote

from starlette.datastructures import Headers, QueryParams

from riverrun.base.errors import CursorError, InputError
from riverrun.log.appending import Append
from riverrun.log.durable import Origin, Producer
from riverrun.server.stream_logs import Wanted
from riverrun.wire.durable import CLOSED, content_type, media_type, parse_offset

MOUNT = "/v1/stream/"

_PATH_LENGTH = 1_024
_NAME_LENGTH = 256
_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_LARGEST = 2**53 - 1
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

_TTL, _EXPIRES = "stream-ttl", "stream-expires-at"
_SOURCE, _FORK_OFFSET, _FORK_SUB = "stream-forked-from", "stream-fork-offset", "stream-fork-sub-offset"
_PRODUCER = ("producer-id", "producer-epoch", "producer-seq")


class Live(Enum):
    """How a reader waits for more."""

    NOT = ""
    LONG_POLL = "long-poll"
    SSE = "sse"


class Reading(NamedTuple):
    """How somebody wants to read.

    Attributes:
        offset: Of the last piece that they have; None: of the last that there is.
        live: How to wait for more.
        cursor: What an answer before gave them.
    """

    offset: int | None
    live: Live
    cursor: str | None


def path(text: str, where: str = "path") -> str:
    """Check the path of a stream.

    Args:
        text: Below the mount, decoded.
        where: Where it stood.

    Returns:
        The path.

    Raises:
        InputError: E2039, it is empty, too long or holds control characters.
    """
    if not 1 <= len(text) <= _PATH_LENGTH or _CONTROL.search(text):
        what = f"a path has 1 to {_PATH_LENGTH} characters, none of them a control character"
        raise InputError("E2039", what, where=where)
    return text


def wanted(name: str, headers: Headers, body: bytes) -> Wanted:
    """Read what somebody wants to create.

    Args:
        name: The path.
        headers: Of the request.
        body: What the stream is to begin with.

    Returns:
        What it is to be.

    Raises:
        InputError: E2039, a header is malformed, or two of them contradict each other.
        CursorError: E2007, the offset to fork at is none.
    """
    ttl, expires = headers.get(_TTL), headers.get(_EXPIRES)
    if ttl is not None and expires is not None:
        raise InputError("E2039", "a stream has a time to live or a time to end, not both", where="Stream-Expires-At")
    given = headers.get("content-type")
    return Wanted(
        path=name,
        content_type=content_type(given) if given else None,
        ttl=None if ttl is None else _number(ttl, "Stream-TTL"),
        expires=expires or "",
        expires_ms=None if expires is None else _time_ms(expires),
        origin=_origin(headers),
        closed=closes(headers),
        body=body,
    )


def appended(headers: Headers, body: bytes) -> Append:
    """Read what somebody wants to append, but for the pieces.

    Args:
        headers: Of the request.
        body: Of the request.

    Returns:
        The rest of it.

    Raises:
        InputError: E2039, a header is malformed or missing, or there is nothing to append.
    """
    close, kind = closes(headers), headers.get("content-type")
    if not body and not close:
        raise nothing()
    if body and not kind:
        raise InputError("E2039", "the request does not say what its body is", where="Content-Type")
    writer_seq = headers.get("stream-seq")
    if writer_seq is not None and not 1 <= len(writer_seq) <= _NAME_LENGTH:
        raise InputError("E2039", f"it has 1 to {_NAME_LENGTH} characters", where="Stream-Seq")
    media = media_type(content_type(kind)) if body and kind else ""
    return Append(media=media, close=close, writer_seq=writer_seq, producer=_producer(headers))


def reading(query: QueryParams) -> Reading:
    """Read how somebody wants to read. Parameters that are not known are passed over, as the protocol says.

    Args:
        query: Of the address.

    Returns:
        How.

    Raises:
        CursorError: E2007, the offset is none.
        InputError: E2039, there is no such way, or it needs an offset.
    """
    offsets, live = query.getlist("offset"), query.get("live", "")
    if len(offsets) > 1:
        raise CursorError("E2007", "there are two offsets", where="offset")
    if live not in {way.value for way in Live}:
        raise InputError("E2039", "live is long-poll or sse", where="live")
    if live and not offsets:
        raise InputError("E2039", "who waits for more says from where", where="offset")
    return Reading(parse_offset(offsets[0]) if offsets else 0, Live(live), query.get("cursor"))


def nothing() -> InputError:
    """Make the error of a request that appends nothing."""
    return InputError("E2039", "there is nothing to append", where="body")


def closes(headers: Headers) -> bool:
    """Say whether nothing is to follow: only `true` means that."""
    return headers.get(CLOSED, "").strip().lower() == "true"


def _origin(headers: Headers) -> Origin | None:
    source, at, sub = headers.get(_SOURCE), headers.get(_FORK_OFFSET), headers.get(_FORK_SUB)
    if source is None:
        if at is not None or sub is not None:
            raise InputError("E2039", "there is no source to fork from", where="Stream-Forked-From")
        return None
    _, mount, name = source.partition(MOUNT)
    if not mount:
        raise InputError("E2039", f"it is a path below {MOUNT}", where="Stream-Forked-From")
    return Origin(
        path=path(unquote(name), "Stream-Forked-From"),
        offset=None if at is None else parse_offset(at),
        sub=0 if sub is None else _number(sub, "Stream-Fork-Sub-Offset"),
    )


def _producer(headers: Headers) -> Producer | None:
    given = [headers.get(name) for name in _PRODUCER]
    if given == [None, None, None]:
        return None
    name, epoch, seq = given
    if not name or epoch is None or seq is None or len(name) > _NAME_LENGTH:
        what = f"Producer-Id (1 to {_NAME_LENGTH} characters), Producer-Epoch and Producer-Seq come together"
        raise InputError("E2039", what, where="Producer-Id")
    return Producer(name, _number(epoch, "Producer-Epoch"), _number(seq, "Producer-Seq"))


def _number(text: str, where: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > _LARGEST:
        raise InputError("E2039", f"{text[:64]!r} is no whole number, without a sign or leading zeros", where=where)
    return int(text)


def _time_ms(text: str) -> int:
    try:
        if not _TIME.fullmatch(text):
            raise ValueError(text)
        return round(datetime.fromisoformat(text.upper()).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise InputError("E2039", f"{text[:64]!r} is no time (RFC 3339)", where="Stream-Expires-At") from None
