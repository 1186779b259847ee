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
from riverrun.cli.ask import Answers, ask
from riverrun.cli.defaults import TENANT
from riverrun.cli.lines import Lines
from riverrun.cli.panes import Panes
from riverrun.cli.screen import Screen
from riverrun.cli.target import only
from riverrun.cli.where import Key
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
    """A run that was started.

    Attributes:
        id: Its id.
        graph: What it runs.
        events: From the first to the last, also over a time in which it is parked.
        state: Gives its state.
        resume: Answers it.
        later: How it can be answered once this command has ended.
    """

    id: str
    graph: GraphInfo
    events: AsyncIterator[Event]
    state: Callable[[], Awaitable[State]]
    resume: Callable[[Answers], Awaitable[object]]
    later: str


class Begin(NamedTuple):
    """What a run is started with."""

    input: Input
    limit: int | None
    timeout: float | None
    thread: str | None


class Watched(NamedTuple):
    """What was seen of a run: its last event, its state then, and how it can be answered if it waits."""

    last: Event | None
    state: State
    later: str


def run(
    target: Annotated[str, typer.Argument(help="module:graph or path/file.py:graph; with --url a graph's name.")],
    given: Annotated[str, typer.Option("--input", "-i", help="JSON, @file, or - for standard input.")] = "{}",
    url: Annotated[str | None, typer.Option("--url", help="Run it on this server.")] = None,
    key: Key = None,
    store: Annotated[str, typer.Option("--store", help="Keep the run there, as sqlite:///runs.db.")] = "memory:",
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Executions of nodes, at most.")] = None,
    timeout: Annotated[float | None, typer.Option("--timeout", min=0.001, help="Seconds it may take.")] = None,
    thread: Annotated[str | None, typer.Option("--thread", help="Go on from the run before in this thread.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One event per line, then the state.")] = False,
) -> None:
    """Run a graph and watch it; what it asks is asked here. The exit status is 0 only if the run completed."""
    begin = Begin(read_input(given), limit, timeout, thread)
    starting = _here(*only(target), store, begin) if url is None else _far(url, key, target, begin)
    last, state, later = asyncio.run(_watch(starting, as_json=as_json))
    ending = ending_of(last) if last is not None else None
    _put_state(state, ending, as_json=as_json)
    if isinstance(last, kinds.RunInterrupted):
        raise _waits(last, later)
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


@asynccontextmanager
async def _here(name: str, graph: CompiledGraph, store: str, begin: Begin) -> AsyncIterator[Started]:
    """Start a run in this process."""
    opened = open_store(store)
    service = RunService(opened, {name: graph.plan})
    try:
        await service.open()
        created = await service.start(
            TENANT, name, begin.input, limit=begin.limit, timeout=begin.timeout, thread=begin.thread
        )
        key = created.row.key

        async def events() -> AsyncIterator[Event]:
            async for page in follow(opened, key, 0):
                for record in page.records if page is not None else ():
                    yield record.event

        edges = tuple(GraphEdge(source=edge.source, target=edge.target) for edge in graph.plan.edges)
        info = GraphInfo(name=name, nodes=tuple(graph.plan.nodes), edges=edges)
        later = _later(key.run, f"--store {store}")
        if store.startswith("memory:"):
            later = "Run it in a terminal to be asked, or keep it with --store sqlite:///runs.db and answer it later."
        try:
            yield Started(
                key.run, info, events(), lambda: service.state(key), lambda given: service.resume(key, given), later
            )
        except asyncio.CancelledError:
            if (await service.row(key)).status != "parked":  # what waits can go on waiting
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
async def _far(url: str, key: str | None, name: str, begin: Begin) -> AsyncIterator[Started]:
    """Start a run on a server."""
    async with Client(url, key=key) as client:
        info = next((graph for graph in await client.graphs() if graph.name == name), None)
        if info is None:
            there = ", ".join(graph.name for graph in await client.graphs()) or "none"
            raise NotFound("E2004", f"there is no graph {name!r}", where=url, mend=f"The server has: {there}.")
        started = await client.start(
            name, begin.input, limit=begin.limit, timeout=begin.timeout, thread=begin.thread, attach=True
        )

        async def resume(given: Answers) -> object:
            return await (started.resume(given) if given else started.resume(answer=None))

        async with started.events() as events:
            yield Started(started.id, info, events, started.state, resume, _later(started.id, f"--url {url}"))


def _later(run: str, where: str) -> str:
    return f"riverrun runs resume {run} {where} --answer …"


async def _watch(starting: AbstractAsyncContextManager[Started], *, as_json: bool) -> Watched:
    """Show a run until it ends, or until it asks what nobody here can answer."""
    last: Event | None = None
    async with starting as started:
        if output.for_people() and not as_json:
            last = await _on_screen(started)
        else:
            lines = Lines()
            async for last in started.events:
                if as_json:
                    output.say(encode(last).decode())
                else:
                    for line in lines.take(last):
                        output.say_of(line.node, line.text, news=line.news)
                if isinstance(last, kinds.RunInterrupted):
                    break
        return Watched(last, await started.state(), started.later)


async def _on_screen(started: Started) -> Event | None:
    panes = Panes(started.graph.nodes, started.graph.edges)
    last: Event | None = None
    count = 0

    def draw(height: int) -> RenderableType:
        ending = ending_of(last) if last is not None else None
        waits = isinstance(last, kinds.RunInterrupted)
        how = Text("waits for you", "bold magenta") if waits else Text("live")
        if ending:
            how = Text(ending.value, "bold green" if ending is Ending.COMPLETED else "bold red")
        head = Text.assemble((started.graph.name, "bold"), ("  run ", "dim"), started.id, "  ", how)
        head.append(f"  {count:,} events", "dim")
        return Group(head, panes.drawn(height - 1))

    while True:
        async with Screen(output.console(), draw):
            async for last in started.events:
                panes.take(last)
                count += 1
                if isinstance(last, kinds.RunInterrupted):
                    break
        if not isinstance(last, kinds.RunInterrupted) or not await _answered(started, last):
            return last


async def _answered(started: Started, asked: kinds.RunInterrupted) -> bool:
    """Ask the person; say whether the run goes on."""
    answers = await ask(output.console(), asked.questions)
    if answers is None:
        return False
    try:
        await started.resume(answers)
    except InputError as error:
        if error.code not in {"E2009", "E2015"}:
            raise
        output.console().print(Text("somebody else was quicker", "dim"))
    return True


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


def _waits(last: kinds.RunInterrupted, later: str) -> RunFailed:
    count = len(last.questions)
    return RunFailed("E3022", f"the run waits for {count} answer{'s' * (count != 1)}", where=last.run, mend=later)


def _failed(last: Event | None, ending: Ending | None) -> RunFailed:
    if isinstance(last, kinds.RunFailed):
        told = last.error
        mend = told.mend or (CODES[told.code].mend if told.code in CODES else "")
        return RunFailed("E3011", f"the run failed: {told.code} {told.message}", where=told.where, mend=mend)
    return RunFailed("E3011", f"the run ended as {ending.value if ending is not None else 'unknown'}")
