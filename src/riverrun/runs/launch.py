"""From a claimed run to its driver, the same for a worker on a durable store and for a run in process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct, field

from riverrun.base.clock import Clock
from riverrun.base.errors import RiverrunError
from riverrun.events.kinds import ErrorInfo, Event, NodeStarted, RunFailed, RunLost, RunStarted, RunTakenOver
from riverrun.graph.machine import Machine, error_info
from riverrun.graph.plan import Plan
from riverrun.graph.replay import replay
from riverrun.graph.step import caller_of
from riverrun.log.store import LogStore, RunRow
from riverrun.log.view import View
from riverrun.runs.cache import InMemoryCache
from riverrun.runs.context import RunFacts
from riverrun.runs.driver import Driver
from riverrun.runs.history import History, first_of, read_log
from riverrun.runs.pool import Pool
from riverrun.runs.settings import RunSettings
from riverrun.runs.writer import Writer


class Means(Struct, frozen=True, kw_only=True):
    """What every run of one process uses: where logs live, the time, threads, limits."""

    store: LogStore
    clock: Clock
    pool: Pool
    settings: RunSettings
    history: History | None = None  # of a worker, which has to find out where runs stand
    cache: InMemoryCache = field(default_factory=InMemoryCache)
    memory: Any = None  # what graphs were compiled with as their store


async def recall(means: Means, plan: Plan, row: RunRow) -> tuple[Machine, RunStarted, bool]:
    """Bring a machine to where the log of a run ends.

    Args:
        means: Where the log lives.
        plan: The graph of the run.
        row: The run, as claimed.

    Returns:
        The machine, the first event of the log, and whether the run was taken from an owner that had not given it up.

    Raises:
        NodeError: E3009, the log was not written by this graph.
        InputError: E2010, the input does not fit the graph.
        StoreError: E4002, the store cannot be read.
    """
    history = means.history or History(means.store)
    if means.settings.checkpoint_events and row.head >= means.settings.checkpoint_events:
        page = await means.store.read(row.key, row.head - 1, 1)
        machine = await history.begun(plan, row.key, page, row.head)
        if machine is not None:
            started = first_of(await read_log(means.store, row.key, 1))
            return machine, started, isinstance(page.records[-1].event, RunTakenOver)
    events = await read_log(means.store, row.key, row.head)
    started = first_of(events)
    base = await history.base(plan, row.key.tenant, started)
    return replay(plan, row.key.run, events, base=base), started, isinstance(events[-1], RunTakenOver)


def make_driver(
    means: Means,
    row: RunRow,
    machine: Machine,
    started: RunStarted,
    *,
    paced: bool = False,
    may_begin: Callable[[], asyncio.Future[None] | None] | None = None,
) -> tuple[Driver, Writer]:
    """Make the driver of a claimed run, and its pen.

    Args:
        means: What the run uses.
        row: The run, as claimed.
        machine: Brought to where its log ends.
        started: The first event of its log.
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
        facts=_facts(means, row, machine.plan, started),
        cache=means.cache,
        stop_grace=settings.stop_grace,
        may_begin=may_begin,
    )
    return driver, writer


def _facts(means: Means, row: RunRow, plan: Plan, started: RunStarted) -> RunFacts:
    context = started.context
    if isinstance(context, dict) and plan.context_schema not in (None, dict):
        context = msgspec.convert(context, plan.context_schema)
    return RunFacts(
        run=row.key.run,
        tenant=row.key.tenant,
        thread=started.thread,
        context=context,
        limit=started.limit,
        config=started.config or {},
        store=means.memory,
        strict=means.settings.strict,
    )


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
    end = _end_of(await read_log(means.store, row.key, page.head))
    if isinstance(error, RiverrunError) and error.code == "E3014":
        last: Event = RunLost(seq=seq, ts=now, run=run, **end, reason=error.message)
    elif isinstance(error, RiverrunError):
        last = RunFailed(seq=seq, ts=now, run=run, **end, error=error_info(error))
    else:
        what = f"{type(error).__name__} in the worker; its log says more"
        last = RunFailed(seq=seq, ts=now, run=run, **end, error=ErrorInfo(code="E6007", message=what))
    await means.store.append(row.key, row.epoch, page.head, [last], means.settings.lease_seconds)


def _end_of(events: list[Event]) -> dict[str, Any]:
    """Give what every terminal event says of a run: how many executions it made, and which messages were cut short."""
    view = View()
    for event in events:
        view.apply(event)
    steps = sum(isinstance(event, NodeStarted) and caller_of(event) is None for event in events)
    under_way = {exec_id for exec_id, state in view.nodes.items() if state not in ("completed", "failed", "cancelled")}
    partial = [message.id for message in view.messages.values() if message.chunks and message.exec in under_way]
    return {"steps": steps, "partial": tuple(partial)}
