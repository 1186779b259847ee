"""A stretch of network that fails as it is told: a TCP proxy for tests of servers and readers.

async with Proxy("127.0.0.1", 8000, lambda number: Faults(after=100) if number == 0 else Faults()) as proxy:
    ...  # the first connection to proxy.url is reset after 100 bytes of the answer, later ones are whole

It forwards bytes and understands none of them. What it holds in memory is bounded: one piece per direction and
connection, and what `hold` says. It does not know Riverrun.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Self

_PIECE_BYTES = 64 * 1024
_HOLD_LIMIT = 16 * 1024 * 1024
_SLICES_PER_SECOND = 50  # how evenly a throttled answer flows
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s: close sends a reset instead of a polite end
_BAD_GATEWAY = (
    b"HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: 24\r\nconnection: close\r\n\r\n"
    b"<h1>502 Bad Gateway</h1>"
)


class Break(Enum):
    """How a connection stops working."""

    END = "end"  # the client sees a polite end, which it may take for success
    RESET = "reset"  # both sides see a reset
    HALF_CLOSE = "half_close"  # the answer ends politely, and requests are still forwarded
    BLACK_HOLE = "black_hole"  # it stays open, and nothing is forwarded any more in either direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong on one connection; without arguments nothing does. All of it may be combined.

    Attributes:
        after: Bytes of the answer that pass before the connection breaks; None never breaks it. A black hole after 0
            bytes is one from the beginning: not even the request arrives.
        then: How it breaks.
        delay: Seconds that each piece of the answer waits.
        bytes_per_second: No more of the answer passes; None lets it flow.
        hold: The answer passes in lumps of so many bytes (at most 16 MiB) and what is left at its end.
        bad_gateway: A gateway answers with 502 by itself; the server does not notice.
    """

    after: int | None = None
    then: Break = Break.RESET
    delay: float = 0.0
    bytes_per_second: float | None = None
    hold: int = 0
    bad_gateway: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be done.

        Raises:
            ValueError: A number is out of its range.
        """
        slow = self.bytes_per_second is not None and self.bytes_per_second <= 0
        if (self.after or 0) < 0 or self.delay < 0 or slow or not 0 <= self.hold <= _HOLD_LIMIT:
            raise ValueError(f"no network fails like this: {self}")


_NONE = Faults()


class Proxy:
    """Forward connections to a server, each with its faults. Use it with `async with`.

    Args:
        host: Where the server listens.
        port: Of the server.
        faults: Gives the faults of each connection, by its number from 0; None has none.
        limit: Connections that may be open at once; more are reset.

    Attributes:
        target: Host and port that new connections lead to; it may be changed at any time.
        faults: As given; it may be changed at any time.
    """

    def __init__(
        self, host: str, port: int, faults: Callable[[int], Faults] | None = None, *, limit: int = 1000
    ) -> None:
        self.target = (host, port)
        self.faults = faults or (lambda _: _NONE)
        self._limit = limit
        self._listener: asyncio.Server | None = None
        self._busy: set[asyncio.Task[None]] = set()
        self._lines: set[_Line] = set()
        self._counts = dict.fromkeys(
            ("connections", "refused", "unreached", "broken", "bad_gateways", "request_bytes", "answer_bytes"), 0
        )

    @property
    def port(self) -> int:
        """Where it listens, on the loopback."""
        assert self._listener is not None, "the proxy is not open"
        return int(self._listener.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Base URL that leads to the server through this proxy."""
        return f"http://127.0.0.1:{self.port}"

    def statistics(self) -> dict[str, int]:
        """Tell what happened.

        Returns:
            `open` connections now; since the beginning `connections`, those `refused` because of the limit, those
            whose server was `unreached`, those that were `broken` as told, `bad_gateways`, `request_bytes` and
            `answer_bytes` that passed.
        """
        return {"open": len(self._busy), **self._counts}

    def cut(self) -> int:
        """Reset all connections at once, on both sides.

        Returns:
            How many there were.
        """
        lines = list(self._lines)
        for line in lines:
            line.reset()
        self._counts["broken"] += len(lines)
        return len(lines)

    async def __aenter__(self) -> Self:
        # As many may come at once, as they do when a server that was killed is there again: one that finds the queue
        # of asyncio's hundred full is let in a second later.
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=self._limit)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listener is not None
        self._listener.close()
        while self._busy:
            for task in self._busy:
                task.cancel()
            await asyncio.wait(self._busy)
        await self._listener.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._busy) >= self._limit:
            self._counts["refused"] += 1
            _reset(writer)
            return
        number = self._counts["connections"]
        self._counts["connections"] += 1
        # Not a TaskGroup: one connection that fails must not end the others. `__aexit__` waits for all of them.
        task = asyncio.create_task(self._carry(_Line(reader, writer, self.faults(number), self._counts)))
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)

    async def _carry(self, line: _Line) -> None:
        self._lines.add(line)
        try:
            await line.carry(*self.target)
        except OSError:
            line.reset()
        finally:
            self._lines.discard(line)
            await line.close()


