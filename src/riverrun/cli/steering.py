"""`riverrun runs stop`, `resume` and `fork`: say to a run how it is to go on, on a server or in a store."""

from __future__ import annotations

from typing import Annotated

import typer

from riverrun.cli import output
from riverrun.cli.ask import read_answers
from riverrun.cli.defaults import STORE
from riverrun.cli.source import Source, whole_id
from riverrun.cli.target import only
from riverrun.cli.where import AsJson, Key, RunId, Store, Url, at
from riverrun.wire.pages import RunInfo


def stop(
    run: RunId,
    url: Url = None,
    key: Key = None,
    store: Store = STORE,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the last event.")] = "",
    as_json: AsJson = False,
) -> None:
    """Stop a run. What it finished, and its text so far, are kept."""

    async def ask(source: Source) -> RunInfo:
        return await source.stop(await whole_id(source, run), reason)

    info = at(url, key, store, ask)
    if as_json:
        output.say_json(info)
    elif info.status == "ended":
        output.say(f"run {info.run} has ended: {info.ending}")
    else:
        output.say(f"run {info.run} was asked to stop")


def resume(
    run: RunId,
    answer: Annotated[
        list[str] | None,
        typer.Option("--answer", "-a", help="ID=ANSWER, or the answer to the only question. JSON, or text."),
    ] = None,
    url: Url = None,
    key: Key = None,
    store: Store = STORE,
    as_json: AsJson = False,
) -> None:
    """Answer what a run asks; it goes on. `runs show` says what is open."""

    async def send(source: Source) -> RunInfo:
        name = await whole_id(source, run)
        return await source.resume(name, read_answers(answer or (), await source.questions(name)))

    info = at(url, key, store, send)
    if as_json:
        output.say_json(info)
    else:
        output.say(f"run {info.run} goes on{'' if url else _later(store)}")


def fork(
    run: RunId,
    place: Annotated[
        int | None, typer.Option("--at", min=1, help="The last event to copy; else as far as it can be gone on with.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Executions of nodes, at most.")] = None,
    thread: Annotated[str | None, typer.Option("--thread", help="The conversation it belongs to.")] = None,
    graph: Annotated[str | None, typer.Option("--graph", help="module:graph, when no server is named.")] = None,
    url: Url = None,
    key: Key = None,
    store: Store = STORE,
    as_json: AsJson = False,
) -> None:
    """Begin a run with a copy of another one's log, and go on from there. The other one is not changed."""
    loaded = only(graph)[1] if graph is not None else None

    async def begin(source: Source) -> str:
        return await source.fork(await whole_id(source, run), place, limit, thread, loaded)

    made = at(url, key, store, begin)
    if as_json:
        output.say_json({"run": made})
    else:
        output.say(f"run {made} goes on from there{'' if url else _later(store)}")


def _later(store: str) -> str:
    """Say what it takes: in a store nobody runs anything."""
    return f" as soon as a worker takes it: riverrun serve module:graph --store {store}"
