"""The reconnect machine: what a reader of one run does next, whatever the network does (PROTOCOL.md §3 and §8).

Rules of this file:

* A session never changes: a move gives a new one, an action for the shell, and the events that may be applied.
* The events that all steps of a session give, put together, are 1, 2, 3 … from its first place, whatever arrived.
* Only four things end it: the terminal event, a refusal, a question for the user, the reader's own leaving; and a
  fifth, patience, only where the user set a limit.
* A move that the table does not allow raises `IllegalMove` and changes nothing.

It is told the time and given its randomness. It does not know HTTP libraries, sockets, or what an event means.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from riverrun.base.errors import IllegalMove
from riverrun.events.ending import Close, Duty, Ending
from riverrun.events.kinds import Event
from riverrun.log.log import ending_of
from riverrun.log.tail import Verdict, cursor, judge


class State(Enum):
    """Where a session is; the value is what a user sees."""

    CONNECTING = "connecting"
    LIVE = "live"
    RECONNECTING = "reconnecting"
    POLLING = "polling"
    ENDED = "ended"


class Move(Enum):
    """What can happen to a session."""

    OPENED = "opened"  # a stream was granted
    RECEIVED = "received"  # bytes arrived on it
    POLLED = "polled"  # a page arrived
    DRAINED = "drained"  # 204: the run has ended and the reader has all of it
    CLOSED = "closed"  # the stream ended, or a request failed
    PROBLEM = "problem"  # a request was not granted
    DETACHED = "detached"  # the reader leaves


_TRYING = {
    Move.OPENED: frozenset({State.LIVE}),
    Move.DRAINED: frozenset({State.ENDED}),
    Move.CLOSED: frozenset({State.RECONNECTING, State.POLLING, State.ENDED}),
    Move.PROBLEM: frozenset({State.RECONNECTING, State.ENDED}),
    Move.DETACHED: frozenset({State.ENDED}),
}

# The machine: which move is legal in which state, and where it may lead.
MOVES: dict[State, dict[Move, frozenset[State]]] = {
    State.CONNECTING: _TRYING,
    State.RECONNECTING: _TRYING,
    State.LIVE: {
        Move.RECEIVED: frozenset({State.LIVE, State.RECONNECTING, State.POLLING, State.ENDED}),
        Move.CLOSED: frozenset({State.RECONNECTING, State.POLLING, State.ENDED}),
        Move.DETACHED: frozenset({State.ENDED}),
    },
    State.POLLING: {
        Move.POLLED: frozenset({State.POLLING, State.RECONNECTING, State.ENDED}),
        Move.DRAINED: frozenset({State.ENDED}),
        Move.CLOSED: frozenset({State.POLLING, State.ENDED}),
        Move.PROBLEM: frozenset({State.POLLING, State.ENDED}),
        Move.DETACHED: frozenset({State.ENDED}),
    },
    State.ENDED: {},
}


class Pace(Struct, frozen=True, kw_only=True):
    """The times and counts of PROTOCOL.md §8; all times in seconds.

    Attributes:
        heartbeat_interval: How often a quiet server gives a sign of life.
        first_byte_timeout: How long an open stream may show nothing at all.
        first_delay: The second try; each later one waits twice as long.
        longest_delay: No try waits longer, unless the server asks for it.
        barren_limit: So many barren streams in a row lead to polling.
        barren_seconds: A stream that ends sooner, without event or heartbeat, is barren.
        poll_seconds: After so long a stream is tried again.
        patience: Give up when the server was not heard for so long; None never does.
    """

    heartbeat_interval: float = 15.0
    first_byte_timeout: float = 5.0
    first_delay: float = 0.25
    longest_delay: float = 5.0
    barren_limit: int = 3
    barren_seconds: float = 5.0
    poll_seconds: float = 30.0
    patience: float | None = None


class Do(Enum):
    """What the shell does next."""

    CONNECT = "connect"  # after `delay`: ask for a stream from the session's cursor
    POLL = "poll"  # after `delay`: ask for one page from the session's cursor
    READ = "read"  # from the open stream; `closed(Close.SILENT)` when it gives no byte within `listen`
    END = "end"  # close what is open; `session.close` says why


class Action(NamedTuple):
    """What the shell does next; it closes an open stream before anything but READ."""

    do: Do
    delay: float = 0.0
    listen: float = 0.0


class Step(NamedTuple):
    """The outcome of a move: the session after it, what to do now, and which events to apply first."""

    session: Session
    action: Action
    events: Sequence[Event] = ()


class Session(Struct, frozen=True, kw_only=True):
    """One reader's dealings with one run. Begin with CONNECT, then report each thing that happens as a move.

    Attributes:
        place: seq of the last event that was given out.
        log: Id of the log, once known; the cursor names it, so that another log is never taken for it.
        pace: Times and counts.
        state: Where it is.
        opens: How many streams were granted.
        close: How the last connection ended; once ENDED, why.
        ending: How the run ended, once its terminal event was given out.
    """

    place: int = 0
    log: str | None = None
    pace: Pace = Pace()
    state: State = State.CONNECTING
    opens: int = 0
    close: Close | None = None
    ending: Ending | None = None
    tries: int = 0  # since the server was last heard
    barren: int = 0  # barren streams in a row
    heard: bool = False  # an event that was applied or a heartbeat, on this stream
    touched: bool = False  # any byte, on this stream
    since: float = 0.0  # when this stream was opened, or polling first succeeded
    asked: float = 0.0  # when the poll that is under way was due
    lost: float | None = None  # when contact was lost; None while there is contact

    @property
    def cursor(self) -> str:
        """Where to attach."""
        return str(self.place) if self.log is None else cursor(self.log, self.place)

    @property
    def reconnects(self) -> int:
        """How many streams were granted after the first."""
        return max(0, self.opens - 1)

    @property
    def duty(self) -> Duty | None:
        """Once ENDED: whether the user is to decide (ASK) or the matter is closed (NEVER); NOW after giving up."""
        if self.state is not State.ENDED or self.close is None:
            return None
        return self.ending.duty if self.ending is not None else self.close.duty

    def opened(self, now: float) -> Step:
        """Report that a stream was granted.

        Args:
            now: Seconds on a clock that never goes back.

        Returns:
            READ.

        Raises:
            IllegalMove: E3012.
        """
        after = _to(self, Move.OPENED, State.LIVE, opens=self.opens + 1, since=now, heard=False, touched=False)
        return Step(after, Action(Do.READ, listen=self.pace.first_byte_timeout))

    def received(
        self, events: Sequence[Event], now: float, dice: float, *, heartbeats: int = 0, log: str | None = None
    ) -> Step:
        """Report what came out of the stream with some bytes; nothing whole is fine, too.

        Args:
            events: In the order they came.
            now: Seconds on a clock that never goes back.
            dice: A random number in [0, 1).
            heartbeats: How many came with them.
            log: Id of the log that the stream named last.

        Returns:
            READ, or what follows a gap, another log or the terminal event; with the events to apply.

        Raises:
            IllegalMove: E3012.
        """
        _check(self, Move.RECEIVED)
        if log is not None and self.log not in (None, log):
            return _over(self, Move.RECEIVED, Close.GONE)
        good, gap = _continuing(self.place, events)
        heard = bool(good or heartbeats)
        after = replace(
            self,
            place=self.place + len(good),
            log=log or self.log,
            heard=self.heard or heard,
            touched=True,
            tries=0 if heard else self.tries,
            barren=0 if heard else self.barren,
            lost=None,
        )
        if good and good[-1].terminal:
            return _over(after, Move.RECEIVED, Close.ENDED, good)
        if gap:
            return _again(after, Move.RECEIVED, Close.NETWORK, now, dice, events=good)
        listen = max(2.5 * self.pace.heartbeat_interval, self.pace.first_byte_timeout)
        return Step(after, Action(Do.READ, listen=listen), good)

    def polled(self, events: Sequence[Event], now: float, dice: float, *, log: str, ended: bool) -> Step:
        """Report a page.

        Args:
            events: In the order they came.
            now: Seconds on a clock that never goes back.
            dice: A random number in [0, 1).
            log: Id of its log.
            ended: Whether the page says that it goes up to the terminal event.

        Returns:
            POLL, CONNECT when it is time to try a stream again, or END; with the events to apply.

        Raises:
            IllegalMove: E3012.
        """
        _check(self, Move.POLLED)
        if self.log not in (None, log):
            return _over(self, Move.POLLED, Close.GONE)
        good, gap = _continuing(self.place, events)
        # A page that gave nothing, and at once, is not asked for again at once.
        idle = not good and now - self.asked < 1.0
        tries = self.tries + 1 if idle else 0
        delay = _delay(self.pace, tries, dice)
        since = self.since if self.heard else now
        after = replace(self, place=self.place + len(good), log=log, heard=True, since=since, lost=None, tries=tries)
        if (good and good[-1].terminal) or (ended and not gap):
            return _over(after, Move.POLLED, Close.ENDED, good)
        if now - since >= self.pace.poll_seconds:
            # One barren stream, and the next is a poll again.
            back = _to(after, Move.POLLED, State.RECONNECTING, barren=self.pace.barren_limit - 1)
            return Step(back, Action(Do.CONNECT), good)
        return Step(_to(after, Move.POLLED, State.POLLING, asked=now + delay), Action(Do.POLL, delay), good)

    def drained(self) -> Step:
        """Report 204: the run has ended and the reader has all of it.

        Returns:
            END.

        Raises:
            IllegalMove: E3012.
        """
        return _over(self, Move.DRAINED, Close.ENDED)

    def closed(self, how: Close, now: float, dice: float) -> Step:
        """Report that the stream ended, or that a request got no answer.

        Args:
            how: NETWORK, SILENT, ROTATED or SUPERSEDED; REFUSED for what the protocol does not allow.
            now: Seconds on a clock that never goes back.
            dice: A random number in [0, 1).

        Returns:
            CONNECT or POLL after a delay, or END.

        Raises:
            IllegalMove: E3012.
        """
        if how not in {Close.NETWORK, Close.SILENT, Close.ROTATED, Close.SUPERSEDED, Close.REFUSED}:
            raise IllegalMove("E3012", f"{how.value!r} is not how a connection closes by itself")
        return _again(self, Move.CLOSED, how, now, dice)

    def problem(self, status: int, now: float, dice: float, retry_after: float | None = None) -> Step:
        """Report that a request was not granted.

        Args:
            status: Of the response.
            now: Seconds on a clock that never goes back.
            dice: A random number in [0, 1).
            retry_after: Seconds that the server asked for, if it did.

        Returns:
            CONNECT or POLL after a delay, or END.

        Raises:
            IllegalMove: E3012.
        """
        how = close_of(status)
        return _again(self, Move.PROBLEM, how, now, dice, at_least=retry_after or 0.0 if how is Close.BUSY else 0.0)

    def detached(self) -> Step:
        """Report that the reader leaves.

        Returns:
            END.

        Raises:
            IllegalMove: E3012.
        """
        return _over(self, Move.DETACHED, Close.DETACHED)


def close_of(status: int) -> Close:
    """Say what a status other than 200 and 204 means for a reader (PROTOCOL.md §8)."""
    if status in {429, 503}:
        return Close.BUSY
    if status == 410:
        return Close.GONE
    return Close.NETWORK if status >= 500 else Close.REFUSED


def _continuing(place: int, events: Sequence[Event]) -> tuple[list[Event], bool]:
    """Give the events to apply, up to the terminal event or a gap, and whether there was a gap."""
    good: list[Event] = []
    for event in events:
        verdict = judge(place, event.seq)
        if verdict is Verdict.GAP:
            return good, True
        if verdict is Verdict.APPLY:
            good.append(event)
            place += 1
            if event.terminal:
                break
    return good, False


def _again(
    before: Session,
    move: Move,
    how: Close,
    now: float,
    dice: float,
    *,
    at_least: float = 0.0,
    events: Sequence[Event] = (),
) -> Step:
    """Do the reader's duty after a connection ended."""
    _check(before, move)
    if how.duty is not Duty.NOW:
        return _over(before, move, how, events)
    pace = before.pace
    barren = before.barren + _was_barren(before, how, now)
    # A server that is busy is never asked again at once.
    delay = at_least + _delay(pace, max(before.tries, 1) if how is Close.BUSY else before.tries, dice)
    lost = now if before.lost is None else before.lost
    if pace.patience is not None and now + delay - lost > pace.patience:
        return _over(before, move, how, events)
    polling = before.state is State.POLLING or barren >= pace.barren_limit
    after = _to(
        before,
        move,
        State.POLLING if polling else State.RECONNECTING,
        close=how,
        barren=0 if polling else barren,
        tries=before.tries + 1,
        lost=lost,
        asked=now + delay,
        # In POLLING this says whether a poll ever succeeded, so it starts anew on the way in.
        heard=before.heard and before.state is State.POLLING,
    )
    return Step(after, Action(Do.POLL if polling else Do.CONNECT, delay), events)


