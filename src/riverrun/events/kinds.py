"""The closed set of events: every public fact about a run, one frozen type each (PROTOCOL.md, "Events").

Rules of this file:

* An event is in the past tense and never changes; `seq` is its place in the log of its run, dense, from 1.
* Exactly one terminal event ends a log. An interrupted run is parked, not ended.
* Text is counted in UTF-16 code units, what browsers and Java count (`text_length`).
* A field is added with a default and never given a second meaning: old logs must replay for ever.

It does not know who makes events (`graph`), who keeps them (`log`, `stores`) or how they travel (`wire`).
"""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import Struct, field

Json = Any  # a value that JSON can carry; the one place where anything may pass


class Event(
    Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True, forbid_unknown_fields=True, gc=False
):
    """The envelope that all events share.

    Unknown to the garbage collector: a log of 100,000 steps is not searched again and again (a seventh of its time).
    So a value that leads back to an event that holds it would never be freed; JSON cannot.

    Attributes:
        seq: Place in the log of the run: 1, 2, 3 …, without a hole.
        ts: When it happened, in milliseconds since the Unix epoch, by the clock of the worker.
        run: Id of the run.
        ns: Path of sub graphs from the root, outermost first; empty at the root.
        unknown: Fields of a newer version of the protocol, kept so that they survive a round trip.
    """

    seq: int
    ts: int
    run: str
    ns: tuple[str, ...] = ()
    # "$" cannot start a field of PROTOCOL.md, so this name never meets one on the wire.
    unknown: dict[str, Json] = field(default_factory=dict, name="$unknown")

    terminal: ClassVar[bool] = False

    @property
    def type(self) -> str:
        """The name of this kind of event on the wire, such as `node.chunk`."""
        return str(self.__struct_config__.tag)


class NodeEvent(Event, frozen=True, kw_only=True):
    """What all events of one execution of a node share.

    Attributes:
        node: Name of the node in its graph.
        exec: Deterministic id of this execution: `node:ordinal`, the same after a crash.
        attempt: Which try of this execution, from 1.
        agent: Name to show to people, where it differs from `node`.
    """

    node: str
    exec: str
    attempt: int = 1
    agent: str | None = None


class ErrorInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a reader may know of an error: never a stack trace.

    Attributes:
        code: A code of the catalogue (`riverrun explain CODE`).
        message: What happened.
        where: Node, key, or `file:line`.
        mend: What to do about it.
        kind: Name of the exception's class, when user code raised it.
    """

    code: str
    message: str
    where: str = ""
    mend: str = ""
    kind: str = ""


class Question(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that an interrupted run waits to be told.

    Attributes:
        id: The same across restarts; an answer names it.
        node: Who asks.
        exec: Which execution asks.
        value: What is asked, as the node gave it.
        kind: `asked` by the node itself; or the run was told to hold `before` or `after` a node, and any answer lets it
            go on.
        schema: JSON Schema that an answer must fit; None when any will do.
        problem: Why the answer before did not fit; empty for a new question.
    """

    id: str
    node: str
    exec: str
    value: Json = None
    kind: str = "asked"
    schema: Json = None
    problem: str = ""


class Send(Struct, frozen=True, omit_defaults=True):
    """A call of a node with an input of its own, from a router or a `Command`: it starts at once and never merges.

    Attributes:
        node: Name of the node.
        arg: What the node is given in place of the state.
    """

    node: str
    arg: Json = None


class Base(Struct, frozen=True, omit_defaults=True):
    """Where a run takes its first state from: another run at one of its events.

    Attributes:
        run: Id of that run, of the same tenant.
        seq: Up to this event; None: as it ended.
    """

    run: str
    seq: int | None = None


