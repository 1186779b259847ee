"""The JSON bodies that a server writes and a client reads: a page of events, a run, a graph (PROTOCOL.md §4 and §6).

Events go through as the bytes they are: they are neither decoded to write a page nor to take one apart. It does not
know stores: what it writes from is anything that looks like a page of a log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Raw, Struct

from riverrun.base.errors import ProtocolFault
from riverrun.events.kinds import Event, Question
from riverrun.events.record import Record
from riverrun.wire.joined import events_of

Body = TypeVar("Body")


class EventPage(Struct, frozen=True, kw_only=True):
    """One page of a log (PROTOCOL.md §6).

    Attributes:
        events: Each as it stands in the log.
        head: seq of the last committed event.
        floor: seq before the first event that retention left.
        log: Id of the log.
        ended: Whether the last of `events` (or, when empty, the place asked for) is the terminal event.
    """

    events: tuple[Raw, ...]
    head: int
    floor: int
    log: str
    ended: bool

    def decoded(self) -> list[Event]:
        """Give the events as objects; what was joined is taken apart.

        Returns:
            In order.

        Raises:
            ProtocolFault: E5003, one of them is no event.
        """
        return [event for raw in self.events for event in events_of(bytes(raw))]


class RunInfo(Struct, frozen=True, kw_only=True):
    """What a server tells of a run beside its log (PROTOCOL.md §4).

    Attributes:
        run: Its id.
        graph: Name of its graph.
        status: `queued`, `running`, `parked` or `ended`.
        ending: Value of `Ending` once it has ended.
        head: seq of the last committed event.
        log: Id of its log.
        epoch: Fencing number of its owner; 0 before the first.
        thread: The conversation it belongs to, if any.
        created_ms: In milliseconds since the Unix epoch.
        updated_ms: Of the last commit.
    """

    run: str
    graph: str
    status: str
    ending: str | None = None
    head: int
    log: str
    epoch: int
    thread: str | None = None
    created_ms: int
    updated_ms: int


class AskingRun(RunInfo, frozen=True, kw_only=True):
    """The answer to `GET /v1/runs/{run}`: the run, and what it waits to be told.

    Attributes:
        questions: All that are open of a run that is parked; else none.
    """

    questions: tuple[Question, ...] = ()


class RunList(Struct, frozen=True, kw_only=True):
    """The answer to `GET /v1/runs`: newest first."""

    runs: tuple[RunInfo, ...]


class GraphEdge(Struct, frozen=True, kw_only=True):
    """One way from a node to another; `conditional` when a router or the node itself chooses it."""

    source: str
    target: str
    conditional: bool = False


class GraphInfo(Struct, frozen=True, kw_only=True):
    """One graph that is served.

    Attributes:
        name: What a start calls it.
        nodes: In the order they were added.
        edges: Between them.
        input: JSON Schema of what a run may be started with.
    """

    name: str
    nodes: tuple[str, ...] = ()
    edges: tuple[GraphEdge, ...] = ()
    input: dict[str, Any] = {}


class GraphList(Struct, frozen=True, kw_only=True):
    """The answer to `GET /v1/graphs`."""

    graphs: tuple[GraphInfo, ...]


class GraphState(Struct, frozen=True, kw_only=True):
    """The answer to `GET /v1/runs/{run}/state`: the state of the graph at the seq asked for, or at the head."""

    run: str
    state: dict[str, Any]
    at: int | None = None


class TextPart(Struct, frozen=True, kw_only=True):
    """The answer to `GET /v1/runs/{run}/text` (PROTOCOL.md §13). Offsets are in UTF-16 code units.

    Attributes:
        run: Id of the run.
        message: Id of the message.
        text: What follows `offset`.
        offset: Where `text` begins: cut there what you have.
        next: Length of the whole text: the offset to ask for next.
        attempt: Which attempt the text is of.
        done: Whether nothing can follow.
        voided: Whether text that was given before was taken back.
        place: seq up to which the log was read.
    """

    run: str
    message: str
    text: str
    offset: int
    next: int
    attempt: int
    done: bool
    voided: bool
    place: int


class RunName(Protocol):
    """What names a run in a store; only its id travels, never its tenant."""

    @property
    def run(self) -> str:
        """Its id."""


class Row(Protocol):
    """What a run is written from: a row of a store. The words are those of `RunInfo`."""

    @property
    def key(self) -> RunName:
        """Its name."""

    @property
    def graph(self) -> str:
        """As in `RunInfo`."""

    @property
    def status(self) -> str:
        """As in `RunInfo`."""

    @property
    def ending(self) -> str | None:
        """As in `RunInfo`."""

    @property
    def head(self) -> int:
        """As in `RunInfo`."""

    @property
    def log(self) -> str:
        """As in `RunInfo`."""

    @property
    def epoch(self) -> int:
        """As in `RunInfo`."""

    @property
    def thread(self) -> str | None:
        """As in `RunInfo`."""

    @property
    def created_ms(self) -> int:
        """As in `RunInfo`."""

    @property
    def updated_ms(self) -> int:
        """As in `RunInfo`."""


class LogPage(Protocol):
    """What a page is written from: the outcome of a read of a store."""

    @property
    def records(self) -> Sequence[Record]:
        """Events in order."""

    @property
    def head(self) -> int:
        """As in `EventPage`."""

    @property
    def floor(self) -> int:
        """As in `EventPage`."""

    @property
    def log(self) -> str:
        """As in `EventPage`."""

    @property
    def status(self) -> str:
        """Of the run, at the same moment as `head`."""


def page(read: LogPage, after: int) -> bytes:
    """Write a page of events.

    Args:
        read: What a store gave; its records may be fewer than it gave.
        after: The place that was asked for.

    Returns:
        JSON.

    Raises:
        NodeError: E3008, a value in an event is not JSON.
    """
    place = read.records[-1].seq if read.records else after
    return msgspec.json.encode(
        EventPage(
            events=tuple(Raw(record.data) for record in read.records),
            head=read.head,
            floor=read.floor,
            log=read.log,
            ended=read.status == "ended" and place == read.head,
        )
    )


def run(row: Row) -> bytes:
    """Write a run as JSON."""
    return msgspec.json.encode(_info(row))


def asking_run(row: Row, questions: Iterable[Question]) -> bytes:
    """Write a run as JSON, with what it waits to be told.

    Args:
        row: The run.
        questions: All that are open.

    Returns:
        JSON.
    """
    return msgspec.json.encode(AskingRun(**msgspec.structs.asdict(_info(row)), questions=tuple(questions)))


def runs(rows: Iterable[Row]) -> bytes:
    """Write a list of runs as JSON, in the order given."""
    return msgspec.json.encode(RunList(runs=tuple(map(_info, rows))))


def decode(body: bytes, kind: type[Body]) -> Body:
    """Read a body; fields of a newer version are ignored.

    Args:
        body: JSON.
        kind: What it is to be: a class of this file.

    Returns:
        The value.

    Raises:
        ProtocolFault: E5003, it is something else.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ProtocolFault("E5003", f"the answer is not a {kind.__name__}: {error}") from None


def _info(row: Row) -> RunInfo:
    return RunInfo(
        run=row.key.run,
        graph=row.graph,
        status=row.status,
        ending=row.ending,
        head=row.head,
        log=row.log,
        epoch=row.epoch,
        thread=row.thread,
        created_ms=row.created_ms,
        updated_ms=row.updated_ms,
    )
