"""Taking a run out of a store and into another: as lines of text in between, or not at all.

What comes in is committed whole, with its first event, or not at all. It knows any store by its verbs alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from riverrun.base.errors import InputError
from riverrun.base.ids import is_run_id
from riverrun.events.kinds import RunStarted
from riverrun.log.jsonl import head_line, read_log, renamed
from riverrun.log.store import Created, LogStore, RunFilter, RunKey

PAGE_EVENTS = 1_000


async def export_run(store: LogStore, key: RunKey) -> AsyncIterator[bytes]:
    """Give the log of a run as lines; of one that goes on, up to where it is now.

    Args:
        store: Where it is.
        key: Which run.

    Yields:
        Some lines at a time, each with its break: a header, then the events as the log holds them.

    Raises:
        NotFound: E2005.
        CursorError: E4007, the beginning of the log was removed by retention.
        StoreError: E4002, the store cannot be read; E4003, it is damaged.
    """
    page = await store.read(key, 0, PAGE_EVENTS)
    head, place = page.head, 0
    started = page.records[0].event
    assert isinstance(started, RunStarted)
    yield head_line(started, head, ended=page.status == "ended") + b"\n"
    while place < head:
        records = page.records[: head - place]
        yield b"".join(record.data + b"\n" for record in records)
        place = records[-1].seq
        if place < head:
            page = await store.read(key, place, PAGE_EVENTS)


async def import_run(
    store: LogStore, tenant: str, lines: Iterable[bytes], *, run: str | None = None, go_on: bool = False
) -> Created:
    """Make a run from its lines: its events are byte for byte those that were exported, but for a new id.

    Args:
        store: Where to.
        tenant: Whose run it becomes.
        lines: As `export_run` gave them.
        run: Its new id; None: as it was.
        go_on: Also take a run that has not ended. It then goes on here: whoever serves its graph claims it.

    Returns:
        The row, and whether it is new; a second import of the same log makes nothing.

    Raises:
        InputError: E4008, the lines are no whole log, or of a run that has not ended; E2013, the store has another log
            under this id.
        StoreError: E4002, the store cannot be written.
    """
    copy = await asyncio.to_thread(read_log, lines)  # it takes a µs or two per event
    if run is not None:
        copy = renamed(copy, run)
    started = copy.started
    if not is_run_id(started.run):
        raise InputError("E4008", f"{started.run!r} is no id of a run", mend="Name another one for it.")
    if not copy.header.ended and not go_on:
        mend = "Say that it shall go on here, once it does not go on where it comes from."
        raise InputError("E4008", f"run {started.run} has not ended", mend=mend)
    base = None if copy.header.ended else started.base
    if base is not None and not await store.list(tenant, RunFilter(run=base.run, limit=1)):
        raise InputError("E4008", f"run {started.run} stands on run {base.run}, which is not here")
    created = await store.create(tenant, started, prefix=copy.events)
    if created.row.log != started.log:
        raise InputError("E2013", f"the store has another log of run {started.run}")
    return created
