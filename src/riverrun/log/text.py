"""The text of one message from an offset on, for readers that keep text and no events (PROTOCOL.md §13).

Rules of this file:

* An offset counts UTF-16 code units and never falls inside a surrogate pair: it is moved back before it.
* Text that was taken back is never continued: the answer begins at 0 and says so.
* Only what lies beyond the offset is kept, so a reader near the end of a long text costs little.

Pure: it is fed the events of a log in order; it does not know where they come from or who asks.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from riverrun.base.errors import CursorError
from riverrun.events.kinds import (
    NodeCancelled,
    NodeChunk,
    NodeCompleted,
    NodeEvent,
    NodeFailed,
    NodeRetrying,
    text_length,
)
from riverrun.events.record import Record

_ENDS = (b'"node.completed"', b'"node.failed"', b'"node.cancelled"')  # looked at while the execution is not known
_PAIR_BEGINS, _PAIR_ENDS = range(0xD800, 0xDC00), range(0xDC00, 0xE000)


class Asked(Struct, frozen=True, kw_only=True):
    """What a reader of text has.

    Attributes:
        message: Id of the message.
        offset: How much of its text, in UTF-16 code units.
        attempt: Which attempt that text is of; None: whichever there is.
    """

    message: str
    offset: int = 0
    attempt: int | None = None


class MessageText:
    """The text of one message beyond an offset, as far as the log was read.

    Args:
        asked: What the reader has.

    Attributes:
        found: Whether the message has a chunk, or had one.
        attempt: The attempt that its text is of.
        voided: Whether the text that the reader has was taken back.
        done: Whether nothing can follow.
        looked: seq of the last event that was looked at.
        place: The same, but before what ended the message: whoever begins behind it hears of that again.
    """

    def __init__(self, asked: Asked, place: int = 0) -> None:
        self.found = place > 0
        self.attempt = asked.attempt or 1
        self.voided = False
        self.done = False
        self.looked = self.place = place
        self._message = asked.message
        self._has_attempt = asked.attempt is not None
        self._offset = asked.offset
        # A reader who says where its text ends, and who begins behind that in the log, is believed.
        self._length = asked.offset if place else 0
        self._pieces: list[str] = []
        self._exec = ""
        self._names = [msgspec.json.encode(asked.message), *_ENDS]

    @property
    def news(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self._pieces) or self.done or self.voided

    @property
    def beyond(self) -> bool:
        """Whether the text ends before the offset."""
        return self.found and self._offset > self._length

    def take(self, records: Iterable[Record], *, ended: bool) -> None:
        """Look at the next events of the log.

        Args:
            records: In order, without a hole behind those before.
            ended: Whether the last of them is the terminal event.
        """
        for record in records:
            # The bytes are searched for what names the message or its execution: most events need no decoding then.
            if any(name in record.data for name in self._names):
                event = record.event
                if isinstance(event, NodeChunk):
                    self._chunk(event)
                elif isinstance(event, NodeEvent):
                    self._node(event)
            self.looked = record.seq
            if not self.done:
                self.place = record.seq
        self.done = self.done or ended

    def told(self) -> tuple[int, str, int]:
        """Give what there is beyond the offset.

        Returns:
            Where the text begins, the text, and the length of the whole.

        Raises:
            CursorError: E2025, the text ends before the offset.
        """
        if self._offset > self._length:
            what = f"the text of {self._message[:64]!r} has {self._length} units, not {self._offset}"
            raise CursorError("E2025", what, where="offset")
        text = "".join(self._pieces)
        return self._length - text_length(text), text, self._length

    def _chunk(self, event: NodeChunk) -> None:
        if event.message != self._message:
            return
        self._know(event)
        if not isinstance(event.value, str):
            return
        if self._has_attempt and event.attempt < self.attempt:
            return  # what the reader has is of a later one
        if event.attempt > self.attempt:
            self._begin_anew(event.attempt)
        start = self._length if event.start is None else event.start
        self._length = start + text_length(event.value)
        if self._length > self._offset:
            self._pieces.append(
                event.value if start >= self._offset else after_units(event.value, self._offset - start)
            )

    def _node(self, event: NodeEvent) -> None:
        if isinstance(event, NodeRetrying) and self._message in event.voids:
            self._know(event)
            if not self._has_attempt or event.attempt > self.attempt:
                self._begin_anew(event.attempt)
        elif isinstance(event, NodeCancelled | NodeFailed) and self._message in event.voids:
            self._know(event)
            self._begin_anew(event.attempt)
            self.voided = self.done = True
            self._offset = 0
        elif isinstance(event, NodeCompleted | NodeCancelled | NodeFailed) and self._is_from(event.exec):
            self.done = True

    def _is_from(self, execution: str) -> bool:
        """Say whether the message is of an execution, also where no chunk of it was seen."""
        return execution == (self._exec or self._message) or self._message.startswith(f"{execution}/")

    def _know(self, event: NodeEvent) -> None:
        self.found = True
        if event.exec != self._exec:
            self._exec = event.exec
            self._names = [self._names[0], msgspec.json.encode(event.exec)]

    def _begin_anew(self, attempt: int) -> None:
        """Forget what was taken back; a reader who said what it has begins at 0 then."""
        self.attempt = attempt
        self._pieces, self._length = [], 0
        if self._has_attempt:
            self.voided = True
            self._offset = 0


def after_units(text: str, units: int) -> str:
    """Cut off the beginning of a text.

    Args:
        text: Any.
        units: How much, in UTF-16 code units; a surrogate pair that would be cut in two stays whole.

    Returns:
        The rest.
    """
    if text.isascii():
        return text[units:]
    encoded = text.encode("utf-16-le", "surrogatepass")
    cut = 2 * units
    if 0 < cut < len(encoded) and _unit(encoded, cut) in _PAIR_ENDS and _unit(encoded, cut - 2) in _PAIR_BEGINS:
        cut -= 2
    return encoded[cut:].decode("utf-16-le", "surrogatepass")


def _unit(encoded: bytes, place: int) -> int:
    return encoded[place] | encoded[place + 1] << 8
