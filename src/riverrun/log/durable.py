"""A durable stream: what its log is made of, and what that adds up to (PROTOCOL.md §16).

Nobody owns a durable stream: whoever may, appends, from any process. What fences them is the log itself: every write
was decided on the log up to a seq and is committed only while that is its head (`expected_seq`), else it is decided
anew. So everything that a decision needs stands in the log: pieces are chunks, and what else there is to know is told
by events of a node named `stream`, which readers pass over. An end of the log means that the stream was deleted.

It does not know where a log lives, who reads it, or what is inside a piece.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import MutableMapping, Sequence
from typing import Self

import msgspec
from msgspec import Struct

from riverrun.events.kinds import Custom, Event, Json, NodeChunk, RunStarted
from riverrun.log.log import check_order

GRAPH = "$stream"  # of no graph that is served
GRAPH_THAT_EXPIRES = "$stream.expiring"  # those that may have to be deleted are found without looking at the others
NODE = "stream"
EXEC = f"{NODE}:1"
SOON_MS = 60_000
SUM_EVENTS = 1_000  # between two sums, at least

# What the events of a stream are called that are no pieces.
WRITER, CLOSED, TOUCHED, FORKED, SUMMED = "writer", "closed", "touched", "forked", "summed"


class Inherited(Struct, frozen=True, array_like=True):
    """A stretch of another log that a fork begins with.

    Attributes:
        run: Id of that log.
        base: The offset before its first event.
        end: The offset of the last event that the fork has.
    """

    run: str
    base: int
    end: int


class Origin(Struct, frozen=True, omit_defaults=True):
    """What a fork was asked to be.

    Attributes:
        path: Of the stream that it was made from.
        offset: Where it begins to differ; None: where that one ended then.
        sub: How much of what follows there it has as well: bytes of the next piece, or JSON messages.
    """

    path: str
    offset: int | None = None
    sub: int = 0


class Config(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a stream was created as.

    Attributes:
        path: Its name for its tenant.
        content_type: As it was first said.
        ttl: Seconds that it lives without being used; None: for ever.
        expires: When it ends, as it was said.
        expires_ms: The same in milliseconds since the Unix epoch.
        origin: What it was forked from, if it was.
        inherited: What it shares with others, in order.
    """

    path: str
    content_type: str
    ttl: int | None = None
    expires: str = ""
    expires_ms: int | None = None
    origin: Origin | None = None
    inherited: tuple[Inherited, ...] = ()

    @property
    def base(self) -> int:
        """The offset before the first event of its own log."""
        return self.inherited[-1].end if self.inherited else 0

    @property
    def media(self) -> str:
        """Its type without parameters, in lower case: what two of them are compared by."""
        return self.content_type.partition(";")[0].strip().lower()


class Producer(Struct, frozen=True, array_like=True):
    """Where an idempotent producer is.

    Attributes:
        id: Its name.
        epoch: Which incarnation of it.
        seq: Of its append, from 0 in each epoch.
    """

    id: str
    epoch: int
    seq: int


class Sum(Struct, frozen=True, array_like=True):
    """What a log adds up to, but for what its first event says.

    Attributes:
        last_seq: seq of the last piece.
        writer_seq: The last `Stream-Seq`.
        closed: Whether nothing follows.
        producers: All that there were.
        forks: Ids of the logs that begin with this one.
    """

    last_seq: int
    writer_seq: str | None
    closed: bool
    producers: tuple[Producer, ...]
    forks: tuple[str, ...]


