"""One event as a log keeps it: the object, its bytes, or both, each made once and only when somebody asks.

In process nobody asks for bytes, over HTTP nobody asks for objects; all readers of one record share what was made.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from riverrun.events.codec import decode, encode
from riverrun.events.kinds import Event


class _Cells(Struct, gc=False, eq=False):
    """Where a record keeps what it has.

    Made in C and unknown to the garbage collector (nothing in it can point back to it): a log of 160,000 events takes
    5 ms to become records, 28 ms with a class of Python's own, and collections while they are kept are no longer.
    """

    seq: int
    event: Event | None = None
    data: bytes | None = None


_event_of, _keep_event = _Cells.event.__get__, _Cells.event.__set__  # type: ignore[union-attr]
_data_of, _keep_data = _Cells.data.__get__, _Cells.data.__set__  # type: ignore[union-attr]


class Record(_Cells, gc=False, eq=False):
    """An event with its place in the log.

    Args:
        seq: Place in the log of the run, from 1.
        event: The event, if it is at hand.
        data: Its JSON, if that is at hand; at least one of the two is.
    """

    @property  # type: ignore[misc]
    def event(self) -> Event:  # type: ignore[override]
        """The event."""
        event: Event | None = _event_of(self)
        if event is None:
            event = decode(_data_of(self) or b"")
            _keep_event(self, event)
        return event

    @property  # type: ignore[misc]
    def data(self) -> bytes:  # type: ignore[override]
        """Its JSON, one line of UTF-8."""
        data: bytes | None = _data_of(self)
        if data is None:
            data = encode(self.event)
            _keep_data(self, data)
        return data

    def __repr__(self) -> str:
        return f"Record({self.seq}, {self.data!r})"


def lines(records: Sequence[Record]) -> list[bytes]:
    """Give the JSON of many events: what `data` is of each, in half the time where all of it is at hand."""
    data: list[bytes] = list(map(_data_of, records))
    return [record.data for record in records] if None in data else data
