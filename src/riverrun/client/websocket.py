"""The only file that knows the WebSocket library: one log over one socket, each tried once (PROTOCOL.md §12).

A socket could carry many logs. Here each reader has its own, because what nobody reads yet must wait at the server, and
not in memory here: a socket can only be held back as a whole (docs/decisions/015).

Foreign errors end here, as in `connect.py`. It does not know places, retries or what an event means.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as _dial
from websockets.exceptions import (
    ConcurrencyError,
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidProxy,
    InvalidStatus,
)

from riverrun.base.errors import ConnectionFault, ProtocolFault
from riverrun.client.connect import Connect, Piece, Stream
from riverrun.events.ending import Close
from riverrun.log.tail import cursor as cursor_of
from riverrun.wire import problem, sse, ws
from riverrun.wire.pages import EventPage
from riverrun.wire.problem import Problem
from riverrun.wire.sse import Block

_PATH = "/v1/ws"
_NAME = "1"  # of the one attachment
_FRAME_BYTES = sse.EVENT_BYTES + 1024 * 1024
_QUEUE_FRAMES = 2  # what has arrived and nobody asked for yet; then the server is held back
_CLOSE_TIMEOUT = 0.5  # a server that does not say goodbye in time is left without
_MISUSED = frozenset({1002, 1007, 1009})  # what the library closes with when the server breaks the rules
_quiet = logging.getLogger("riverrun.client.websocket")


class Sockets:
    """Opens sockets to one server, and polls it where a network lets none through.

    Args:
        connect: The server, and who asks.
        timeout: Seconds that opening may take, the answer to the attach included.
        given: What the reader asks for beside events, as `hints` gives it, but for a name.
    """

    def __init__(self, connect: Connect, *, timeout: float = 30.0, given: Mapping[str, str] | None = None) -> None:
        self._connect = connect
        self._given = dict(given or {})
        scheme, _, rest = connect.url.partition("://")
        self._url = f"{'ws' if scheme.lower() == 'http' else 'wss'}://{rest}{_PATH}"
        self._timeout = timeout

    async def open_stream(self, path: str, cursor: str) -> Stream | Problem | None:
        """Attach to a log over a socket of its own.

        Args:
            path: Of the events of a run.
            cursor: The place to attach at.

        Returns:
            The stream; the problem when it was not granted; None when the run has ended and was read to its end.

        Raises:
            ConnectionFault: E5001 or E5005, there was no answer; it may be tried again.
            ProtocolFault: E5003, the answer is none of this protocol.
        """
        run = path.removesuffix("/events").rpartition("/")[2]
        try:
            async with asyncio.timeout(self._timeout):
                socket = await self._open()
                if isinstance(socket, Problem):
                    return socket
                try:
                    granted = await _attach(socket, self._asked(run, cursor))
                except BaseException:
                    socket.transport.abort()
                    raise
        except TimeoutError:
            raise ConnectionFault("E5005", f"no answer within {self._timeout:g} s", where=self._url) from None
        except ConnectionClosed as closed:
            raise _fault(closed, self._url) from None
        if isinstance(granted, ws.Attached):
            return SocketStream(socket, granted, self._url)
        await _close(socket)
        return granted

    async def poll(self, path: str, cursor: str) -> EventPage | Problem | None:
        """Ask for one page of a log, over HTTP.

        Args:
            path: Of the events of a run.
            cursor: The place to attach at.

        Returns:
            As `Connect.poll`.

        Raises:
            ConnectionFault: E5001 or E5005, there was no answer; it may be tried again.
            ProtocolFault: E5003, the answer is not a page.
        """
        return await self._connect.poll(path, cursor, self._given)

    def _asked(self, run: str, cursor: str) -> ws.Attach:
        whole = {name: int(value) for name, value in self._given.items()}
        return ws.Attach(
            id=_NAME,
            run=run,
            after=cursor,
            interval=whole.get("interval"),
            max_bytes=whole.get("max_bytes"),
            adaptive=bool(whole.get("adaptive")),
        )

    async def _open(self) -> ClientConnection | Problem:
        try:
            return await _Dial(
                self._url,
                additional_headers=self._connect.headers,
                compression=None,
                open_timeout=None,
                ping_interval=None,  # the session's watchdog measures silence
                close_timeout=_CLOSE_TIMEOUT,
                max_size=_FRAME_BYTES,
                max_queue=_QUEUE_FRAMES,
                logger=_quiet,
            )
        except InvalidStatus as refused:
            answer = refused.response
            if answer.status_code < 300:
                what = f"the server answered {answer.status_code} and opened no socket"
                raise ProtocolFault("E5003", what, where=self._url) from None
            return problem.decode(answer.status_code, bytes(answer.body or b""), answer.headers.get("retry-after"))
        except TimeoutError:
            raise
        except (InvalidMessage, InvalidProxy, OSError) as error:
            # A head that was cut is the network's doing; the library calls it invalid as well.
            what = str(error) or type(error).__name__
            raise ConnectionFault("E5001", f"there was no answer: {what}", where=self._url) from None
        except InvalidHandshake as error:
            raise ProtocolFault("E5003", f"the server opened no socket: {error}", where=self._url) from None


class SocketStream(Stream):
    """One open stream of blocks, over a socket. Close it in any case.

    Args:
        socket: Attached to one log.
        attached: What the server said to that.
        where: What to name when something goes wrong.
    """

    def __init__(self, socket: ClientConnection, attached: ws.Attached, where: str) -> None:
        self._socket = socket
        self._last_id = cursor_of(attached.log, attached.after)
        self._opening = True
        self._where = where

    async def read(self, listen: float) -> Piece | Close:
        """Read what is there, or wait for something. A read that is cancelled takes nothing.

        Args:
            listen: Seconds, at most.

        Returns:
            A piece; NETWORK when the socket or the attachment ended; SILENT when nothing came.

        Raises:
            ProtocolFault: E5003, what came cannot be taken, or the server does not take what was sent.
        """
        if self._opening:
            # What the answer to the attach said, as the first block of an SSE body says it.
            self._opening = False
            return Piece([], 0, self._last_id)
        try:
            async with asyncio.timeout(listen):
                frame = ws.frame_of(await self._socket.recv(decode=False))
        except TimeoutError:
            return Close.SILENT
        except ConnectionClosed as closed:
            return self._closed(closed)
        return heard(frame, self._last_id)

    async def aclose(self) -> None:
        """Close the socket; idempotent."""
        await _close(self._socket)

    def _closed(self, closed: ConnectionClosed) -> Close:
        fault = _fault(closed, self._where)
        if isinstance(fault, ProtocolFault):
            raise fault
        return ws.close_of(closed.rcvd.code if closed.rcvd else None)


def heard(frame: ws.Frame | None, last_id: str) -> Piece | Close:
    """Say what a frame is for the reader of the one attachment of a socket.

    Args:
        frame: As it came; None for one of a later version.
        last_id: The cursor that the reader attached at.

    Returns:
        A piece; NETWORK where the attachment is over: who comes back is told why.
    """
    match frame:
        case ws.Events(id=name, events=events) if name == _NAME:
            return Piece([Block(last_id, "message", str(event, "utf-8")) for event in map(bytes, events)], 0, last_id)
        case ws.Heartbeat():
            return Piece([], 1, last_id)
        case ws.Closing(reason=reason):
            return Piece([Block(last_id, "close", reason)], 0, last_id)
        case ws.Ended(id=name) | ws.Detached(id=name) | ws.Refused(id=name) if name in (_NAME, None):
            return Close.NETWORK
    return Piece([], 0, last_id)


class _Dial(_dial):
    """The library's connect, which stays where it was sent: a redirect is an answer like another."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