class _Line:
    """One connection: a client, its faults, and the server that it reaches."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, faults: Faults, counts: dict[str, int]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._faults = faults
        self._counts = counts
        self._onwards: asyncio.StreamWriter | None = None

    async def carry(self, host: str, port: int) -> None:
        """Forward both directions until they end or break."""
        faults = self._faults
        if faults.bad_gateway:
            await self._bad_gateway()
        elif faults.after == 0 and faults.then is Break.BLACK_HOLE:
            self._counts["broken"] += 1
            await _swallow(self._reader)
        else:
            await self._join(host, port)

    def reset(self) -> None:
        """Break both sides without a polite end."""
        _reset(self._writer)
        if self._onwards is not None:
            _reset(self._onwards)

    async def close(self) -> None:
        """Close both sides; idempotent. What is still buffered for a client that takes nothing is dropped."""
        writers = [writer for writer in (self._writer, self._onwards) if writer is not None]
        for writer in writers:
            if writer.transport.get_write_buffer_size():
                writer.transport.abort()
            writer.close()
        for writer in writers:
            with suppress(OSError):
                await writer.wait_closed()

    async def _bad_gateway(self) -> None:
        self._counts["bad_gateways"] += 1
        with suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await self._reader.readuntil(b"\r\n\r\n")
        self._writer.write(_BAD_GATEWAY)
        await self._writer.drain()

    async def _join(self, host: str, port: int) -> None:
        try:
            there, self._onwards = await asyncio.open_connection(host, port)
        except OSError:
            self._counts["unreached"] += 1
            raise
        # Either direction may end by itself; what breaks the connection ends both.
        requests = asyncio.create_task(self._requests(self._onwards))
        try:
            if await self._answer(there):
                await self._broken(requests)
            else:
                await requests
        finally:
            requests.cancel()
            await asyncio.wait((requests,))
        if not requests.cancelled():
            requests.result()

    async def _broken(self, requests: asyncio.Task[None]) -> None:
        self._counts["broken"] += 1
        match self._faults.then:
            case Break.RESET:
                self.reset()
            case Break.END:
                self._writer.write_eof()
            case Break.HALF_CLOSE:
                self._writer.write_eof()
                await requests
            case Break.BLACK_HOLE:
                requests.cancel()
                await asyncio.wait((requests,))
                await _swallow(self._reader)

    async def _requests(self, onwards: asyncio.StreamWriter) -> None:
        while data := await self._reader.read(_PIECE_BYTES):
            self._counts["request_bytes"] += len(data)
            onwards.write(data)
            await onwards.drain()
        onwards.write_eof()

    async def _answer(self, there: asyncio.StreamReader) -> bool:
        """Forward the answer to its end, and end it; or say that it is to break here."""
        left = self._faults.after
        async for piece in self._pieces(there):
            passing = piece if left is None else piece[:left]
            self._writer.write(passing)
            await self._writer.drain()
            self._counts["answer_bytes"] += len(passing)
            if left is not None:
                left -= len(passing)
                if not left:
                    return True
        if self._writer.can_write_eof():
            self._writer.write_eof()
        return False

    async def _pieces(self, there: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """Give the answer in the pieces, and at the pace, in which it may pass."""
        held, hold, rate = b"", self._faults.hold, self._faults.bytes_per_second
        while data := await there.read(_PIECE_BYTES):
            held += data
            if len(held) < hold:
                continue
            piece, held = held, b""
            async for part in _paced(piece, self._faults.delay, rate):
                yield part
        async for part in _paced(held, self._faults.delay, rate):
            yield part


async def _paced(piece: bytes, delay: float, rate: float | None) -> AsyncIterator[bytes]:
    if piece:
        await asyncio.sleep(delay)
    size = len(piece) if rate is None else max(1, int(rate / _SLICES_PER_SECOND))
    for start in range(0, len(piece), size or 1):
        yield piece[start : start + size]
        if rate is not None:
            await asyncio.sleep(size / rate)


async def _swallow(reader: asyncio.StreamReader) -> None:
    """Take what the client sends, to notice when it leaves."""
    while await reader.read(_PIECE_BYTES):
        pass


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