def _was_barren(session: Session, how: Close, now: float) -> bool:
    if session.state in (State.CONNECTING, State.RECONNECTING):
        return how is Close.SILENT  # asked, and not even a head came: a proxy may be holding all of it back
    if session.state is not State.LIVE or how is Close.ROTATED or session.heard:
        return False
    return not session.touched or now - session.since < session.pace.barren_seconds


def _delay(pace: Pace, tries: int, dice: float) -> float:
    # PROTOCOL.md §8: "the first try at once, then 0.25 s doubled up to 5 s, each times a random factor"
    if tries == 0:
        return 0.0
    return min(pace.longest_delay, pace.first_delay * 2.0 ** min(tries - 1, 30)) * (0.5 + dice / 2)


def _over(before: Session, move: Move, close: Close, events: Sequence[Event] = ()) -> Step:
    ending = ending_of(events[-1]) if events else None
    return Step(_to(before, move, State.ENDED, close=close, ending=ending), Action(Do.END), events)


def _check(session: Session, move: Move) -> None:
    if move not in MOVES[session.state]:
        raise IllegalMove("E3012", f"{move.value!r} was reported to a session that is {session.state.value!r}")


def _to(before: Session, move: Move, state: State, **changes: Any) -> Session:
    """Go to a state by the table; everything that moves passes here."""
    _check(before, move)
    assert state in MOVES[before.state][move], f"{before.state} --{move}--> {state} is not in the table"
    return replace(before, state=state, **changes)