async def _attach(socket: ClientConnection, asked: ws.Attach) -> ws.Attached | Problem | None:
    await socket.send(ws.written(asked))
    while True:
        match ws.frame_of(await socket.recv(decode=False)):
            case ws.Attached() as granted:
                return granted
            case ws.Ended():
                return None
            case ws.Refused(problem=told):
                return told
            case ws.Closing(reason=reason):
                raise ConnectionFault("E5001", f"the server closes the socket: {reason}")


async def _close(socket: ClientConnection) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(socket.close())
        group.create_task(_pass_over(socket))


async def _pass_over(socket: ClientConnection) -> None:
    """Take what is still under way, which nobody wants: the server's goodbye is behind it."""
    # Another task may be reading; then it passes this on to nobody.
    with suppress(ConnectionClosed, ConcurrencyError):
        while True:
            await socket.recv(decode=False)


def _fault(closed: ConnectionClosed, where: str) -> ConnectionFault | ProtocolFault:
    """Say whose fault the end of a socket is: the network's, or that of a side that broke the rules."""
    if closed.rcvd is None and closed.sent is not None and closed.sent.code in _MISUSED:
        return ProtocolFault("E5003", f"the server sent what cannot be taken: {closed.sent.reason}", where=where)
    if closed.rcvd is not None and ws.close_of(closed.rcvd.code) is Close.REFUSED:
        what = f"the server closed the socket: {closed.rcvd.code} {closed.rcvd.reason}"
        return ProtocolFault("E5003", what, where=where)
    return ConnectionFault("E5001", "the socket was closed", where=where)
