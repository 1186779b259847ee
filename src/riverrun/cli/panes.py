"""The screen of a run: one pane for each node, side by side where they run so, each with the end of its text.

A fold of events, so what is shown is what was applied. Text that was taken back stays for a moment, struck through,
above what the new attempt says. It knows neither a connection nor when the screen is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from rich.box import ROUNDED
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from riverrun.cli.palette import STATES, colour_of
from riverrun.events.kinds import (
    Event,
    NodeCancelled,
    NodeChunk,
    NodeCompleted,
    NodeEvent,
    NodeFailed,
    NodeInterrupted,
    NodeRetrying,
    NodeStarted,
    Terminal,
    text_length,
)
from riverrun.wire.pages import GraphEdge

_KEPT = 4000  # characters of a text that are kept for the screen
_STRUCK_LINES = 2
_ACROSS = 3  # panes side by side, at most
_LEAST_LINES = 3  # of a box, borders included
_MOST_SPEAKING, _MOST_DONE = 14, 6
_LIVE = frozenset({"running", "retrying", "asking"})


class Pane:
    """What the screen shows of one node; drawn as a box as high as `height` lines, borders included.

    Args:
        node: Its name.
        colour: Of its border.

    Attributes:
        node: As given.
        state: `waiting`, `running`, `retrying`, `asking`, `done`, `failed`, `cancelled` or `ended`.
        length: Of its text, in UTF-16 code units.
        voided: Length of the text that was taken back.
        height: Lines that it may take; set by who lays out the screen.
    """

    def __init__(self, node: str, colour: str) -> None:
        self.node = node
        self.state = "waiting"
        self.length = 0
        self.voided = 0
        self.height = _LEAST_LINES
        self._attempt = 1
        self._colour = colour
        self._text = ""
        self._struck = ""
        self._struck_length = 0

    @property
    def silent(self) -> bool:
        """Whether it ended without having said anything, so that one line is enough for it."""
        return self.state in {"done", "failed", "cancelled", "ended"} and not self.length

    def take(self, event: NodeEvent) -> None:
        """Take in an event of this node."""
        if isinstance(event, NodeChunk):
            self._chunk(event)
        elif isinstance(event, NodeStarted):
            self.state = "running"
        elif isinstance(event, NodeRetrying):
            self.state, self._attempt = "retrying", event.attempt
            self._void(event.voids)
        elif isinstance(event, NodeInterrupted):
            self.state = "asking"
        elif isinstance(event, NodeCancelled):
            self.state = "cancelled"
            self._void(event.voids)
        elif isinstance(event, NodeFailed):
            self.state = "failed"
            self._void(event.voids)
            self._text += f"\n{event.error.code} {event.error.message}"
        elif isinstance(event, NodeCompleted):
            self.state = "done"

    def end(self) -> None:
        """Note that the run ended."""
        if self.state in {"running", "retrying", "asking"}:
            self.state = "ended"

    def line(self) -> Text:
        """Give it as one line: mark, name, state."""
        mark, style = STATES[self.state]
        return Text.assemble((mark, style), " ", (self.node, self._colour), " ", (self.state, "dim"))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        mark, style = STATES[self.state]
        again = self.state == "running" and self._attempt > 1
        state = f"attempt {self._attempt}" if again else self.state
        title = Text.assemble((mark, style), " ", (self.node, f"bold {self._colour}"), " ", (state, style))
        yield Panel(
            self._content(console, options.max_width - 4, self.height - 2),
            title=title,
            title_align="left",
            subtitle=self._under(options.max_width),
            subtitle_align="right",
            border_style="dim" if self.state == "waiting" else self._colour,
            box=ROUNDED,
            height=self.height,
        )

    def _under(self, width: int) -> Text | None:
        """Count what stands and what was taken back, in as many words as there is room for."""
        said, taken = f"{self.length:,}", f"−{self.voided:,}" if self.voided else ""
        if not self.length and not taken:
            return None
        words = [(f"{said} characters", taken and f"{taken} taken back"), (said, taken and f"{taken} taken back")]
        fitting = [pair for pair in words if len(" · ".join(filter(None, pair))) <= width - 6]
        said, taken = fitting[0] if fitting else (said, taken)
        return Text.assemble((said, "dim"), (" · " if taken else ""), (taken, "red"))

    def _void(self, messages: tuple[str, ...]) -> None:
        if messages:
            self.voided += self.length
            self._struck, self._struck_length = self._text, self.length
            self._text, self.length = "", 0

    def _chunk(self, event: NodeChunk) -> None:
        self.state = "running"
        if isinstance(event.value, str):
            self._text = (self._text + event.value)[-_KEPT:]
            self.length += text_length(event.value)
        else:
            piece = msgspec.json.encode(event.value).decode()
            self._text = f"{self._text}{piece}\n"[-_KEPT:]
            self.length += len(piece)

    def _content(self, console: Console, width: int, height: int) -> Text:
        struck: list[Text] = []
        # What was taken back is shown until the new attempt has said as much again.
        if self.length < self._struck_length:
            struck = self._wrapped(console, self._struck, "strike red", width)[-min(_STRUCK_LINES, height - 1) :]
        lines = self._wrapped(console, self._text, "", width)
        return Text("\n").join([*struck, *lines[-(height - len(struck)) :]])

    def _wrapped(self, console: Console, text: str, style: str, width: int) -> list[Text]:
        # Only the end can be seen: what is wrapped is bounded by the pane, not by the text.
        tail = text[-self.height * width * 2 :].strip("\n")
        lines = Text(tail, style).wrap(console, max(1, width)) if tail.strip() else ()
        for line in lines:
            line.rstrip()
        return [line for line in lines if line.plain]


class Panes:
    """All nodes of a graph on one screen, in rows by how far they are from its start.

    Args:
        nodes: Their names, in the order they were added.
        edges: Between them.
    """

    def __init__(self, nodes: Sequence[str], edges: Iterable[GraphEdge]) -> None:
        known = tuple(nodes)
        self._panes = {node: Pane(node, colour_of(node, known)) for node in known}
        depths = _depths(known, list(edges))
        self._rows = [[self._panes[node] for node in known if depths[node] == level] for level in range(len(known))]

    @property
    def voided(self) -> int:
        """Length of all text that was taken back, in UTF-16 code units."""
        return sum(pane.voided for pane in self._panes.values())

    def take(self, event: Event) -> None:
        """Take in one event."""
        if isinstance(event, NodeEvent):
            # A graph that was changed since may have nodes that nobody told us of.
            if event.node not in self._panes:
                self._panes[event.node] = Pane(event.node, colour_of(event.node))
                self._rows.append([self._panes[event.node]])
            self._panes[event.node].take(event)
        elif isinstance(event, Terminal):
            for pane in self._panes.values():
                pane.end()

    def drawn(self, height: int) -> RenderableType:
        """Draw the panes.

        Args:
            height: Lines that they may take at most; where there is too little room, the panes furthest from what is
                happening become single lines.

        Returns:
            Something that rich can print.
        """
        boxed, lines = self._laid_out(height)
        parts: list[RenderableType] = []
        if lines:
            line = Text("  ").join(pane.line() for pane in lines)
            line.no_wrap, line.overflow = True, "ellipsis"  # one line was counted for it
            parts.append(line)
        for row in boxed:
            grid = Table.grid(expand=True)
            for _ in row:
                grid.add_column(ratio=1)
            grid.add_row(*row)
            parts.append(grid)
        return Group(*parts)

    def _laid_out(self, height: int) -> tuple[list[list[Pane]], list[Pane]]:
        """Decide which panes are boxes, in rows with their heights, and which are lines."""
        rows = [row[at : at + _ACROSS] for row in self._rows for at in range(0, len(row), _ACROSS)]
        boxed = [each for row in rows if (each := [pane for pane in row if not pane.silent])]
        while len(boxed) > max(1, (height - 1) // _LEAST_LINES):
            # What is done goes first, the oldest of it; then what still waits, the latest of it.
            done = [row for row in boxed if not _states(row) & {*_LIVE, "waiting"}]
            waiting = [row for row in boxed if not _states(row) & _LIVE]
            boxed.remove(done[0] if done else waiting[-1] if waiting else boxed[0])
        lines = [pane for row in rows for pane in row if not any(pane in each for each in boxed)]
        _share(boxed, height - bool(lines))
        return boxed, lines


def _states(row: Iterable[Pane]) -> set[str]:
    return {pane.state for pane in row}


def _share(rows: Sequence[Sequence[Pane]], lines: int) -> None:
    """Give rows their heights: those that speak get what the others do not need, and what is left goes to the rest."""
    heights = [_LEAST_LINES] * len(rows)
    speak = [at for at, row in enumerate(rows) if _states(row) & _LIVE]
    spoke = [at for at, row in enumerate(rows) if at not in speak and _states(row) != {"waiting"}]
    left = lines - sum(heights)
    for group, most in ((speak, _MOST_SPEAKING), (spoke, _MOST_DONE)):
        while left > 0 and any(heights[at] < most for at in group):
            lowest = min(group, key=lambda at: heights[at])
            heights[lowest] += 1
            left -= 1
    for row, height in zip(rows, heights, strict=True):
        for pane in row:
            pane.height = height


def _depths(nodes: Sequence[str], edges: Sequence[GraphEdge]) -> dict[str, int]:
    """Say how many steps each node is from the start, on the longest way that passes no node twice in their order."""
    depths = dict.fromkeys(nodes, 0)
    order = {node: place for place, node in enumerate(nodes)}
    for _ in nodes:
        for edge in edges:
            # An edge back, as of a loop, says nothing about where a node stands.
            if edge.source in order and edge.target in order and order[edge.source] < order[edge.target]:
                depths[edge.target] = max(depths[edge.target], depths[edge.source] + 1)
    return depths
