"""Where words go: rich where a person looks, plain where a program reads, JSON where it is asked for.

Plain means: no colours, no boxes, nothing cut to a width, and every line out at once. It does not know what is said.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from riverrun.cli.palette import colour_of

_GAP = "  "


def console() -> Console:
    """Give a console on standard output, as it is now."""
    return Console(highlight=False)


def error_console() -> Console:
    """Give a console on standard error, as it is now."""
    return Console(stderr=True, highlight=False)


def for_people() -> bool:
    """Say whether standard output is a terminal that a person looks at."""
    screen = console()
    return screen.is_terminal and not screen.is_dumb_terminal


def say(text: str = "") -> None:
    """Put out a plain line, at once."""
    # A run may stream what the terminal's encoding does not have; a mark in its place is better than no line.
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    sys.stdout.flush()


def say_json(value: object) -> None:
    """Put out one line of JSON, at once."""
    say(msgspec.json.encode(value).decode())


def say_of(node: str, text: str, *, news: bool) -> None:
    """Put out one line of a run: in the colour of its node for people, else plain.

    Args:
        node: Who speaks; empty for the run itself.
        text: One line.
        news: Whether it tells of the node or the run, and is not the node's own text.
    """
    if for_people():
        style = "dim" if news else ""
        name = Text(f"{node:>12} │ ", colour_of(node)) if node else Text("")
        console().print(name + Text(text, style), soft_wrap=True)
    elif node:
        say(f"{node}: [{text}]" if news else f"{node}: {text}")
    else:
        say(text)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Put out a table: with rich for people, else one line for each row, its columns aligned by spaces.

    Args:
        columns: Their headings.
        rows: The cells of each row, as many as there are headings.
    """
    cells = [list(row) for row in rows]
    if for_people():
        drawn = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
        for place, heading in enumerate(columns):
            # The first column is what a person copies: it is never cut.
            least = max((len(row[0]) for row in cells), default=0) if place == 0 else None
            drawn.add_column(heading, no_wrap=True, overflow="ellipsis", min_width=least)
        for row in cells:
            drawn.add_row(*map(Text, row))
        console().print(drawn)
        return
    lines = [list(columns), *cells]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    for line in lines:
        say(_GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
