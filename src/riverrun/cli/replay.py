"""`riverrun runs replay`: show a run again as it was, at its own pace. Nothing runs: it is read from the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from riverrun.cli import output
from riverrun.cli.defaults import STORE
from riverrun.cli.files import upto
from riverrun.cli.lines import Lines
from riverrun.cli.panes import Panes
from riverrun.cli.screen import Screen
from riverrun.cli.source import Source, whole_id
from riverrun.cli.where import Key, RunId, Store, Url, at
from riverrun.events.kinds import Event, NodeStarted
from riverrun.wire.pages import GraphEdge

_LONGEST_SECONDS = 2.0  # a night between two events is not waited for


def replay(
    run: RunId,
    place: Annotated[int | None, typer.Option("--at", min=1, help="The last event to show.")] = None,
    speed: Annotated[float, typer.Option("--speed", min=0, help="How much faster than it was; 0 does not wait.")] = 1.0,
    url: Url = None,
    key: Key = None,
    store: Store = STORE,
) -> None:
    """Show a run again, as it was. No node runs."""

    async def read(source: Source) -> list[Event]:
        info = await source.info(await whole_id(source, run))
        async with aclosing(upto(source, info.run, min(place or info.head, info.head))) as events:
            return [event async for event in events] if info.head else []

    events = at(url, key, store, read)
    asyncio.run(_on_screen(events, speed) if output.for_people() else _in_lines(events, speed))


async def paced(events: Sequence[Event], speed: float) -> AsyncIterator[Event]:
    """Give events one after the other, with the pauses that were between them.

    Args:
        events: In order.
        speed: How much faster than it was; 0 makes no pause.

    Yields:
        Each event at its time; a long pause is cut short.
    """
    before = events[0].ts if events else 0
    for event in events:
        if speed and event.ts > before:
            await asyncio.sleep(min(_LONGEST_SECONDS, (event.ts - before) / 1000 / speed))
        before = event.ts
        yield event


def drawn_from(events: Sequence[Event]) -> tuple[list[str], list[GraphEdge]]:
    """Say which nodes a run had and how they followed each other, as far as its log tells.

    Args:
        events: Of one run.

    Returns:
        Names in the order they began, and the ways that were taken.
    """
    nodes: dict[str, str] = {}  # by execution
    edges: dict[tuple[str, str], None] = {}
    for event in events:
        if isinstance(event, NodeStarted):
            nodes[event.exec] = event.node
            edges.update({(nodes[after], event.node): None for after in event.after if after in nodes})
    return list(dict.fromkeys(nodes.values())), [GraphEdge(source=a, target=b) for a, b in edges]


async def _in_lines(events: Sequence[Event], speed: float) -> None:
    lines = Lines()
    async for event in paced(events, speed):
        for line in lines.take(event):
            output.say_of(line.node, line.text, news=line.news)


async def _on_screen(events: Sequence[Event], speed: float) -> None:
    panes, count = Panes(*drawn_from(events)), 0

    def draw(height: int) -> RenderableType:
        head = Text.assemble(("replay  ", "bold"), events[0].run if events else "", f"  {count:,} of {len(events):,}")
        return Group(head, panes.drawn(height - 1))

    async with Screen(output.console(), draw):
        async for event in paced(events, speed):
            panes.take(event)
            count += 1
