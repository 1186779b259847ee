"""From a claimed run to its driver, the same for a worker on a durable store and for a run in process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import Struct

from riverrun.base.clock import Clock
from riverrun.base.errors import RiverrunError
from riverrun.events.kinds import ErrorInfo, Event, RunFailed, RunLost, RunStarted
from riverrun.graph.machine import Machine, error_info
from riverrun.graph.plan import Plan
from riverrun.graph.replay import replay
from riverrun.log.store import LogStore, RunKey, RunRow
from riverrun.runs.driver import Driver
from riverrun.runs.pool import Pool
from riverrun.runs.settings import RunSettings
from riverrun.runs.writer import Writer

_PAGE = 10_000


class Means(Struct, frozen=True, kw_only=True):
    """What every run of one process uses: where logs live, the time, threads, limits."""

    store: LogStore
    clock: Clock
    pool: Pool
    settings: RunSettings


async def read_log(store: LogStore, key: RunKey, upto: int) -> list[Event]:
    """Read a log up to a seq.

    Args:
        store: Where it lives.
        key: Which run.
        upto: The last seq to read.

    Returns:
        The events, from the first.

    Raises:
        NotFound: E2005.
        CursorError: E4007, its beginning was removed.
        StoreError: E4002, the store cannot be read.
    """
    events: list[Event] = []
    while len(events) < upto:
        page = await store.read(key, len(events), min(_PAGE, upto - len(events)))
        if not page.records:
            break
        events.extend(record.event for record in page.records)
    return events


async def recall(means: Means, plan: Plan, row: RunRow) -> tuple[Machine, RunStarted]:
    """Bring a machine to where the log of a run ends.

    Args:
        means: Where the log lives.
        plan: The graph of the run.
        row: The run, as claimed.

    Returns:
        The machine, and the first event of the log.

    Raises:
        NodeError: E3009, the log was not written by this graph.
        InputError: E2010, the input does not fit the graph.
        StoreError: E4002, the store cannot be read.
    """
    events = await read_log(means.store, row.key, row.head)
    started = events[0]
    if not isinstance(started, RunStarted):
        raise AssertionError("a log begins with run.started")  # noqa: TRY004  # no argument is wrong: a law is broken
    return replay(plan, row.key.run, events), started


def make_driver(
    means: Means,
    row: RunRow,
    machine: Machine,
    *,
    paced: bool = False,
    may_begin: Callable[[], asyncio.Future[None] | None] = lambda: None,
) -> tuple[Driver, Writer]:
    """Make the driver of a claimed run, and its pen.

    Args:
        means: What the run uses.
        row: The run, as claimed.
        machine: Brought to where its log ends.
        paced: A sole reader sets the pace (in process).
        may_begin: As in `Driver`.

    Returns:
        The driver, not yet running, and the writer that it writes with.
    """
    settings = means.settings
    writer = Writer(
        means.store,
        row.key,
        row.epoch,
        machine,
        head=row.head,
        lease_seconds=settings.lease_seconds,
        limits=settings.buffer,
        paced=paced,
    )
    driver = Driver(
        machine,
        writer,
        means.pool,
        means.clock,
        tenant=row.key.tenant,
        strict=settings.strict,
        may_begin=may_begin,
    )
    return driver, writer


async def bury(means: Means, row: RunRow, error: Exception) -> None:
    """Give a run that cannot go on its terminal event, so that no reader waits for ever.

    Args:
        means: Where the log lives.
        row: The run, under this worker's epoch.
        error: Why it cannot go on.

    Raises:
        RiverrunError: The event could not be appended either.
    """
    page = await means.store.read(row.key, 0, 1)
    if page.status == "ended":
        return
    now, seq, run = means.clock.now_ms(), page.head + 1, row.key.run
    if isinstance(error, RiverrunError) and error.code == "E3014":
        last: Event = RunLost(seq=seq, ts=now, run=run, reason=error.message)
    elif isinstance(error, RiverrunError):
        last = RunFailed(seq=seq, ts=now, run=run, error=error_info(error))
    else:
        what = f"{type(error).__name__} in the worker; its log says more"
        last = RunFailed(seq=seq, ts=now, run=run, error=ErrorInfo(code="E6007", message=what))
    await means.store.append(row.key, row.epoch, page.head, [last], means.settings.lease_seconds)
