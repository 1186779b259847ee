"""One event as a log keeps it: the object, its bytes, or both, each made once and only when somebody asks.

In process nobody asks for bytes, over HTTP nobody asks for objects; all readers of one record share what was made.
"""

from __future__ import annotations

from riverrun.events.codec import decode, encode
from riverrun.events.kinds import Event


class Record:
    """An event with its place in the log.

    Args:
        seq: Place in the log of the run, from 1.
        event: The event, if it is at hand.
        data: Its JSON, if that is at hand; at least one of the two is.
    """

    __slots__ = ("_data", "_event", "seq")

    def __init__(self, seq: int, event: Event | None = None, data: bytes | None = None) -> None:
        self.seq = seq
        self._event = event
        self._data = data

    @property
    def event(self) -> Event:
        """The event."""
        if self._event is None:
            self._event = decode(self._data or b"")
        return self._event

    @property
    def data(self) -> bytes:
        """Its JSON, one line of UTF-8."""
        if self._data is None:
            self._data = encode(self.event)
        return self._data

    def __repr__(self) -> str:
        return f"Record({self.seq}, {self.data!r})"
