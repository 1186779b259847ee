"""Many logs over one WebSocket, and the requests of who reads them (PROTOCOL.md §12).

Rules of this file, beside those of `serve.py`:

* Each attachment is a task; they write one frame each in turn. What a turn sends is read when the turn has come and not
  before, so a socket that takes nothing holds one frame, however many runs are attached.
* Requests are taken one after another, each when the answer to the one before has left: who does not take answers is
  not heard either.
* What goes wrong with a request or an attachment is told under its id, and ends nothing else.

It knows ASGI; it does not know who may do what (`Verbs`), a framework, or the library that speaks WebSocket.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import NamedTuple, Protocol

from riverrun.base.errors import Busy, ConnectionFault, CursorError, Fault, InputError, RiverrunError
from riverrun.base.ids import jitter
from riverrun.events.ending import Close
from riverrun.events.record import lines
from riverrun.log.store import Page
from riverrun.runs.reader import news
from riverrun.transports.place import Attached, is_last, told
from riverrun.transports.serve import Connection, Message, Pace, Reach, Reader, Readers, Receive, Send, portions
from riverrun.transports.wish import Stride, Wish
from riverrun.wire import ws
from riverrun.wire.joined import join
from riverrun.wire.problem import problem_of

_log = logging.getLogger("riverrun.transports")
_FOREVER = 86_400.0


class _Gone(Exception):
    """The reader has left: nothing can be said any more."""


class Allowance(NamedTuple):
    """How much one socket may have.

    Attributes:
        attachments: Runs that are attached at once.
        frame_bytes: Bytes of events in a frame, at most, unless a single event is longer.
        idle_timeout: Seconds after which a socket without attachments and requests is closed.
    """

    attachments: int = 100
    frame_bytes: int = 64 * 1024
    idle_timeout: float = 300.0


class Granted(NamedTuple):
    """A request that was granted: the status that HTTP would have answered with, and the run as JSON."""

    status: int
    run: bytes


class _Step(NamedTuple):
    """Where an attachment is after a turn.

    Attributes:
        attached: Its place, without the events that were sent.
        limit: How many events to read next.
        ended: Whether the log has ended.
        rested: When the next frame may be sent, on the loop's clock, if the reader has all there is.
    """

    attached: Attached
    limit: int
    ended: bool
    rested: float = 0.0


class _Way(NamedTuple):
    """How an attachment is written to: its id, how large a frame may be, whether chunks are joined; and how far."""

    name: str
    frame_bytes: int
    stride: Stride
    reach: Reach


class Verbs(Protocol):
    """What whoever opened a socket may do. Each raises what HTTP would have answered with."""

    async def attach(self, asked: ws.Attach, limit: int) -> Attached:
        """Find the place, with a page of at most `limit` events."""
        ...

    async def stop(self, asked: ws.Stop) -> Granted:
        """Stop a run."""
        ...

    async def resume(self, asked: ws.Resume) -> Granted:
        """Answer what a run asks."""
        ...

    def note(self, error: RiverrunError) -> None:
        """Hear of an error that was told; for who counts them."""
        ...


class Socket:
    """One WebSocket, from its handshake to its end.

    Args:
        verbs: What may be done.
        pace: How many events at once, and how often a heartbeat.
        limits: How much this socket may have.
        readers: Where it is counted, and asked to leave.
        receive: Of ASGI; nothing was received yet, or the handshake only.
        send: Of ASGI.
    """

    def __init__(
        self, verbs: Verbs, pace: Pace, limits: Allowance, readers: Readers, receive: Receive, send: Send
    ) -> None:
        self._verbs = verbs
        self._pace = pace
        self._limits = limits
        self._readers = readers
        self._receive = receive
        self._send = send
        self._turn = asyncio.Lock()  # the first to wait is the next to have it
        self._attached: dict[str, asyncio.Task[None]] = {}
        self._group = asyncio.TaskGroup()
        self._connection: Connection | None = None
        self._code, self._reason = ws.AWAY, ""
        self._now = asyncio.get_running_loop().time
        self._said_at = self._asked_at = self._now()
        # Those that came together need not all go together.
        self._expires = self._now() + pace.max_age * (1 - 0.2 * jitter())

    async def serve(self, subprotocol: str | None = None) -> None:
        """Accept the handshake and see the socket through.

        Args:
            subprotocol: What was agreed on.
        """
        with suppress(OSError):  # from ASGI 2.4 on `send` raises it when the reader is gone
            await self._send({"type": "websocket.accept", "subprotocol": subprotocol})
            async with self._readers.connection(self._hear) as self._connection, self._group:
                await self._stay()
            if self._connection.close is not Close.DETACHED:
                await self._leave()

    async def _stay(self) -> None:
        """Say that the server is there, as long as the socket is to be open."""
        while True:
            await asyncio.sleep(self._due() - self._now())
            if self._now() - self._said_at >= self._pace.heartbeat_interval:
                with suppress(_Gone):
                    await self._say(ws.HEARTBEAT)
            if not self._attached and self._now() - self._asked_at >= self._limits.idle_timeout:
                self._close(ws.IDLE, "idle")
            elif self._now() >= self._expires:
                self._close(ws.AWAY, "rotated")

    def _due(self) -> float:
        """Say when there is something to do again."""
        due = min(self._said_at + self._pace.heartbeat_interval, self._expires)
        return due if self._attached else min(due, self._asked_at + self._limits.idle_timeout)

    async def _leave(self) -> None:
        reason = self._reason or "shutdown"
        if self._code != ws.BINARY:
            await self._send({"type": "websocket.send", "text": ws.close(reason)})
        await self._send({"type": "websocket.close", "code": self._code, "reason": reason})

    def _close(self, code: int, reason: str) -> None:
        self._code, self._reason = code, reason
        self._cut(Close.ROTATED)

    def _cut(self, close: Close) -> None:
        assert self._connection is not None, "nothing happens before the handshake"
        self._connection.cut(close)

    # --- what comes in; in the task that watches for the reader to leave ---

    async def _hear(self) -> Message:
        """Receive one message, and do what it asks for."""
        message = await self._receive()
        assert self._connection is not None, "nothing is heard before the handshake"
        # Who was told to leave is not heard any more: what it asks for would be cut off.
        if message["type"] == "websocket.receive" and self._connection.close is None:
            frame = message.get("text")
            if frame is None:
                self._close(ws.BINARY, "E2019")
            else:
                with suppress(_Gone):
                    await self._take(ws.request_of(frame))
        return message

    async def _take(self, asked: ws.Request | ws.Refusal) -> None:
        self._asked_at = self._now()
        try:
            match asked:
                case ws.Attach():
                    self._begin(asked)
                case ws.Detach():
                    await self._detach(asked.id)
                case ws.Ping():
                    await self._say(ws.pong(asked.id))
                case ws.Stop():
                    await self._say(ws.granted(asked.id, *await self._verbs.stop(asked)))
                case ws.Resume():
                    await self._say(ws.granted(asked.id, *await self._verbs.resume(asked)))
                case ws.Refusal():
                    await self._refuse(*asked)
        except RiverrunError as error:
            await self._refuse(asked.id, error)
        except _Gone:
            raise
        except Exception:  # noqa: BLE001  # whatever it is, it is this request's alone
            _log.exception("a request over a WebSocket failed")
            await self._refuse(asked.id, Fault("E6007", "the server failed to answer this request"))

    def _begin(self, asked: ws.Attach) -> None:
        if asked.id in self._attached:
            raise InputError("E2020", f"{asked.id!r} is attached already", where="id")
        if len(self._attached) >= self._limits.attachments:
            raise Busy("E2021", f"this socket is attached to {len(self._attached)} runs, and may be to no more")
        self._attached[asked.id] = self._group.create_task(self._attach(asked))

    async def _detach(self, name: str) -> None:
        reading = self._attached.pop(name, None)
        if reading is not None:
            reading.cancel()
            await asyncio.wait((reading,))
        await self._say(ws.detached(name))

    # --- what goes out; each attachment in a task of its own ---

    async def _attach(self, asked: ws.Attach) -> None:
        """Read a run to its end, and say how that ended."""
        error: RiverrunError | None = None
        try:
            await self._read(asked)
        except RiverrunError as told:
            error = told
        except _Gone:
            return
        except Exception:  # noqa: BLE001  # whatever it is, it is this attachment's alone
            _log.exception("an attachment of a WebSocket failed")
            error = Fault("E6007", "the server failed to read this run")
        # The id is free before the client hears that it is.
        self._attached.pop(asked.id, None)
        self._asked_at = self._now()
        with suppress(_Gone):
            await (self._say(ws.ended(asked.id)) if error is None else self._refuse(asked.id, error))

    async def _read(self, asked: ws.Attach) -> None:
        interval = None if asked.interval is None else asked.interval / 1000
        most = self._limits.frame_bytes
        wish = Wish(interval, asked.max_bytes, asked.adaptive)
        way = _Way(asked.id, min(most, wish.max_bytes or most), Stride(wish), Reach())
        try:
            step = await self._first(asked, way)
            if not step.ended:
                await self._follow(way, step)
        finally:
            self._readers.forget(way.reach)

    async def _follow(self, way: _Way, step: _Step) -> None:
        attends, reader = self._readers.attends, Reader(step.attached.key)
        if attends is not None:
            attends.came(reader)
        try:
            while not step.ended:
                step = await self._next(way, step)
        finally:
            if attends is not None:
                assert self._connection is not None, "nothing is attached before the handshake"
                attends.left(reader, self._connection.close)

    async def _first(self, asked: ws.Attach, way: _Way) -> _Step:
        """Find the place, and say so; send what follows there."""
        async with self._turn:
            limit = self._pace.page_events
            attached = await self._verbs.attach(asked, limit)
            page = attached.page
            if attached.drained:
                return _Step(attached, limit, ended=True)
            reach = way.reach
            reach.reader, reach.place, reach.head = Reader(attached.key), attached.after, page.head
            self._readers.follow(reach)
            await self._put(ws.attached(asked.id, asked.run, page.log, attached.after, page.head, page.floor))
            return await self._write(way, attached, limit)

    async def _next(self, way: _Way, step: _Step) -> _Step:
        """Wait until the log goes on and a turn has come; send what there is then."""
        (store, key, after, page), limit, _, rested = step
        if after < page.head:
            # Behind: neither a store in memory nor an empty socket makes this task wait, so others get their turn here.
            await asyncio.sleep(0)
        else:
            await _more(step.attached)
            if rested > self._now():
                await asyncio.sleep(rested - self._now())
        async with self._turn:
            # PROTOCOL.md §12: "reads what it sends next only when its turn has come"
            try:
                page = await store.read(key, after, limit)
            except CursorError as error:
                raise await told(error, store, key) from None
            return await self._write(way, Attached(store, key, after, page), limit)

    async def _write(self, way: _Way, attached: Attached, limit: int) -> _Step:
        """Write events in one frame, in its turn. Nothing that was written is held on to."""
        page, limit = self._fitting(attached.page, limit, way.frame_bytes)
        records, reach = page.records, way.reach
        if way.stride.joins and len(records) > 1:
            records = join(records, way.frame_bytes)
        reach.head, reach.since, reach.writing = page.head, self._now(), True
        if records:
            await self._put(ws.events(way.name, records))
        reach.writing = False
        past = attached._replace(page=page).past()
        reach.place = past.after
        behind = page.head - past.after
        way.stride.wrote(self._now() - reach.since, behind)
        return _Step(past, limit, is_last(page), 0.0 if behind else self._now() + way.stride.pause)

    def _fitting(self, page: Page, limit: int, frame_bytes: int) -> tuple[Page, int]:
        """Keep of a page what fits into a frame, and say how many events to read next: so little is read twice."""
        if not page.records:
            return page, limit
        records = next(portions(page.records, frame_bytes))
        if len(records) < len(page.records):
            return page._replace(records=records), len(records)
        most = self._pace.page_events
        if len(records) < limit or limit >= most or 2 * sum(map(len, lines(records))) > frame_bytes:
            return page, limit
        return page, min(2 * limit, most)

    async def _refuse(self, name: str | None, error: RiverrunError) -> None:
        self._verbs.note(error)
        await self._say(ws.problem(name, problem_of(error)))

    async def _say(self, frame: str) -> None:
        async with self._turn:
            await self._put(frame)

    async def _put(self, frame: str) -> None:
        try:
            await self._send({"type": "websocket.send", "text": frame})
        except OSError:
            self._cut(Close.DETACHED)
            raise _Gone from None
        self._said_at = self._now()


async def _more(attached: Attached) -> None:
    """Wait until the log goes on after a place; what is read to notice that is not kept.

    Raises:
        ConnectionFault: E5002, it has ended without a terminal event.
    """
    store, key, after, page = attached
    head = None if page.status == "ended" else page.head
    found = await news(store, key, after, head=head, limit=1, idle_interval=_FOREVER)
    if found is not None and not found.records:
        raise ConnectionFault("E5002", "the log stopped without a terminal event", where=f"run {key.run}")
