"""`riverrun runs`: list, show, tail and stop runs, on a server or directly in a store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar, cast

import typer
from msgspec import structs

from riverrun.cli import output
from riverrun.cli.defaults import STORE
from riverrun.cli.lines import Lines
from riverrun.cli.source import Source, open_source, whole_id
from riverrun.events.codec import encode
from riverrun.log.store import Status
from riverrun.log.view import View
from riverrun.wire.pages import RunInfo

Result = TypeVar("Result")

runs = typer.Typer(no_args_is_help=True, help="List, show, tail and stop runs, on a server or in a store.")

_Url = Annotated[str | None, typer.Option("--url", envvar="RIVERRUN_URL", help="A server, such as http://host:8787.")]
_Store = Annotated[str, typer.Option("--store", envvar="RIVERRUN_STORE", help="A store, when no server is named.")]
_Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]
_Run = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or the beginning of it.")]

_STATUSES = ("queued", "running", "parked", "ended")
_HEADS = ("run", "graph", "status", "events", "started", "took")
_TAIL = 72


@runs.command("list")
def list_runs(
    url: _Url = None,
    store: _Store = STORE,
    graph: Annotated[str | None, typer.Option("--graph", help="Of this graph only.")] = None,
    status: Annotated[
        str | None, typer.Option("--status", help=f"With this status only: {', '.join(_STATUSES)}.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="At most this many.")] = 20,
    as_json: _Json = False,
) -> None:
    """List runs, newest first."""
    if status is not None and status not in _STATUSES:
        raise typer.BadParameter(f"--status is one of {', '.join(_STATUSES)}, not {status!r}")
    wanted = cast("Status | None", status)
    found = _at(url, store, lambda source: source.list(graph, wanted, limit))
    if as_json:
        for info in found:
            output.say_json(info)
    elif found:
        output.table(_HEADS, map(_cells, found))
    else:
        output.say("no runs")


@runs.command()
def show(run: _Run, url: _Url = None, store: _Store = STORE, as_json: _Json = False) -> None:
    """Show one run: how it is, what its nodes did and said."""

    async def look(source: Source) -> tuple[RunInfo, View]:
        info = await source.info(await whole_id(source, run))
        view = View()
        if info.head:
            async for event in source.events(info.run, ""):
                view.apply(event)
                if view.place >= info.head:
                    break
        return info, view

    info, view = _at(url, store, look)
    if as_json:
        output.say_json({**structs.asdict(info), **_seen(view)})
        return
    output.table(_HEADS, [_cells(info)])
    output.say()
    said = {message.exec: message for message in view.messages.values()}
    rows = [
        (name, state, str(said[name].length) if name in said else "", _last(said[name].text) if name in said else "")
        for name, state in view.nodes.items()
    ]
    output.table(("step", "state", "characters", "ends with"), rows)
    if view.error is not None:
        where = f" ({view.error.where})" if view.error.where else ""
        output.say(f"\n{view.error.code} {view.error.message}{where}\n  {view.error.mend}")


@runs.command()
def tail(
    run: _Run,
    url: _Url = None,
    store: _Store = STORE,
    after: Annotated[str, typer.Option("--after", help="A seq or a cursor: only what follows it.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One event per line, as it stands in the log.")] = False,
) -> None:
    """Follow a run, live, until it ends."""

    async def follow(source: Source) -> None:
        lines = Lines()
        async for event in source.events(await whole_id(source, run), after):
            if as_json:
                output.say(encode(event).decode())
            else:
                for line in lines.take(event):
                    output.say_of(line.node, line.text, news=line.news)

    _at(url, store, follow)


@runs.command()
def stop(
    run: _Run,
    url: _Url = None,
    store: _Store = STORE,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the last event.")] = "",
    as_json: _Json = False,
) -> None:
    """Stop a run. What it finished, and its text so far, are kept."""

    async def ask(source: Source) -> RunInfo:
        return await source.stop(await whole_id(source, run), reason)

    info = _at(url, store, ask)
    if as_json:
        output.say_json(info)
    elif info.status == "ended":
        output.say(f"run {info.run} has ended: {info.ending}")
    else:
        output.say(f"run {info.run} was asked to stop")


def _at(url: str | None, store: str, work: Callable[[Source], Awaitable[Result]]) -> Result:
    """Do one thing where the runs are."""

    async def there() -> Result:
        async with open_source(url, store) as source:
            return await work(source)

    return asyncio.run(there())


def _cells(info: RunInfo) -> tuple[str, ...]:
    made = datetime.fromtimestamp(info.created_ms / 1000, UTC).astimezone()
    today = made.date() == datetime.now(UTC).astimezone().date()
    started = made.strftime("%H:%M:%S" if today else "%Y-%m-%d")
    took = f"{(info.updated_ms - info.created_ms) / 1000:.1f} s"
    return (info.run, info.graph, info.ending or info.status, str(info.head), started, took)


def _last(text: str) -> str:
    """Give the end of a text on one line."""
    flat = " ".join(text[-4 * _TAIL :].split())
    return flat if len(flat) <= _TAIL else f"… {flat[-_TAIL:]}"


def _seen(view: View) -> dict[str, Any]:
    messages = [
        {"message": each.id, "node": each.node, "key": each.key, "length": each.length, "text": each.text}
        for each in view.messages.values()
    ]
    return {
        "steps": view.nodes,
        "messages": messages,
        "chunks": view.chunks,
        "voided": view.voided,
        "takeovers": view.takeovers,
        "error": view.error,
    }
