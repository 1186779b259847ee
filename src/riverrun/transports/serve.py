"""What all transports share: how much moves at once, and who may end a connection.

Rules of this file and its neighbours:

* A transport sends nothing that it did not read from the log, except heartbeats and the close frame (PROTOCOL.md §1).
* No queue per reader: a bounded page is read, written in one go, and the server's drain is awaited. A slow reader
  holds one page, and the run never waits for it.
* Beside the task of the request there is one more per connection, which does nothing but watch for the reader to leave.

It knows ASGI (scope, receive, send); it does not know a framework, a route or a store.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from riverrun.events.ending import Close
from riverrun.events.record import Record

Message = MutableMapping[str, Any]  # what ASGI calls an event; here that word is taken
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

NOSNIFF = (b"x-content-type-options", b"nosniff")


class Pace(NamedTuple):
    """How much moves at once, and how often a quiet connection gives a sign of life.

    Attributes:
        page_events: Events per read, at most.
        page_bytes: Bytes per write, at most, unless a single event is longer.
        heartbeat_interval: Seconds of silence after which a heartbeat is sent.
    """

    page_events: int = 500
    page_bytes: int = 256 * 1024
    heartbeat_interval: float = 15.0


class Connection:
    """One reader's connection while it is open; made by `Readers.connection`.

    Attributes:
        close: How it was ended from outside: detached (the reader left) or rotated (the server asks it to come back).
        writing: Set by the transport around each write of events.
    """

    __slots__ = ("_scope", "close", "writing")

    def __init__(self, scope: asyncio.Timeout) -> None:
        self._scope: asyncio.Timeout | None = scope
        self.close: Close | None = None
        self.writing = False

    def cut(self, close: Close) -> None:
        """End the connection from outside; who has left needs no close frame, so DETACHED wins over ROTATED.

        Args:
            close: DETACHED interrupts whatever the transport waits for. ROTATED lets a write under way come to its
                end, so that the close frame never stands inside another block; the transport looks at `close` then.
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


class Readers:
    """The open connections of one server: counted, and told to leave when it shuts down."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        self._total = 0
        self.leaving = False

    @asynccontextmanager
    async def connection(self, receive: Receive) -> AsyncIterator[Connection]:
        """Watch over one connection: the body of the `async with` ends silently when it is cut from outside.

        Args:
            receive: Of ASGI; the request's body must have been read.

        Yields:
            The connection; afterwards its `close` says whether and how it was cut.
        """
        # A timeout without a deadline is a cancel scope: it tells its own interruption from that of others.
        scope = asyncio.timeout(None)
        try:
            async with scope:
                connection = Connection(scope)
                watch = asyncio.create_task(_watch(receive, connection))
                self._open.add(connection)
                self._total += 1
                if self.leaving:
                    connection.cut(Close.ROTATED)
                try:
                    yield connection
                finally:
                    # Not a TaskGroup: it would wrap what the body raises.
                    connection.over()
                    self._open.discard(connection)
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

    def statistics(self) -> dict[str, int]:
        """Tell how many connections are open and how many there were."""
        return {"readers": len(self._open), "readers_total": self._total}


def portions(records: list[Record], limit_bytes: int) -> Iterator[list[Record]]:
    """Cut a page into portions that may each be written at once.

    Args:
        records: Of one page, at least one.
        limit_bytes: Bytes of JSON per portion, at most, unless a single event is longer.

    Yields:
        All records in their order.
    """
    start = size = 0
    for index, record in enumerate(records):
        length = len(record.data)
        if size and size + length > limit_bytes:
            yield records[start:index]
            start, size = index, 0
        size += length
    yield records[start:] if start else records


async def _watch(receive: Receive, connection: Connection) -> None:
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        connection.cut(Close.DETACHED)
