"""One reader's place on a log far away: an iterator of events that heals its connection by itself.

It does what the session says and tells the session what happened; it decides nothing. No task runs behind it: bytes
are read only when the caller asks for the next event, so a slow caller is felt by the server, not by memory here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from msgspec import Struct
from msgspec.structs import replace

from riverrun.base.clock import Clock, SystemClock
from riverrun.base.errors import ConnectionFault, CursorError, IllegalMove, InputError, ProtocolFault, RiverrunError
from riverrun.base.ids import jitter
from riverrun.client.connect import Piece, Stream
from riverrun.client.session import Action, Do, Pace, Session, State, Step
from riverrun.events.ending import Close, Duty
from riverrun.events.kinds import Event
from riverrun.log.tail import cursor
from riverrun.wire.joined import events_of
from riverrun.wire.pages import EventPage
from riverrun.wire.problem import Problem

Outcome = Stream | Piece | EventPage | Problem | RiverrunError | Close | None  # None: 204
OnChange = Callable[[State, str], None]


class LogServer(Protocol):
    """Who gives a log, as a stream or page by page; see `Connect`."""

    async def open_stream(self, path: str, cursor: str) -> Stream | Problem | None:
        """Ask for a log as a stream."""
        ...

    async def poll(self, path: str, cursor: str) -> EventPage | Problem | None:
        """Ask for one page of a log."""
        ...


class Progress(NamedTuple):
    """How far a reader is.

    Attributes:
        place: seq of the last event that the caller was given.
        arrived: seq of the last event that is here.
        head: seq of the last event that the server was heard to have; at least `arrived`.
        reconnects: How often a stream was granted again after it was lost.
    """

    place: int
    arrived: int
    head: int
    reconnects: int


class Watch(Struct, frozen=True, kw_only=True):
    """Who is told what, while a log is read. Each is a plain function that returns at once.

    Attributes:
        on_change: Told of each change of state, with a few words for people.
        on_place: Told the cursor of each event once the caller is done with it, that is: asks for the next one, or is
            told that there is none. What is kept here survives a crash: `events(after=)` begins behind it, and no event
            that was worked on is missing, while the last one may come again.
        on_progress: Told of each arrival of events.
    """

    on_change: OnChange | None = None
    on_place: Callable[[str], None] | None = None
    on_progress: Callable[[Progress], None] | None = None


_GOOD = {Close.ENDED, Close.DETACHED}


class Subscription:
    """Read the events of a run: each once, in order, until its terminal event.

    Leave it with `async with` or `aclose`; leaving never changes the run. A cancelled `anext` loses nothing: the next
    one goes on from the same place.

    Args:
        connect: The server.
        path: Of the events of the run.
        after: seq of the last event that the caller has.
        log: Id of the log that `after` belongs to, if the caller knows it.
        pace: Times and counts.
        watch: Who is told of changes, places and progress.
        clock: Tells the time.
        dice: Gives random numbers in [0, 1).
    """

    def __init__(
        self,
        connect: LogServer,
        path: str,
        *,
        after: int = 0,
        log: str | None = None,
        pace: Pace | None = None,
        watch: Watch | None = None,
        clock: Clock | None = None,
        dice: Callable[[], float] = jitter,
    ) -> None:
        self._connect = connect
        self._path = path
        self._session = Session(place=after, log=log, pace=pace or Pace())
        self._action = Action(Do.CONNECT)
        self._watch = watch or Watch()
        self._opened: Stream | None = None
        self._clock = clock or SystemClock()
        self._dice = dice
        self._place = self._kept = after
        self._head = after
        self._ready: deque[Event] = deque()
        self._stream: Stream | None = None
        self._fault: RiverrunError | None = None
        self._busy = False
        self._told = False

    @property
    def place(self) -> int:
        """The seq of the last event that the caller was given."""
        return self._place

    @property
    def cursor(self) -> str:
        """That place together with its log, once known: what to give to `events(after=)` another time."""
        return str(self._place) if self._session.log is None else cursor(self._session.log, self._place)

    @property
    def log(self) -> str | None:
        """Id of the log, once known."""
        return self._session.log

    @property
    def state(self) -> State:
        """Where the connection is; it may be ahead of `place` by events that are here already."""
        return self._session.state

    @property
    def reconnects(self) -> int:
        """How often a stream was granted again after it was lost."""
        return self._session.reconnects

    @property
    def close(self) -> Close | None:
        """How the last connection ended."""
        return self._session.close

    @property
    def duty(self) -> Duty | None:
        """Once ended: ASK when the user is to decide whether to go on."""
        return self._session.duty

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        self._keep()
        while not self._ready:
            if self._over():
                await self._leave()
                raise self._verdict()
            await self._advance()
        event = self._ready.popleft()
        self._place = event.seq
        return event

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leave the log; idempotent. The run goes on; `place` says where to come back."""
        self._ready.clear()
        if not self._over():
            self._take(self._session.detached())
        await self._leave()

    def begin_with(self, stream: Stream) -> None:
        """Read a stream of this log first that is open already; before the first event is asked for.

        Args:
            stream: From the place of this reader on; it is closed here.
        """
        self._opened = stream

    def begin_with_polling(self) -> None:
        """Ask for pages from the first request on; before the first event is asked for."""
        self._session = replace(self._session, state=State.POLLING)
        self._action = Action(Do.POLL)

    def take(self) -> Event | None:
        """Give the next event if it has arrived already, without waiting.

        Returns:
            The event, or None: then ask for it with `anext`.
        """
        if not self._ready:
            return None
        self._keep()
        event = self._ready.popleft()
        self._place = event.seq
        return event

    async def _advance(self) -> None:
        """Do what the session asked for and tell it what came of it."""
        if self._busy:
            raise IllegalMove("E3012", "two tasks ask one subscription for its next event", where=self._path)
        self._busy = True
        try:
            outcome = await self._do(self._action)
        except (ConnectionFault, ProtocolFault) as fault:
            outcome = fault
        finally:
            self._busy = False
        if not self._over():
            self._take(self._tell(outcome))
        elif isinstance(outcome, Stream):
            # Another task left the log while this one waited.
            await outcome.aclose()

    async def _do(self, action: Action) -> Outcome:
        if action.do is Do.READ:
            assert self._stream is not None, "READ without a stream"
            return await self._stream.read(action.listen)
        if self._opened is not None:
            opened, self._opened = self._opened, None
            return opened
        await self._leave()
        await asyncio.sleep(action.delay)
        if action.do is Do.POLL:
            return await self._connect.poll(self._path, self._session.cursor)
        return await self._connect.open_stream(self._path, self._session.cursor)

    def _tell(self, outcome: Outcome) -> Step:
        """Report an outcome to the session as the move that it is."""
        try:
            return self._reported(outcome)
        except ProtocolFault as fault:
            return self._reported(fault)

    def _reported(self, outcome: Outcome) -> Step:
        now, dice = self._clock.monotonic(), self._dice()
        self._fault = None
        match outcome:
            case Stream():
                self._stream = outcome
                return self._session.opened(now)
            case Piece():
                return self._heard(outcome, now, dice)
            case EventPage():
                events, log = outcome.decoded(), outcome.log
                self._head = max(self._head, outcome.head)
                return self._in_log(log, self._session.polled(events, now, dice, log=log, ended=outcome.ended))
            case None:
                return self._session.drained()
            case Problem():
                self._fault = outcome.error()
                return self._session.problem(outcome.status, now, dice, outcome.retry_after)
            case RiverrunError():
                self._fault = outcome
                return self._session.closed(_close_of(outcome), now, dice)
            case Close():
                return self._session.closed(outcome, now, dice)

    def _heard(self, piece: Piece, now: float, dice: float) -> Step:
        log = piece.last_id.rpartition(".")[0] or None
        events = [event for block in piece.blocks if block.event == "message" for event in events_of(block.data)]
        step = self._session.received(events, now, dice, heartbeats=piece.heartbeats, log=log)
        if step.action.do is Do.READ and any(block.event == "close" for block in piece.blocks):
            # PROTOCOL.md §5.4: "the reader comes back with its cursor"
            return step.session.closed(self._asked_to(piece), now, dice)._replace(events=step.events)
        return self._in_log(log, step)

    def _asked_to(self, piece: Piece) -> Close:
        """Say what a close frame asks for."""
        if not any(block.event == "close" and '"superseded"' in block.data for block in piece.blocks):
            return Close.ROTATED
        what = "another connection with the name of this reader took its place"
        self._fault = InputError("E2027", what, where=self._path)
        return Close.SUPERSEDED

    def _in_log(self, log: str | None, step: Step) -> Step:
        if step.session.close is Close.GONE:
            self._fault = CursorError("E2008", f"the place was in log {self._session.log}, the server reads {log}")
        return step

    def _take(self, step: Step) -> None:
        before, self._session, self._action = self._session, step.session, step.action
        self._ready.extend(step.events)
        after, watch = step.session, self._watch
        self._head = max(self._head, after.place)
        if watch.on_change is not None and (after.state is not before.state or step.action.delay):
            watch.on_change(after.state, _words(after, step.action))
        if watch.on_progress is not None and step.events:
            watch.on_progress(Progress(self._place, after.place, self._head, after.reconnects))

    def _keep(self) -> None:
        """Tell of the place of the event that the caller was given last: it asks for another one."""
        if self._watch.on_place is not None and self._kept != self._place:
            self._kept = self._place
            self._watch.on_place(self.cursor)

    def _over(self) -> bool:
        # A call, because another task may have ended the session at any `await`.
        return self._session.state is State.ENDED

    async def _leave(self) -> None:
        stream, self._stream = self._stream, None
        opened, self._opened = self._opened, None
        for each in (stream, opened):
            if each is not None:
                await each.aclose()

    def _verdict(self) -> Exception:
        """Give what ends the iteration: nothing special, or the error that only the caller can settle, once."""
        if self._told or self._session.close in _GOOD:
            return StopAsyncIteration()
        self._told = True
        patience = self._session.pace.patience
        return self._fault or ConnectionFault("E5002", f"the server was not heard for {patience} s", where=self._path)


def _words(session: Session, action: Action) -> str:
    close = "" if session.close is None else session.close.value
    if action.do in {Do.CONNECT, Do.POLL} and close:
        return f"{close}; next try in {action.delay:.1f} s" if action.delay else f"{close}; trying again"
    return close if session.state is State.ENDED else ""


def _close_of(fault: RiverrunError) -> Close:
    if isinstance(fault, ProtocolFault):
        return Close.REFUSED
    return Close.SILENT if fault.code == "E5005" else Close.NETWORK
