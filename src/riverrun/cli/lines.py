"""A run as lines of text: what a pipe, a file or a plain terminal shows of it.

Chunks are gathered to whole lines, one at a time for each message, so that branches that speak at once stay readable.
Pure: events in, lines out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from riverrun.events.kinds import (
    Custom,
    Event,
    NodeChunk,
    NodeCompleted,
    NodeEvent,
    NodeFailed,
    NodeRetrying,
    NodeStarted,
    RunFailed,
    RunLost,
    RunStarted,
    RunStopped,
    RunTakenOver,
    RunTimedOut,
    Terminal,
    text_length,
)

WIDTH = 100


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
            voided = sum(self._length.get(message, 0) for message in event.voids)
            for message in event.voids:
                self._open.pop(message, None)
                self._length[message] = 0
            why = "its worker is gone" if event.reason == "taken_over" else "it failed"
            yield Line(event.node, f"{why}; attempt {event.attempt}, {voided} characters taken back", news=True)
        elif isinstance(event, Custom):
            yield Line(event.node, f"{event.name}: {msgspec.json.encode(event.value).decode()}", news=True)
        elif isinstance(event, NodeCompleted | NodeFailed):
            for message in self._of.get(event.exec, ()):
                rest = self._open.pop(message, "").strip()
                if rest:
                    yield Line(event.node, rest, news=False)
            how = f"failed: {event.error.message}" if isinstance(event, NodeFailed) else "done"
            yield Line(event.node, how, news=True)

    def _rest(self) -> list[Line]:
        rest = [Line(message.partition(":")[0], text.strip(), news=False) for message, text in self._open.items()]
        self._open.clear()
        return [line for line in rest if line.text]


def _of_run(event: Event) -> Iterator[str]:
    """Say what happened to the run as a whole."""
    if isinstance(event, RunStarted):
        yield f"run {event.run} of graph {event.graph} started"
    elif isinstance(event, RunTakenOver):
        yield f"run taken over by worker {event.worker or '?'}, epoch {event.epoch}"
    elif isinstance(event, RunFailed):
        yield f"run failed: {event.error.code} {event.error.message}"
    elif isinstance(event, RunStopped):
        yield f"run stopped{': ' + event.reason if event.reason else ''}"
    elif isinstance(event, RunTimedOut):
        yield f"run timed out after {event.limit:g} s"
    elif isinstance(event, RunLost):
        yield f"run lost: {event.reason}"
    elif isinstance(event, Terminal):
        noun = "step" if event.steps == 1 else "steps"
        yield f"run completed in {event.steps} {noun}"
