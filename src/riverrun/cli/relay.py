"""A stretch of network between a client and a server that can be cut: a TCP relay on the loopback.

It forwards bytes and understands none of them. `cut` resets every connection on both sides at once, as a broken link
does; what arrives afterwards is forwarded again.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Self

_READ_BYTES = 64 * 1024
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s: close sends a reset instead of a polite end


class Relay:
    """Forward connections to a server on the loopback. Use it with `async with`.

    Args:
        host: Where the server listens.
        port: Of the server.

    Attributes:
        cuts: How often `cut` broke at least one connection.
    """

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._open: set[asyncio.StreamWriter] = set()
        self._busy: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self.cuts = 0

    @property
    def url(self) -> str:
        """Base URL that leads to the server through this relay."""
        assert self._listener is not None, "the relay is not open"
        host, port = self._listener.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    def cut(self) -> int:
        """Reset all connections at once, on both sides.

        Returns:
            How many sockets were broken.
        """
        broken = list(self._open)
        for writer in broken:
            _reset(writer)
        self.cuts += bool(broken)
        return len(broken)

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listener is not None
        self._listener.close()
        for writer in list(self._open):
            _reset(writer)
        while self._busy:
            await asyncio.wait(self._busy)
        await self._listener.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        self._open.add(writer)
        try:
            await self._join(reader, writer)
        finally:
            self._open.discard(writer)
            await _close(writer)
            self._busy.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, onwards = await asyncio.open_connection(*self._to)
        except OSError:
            _reset(writer)  # nobody listens: the client is refused as it would be without us
            return
        self._open.add(onwards)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_forward(reader, onwards))
                group.create_task(_forward(there, writer))
        finally:
            self._open.discard(onwards)
            await _close(onwards)


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction to its end, then end it at the other side in the same way: politely, or by a reset."""
    try:
        while data := await reader.read(_READ_BYTES):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
