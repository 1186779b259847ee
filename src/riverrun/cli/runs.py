"""`riverrun runs list`, `show` and `tail`: look at runs, on a server or directly in a store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, cast

import typer
from msgspec import structs

from riverrun.cli import output
from riverrun.cli.defaults import STORE
from riverrun.cli.files import export, import_
from riverrun.cli.lines import Lines, told
from riverrun.cli.replay import replay
from riverrun.cli.source import Source, whole_id
from riverrun.cli.steering import fork, resume, stop
from riverrun.cli.where import AsJson, Key, RunId, Store, Url, at
from riverrun.events.codec import encode
from riverrun.log.store import Status
from riverrun.log.view import View
from riverrun.wire.pages import RunInfo

runs = typer.Typer(no_args_is_help=True, help="Look at runs and steer them, on a server or in a store.")

_STATUSES = ("queued", "running", "parked", "ended")
_HEADS = ("run", "graph", "status", "events", "started", "took", "thread")
# What people see at once; the words stand beside them, for whoever searches.
_MARKS = {
    "completed": "✓",
    "failed": "✗",
    "lost": "✗",
    "stopped": "■",
    "timed_out": "■",
    "parked": "?",
    "running": "●",
    "queued": "○",
}
_TAIL = 72


@runs.command("list")
def list_runs(
    url: Url = None,
    key: Key = None,
    store: Store = STORE,
    graph: Annotated[str | None, typer.Option("--graph", help="Of this graph only.")] = None,
    status: Annotated[
        str | None, typer.Option("--status", help=f"With this status only: {', '.join(_STATUSES)}.")
    ] = None,
    thread: Annotated[str | None, typer.Option("--thread", help="Of this conversation only.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="At most this many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    if status is not None and status not in _STATUSES:
        raise typer.BadParameter(f"--status is one of {', '.join(_STATUSES)}, not {status!r}")
    wanted = cast("Status | None", status)
    found = at(url, key, store, lambda source: source.list(graph, wanted, limit, thread))
    if as_json:
        for info in found:
            output.say_json(info)
    elif found:
        _table(found)
    else:
        output.say("no runs")


@runs.command()
def show(run: RunId, url: Url = None, key: Key = None, store: Store = STORE, as_json: AsJson = False) -> None:
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

    info, view = at(url, key, store, look)
    if as_json:
        output.say_json({**structs.asdict(info), **_seen(view)})
        return
    _table([info])
    output.say()
    said = {message.exec: message for message in view.messages.values()}
    rows = [
        (name, state, str(said[name].length) if name in said else "", _last(said[name].text) if name in said else "")
        for name, state in view.nodes.items()
    ]
    output.table(("step", "state", "characters", "ends with"), rows)
    _put_questions(info, view)
    if view.error is not None:
        where = f" ({view.error.where})" if view.error.where else ""
        output.say(f"\n{view.error.code} {view.error.message}{where}\n  {view.error.mend}")


@runs.command()
def tail(
    run: RunId,
    url: Url = None,
    key: Key = None,
    store: Store = STORE,
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

    at(url, key, store, follow)


# One command each; the room they live in says what they share.
runs.command()(stop)
runs.command()(resume)
runs.command()(fork)
runs.command()(replay)
runs.command()(export)
runs.command("import")(import_)


def _table(found: Sequence[RunInfo]) -> None:
    # Most runs belong to no conversation: then there is no column for it.
    width = len(_HEADS) if any(info.thread for info in found) else len(_HEADS) - 1
    output.table(_HEADS[:width], [_cells(info)[:width] for info in found])


def _put_questions(info: RunInfo, view: View) -> None:
    """Say what the run waits to be told, and how to say it."""
    if not view.questions:
        return
    output.say()
    output.table(("open", "asks"), [(question.id, told(question)) for question in view.questions.values()])
    answers = "".join(f" --answer '{each.id}=…'" for each in view.questions.values() if each.kind == "asked")
    output.say(f"answer with: riverrun runs resume {info.run}{answers}")


def _cells(info: RunInfo) -> tuple[str, ...]:
    made = datetime.fromtimestamp(info.created_ms / 1000, UTC).astimezone()
    today = made.date() == datetime.now(UTC).astimezone().date()
    started = made.strftime("%H:%M:%S" if today else "%Y-%m-%d")
    took = f"{(info.updated_ms - info.created_ms) / 1000:.1f} s"
    how = info.ending or info.status
    shown = f"{_MARKS.get(how, ' ')} {how}" if output.for_people() else how
    return (info.run, info.graph, shown, str(info.head), started, took, info.thread or "")


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
        "questions": list(view.questions.values()),
        "messages": messages,
        "chunks": view.chunks,
        "voided": view.voided,
        "takeovers": view.takeovers,
        "error": view.error,
    }
