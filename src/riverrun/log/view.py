"""What a reader has after applying a log from the start: texts, what is void, where each node is, how it ended.

The fold is idempotent and needs no graph, so a page, a terminal and a test can all use it. It is not the state of the
graph: reducers are the graph's affair.
"""

from __future__ import annotations

from riverrun.base.errors import ProtocolFault
from riverrun.events.ending import Ending
from riverrun.events.kinds import (
    ErrorInfo,
    Event,
    NodeCancelled,
    NodeChunk,
    NodeCompleted,
    NodeEvent,
    NodeFailed,
    NodeInterrupted,
    NodeRetrying,
    NodeStarted,
    Question,
    RunFailed,
    RunResumed,
    RunStarted,
    RunTakenOver,
    Terminal,
    text_length,
)
from riverrun.log.log import ending_of
from riverrun.log.tail import Verdict, judge


class Message:
    """One message as far as it was received.

    Attributes:
        id: As in the chunks.
        node: Who speaks.
        key: Where its fold will be stored, if anywhere.
        chunks: The pieces that stand.
        length: Of its text, in UTF-16 code units.
    """

    __slots__ = ("chunks", "exec", "id", "key", "length", "node")

    def __init__(self, chunk: NodeChunk) -> None:
        self.id = chunk.message
        self.exec = chunk.exec
        self.node = chunk.node
        self.key = chunk.key
        self.chunks: list[object] = []
        self.length = 0

    @property
    def text(self) -> str:
        """The text pieces, joined."""
        return "".join(piece for piece in self.chunks if isinstance(piece, str))


class View:
    """Fold events into what a reader shows.

    Attributes:
        place: seq of the last applied event.
        log: Id of the log, once known.
        graph: Name of the graph, once known.
        messages: By id, in order of their first chunk.
        nodes: Last known state of each execution: `started`, `retrying`, `interrupted`, `completed`, `failed` or
            `cancelled`.
        questions: What the run waits to be told, by id, in the order in which it was asked.
        voided: Length of all text that was taken back, in UTF-16 code units.
        takeovers: How often the run changed its owner.
        chunks: How many chunks were applied.
        ending: How it ended, once it did.
        error: Why, when it failed.
    """

    def __init__(self) -> None:
        self.place = 0
        self.log = ""
        self.graph = ""
        self.messages: dict[str, Message] = {}
        self.nodes: dict[str, str] = {}
        self.questions: dict[str, Question] = {}
        self.voided = 0
        self.takeovers = 0
        self.chunks = 0
        self.ending: Ending | None = None
        self.error: ErrorInfo | None = None

    def apply(self, event: Event) -> Verdict:
        """Take in one event if it continues, and say what was done with it.

        Args:
            event: Any event of the run.

        Returns:
            APPLY, KNOWN (ignored) or GAP (ignored: read again after `place`).

        Raises:
            ProtocolFault: E5004, a piece of text does not continue its message.
        """
        verdict = judge(self.place, event.seq)
        if verdict is not Verdict.APPLY:
            return verdict
        if isinstance(event, NodeChunk):
            self._chunk(event)
        elif isinstance(event, NodeEvent):
            self._node(event)
        elif isinstance(event, RunStarted):
            self.log, self.graph = event.log, event.graph
        elif isinstance(event, RunTakenOver):
            self.takeovers += 1
        elif isinstance(event, RunResumed):
            for name in event.answers:
                self.questions.pop(name, None)
        elif isinstance(event, Terminal):
            self.questions.clear()  # nobody will hear an answer any more
            self.ending = ending_of(event)
            self.error = event.error if isinstance(event, RunFailed) else None
        self.place = event.seq
        return verdict

    def text(self, key: str) -> str:
        """Give the text streamed under a key of the state, all its messages joined; empty when there is none."""
        return "".join(message.text for message in self.messages.values() if message.key == key)

    def _chunk(self, event: NodeChunk) -> None:
        message = self.messages.get(event.message) or Message(event)
        if event.start is not None and isinstance(event.value, str):
            if event.start != message.length:
                what = f"a piece of {event.message!r} starts at {event.start}, its text ends at {message.length}"
                raise ProtocolFault("E5004", what, where=f"seq {event.seq}")
            message.length += text_length(event.value)
        message.chunks.append(event.value)
        self.messages[event.message] = message
        self.chunks += 1

    def _node(self, event: NodeEvent) -> None:
        where = _STATES.get(type(event))
        if where is None:
            return
        self.nodes[event.exec] = where
        if isinstance(event, NodeInterrupted):
            self.questions.pop(event.question.id, None)  # asked again it is the latest
            self.questions[event.question.id] = event.question
        elif isinstance(event, NodeRetrying | NodeCancelled | NodeFailed):
            self._void(event.voids)
            if not isinstance(event, NodeRetrying):
                self._forget(event.exec)

    def _void(self, messages: tuple[str, ...]) -> None:
        for name in messages:
            message = self.messages.get(name)
            if message is not None:
                self.voided += message.length
                message.chunks, message.length = [], 0

    def _forget(self, exec_id: str) -> None:
        """Drop what an execution asked that is gone."""
        for name in [name for name, question in self.questions.items() if question.exec == exec_id]:
            del self.questions[name]


_STATES: dict[type[Event], str] = {
    NodeStarted: "started",
    NodeRetrying: "retrying",
    NodeInterrupted: "interrupted",
    NodeCompleted: "completed",
    NodeFailed: "failed",
    NodeCancelled: "cancelled",
}
