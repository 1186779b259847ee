"""What all transports share: how much moves at once, and who may end a connection.

Rules of this file and its neighbours:

* A transport sends nothing that it did not read from the log, except heartbeats and the close frame (PROTOCOL.md §1).
* No queue per reader: a bounded page is read, written in one go, and the server's drain is awaited. A slow reader
  holds one page, and the run never waits for it.
* Beside the task of the request there is one more per connection, which watches for the reader to leave; of a WebSocket
  it also takes the requests (`websocket.py`).

It knows ASGI (scope, receive, send); it does not know a framework, a route or a store.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextlib import asynccontextmanager
from itertools import accumulate
from typing import Any, NamedTuple, Protocol

from riverrun.events.ending import Close
from riverrun.events.record import Record, lines
from riverrun.log.store import RunKey

Message = MutableMapping[str, Any]  # what ASGI calls an event; here that word is taken
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

NOSNIFF = (b"x-content-type-options", b"nosniff")
_GONE = frozenset({"http.disconnect", "websocket.disconnect"})


class Pace(NamedTuple):
    """How much moves at once, and how often a quiet connection gives a sign of life.

    Attributes:
        page_events: Events per read, at most.
        page_bytes: Bytes per write, at most, unless a single event is longer.
        heartbeat_interval: Seconds of silence after which a heartbeat is sent.
        max_age: Seconds after which a stream is asked to come back, less up to a fifth by chance.
    """

    page_events: int = 500
    page_bytes: int = 256 * 1024
    heartbeat_interval: float = 15.0
    max_age: float = 900.0


class Reader(NamedTuple):
    """Who reads: which run, and under which name if the reader gave itself one."""

    key: RunKey
    name: str = ""


class Reach:
    """How far one reader was written to: what the gauges are made of.

    Args:
        reader: Who reads; None where that is not one run's reader.

    Attributes:
        reader: As given.
        place: seq of the last event that was written.
        head: seq of the last event that the log was seen to have.
        writing: Set by the transport around each write of events.
        since: When the write under way began, on the loop's clock.
    """

    __slots__ = ("head", "place", "reader", "since", "writing")

    def __init__(self, reader: Reader | None = None) -> None:
        self.reader = reader
        self.writing = False
        self.place = self.head = 0
        self.since = 0.0


class Connection(Reach):
    """One reader's connection while it is open; made by `Readers.connection`.

    Attributes:
        close: How it was ended from outside: detached (the reader left), rotated (the server asks it to come back) or
            superseded (the same reader has a newer one).
    """

    __slots__ = ("_scope", "close")

    def __init__(self, scope: asyncio.Timeout, reader: Reader | None = None) -> None:
        super().__init__(reader)
        self._scope: asyncio.Timeout | None = scope
        self.close: Close | None = None

    def cut(self, close: Close) -> None:
        """End the connection from outside; who has left needs no close frame, so DETACHED wins over ROTATED.

        Args:
            close: DETACHED interrupts whatever the transport waits for. ROTATED and SUPERSEDED let a write under way
                come to its end, so that the close frame never stands inside another block; the transport looks at
                `close` then.
        """
        if self._scope is None or self._scope.expired() or self.close in (close, Close.DETACHED):
            return
        self.close = close
        if close is Close.DETACHED or not self.writing:
            self._scope.reschedule(0.0)

    def over(self) -> None:
        """Say that the transport is done: nothing interrupts it any more."""
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(None)
        self._scope = None


class Shared:
    """The last events that were written to one reader, as bytes: who is at the same place is given the same.

    Readers that keep up are woken together, and all but the first of them find their bytes here. One page is held.
    """

    __slots__ = ("_bytes", "_count", "_first", "_last")

    def __init__(self) -> None:
        self._first: Record | None = None
        self._last: Record | None = None
        self._count = 0
        self._bytes = b""

    def encoded(self, log: str, records: list[Record], encode: Callable[[str, list[Record]], bytes]) -> bytes:
        """Give events as bytes.

        Args:
            log: Id of their log.
            records: In order. The same objects stand for the same events; where chunks were joined there are fewer.
            encode: Makes them, always the same one.

        Returns:
            What it made, now or for the reader before.
        """
        if not records:
            return b""
        first, last = records[0], records[-1]
        if first is not self._first or last is not self._last or len(records) != self._count:
            self._bytes = encode(log, records)
            self._first, self._last, self._count = first, last, len(records)
        return self._bytes


class Attends(Protocol):
    """Who wants to know which runs are read."""

    def came(self, reader: Reader) -> None:
        """Note that a connection was opened."""
        ...

    def left(self, reader: Reader, close: Close | None) -> None:
        """Note that it is no more, and how it ended."""
        ...

    def polled(self, reader: Reader) -> None:
        """Note that a reader was answered and will ask again."""
        ...


class Readers:
    """The open connections of one server: counted, and told to leave when it shuts down.

    Args:
        attends: Who is told which runs are read; None: nobody.

    Attributes:
        attends: As given.
        leaving: Whether everybody is sent away.
        shared: What was last written as server-sent events.
    """

    def __init__(self, attends: Attends | None = None) -> None:
        self.attends = attends
        self._open: set[Connection] = set()
        self._reaches: set[Reach] = set()  # of each reader of a run: a connection may be for many
        self._named: dict[Reader, Connection] = {}
        self._seen: dict[RunKey, list[int]] = {}  # how many read a run, and the newest seq that one of them met
        self._total = 0
        self.leaving = False
        self.shared = Shared()

    @asynccontextmanager
    async def connection(self, receive: Receive, reader: Reader | None = None) -> AsyncIterator[Connection]:
        """Watch over one connection: the body of the `async with` ends silently when it is cut from outside.

        Args:
            receive: Of ASGI; the request's body must have been read.
            reader: Who reads. One with a name takes the place of its older connection, which is superseded.

        Yields:
            The connection; afterwards its `close` says whether and how it was cut.
        """
        # A timeout without a deadline is a cancel scope: it tells its own interruption from that of others.
        scope = asyncio.timeout(None)
        try:
            async with scope:
                connection = Connection(scope, reader)
                watch = asyncio.create_task(_watch(receive, connection))
                self._open.add(connection)
                self._total += 1
                self._supersede(connection)
                if reader is not None:
                    self.follow(connection)
                    if self.attends is not None:
                        self.attends.came(reader)
                if self.leaving:
                    connection.cut(Close.ROTATED)
                try:
                    yield connection
                finally:
                    # Not a TaskGroup: it would wrap what the body raises.
                    connection.over()
                    self._open.discard(connection)
                    if reader is not None:
                        if self._named.get(reader) is connection:
                            del self._named[reader]
                        self.forget(connection)
                        if self.attends is not None:
                            self.attends.left(reader, connection.close)
                    watch.cancel()
                    await asyncio.wait((watch,))
        except TimeoutError:
            if not scope.expired():
                raise
        except OSError:
            # From ASGI 2.4 on `send` raises it when the reader is gone.
            connection.close = Close.DETACHED

    def leave(self) -> None:
        """Ask every reader, and every one that still comes, to go and come back elsewhere; idempotent."""
        self.leaving = True
        for connection in list(self._open):
            connection.cut(Close.ROTATED)

    def dismiss(self, reader: Reader) -> None:
        """End the connection of a reader that said that it leaves; nothing where there is none."""
        connection = self._named.get(reader)
        if connection is not None:
            connection.cut(Close.SUPERSEDED)

    def statistics(self) -> dict[str, int]:
        """Tell how many connections are open and how many there were."""
        return {"readers": len(self._open), "readers_total": self._total}

    def follow(self, reach: Reach) -> None:
        """Count a reader of a run into the gauges; done for the reader that a connection was made with.

        Args:
            reach: With its reader; afterwards `forget` it.
        """
        assert reach.reader is not None, "only readers of runs are followed"
        self._reaches.add(reach)
        self._seen.setdefault(reach.reader.key, [0, 0])[0] += 1

    def forget(self, reach: Reach) -> None:
        """Follow a reader no longer; harmless where it was not followed."""
        if reach.reader is None or reach not in self._reaches:
            return
        self._reaches.remove(reach)
        seen = self._seen[reach.reader.key]
        seen[:] = seen[0] - 1, max(seen[1], reach.head)
        if not seen[0]:
            del self._seen[reach.reader.key]

    def lag(self) -> int:
        """Tell how many events the reader that is furthest behind has not been sent, as far as is known here."""
        reading = [(self._seen[each.reader.key], each) for each in self._reaches if each.reader is not None]
        for seen, reach in reading:
            # A reader that is stuck has not looked at the log for long: one that is not, or was not, knows more.
            seen[1] = max(seen[1], reach.head)
        return max((seen[1] - reach.place for seen, reach in reading), default=0)

    def stalled_seconds(self) -> float:
        """Tell for how long the slowest write under way has been waiting."""
        now = asyncio.get_running_loop().time()
        written = self._open | self._reaches
        return max((now - each.since for each in written if each.writing and each.since), default=0.0)

    def _supersede(self, connection: Connection) -> None:
        reader = connection.reader
        if reader is not None and reader.name:
            before, self._named[reader] = self._named.get(reader), connection
            if before is not None:
                before.cut(Close.SUPERSEDED)


def portions(records: list[Record], limit_bytes: int) -> Iterator[list[Record]]:
    """Cut a page into portions that may each be written at once.

    Args:
        records: Of one page, at least one.
        limit_bytes: Bytes of JSON per portion, at most, unless a single event is longer.

    Yields:
        All records in their order.
    """
    ends = list(accumulate(map(len, lines(records))))
    start = before = 0
    while start < len(records):
        end = max(start + 1, bisect_right(ends, before + limit_bytes, start))
        yield records[start:end]
        start, before = end, ends[end - 1]
    if not records:
        yield records


async def _watch(receive: Receive, connection: Connection) -> None:
    try:
        while (await receive())["type"] not in _GONE:
            pass
    finally:
        connection.cut(Close.DETACHED)
