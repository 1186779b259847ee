"""Many thin readers in one process: sockets, a selector, and what arrived when; nothing is taken apart before the end.

So the load costs as little as it can: a reader's share is one `recv` per write of the server. It does not know a server
or a protocol; a `Way` says what is sent, and how the answer begins and ends.
"""

from __future__ import annotations

import re
import selectors
import socket
import struct
from bisect import bisect_right
from itertools import accumulate
from time import perf_counter
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlsplit

_PIECE_BYTES = 1 << 18
_SECONDS = 60.0  # without a byte for anybody; then the server is taken for broken
_MARK_BYTES = 64  # no mark that is looked for is longer
_AT_ONCE = 100  # connections that are opened before the first of them is waited for
_RESET = struct.pack("ii", 1, 0)  # close with a reset: thousands of ports would wait a minute otherwise
_DATED = re.compile(rb"at ([0-9]+\.[0-9]{6});")


class Way(NamedTuple):
    """How a reader asks.

    Attributes:
        request: What is sent first.
        ready: What is in the answer once the reader is attached.
        end: What the answer ends with; empty: it does not end.
        then: What is sent when the head of the answer has arrived, if anything.
    """

    request: bytes
    ready: bytes
    end: bytes = b""
    then: bytes = b""


class Reader:
    """One reader, and all that it received.

    Attributes:
        socket: Its connection.
        times: When each piece arrived, in seconds.
        pieces: The pieces. Two lists, because a list of pairs would keep the garbage collector busy.
        fault: What went wrong; empty while nothing did.
        ready: Whether it is attached.
        ended: Whether the answer has come to its end.
    """

    __slots__ = ("_tail", "_then", "_way", "ended", "fault", "pieces", "ready", "socket", "times")

    def __init__(self, way: Way, connection: socket.socket) -> None:
        self.socket = connection
        self.times: list[float] = []
        self.pieces: list[bytes] = []
        self.fault = ""
        self.ready = self.ended = False
        self._way = way
        self._then = way.then
        self._tail = b""

    def take(self, piece: bytes, now: float) -> None:
        """Keep a piece, and look whether the reader is attached by it, or the answer over."""
        self.times.append(now)
        self.pieces.append(piece)
        known = self._tail + piece  # what is looked for may be cut in two
        if not self.ready:
            if self._then and b"\r\n\r\n" in known:
                self.socket.sendall(self._then)
                self._then = b""
            self.ready = self._way.ready in known
        self.ended = bool(self._way.end) and known.endswith(self._way.end)
        self._tail = known[-_MARK_BYTES:]

    def received(self) -> bytes:
        """Give all that arrived, the head included."""
        return b"".join(self.pieces)

    def lateness(self) -> list[float]:
        """Tell of each dated chunk how much later than it was made it was here, in seconds."""
        begins = [0, *accumulate(map(len, self.pieces))]
        found = _DATED.finditer(self.received())
        return [self.times[bisect_right(begins, each.end() - 1) - 1] - float(each[1]) for each in found]


class Crowd:
    """Readers of one server. Use it with `with`, which closes them all.

    Args:
        url: Of the server.

    Attributes:
        readers: All of them.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._selector = selectors.DefaultSelector()
        self._buffer = memoryview(bytearray(_PIECE_BYTES))
        self._reading = 0  # readers whose answer goes on
        self.readers: list[Reader] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for reader in self.readers:
            reader.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            reader.socket.close()
        self._selector.close()

    def join(self, ways: list[Way]) -> None:
        """Let more readers come, and wait until all of them are attached.

        Args:
            ways: How each of them asks.

        Raises:
            RuntimeError: One was not attached.
        """
        for start in range(0, len(ways), _AT_ONCE):
            come = [self._connect(way) for way in ways[start : start + _AT_ONCE]]
            while not all(reader.ready or reader.fault for reader in come):
                self._look(_SECONDS)
            for reader in come:
                if not reader.ready:
                    raise RuntimeError(f"a reader was not attached: {reader.fault}: {reader.received()[:300]!r}")

    def read(self, seconds: float | None = None) -> None:
        """Read until every answer is over.

        Args:
            seconds: Leave then in any case.

        Raises:
            RuntimeError: Nothing arrived for a minute.
        """
        leave_at = None if seconds is None else perf_counter() + seconds
        while self._reading:
            left = _SECONDS if leave_at is None else leave_at - perf_counter()
            if left <= 0:
                return
            self._look(left, may_be_silent=leave_at is not None)

    def whole(self) -> None:
        """See that no answer was cut short.

        Raises:
            RuntimeError: One was.
        """
        for reader in self.readers:
            if not reader.ended:
                raise RuntimeError(f"a reader was lost: {reader.fault}: {reader.received()[-300:]!r}")

    def _connect(self, way: Way) -> Reader:
        connection = socket.create_connection(self._address, _SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = Reader(way, connection)
        self.readers.append(reader)
        connection.sendall(way.request)
        connection.setblocking(False)  # noqa: FBT003  # as the library has it
        self._selector.register(connection, selectors.EVENT_READ, reader)
        self._reading += 1
        return reader

    def _look(self, seconds: float, *, may_be_silent: bool = False) -> None:
        ready = self._selector.select(seconds)
        if not ready and not may_be_silent:
            raise RuntimeError(f"nothing arrived for {seconds:g} s")
        for key, _ in ready:
            reader: Reader = key.data
            try:
                size = reader.socket.recv_into(self._buffer)
            except BlockingIOError:
                continue
            except OSError as error:
                reader.fault = str(error)
            else:
                if size:
                    reader.take(bytes(self._buffer[:size]), perf_counter())
                else:
                    reader.fault = "closed"
            if reader.ended or reader.fault:
                self._selector.unregister(reader.socket)
                self._reading -= 1
