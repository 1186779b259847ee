"""Server-sent events, both ways: a strict encoder and a parser that follows the WHATWG rules to the letter.

Rules of this file:

* Out (PROTOCOL.md §5): every event has an id, and nothing that came from elsewhere can break a frame.
* In (HTML §9.2.6): CR, LF and CRLF end a line also where a network cut falls between them; one leading space is
  dropped; a block that the end of the body cut short is dropped; bytes that are not UTF-8 become U+FFFD.
* What is held back is bounded: one event larger than the limit is an error, not memory.

It does not know who reads or writes the bytes, what is inside `data`, or which event comes next.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

import msgspec

from riverrun.base.errors import ProtocolFault
from riverrun.events.record import Record, lines

HEARTBEAT = b": hb\n\n"
RETRY_MS = 500
EVENT_BYTES = 64 * 1024 * 1024
BOM = b"\xef\xbb\xbf"

_SEQ = attrgetter("seq")
_ID_ALPHABET = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-")
_RETRY_DIGITS = 9  # a longer wait than 11 days is 11 days; it also keeps a hostile server from making huge numbers


def encode(log: str, records: Sequence[Record]) -> bytes:
    """Write events as one piece of bytes, ready for one write.

    Args:
        log: Id of their log.
        records: Events in order; none gives no bytes.

    Returns:
        `id: <log>.<seq>`, `data: <json>` and a blank line for each.

    Raises:
        ProtocolFault: E5003, an id or an event would break the frame: it holds CR, LF or NUL.
        NodeError: E3008, a value in an event is not JSON.
    """
    block = b"id: %s.%%d\ndata: %%s\n\n" % _name(log)
    data = lines(records)
    # Three scans at the speed of memchr over all of it, not three tests per event (0.01 against 0.1 µs per event).
    if _breaks_frames(b"".join(data)):
        raise ProtocolFault("E5003", "an event holds a line break or NUL: it would break the stream", where=log)
    # All at once: 0.17 µs per event, one by one 0.23.
    return (block * len(data)) % tuple(chain.from_iterable(zip(map(_SEQ, records), data, strict=True)))


def encode_event(log: str, record: Record) -> bytes:
    """Write one event.

    Args:
        log: Id of its log.
        record: The event.

    Returns:
        One block.

    Raises:
        ProtocolFault: E5003, the id or the event would break the frame.
        NodeError: E3008, a value in the event is not JSON.
    """
    return encode(log, (record,))


def opening(log: str, after: int, retry_ms: int = RETRY_MS) -> bytes:
    """Write the first block of a body: how soon to come back, and the place the reader attached at.

    It is one block on purpose: an `EventSource` takes the end of a block without an id for an empty id (HTML §9.2.6).

    Args:
        log: Id of the log.
        after: seq of the last event that the reader has.
        retry_ms: How long an `EventSource` waits before it reconnects, in milliseconds.

    Returns:
        A block without data, which dispatches nothing.

    Raises:
        ProtocolFault: E5003, the id of the log would break the frame.
    """
    return b"retry: %d\nid: %s.%d\n\n" % (retry_ms, _name(log), after)


def close(reason: str) -> bytes:
    """Write the close frame, after which the body may end without a terminal event.

    Args:
        reason: `shutdown` or `rotated`.

    Returns:
        A block without id, so that the reader's place stays what it was.
    """
    return b"event: close\ndata: %s\n\n" % msgspec.json.encode({"reason": reason})


def _breaks_frames(data: bytes) -> bool:
    return b"\n" in data or b"\r" in data or b"\0" in data


def _name(log: str) -> bytes:
    if not log or not _ID_ALPHABET.issuperset(log):
        raise ProtocolFault("E5003", f"{log[:64]!r} cannot stand in the id of an event")
    return log.encode("ascii")


class Block(NamedTuple):
    """What a parser makes of one block with data.

    Attributes:
        id: The last id that was sent, in this block or before.
        event: Its name; `message` when none was sent.
        data: Its data lines, joined by LF.
    """

    id: str
    event: str
    data: str


class Parser:
    """Make blocks of one response body, however the network cuts it.

    Afterwards read `last_id` to know where to come back. What is held when the body ends is dropped, as it must be.

    Args:
        limit_bytes: How large one event may be.

    Attributes:
        last_id: What `Last-Event-ID` says when the connection ends now; empty when nothing was received.
        retry_ms: What the server asked for, if anything.
        heartbeats: How many comment lines were received.
    """

    def __init__(self, limit_bytes: int = EVENT_BYTES) -> None:
        self.last_id = ""
        self.retry_ms: int | None = None
        self.heartbeats = 0
        self._limit = limit_bytes
        self._start: bytes | None = b""  # bytes that may still turn out to be a byte order mark
        self._tail: list[bytes] = []  # pieces of a line without its end
        self._tail_bytes = 0
        self._after_cr = False  # a LF that comes now belongs to the CR before it
        self._id = ""
        self._event = ""
        self._data: list[str] = []
        self._data_bytes = 0

    def feed(self, chunk: bytes) -> list[Block]:
        """Take in what the network gave.

        Args:
            chunk: Any bytes.

        Returns:
            The blocks that are complete now.

        Raises:
            ProtocolFault: E5003, one event is larger than the limit; close the connection.
        """
        if self._start is not None:
            chunk = self._without_bom(chunk)
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if not chunk:
            return []
        # Only a chunk that could carry the event over the limit pays for looking at each line.
        tight = self._data_bytes + self._tail_bytes + len(chunk) > self._limit
        blocks: list[Block] = []
        for line in self._lines(chunk):
            if not line:
                self._dispatch(blocks)
            elif tight and self._data_bytes + len(line) > self._limit:
                self._refuse()
            else:
                self._field(line)
        if self._data_bytes + self._tail_bytes > self._limit:
            self._refuse()
        return blocks

    def _without_bom(self, chunk: bytes) -> bytes:
        start = (self._start or b"") + chunk
        if len(start) < len(BOM) and BOM.startswith(start):
            self._start = start
            return b""
        self._start = None
        return start.removeprefix(BOM)

    def _lines(self, chunk: bytes) -> list[bytes]:
        """Cut off the lines that are complete; keep the rest."""
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            complete = chunk.endswith((b"\n", b"\r"))
            lines = chunk.splitlines()  # on bytes: CR, LF and CRLF only
            rest = b"" if complete else lines.pop()
        else:
            lines = chunk.split(b"\n")
            rest = lines.pop()
        if lines and self._tail:
            self._tail.append(lines[0])
            lines[0] = b"".join(self._tail)
            self._tail, self._tail_bytes = [], 0
        if rest:
            self._tail.append(rest)
            self._tail_bytes += len(rest)
        return lines

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value.decode("utf-8", "replace"))
            self._data_bytes += len(value) + 1
        elif name == b"id":
            if b"\0" not in value:
                self._id = value.decode("utf-8", "replace")
        elif not name:
            self.heartbeats += 1
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"retry" and value.isdigit():
            digits = value.lstrip(b"0")
            self.retry_ms = int(digits or b"0") if len(digits) <= _RETRY_DIGITS else 10**_RETRY_DIGITS

    def _dispatch(self, blocks: list[Block]) -> None:
        self.last_id = self._id
        if self._data:
            blocks.append(Block(self._id, self._event or "message", "\n".join(self._data)))
            self._data, self._data_bytes = [], 0
        self._event = ""

    def _refuse(self) -> None:
        raise ProtocolFault("E5003", f"one event is larger than {self._limit} bytes")