class RunStarted(Event, frozen=True, kw_only=True, tag="run.started"):
    """A run exists. Always the first event of a log.

    Attributes:
        graph: Name of the graph.
        input: What the run was started with.
        log: Id of this incarnation of the log; with a `seq` it makes a cursor.
        limit: How many executions of nodes the run may make.
        timeout: Seconds the run may take; None for no limit.
        thread: The conversation this run belongs to, if any.
        grace: Seconds without a reader, once there was one, after which it is stopped; None: it goes on.
        base: Where the state that `input` is written to comes from; None: there is none.
        node: The run goes on behind this node, as if that had written `input`; None: it begins at START.
        goto: It goes on with these instead of what follows; None: with what follows.
        defaults: Starting values of the keys that neither `input` nor the base has: made once, by the state's class.
        held: It waits at its beginning until it is resumed.
        before: It holds before these nodes (`*`: all).
        after: It holds after these nodes (`*`: all).
        context: What its nodes may read of it and never change (`ctx.context`).
        config: What its nodes see as `config`.
    """

    graph: str
    input: Json = None
    log: str
    limit: int = 1000
    timeout: float | None = None
    thread: str | None = None
    grace: float | None = None
    base: Base | None = None
    node: str | None = None
    goto: tuple[str | Send, ...] | None = None
    defaults: dict[str, Json] = {}
    held: bool = False
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    context: Json = None
    config: Json = None


class NodeStarted(NodeEvent, frozen=True, kw_only=True, tag="node.started"):
    """A node began to run.

    Attributes:
        after: The executions whose end triggered it, in merge order; empty for the first nodes.
    """

    after: tuple[str, ...] = ()


class NodeChunk(NodeEvent, frozen=True, kw_only=True, tag="node.chunk"):
    """One piece of what a node puts out while it runs.

    Attributes:
        message: Id of the message that this piece belongs to; the same in every attempt.
        value: The piece: text, or any JSON value.
        key: Key of the state under which the fold of the message will be stored, if any.
        start: For text: length of the message before this piece, in UTF-16 code units, so that applying a piece
            twice is harmless and a text offset finds its piece by bisection.
    """

    message: str
    value: Json
    key: str | None = None
    start: int | None = None


class NodeCompleted(NodeEvent, frozen=True, kw_only=True, tag="node.completed"):
    """A node ended well; what it wrote to the state.

    Attributes:
        writes: Its updates, in order; most nodes make one.
        folds: Keys whose value is the fold of this execution's own chunks: `text` (concatenated) or `list`
            (appended). The value is not repeated here.
        goto: The targets that routers or the node chose beside its plain edges; None when there was nothing to choose.
            What the routers of START chose is told by an event of the node `__start__`.
        leaves: Whether it left its sub graph with this: `writes` and `goto` are meant for the graph around it.
        cached: Whether this was kept from an earlier execution, and the function did not run.
    """

    writes: tuple[dict[str, Json], ...] = ()
    folds: dict[str, str] = {}
    goto: tuple[str | Send, ...] | None = None
    leaves: bool = False
    cached: bool = False


class NodeRetrying(NodeEvent, frozen=True, kw_only=True, tag="node.retrying"):
    """A new attempt of this execution begins; what the one before it put out is void from now on.

    Attributes:
        voids: Ids of the messages whose chunks so far are void; the new attempt begins each anew at 0.
        reason: `taken_over` (its worker died), `failed` (a retry policy), `handled` (its error handler takes its
            place) or `resumed` (its question was answered).
        error: Why the attempt failed, when it did.
        delay: Seconds until the new attempt begins.
    """

    voids: tuple[str, ...] = ()
    reason: str = "taken_over"
    error: ErrorInfo | None = None
    delay: float = 0.0


class NodeInterrupted(NodeEvent, frozen=True, kw_only=True, tag="node.interrupted"):
    """A node asked something and waits; others go on.

    Attributes:
        question: What it asked.
    """

    question: Question


class NodeCancelled(NodeEvent, frozen=True, kw_only=True, tag="node.cancelled"):
    """A node was told to end because nobody needs it any more, while its run goes on.

    Attributes:
        voids: Ids of the messages whose chunks so far are void.
        reason: `decided` (enough other branches had arrived), `left` (its sub graph was left) or `failed` (its sub
            graph failed).
    """

    voids: tuple[str, ...] = ()
    reason: str = "decided"


