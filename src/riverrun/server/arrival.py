"""How a request may arrive over HTTP/1.1, and its answer leave: in time and of bounded size, which uvicorn leaves open.

Without this a client that sends a byte now and then keeps its connection for ever, and one that never ends its head
fills the memory. Bodies have their own limits (`bodies.py`); an idle connection ends by uvicorn's keep-alive.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Arrival(AutoHTTPProtocol):  # type: ignore[misc, valid-type] # uvicorn chooses httptools or h11 when it is imported
    """uvicorn's protocol with a deadline and a limit for heads; h11, where that is used, has a limit of its own.

    Attributes:
        head_timeout: Seconds from the connection, or from the first byte of a later request, to the end of the head.
        max_head_bytes: The longest head; what came in the same read as its end is not counted.
        stall_timeout: Seconds that a client may leave what was written to it in our buffer.
    """

    head_timeout = 10.0
    max_head_bytes = 64 * 1024
    stall_timeout = 120.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stalled: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head = False
        self._head_bytes = 0
        self._upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._expected()
        self._flows()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to wait for the client to take what was written."""
        super().pause_writing()
        # An end that is polite would wait for the client, which is what it does not do.
        self._stalled = self._stalled or self.loop.call_later(self.stall_timeout, self.transport.abort)

    def resume_writing(self) -> None:
        """Note that the client takes what is written."""
        self._flows()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Take bytes, and look at what is still open then."""
        super().data_received(data)
        if self._upgraded or self.transport.is_closing():
            return
        if self._answering():
            self._expected()
        elif self._deadline is None:
            self._expect()
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.max_head_bytes:
                self._refuse()

    def handle_websocket_upgrade(self, *args: Any) -> None:
        """Hand the connection over: from here on it is another protocol's."""
        if self._answering():
            # What is under way would never hear that its reader has left.
            self.transport.abort()
            return
        self._expected()
        self._in_head = False
        super().handle_websocket_upgrade(*args)
        self._upgraded = True

    def on_message_begin(self) -> None:
        """Begin to count: the parser has seen the first byte of a head."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Cease to count: the head is complete."""
        self._in_head = False
        super().on_headers_complete()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect(self) -> None:
        self._deadline = self.loop.call_later(self.head_timeout, self._give_up)

    def _flows(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _expected(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if not self._answering():
            self.transport.abort()

    def _refuse(self) -> None:
        if self._answering():
            # Inside another answer there is no place for this one.
            self.transport.abort()
        else:
            self.transport.write(_TOO_LARGE)
            self.transport.close()


def arrival(head_timeout: float, max_head_bytes: int, stall_timeout: float = 120.0) -> type[Arrival]:
    """Make the protocol of one server.

    Args:
        head_timeout: Seconds that a head may take.
        max_head_bytes: How long it may be.
        stall_timeout: Seconds that a client may take nothing of what was written.

    Returns:
        What uvicorn takes as `http`.
    """
    limits = {"head_timeout": head_timeout, "max_head_bytes": max_head_bytes, "stall_timeout": stall_timeout}
    return type("Arrival", (Arrival,), limits)
