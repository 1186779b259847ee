"""A run as lines of text: what a pipe, a file or a plain terminal shows of it.

Chunks are gathered to whole lines, one at a time for each message, so that branches that speak at once stay readable.
Pure: events in, lines out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from riverrun.events.kinds import (
    Custom,
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
    RunForked,
    RunInterrupted,
    RunLost,
    RunResumed,
    RunStarted,
    RunStopped,
    RunTakenOver,
    RunTimedOut,
    Terminal,
    text_length,
)

WIDTH = 100

_AGAIN = {
    "taken_over": "its worker is gone",
    "failed": "it failed",
    "handled": "its error handler takes its place",
    "resumed": "it was answered",
}
_CANCELLED = {
    "decided": "not needed any more: enough others had arrived",
    "left": "ended, because its sub graph was left",
    "failed": "ended, because its sub graph failed",
}


class Line(NamedTuple):
    """One line: who speaks (empty for the run itself), what, and whether it is text of the node or news about it."""

    node: str
    text: str
    news: bool


class Lines:
    """Turn the events of one run into lines.

    Args:
        width: A line of text is cut at a space after about so many characters.
    """

    def __init__(self, width: int = WIDTH) -> None:
        self._width = width
        self._open: dict[str, str] = {}  # by message: text that is not a whole line yet
        self._length: dict[str, int] = {}  # by message: all its text, in UTF-16 code units
        self._of: dict[str, list[str]] = {}  # by execution: its messages

    def take(self, event: Event) -> list[Line]:
        """Take in one event.

        Args:
            event: The next one of the run.

        Returns:
            The lines that are whole now; often none.
        """
        if isinstance(event, NodeChunk):
            return [Line(event.node, line, news=False) for line in self._chunk(event)]
        if isinstance(event, NodeEvent):
            return list(self._node(event))
        lines = [Line("", text, news=True) for text in _of_run(event)]
        return [*self._rest(), *lines] if isinstance(event, Terminal) else lines

    def _chunk(self, event: NodeChunk) -> Iterator[str]:
        if event.message not in self._length:
            self._of.setdefault(event.exec, []).append(event.message)
            self._length[event.message] = 0
        if not isinstance(event.value, str):
            yield msgspec.json.encode(event.value).decode()
            return
        self._length[event.message] += text_length(event.value)
        text = self._open.get(event.message, "") + event.value
        *whole, text = text.split("\n")
        for line in whole:
            if line.strip():
                yield line.rstrip()
        while len(text) > self._width:
            at = text.rfind(" ", 0, self._width + 1) + 1 or self._width
            yield text[:at].rstrip()
            text = text[at:]
        self._open[event.message] = text

    def _node(self, event: NodeEvent) -> Iterator[Line]:
        if isinstance(event, NodeStarted):
            yield Line(event.node, "started", news=True)
        elif isinstance(event, NodeRetrying):
            voided = self._void(event.voids)
            why = _AGAIN.get(event.reason, event.reason)
            later = f" in {event.delay:g} s" if event.delay else ""
            taken = f", {voided} characters taken back" if voided or event.reason == "taken_over" else ""
            yield Line(event.node, f"{why}; attempt {event.attempt}{later}{taken}", news=True)
        elif isinstance(event, NodeInterrupted):
            yield Line(event.node, f"asks: {told(event.question)}", news=True)
        elif isinstance(event, NodeCancelled):
            voided = self._void(event.voids)
            taken = f"; {voided} characters taken back" if voided else ""
            yield Line(event.node, f"{_CANCELLED.get(event.reason, event.reason)}{taken}", news=True)
        elif isinstance(event, Custom):
            yield Line(event.node, f"{event.name}: {msgspec.json.encode(event.value).decode()}", news=True)
        elif isinstance(event, NodeCompleted | NodeFailed):
            if isinstance(event, NodeFailed):
                self._void(event.voids)
            for message in self._of.get(event.exec, ()):
                rest = self._open.pop(message, "").strip()
                if rest:
                    yield Line(event.node, rest, news=False)
            yield Line(event.node, _ended(event), news=True)

    def _void(self, messages: Iterable[str]) -> int:
        """Forget what was taken back; give how much it was, in UTF-16 code units."""
        voided = 0
        for message in messages:
            self._open.pop(message, None)
            voided += self._length.get(message, 0)
            self._length[message] = 0
        return voided

    def _rest(self) -> list[Line]:
        rest = [Line(message.partition(":")[0], text.strip(), news=False) for message, text in self._open.items()]
        self._open.clear()
        return [line for line in rest if line.text]


def told(question: Question) -> str:
    """Give a question as one line of text: who asks, and what."""
    if question.kind != "asked":
        return f"held {question.kind} {question.node}"
    what = question.value if isinstance(question.value, str) else msgspec.json.encode(question.value).decode()
    return f"{what} ({question.problem})" if question.problem else what


def _ended(event: NodeCompleted | NodeFailed) -> str:
    if isinstance(event, NodeCompleted):
        return "done, as kept from before" if event.cached else "done"
    return f"failed: {event.error.message}{'; the run goes on without it' if event.tolerated else ''}"


def _of_run(event: Event) -> Iterator[str]:
    """Say what happened to the run as a whole."""
    if isinstance(event, RunInterrupted):
        yield f"run waits for {_count(len(event.questions), 'answer')}"
        for question in event.questions:
            yield f"  {question.id}  {told(question)}"
    elif isinstance(event, RunResumed):
        yield f"run goes on with {_count(len(event.answers), 'answer')}"
    elif isinstance(event, RunForked):
        yield f"run forked from {event.source} at event {event.at}"
    elif isinstance(event, Terminal):
        yield _last_words(event)
    elif isinstance(event, RunStarted):
        thread = f" in thread {event.thread}" if event.thread else ""
        yield f"run {event.run} of graph {event.graph} started{thread}"
    elif isinstance(event, RunTakenOver):
        yield f"run taken over by worker {event.worker or '?'}, epoch {event.epoch}"


def _last_words(event: Terminal) -> str:
    """Say how the run ended."""
    if isinstance(event, RunFailed):
        return f"run failed: {event.error.code} {event.error.message}"
    if isinstance(event, RunStopped):
        return f"run stopped{': ' + event.reason if event.reason else ''}"
    if isinstance(event, RunTimedOut):
        return f"run timed out after {event.limit:g} s"
    if isinstance(event, RunLost):
        return f"run lost: {event.reason}"
    return f"run completed in {_count(event.steps, 'step')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
