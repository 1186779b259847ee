"""`riverrun runs export` and `import`: a run as lines of a file, to be kept, sent, and taken into another store."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, nullcontext
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from riverrun.base.clock import SystemClock
from riverrun.base.errors import InputError
from riverrun.base.ids import new_run_id
from riverrun.cli import output
from riverrun.cli.defaults import STORE, TENANT
from riverrun.cli.source import Source, whole_id
from riverrun.cli.where import AsJson, Key, RunId, Store, Url, at
from riverrun.events.codec import encode
from riverrun.events.kinds import Event, RunStarted
from riverrun.log import jsonl
from riverrun.log.store import Created
from riverrun.stores.open import open_store


def export(
    run: RunId,
    to: Annotated[Path | None, typer.Option("--output", "-o", help="A file; standard output when left out.")] = None,
    url: Url = None,
    key: Key = None,
    store: Store = STORE,
) -> None:
    """Write the log of a run as lines of JSON, up to its last event now."""

    async def copy(source: Source) -> int:
        info = await source.info(await whole_id(source, run))
        if not info.head:
            raise InputError("E2016", f"the log of run {info.run} has no event yet", where=info.run)
        async with aclosing(upto(source, info.run, info.head)) as events:
            first = await anext(events)
            if not isinstance(first, RunStarted):
                raise InputError("E4007", "the beginning of the log was removed", where=info.run)
            # Opened last: a run that is not there must not make or empty a file.
            with nullcontext(sys.stdout.buffer) if to is None else _opened(to) as file:
                file.write(jsonl.head_line(first, info.head, ended=info.status == "ended") + b"\n")
                file.write(encode(first) + b"\n")
                async for event in events:
                    file.write(encode(event) + b"\n")
                file.flush()
        return info.head

    head = at(url, key, store, copy)
    if to is not None:
        output.say(f"{head} events written to {to}")


def import_(
    given: Annotated[str, typer.Argument(metavar="FILE", help="What `runs export` wrote, or - for standard input.")],
    store: Annotated[str, typer.Option("--store", envvar="RIVERRUN_STORE", help="Where it is kept.")] = STORE,
    as_new: Annotated[bool, typer.Option("--new-id", help="Under an id of its own.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take the log of a run into a store. One that had not ended goes on there when a worker takes it."""
    log = jsonl.read_log(_read(given).split(b"\n"))
    if as_new:
        log = jsonl.renamed(log, new_run_id(SystemClock().now_ms()))
    row, fresh = asyncio.run(_keep(log, store))
    if as_json:
        output.say_json({"run": row.key.run, "events": row.head, "status": row.status, "fresh": fresh})
    else:
        how = "taken in" if fresh else "was there already"
        output.say(f"run {row.key.run} {how}: {row.head} events, {row.ending or row.status}")


async def upto(source: Source, run: str, head: int) -> AsyncGenerator[Event, None]:
    """Read a run from its first event to one of its places, and no further.

    Args:
        source: Where it is.
        run: Its id.
        head: The last seq.

    Yields:
        Its events.
    """
    async for event in source.events(run, ""):
        yield event
        if event.seq >= head:
            return


async def _keep(log: jsonl.Copy, store: str) -> Created:
    opened = open_store(store)
    try:
        row, fresh = await opened.create(TENANT, log.started, prefix=log.events)
    finally:
        await opened.close()
    if not fresh and row.head < log.header.head:
        mend = "Take it in under another id: --new-id."
        raise InputError("E2013", f"the store has a run {row.key.run}, and it is another one", where=store, mend=mend)
    return Created(row, fresh)


def _read(given: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if given == "-" else Path(given).read_bytes()
    except OSError as error:
        raise InputError("E6004", f"it cannot be read: {error.strerror or error}", where=given) from None


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("wb")
    except OSError as error:
        what = f"it cannot be written: {error.strerror or error}"
        raise InputError("E6004", what, where=str(path), mend="Name a file that can be written.") from None
