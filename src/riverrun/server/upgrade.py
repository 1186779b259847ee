"""How a WebSocket is held over TCP: what uvicorn leaves open for one that is slow, dead or hostile.

Four things beside uvicorn's protocol. A peer that asks for pongs and does not take them is not read any more. A message
in more fragments than anybody needs is refused, because empty ones would never reach the limit of its size. A peer that
answers no ping is given up only if it takes nothing either, and then at once, because a polite end would wait for it.
And when the server stops, the socket's own close frame comes first.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

FRAGMENTS = 4096  # of one message
_TOO_BIG = 1009


class Upgraded(WebSocketsSansIOProtocol):
    """uvicorn's protocol for one socket."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pushed_back = False  # nothing is read until something was taken
        self._untaken = 0  # bytes that waited to be taken when the last ping left

    def shutdown(self) -> None:
        """Leave the end to the transport above, which is told by `Runtime.leave`; refuse what is not open yet."""
        if not self.handshake_complete:
            super().shutdown()

    def handle_ping(self) -> None:
        """Answer a ping; who takes no answers may not go on asking."""
        super().handle_ping()
        if not self.writable.is_set() and not self._pushed_back:
            self._pushed_back = True
            self.transport.pause_reading()

    def handle_cont(self, event: Frame) -> None:
        """Take a fragment of a message, unless there are too many."""
        super().handle_cont(event)
        if len(self.frames) > FRAGMENTS and not self.close_sent:
            self.frames = []
            self.conn.fail(_TOO_BIG, "too many fragments")
            self.queue.put_nowait({"type": "websocket.disconnect", "code": _TOO_BIG})
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self.transport.close()

    def resume_writing(self) -> None:
        """Go on, now that the peer has taken what there was."""
        super().resume_writing()
        if self._pushed_back:
            self._pushed_back = False
            if not self.read_paused:
                self.transport.resume_reading()

    def send_keepalive_ping(self) -> None:
        """Ask whether the peer is there."""
        super().send_keepalive_ping()
        self._untaken = self._waiting()

    def keepalive_timeout(self) -> None:
        """Give the peer up, unless it takes bytes: the ping is behind them."""
        waiting = self._waiting()
        if waiting != self._untaken:
            self._untaken = waiting
            self.pong_timer = self.loop.call_later(self.ping_timeout or 0.0, self.keepalive_timeout)
        elif waiting:
            self.pong_timer = None
            self.transport.abort()
        else:
            super().keepalive_timeout()

    def _waiting(self) -> int:
        return 0 if self.transport.is_closing() else self.transport.get_write_buffer_size()