class State:
    """What the log of a durable stream adds up to.

    Args:
        started: Its first event.

    Attributes:
        run: Id of the log.
        log: Of its incarnation.
        config: What it was created as.
        head: seq of the last event that was applied.
        last_seq: seq of the last piece; 0 for none.
        closed: Whether nothing follows.
        ended: Whether it was deleted.
        used_ms: When it was last used, as far as that was written down.
        writer_seq: The last `Stream-Seq`.
        producers: By id.
        forks: Ids of the logs that begin with this one.
        summed: seq of the last event that says what all before it adds up to.
    """

    def __init__(self, started: RunStarted) -> None:
        self.run = started.run
        self.log = started.log
        self.config = msgspec.convert(started.input, Config)
        self.head = 1
        self.last_seq = 0
        self.closed = False
        self.ended = False
        self.used_ms = started.ts
        self.writer_seq: str | None = None
        self.producers: MutableMapping[str, Producer] = {}
        self.forks: set[str] = set()
        self.summed = 0

    @property
    def tail(self) -> int:
        """The offset of the last piece."""
        return self.config.base + self.last_seq

    def fold(self, events: Sequence[Event]) -> Self:
        """Apply events that continue it.

        Raises:
            HeadMoved: E4005, they do not.
        """
        check_order(self.head, events)
        for event in events:
            self.apply(event)
        return self

    def apply(self, event: Event) -> None:
        """Apply the next event. What it does not know it passes over: a newer version may have written it."""
        self.head = event.seq
        self.used_ms = max(self.used_ms, event.ts)
        if isinstance(event, NodeChunk):
            self.last_seq = event.seq
        elif isinstance(event, Custom):
            self._told(event)
        elif event.terminal:
            self.ended = True

    def _told(self, event: Custom) -> None:
        if event.name == WRITER:
            if event.value["producer"] is not None:
                producer = msgspec.convert(event.value["producer"], Producer)
                self.producers[producer.id] = producer
            if event.value["seq"] is not None:
                self.writer_seq = event.value["seq"]
        elif event.name == CLOSED:
            self.closed = True
        elif event.name == FORKED:
            self.forks.add(event.value)
        elif event.name == SUMMED:
            self.summed = event.seq

    def sum(self) -> Sum:
        """Say what it adds up to."""
        producers, forks = tuple(self.producers.values()), tuple(sorted(self.forks))
        return Sum(self.last_seq, self.writer_seq, self.closed, producers, forks)

    def resume(self, event: Event) -> bool:
        """Go on behind an event that says what all before it adds up to.

        Args:
            event: Any of the log.

        Returns:
            Whether it was one; else nothing changed.
        """
        if not isinstance(event, Custom) or event.name != SUMMED:
            return False
        said = msgspec.convert(event.value, Sum)
        self.head = self.summed = event.seq
        self.used_ms = event.ts
        self.last_seq, self.writer_seq, self.closed = said.last_seq, said.writer_seq, said.closed
        self.producers = {producer.id: producer for producer in said.producers}
        self.forks = set(said.forks)
        return True

    def over(self, now_ms: int) -> bool:
        """Say whether its time is over."""
        return over(self.config, self.used_ms, now_ms)

    def stale(self, now_ms: int) -> bool:
        """Say whether a use must be written down, so that its time to live begins anew."""
        return self.config.ttl is not None and now_ms >= self.used_ms + _grain_ms(self.config)


def over(config: Config, used_ms: int, now_ms: int) -> bool:
    """Say whether the time of a stream is over.

    Args:
        config: What it was created as.
        used_ms: When it was last used, as far as that was written down.
        now_ms: Both in milliseconds since the Unix epoch.

    Returns:
        Whether it is to be deleted.
    """
    if config.expires_ms is not None and now_ms >= config.expires_ms:
        return True
    # A use that was not written down may be as old as that.
    return config.ttl is not None and now_ms >= used_ms + config.ttl * 1000 + _grain_ms(config)


def _grain_ms(config: Config) -> int:
    return min((config.ttl or 0) * 1000 // 8, SOON_MS)


def piece_of(value: Json) -> bytes:
    """Read a piece from the value of its chunk: text, or base64 of what is none."""
    return value.encode("utf-8") if isinstance(value, str) else b64decode(value["base64"])


def agrees(state: State, config: Config, *, closed: bool) -> bool:
    """Say whether a stream is what somebody wants to create: then creating it again does no harm."""
    has = (state.config.media, *_life(state.config), state.closed)
    return has == (config.media, *_life(config), closed)


def _life(config: Config) -> tuple[int | None, int | None, Origin | None]:
    return config.ttl, config.expires_ms, config.origin


def stretches(state: State, end: int) -> tuple[Inherited, ...]:
    """Give what a fork of a stream shares with it.

    Args:
        state: The stream.
        end: The offset of the last event that the fork has.

    Returns:
        Stretches of logs, in order; none where it shares nothing.
    """
    own = Inherited(state.run, state.config.base, end)
    every = (*state.config.inherited, own)
    return tuple(Inherited(each.run, each.base, min(each.end, end)) for each in every if each.base < end)


def closes(event: Event) -> bool:
    """Say whether this event of a stream says that nothing follows."""
    return isinstance(event, Custom) and event.name == CLOSED