class NodeFailed(NodeEvent, frozen=True, kw_only=True, tag="node.failed"):
    """A node ended badly.

    Attributes:
        error: What happened.
        voids: Ids of the messages whose chunks so far are void, where the run goes on without them.
        tolerated: Whether the run goes on: a join further on takes what its other branches bring.
    """

    error: ErrorInfo
    voids: tuple[str, ...] = ()
    tolerated: bool = False


class Custom(NodeEvent, frozen=True, kw_only=True, tag="custom"):
    """Whatever a node chose to tell its readers (`ctx.emit`).

    Attributes:
        name: A name of the node's choosing.
        value: Any JSON value.
    """

    name: str = ""
    value: Json = None


class RunInterrupted(Event, frozen=True, kw_only=True, tag="run.interrupted"):
    """The run is parked until its questions are answered.

    Attributes:
        questions: All that are open.
    """

    questions: tuple[Question, ...] = ()


class RunResumed(Event, frozen=True, kw_only=True, tag="run.resumed"):
    """Answers arrived.

    Attributes:
        answers: By id of the question.
        control: Which request of the run's inbox brought them; 0 where there is no inbox.
    """

    answers: dict[str, Json] = {}
    control: int = 0


class RunTakenOver(Event, frozen=True, kw_only=True, tag="run.taken_over"):
    """Another worker owns the run from here on; its former owner can write nothing more.

    Attributes:
        epoch: The new fencing number.
        worker: Id of the new owner.
    """

    epoch: int
    worker: str = ""


class RunForked(Event, frozen=True, kw_only=True, tag="run.forked"):
    """What stands before this was copied from another run; what was unfinished there begins anew here.

    Attributes:
        source: Id of the other run.
        at: The last seq of its log that was copied.
        limit: How many executions of nodes the run may make from here on counted from its beginning; None: as before.
    """

    source: str
    at: int
    limit: int | None = None


class Terminal(Event, frozen=True, kw_only=True):
    """The last event of a log.

    Attributes:
        steps: How many executions of nodes the run made.
        partial: Ids of messages that were cut short; their text so far is kept.
    """

    terminal: ClassVar[bool] = True

    steps: int = 0
    partial: tuple[str, ...] = ()


class RunCompleted(Terminal, frozen=True, kw_only=True, tag="run.completed"):
    """The run did all it had to do."""


class RunFailed(Terminal, frozen=True, kw_only=True, tag="run.failed"):
    """The run ended by an error; what was finished before is kept.

    Attributes:
        error: What happened.
    """

    error: ErrorInfo


class RunStopped(Terminal, frozen=True, kw_only=True, tag="run.stopped"):
    """A user ended the run.

    Attributes:
        reason: Why, as the user said it.
    """

    reason: str = ""


class RunTimedOut(Terminal, frozen=True, kw_only=True, tag="run.timed_out"):
    """The run took longer than it was allowed to.

    Attributes:
        limit: What it was allowed, in seconds.
    """

    limit: float = 0.0


class RunLost(Terminal, frozen=True, kw_only=True, tag="run.lost"):
    """No worker could go on with the run.

    Attributes:
        reason: Why not.
    """

    reason: str = ""


class Unknown(Event, frozen=True, kw_only=True, tag="$unknown"):
    """An event of a newer version of the protocol: kept whole, applied by nobody.

    Attributes:
        kind: Its type on the wire; everything else of it is in `unknown`.
    """

    kind: str

    @property
    def type(self) -> str:
        """The name on the wire, as it was received."""
        return self.kind


KINDS: tuple[type[Event], ...] = (
    RunStarted,
    NodeStarted,
    NodeChunk,
    NodeCompleted,
    NodeRetrying,
    NodeInterrupted,
    NodeCancelled,
    NodeFailed,
    Custom,
    RunInterrupted,
    RunResumed,
    RunTakenOver,
    RunForked,
    RunCompleted,
    RunFailed,
    RunStopped,
    RunTimedOut,
    RunLost,
)


def text_length(text: str) -> int:
    """Count `text` in UTF-16 code units: what `String.length` says in JavaScript and Java."""
    # isascii is a flag look-up; only text beyond the basic plane needs a count of its astral characters.
    if text.isascii() or max(text) < "\U00010000":
        return len(text)
    return len(text) + sum(char >= "\U00010000" for char in text)
