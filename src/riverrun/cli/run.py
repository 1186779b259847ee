"""`riverrun run`: run a graph and watch it, in this process or, with `--url`, on a server.

In this process it takes the path of a server: service, store, log, reader; only the store is in memory unless one is
named. Ctrl-C stops a run of this process, and leaves one of a server.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import typer
from rich.console import Group, RenderableType
from rich.text import Text

from riverrun.base.codes import CODES
from riverrun.base.errors import InputError, NotFound, RunFailed
from riverrun.cli import output
from riverrun.cli.defaults import TENANT
from riverrun.cli.lines import Lines
from riverrun.cli.panes import Panes
from riverrun.cli.screen import Screen
from riverrun.cli.target import load
from riverrun.client.client import Client
from riverrun.events import kinds
from riverrun.events.codec import encode
from riverrun.events.ending import Ending
from riverrun.events.kinds import Event
from riverrun.face.compiled import CompiledGraph
from riverrun.log.log import ending_of
from riverrun.runs.reader import follow
from riverrun.runs.service import RunService
from riverrun.stores.open import open_store
from riverrun.wire.pages import GraphEdge, GraphInfo

_END_SECONDS = 5.0

Input = dict[str, Any]
State = dict[str, Any]


class Started(NamedTuple):
    """A run that was started: its id, its graph, its events from the first to the last, and then its state."""

    id: str
    graph: GraphInfo
    events: AsyncIterator[Event]
    state: Callable[[], Awaitable[State]]


def run(
    target: Annotated[str, typer.Argument(help="module:graph or path/file.py:graph; with --url a graph's name.")],
    given: Annotated[str, typer.Option("--input", "-i", help="JSON, @file, or - for standard input.")] = "{}",
    url: Annotated[str | None, typer.Option("--url", help="Run it on this server.")] = None,
    store: Annotated[str, typer.Option("--store", help="Keep the run there, as sqlite:///runs.db.")] = "memory:",
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Executions of nodes, at most.")] = None,
    timeout: Annotated[float | None, typer.Option("--timeout", min=0.001, help="Seconds it may take.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One event per line, then the state.")] = False,
) -> None:
    """Run a graph and watch it; the exit status is 0 only if the run completed."""
    value = read_input(given)
    if url is not None:
        started = _far(url, target, value, limit, timeout)
    else:
        started = _here(*_only(target), value, store, limit, timeout)
    last, state = asyncio.run(_watch(started, as_json=as_json))
    ending = ending_of(last) if last is not None else None
    _put_state(state, ending, as_json=as_json)
    if last is None or ending is not Ending.COMPLETED:
        raise _failed(last, ending)


def read_input(given: str) -> Input:
    """Read the input of a run.

    Args:
        given: JSON, `@file` that holds it, or `-` for standard input.

    Returns:
        A mapping.

    Raises:
        InputError: E6004, the file cannot be read; E2001, this is not JSON; E2002, it is JSON but not an object.
    """
    where = "--input"
    try:
        if given == "-":
            text: str | bytes = sys.stdin.read()
        elif given.startswith("@"):
            where = given[1:]
            text = Path(where).read_bytes()
        else:
            text = given
        value = msgspec.json.decode(text)
    except OSError as error:
        raise InputError("E6004", f"it cannot be read: {error.strerror or error}", where=where) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        mend = """Write one JSON object, in quotes for the shell: --input '{"text": "…"}'."""
        raise InputError("E2001", f"the input is not JSON: {error}", where=where, mend=mend) from None
    if not isinstance(value, dict):
        mend = """Write an object with keys of the state: --input '{"text": "…"}'."""
        raise InputError("E2002", f"the input is a {type(value).__name__}, not an object", where=where, mend=mend)
    return value


def _only(target: str) -> tuple[str, CompiledGraph]:
    graphs = load(target)
    if len(graphs) > 1:
        raise InputError(
            "E6006", f"{target} has several graphs", mend=f"Name one of them: {', '.join(sorted(graphs))}."
        )
    return graphs.popitem()


@asynccontextmanager
async def _here(
    name: str, graph: CompiledGraph, value: Input, store: str, limit: int | None, timeout: float | None
) -> AsyncIterator[Started]:
    """Start a run in this process."""
    opened = open_store(store)
    service = RunService(opened, {name: graph.plan})
    try:
        await service.open()
        created = await service.start(TENANT, name, value, limit=limit, timeout=timeout)
        key = created.row.key

        async def events() -> AsyncIterator[Event]:
            async for page in follow(opened, key, 0):
                for record in page.records if page is not None else ():
                    yield record.event

        edges = tuple(GraphEdge(source=edge.source, target=edge.target) for edge in graph.plan.edges)
        info = GraphInfo(name=name, nodes=tuple(graph.plan.nodes), edges=edges)
        try:
            yield Started(key.run, info, events(), lambda: service.state(key))
        except asyncio.CancelledError:
            # Ctrl-C: the run ends as stopped and keeps what it has, which takes a moment.
            await service.stop(key, "Ctrl-C")
            async with asyncio.timeout(_END_SECONDS):
                async for _ in events():
                    pass
            raise
    finally:
        await service.close()
        await opened.close()


@asynccontextmanager
async def _far(url: str, name: str, value: Input, limit: int | None, timeout: float | None) -> AsyncIterator[Started]:
    """Start a run on a server."""
    async with Client(url) as client:
        info = next((graph for graph in await client.graphs() if graph.name == name), None)
        if info is None:
            there = ", ".join(graph.name for graph in await client.graphs()) or "none"
            raise NotFound("E2004", f"there is no graph {name!r}", where=url, mend=f"The server has: {there}.")
        started = await client.start(name, value, limit=limit, timeout=timeout)
        async with started.events() as events:
            yield Started(started.id, info, events, started.state)


async def _watch(starting: AbstractAsyncContextManager[Started], *, as_json: bool) -> tuple[Event | None, State]:
    """Show a run while it goes on; give its last event and its state."""
    last: Event | None = None
    async with starting as started:
        if output.for_people() and not as_json:
            last = await _on_screen(started)
        else:
            lines = Lines()
            async for last in started.events:
                if as_json:
                    output.say(encode(last).decode())
                    continue
                for line in lines.take(last):
                    output.say_of(line.node, line.text, news=line.news)
        return last, await started.state()


async def _on_screen(started: Started) -> Event | None:
    panes = Panes(started.graph.nodes, started.graph.edges)
    last: Event | None = None
    count = 0

    def draw(height: int) -> RenderableType:
        ending = ending_of(last) if last is not None else None
        how = Text(ending.value, "bold green" if ending is Ending.COMPLETED else "bold red") if ending else Text("live")
        head = Text.assemble((started.graph.name, "bold"), ("  run ", "dim"), started.id, "  ", how)
        head.append(f"  {count:,} events", "dim")
        return Group(head, panes.drawn(height - 1))

    async with Screen(output.console(), draw):
        async for last in started.events:
            panes.take(last)
            count += 1
    return last


def _put_state(state: State, ending: Ending | None, *, as_json: bool) -> None:
    if as_json:
        output.say_json({"ending": ending.value if ending is not None else None, "state": state})
    elif not output.for_people():
        output.say(f"state: {msgspec.json.encode(state).decode()}")
    else:
        screen = output.console()
        for key, value in state.items():
            if isinstance(value, str) and "\n" in value:
                screen.print(Text(f"{key}:", "bold"))
                screen.print(Text(value), soft_wrap=True)
            else:
                screen.print(Text.assemble((f"{key}: ", "bold"), msgspec.json.encode(value).decode()), soft_wrap=True)


def _failed(last: Event | None, ending: Ending | None) -> RunFailed:
    if isinstance(last, kinds.RunFailed):
        told = last.error
        mend = told.mend or (CODES[told.code].mend if told.code in CODES else "")
        return RunFailed("E3011", f"the run failed: {told.code} {told.message}", where=told.where, mend=mend)
    return RunFailed("E3011", f"the run ended as {ending.value if ending is not None else 'unknown'}")
