"""What the demo shows while it goes on: the connection, the agents at work, and what just happened.

In a terminal it is drawn; in a pipe the same is told in lines, with the time before each. It shows only what the reader
was given and what the demo did; it decides nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from rich.box import HEAVY_EDGE, ROUNDED
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from riverrun.cli.lines import Lines
from riverrun.cli.palette import CONNECTIONS
from riverrun.cli.panes import Panes
from riverrun.client.session import State
from riverrun.events.kinds import Event, NodeRetrying, RunTakenOver
from riverrun.wire.pages import GraphEdge

_FEW, _MANY, _TALL = 4, 9, 36  # happenings on a screen, and the lines from which there is room for many
_HEAD_LINES = 3


class Stage:
    """The demo as a picture and as lines.

    Args:
        seconds: Gives the seconds since the demo began.
        say: Takes each line; None when nothing is told in lines.
    """

    def __init__(self, seconds: Callable[[], float], say: Callable[[str], None] | None = None) -> None:
        self._seconds = seconds
        self._say = say
        self._panes = Panes((), ())
        self._lines = Lines()
        self._happened: deque[tuple[float, Text]] = deque(maxlen=_MANY)
        self._run = ""
        self._events = 0
        self._connection = State.CONNECTING
        self._words = ""
        self._tries = 0
        self._ended_at: float | None = None
        self._voided_at: float | None = None
        self._epoch = 0

    def open(self, run: str, nodes: Sequence[str], edges: Iterable[GraphEdge]) -> None:
        """Say which run it is, and what its graph looks like."""
        self._run = run
        self._panes = Panes(nodes, edges)

    def happened(self, what: str, style: str = "") -> None:
        """Show something that the demo did."""
        self._happened.append((self._seconds(), Text(what, style)))
        self._tell(what)

    def changed(self, state: State, words: str) -> None:
        """Show how the connection is."""
        lost = self._connection is State.LIVE and state is State.RECONNECTING
        if state is State.RECONNECTING:
            self._tries += 1
        elif state is State.LIVE:
            if self._tries:
                tries = "try" if self._tries == 1 else "tries"
                self.happened(f"connected again after {self._tries} {tries}, continuing after event {self._events:,}")
            self._tries = 0
        self._connection, self._words = state, words
        if lost:
            self.happened(f"connection lost ({words.partition(';')[0]})", "yellow")

    def take(self, event: Event) -> None:
        """Show an event that was applied."""
        self._events += 1
        self._panes.take(event)
        for line in self._lines.take(event):
            if line.news:
                self._tell(f"{line.node}: {line.text}" if line.node else line.text)
        if isinstance(event, RunTakenOver):
            self._epoch = event.epoch
            self._happened.append((self._seconds(), self._taken_over()))
        elif isinstance(event, NodeRetrying) and event.voids and self._epoch:
            # What a takeover takes back follows it at once, and belongs on its line.
            self._happened[-1] = (self._happened[-1][0], self._taken_over())
            self._voided_at = self._seconds() if self._voided_at is None else self._voided_at
        elif event.terminal:
            self._ended_at = self._seconds()

    def voided_since(self, seconds: float) -> bool:
        """Say whether text was first taken back at least so many seconds ago."""
        return self._voided_at is not None and self._seconds() >= self._voided_at + seconds

    def drawn(self, height: int) -> RenderableType:
        """Draw it.

        Args:
            height: Lines that it may have.

        Returns:
            Something that rich can print.
        """
        shown = _MANY if height >= _TALL else _FEW
        room = height - _HEAD_LINES - shown - 2
        return Group(self._head(), self._panes.drawn(room), self._foot(shown))

    def _head(self) -> RenderableType:
        style = CONNECTIONS[self._connection.value]
        now = Text.assemble(("● ", style), (self._connection.value, style))
        if self._connection is State.RECONNECTING:
            now.append(f" {self._tries}", style)
        seconds = self._seconds() if self._ended_at is None else self._ended_at
        grid = Table.grid(expand=True, padding=(0, 1))
        grid.add_column(no_wrap=True, ratio=1)
        grid.add_column(no_wrap=True, justify="right")
        right = Text.assemble((f"{self._events:,}", "bold"), (" events  ", "dim"), (f"{seconds:5.1f} s", "bold"))
        run = f"run {self._run}" if self._run else "starting the server"
        grid.add_row(Text.assemble(now, "  ", (run, "dim")), right)
        title = Text("riverrun demo", "bold")
        return Panel(grid, title=title, title_align="left", box=HEAVY_EDGE, border_style=style)

    def _foot(self, shown: int) -> RenderableType:
        lines = [Text.assemble((f"{at:6.1f} s  ", "dim"), what) for at, what in self._happened][-shown:]
        lines += [Text("")] * (shown - len(lines))
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        title = Text("what just happened", "dim")
        return Panel(Group(*lines), title=title, title_align="left", box=ROUNDED, border_style="dim")

    def _taken_over(self) -> Text:
        text = Text(f"the new server goes on, epoch {self._epoch}", "bold green")
        voided = self._panes.voided
        return text.append(f"; {voided:,} characters taken back", "red") if voided else text

    def _tell(self, what: str) -> None:
        if self._say is not None:
            self._say(f"{self._seconds():6.1f} s  {what}")
