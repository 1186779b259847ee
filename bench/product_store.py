"""Riverrun's store in a SQLite file, by itself: how fast it takes, shows and gives back what runs say, and in how much.

What is written is what a run writes that streams text: chunks of four characters of one message. They are hexadecimal
digits at random, which are harder to pack than English.
"""

from __future__ import annotations

import asyncio
import operator
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Annotated, TypedDict

import msgspec

from bench.measure import Sample, Samplers
from bench.results import percentile
from bench.scale import Scale
from bench.weight import traced
from riverrun import END, START, StateGraph
from riverrun.base.clock import SystemClock
from riverrun.base.ids import new_log_id, new_run_id
from riverrun.events.kinds import Event, NodeChunk, RunCompleted, RunStarted
from riverrun.graph.machine import Machine
from riverrun.graph.plan import Plan
from riverrun.log.store import RunFilter, RunKey
from riverrun.runs.checkpoints import Owned
from riverrun.runs.context import Context
from riverrun.runs.history import History
from riverrun.runs.launch import Means, recall
from riverrun.runs.pool import Pool
from riverrun.runs.service import RunService
from riverrun.runs.settings import RunSettings
from riverrun.stores.sqlite import SqliteStore

_TENANT = "bench"
_LEASE = 3600.0
_CHARS = 4
_PAGE = 10_000
_BATCH = 100


@asynccontextmanager
async def _opened() -> AsyncIterator[SqliteStore]:
    with TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder, "runs.db"))
        try:
            yield store
        finally:
            await store.close()


async def _owned(
    store: SqliteStore, graph: str = "bench", limit: int = 1000, worker: str | None = "bench"
) -> tuple[RunKey, RunStarted]:
    now = SystemClock().now_ms()
    started = RunStarted(seq=1, ts=now, run=new_run_id(now), graph=graph, log=new_log_id(), input={}, limit=limit)
    created = await store.create(_TENANT, started, worker=worker, lease_seconds=_LEASE)
    return created.row.key, started


def _chunks(run: str, first_seq: int, count: int) -> list[Event]:
    begin = (first_seq - 2) * _CHARS
    text = Random(first_seq).randbytes(count * _CHARS // 2).hex()
    return [
        NodeChunk(
            seq=first_seq + place,
            ts=1_763_600_000_000 + first_seq + place,
            run=run,
            node="writer",
            exec="writer:1",
            message="writer:1/text",
            key="text",
            start=begin + place * _CHARS,
            value=text[place * _CHARS : (place + 1) * _CHARS],
        )
        for place in range(count)
    ]


async def _fill(store: SqliteStore, key: RunKey, events: int) -> int:
    head = 1
    while head < events:
        some = _chunks(key.run, head + 1, min(_BATCH, events - head))
        head = await store.append(key, 1, head, some, _LEASE)
    return head


# --- taking ---


@asynccontextmanager
async def append_runs(scale: Scale) -> Samplers:
    """Let runs append at once, each one append after another; over when all of it is on the disk."""
    async with _opened() as store:

        async def sample() -> Sample:
            keys = [(await _owned(store))[0] for _ in range(scale.writers)]
            batches = {
                key: [_chunks(key.run, 2 + turn * _BATCH, _BATCH) for turn in range(scale.turns_of_writers)]
                for key in keys
            }

            async def write(key: RunKey) -> None:
                head = 1
                for events in batches[key]:
                    head = await store.append(key, 1, head, events, _LEASE)
                assert head == 1 + _BATCH * scale.turns_of_writers

            began = perf_counter()
            await asyncio.gather(*map(write, keys))
            took = perf_counter() - began
            return {"chunks": len(keys) * scale.turns_of_writers * _BATCH / took}

        yield sample


# --- showing ---


Times = dict[int, float]  # seq → when


async def _read(store: SqliteStore, key: RunKey) -> Times:
    """Read a run as a live reader does; say when it had each event."""
    place, seen = 1, Times()
    while True:
        page = await store.read(key, place, _PAGE)
        seen |= dict.fromkeys((record.seq for record in page.records), perf_counter())
        place += len(page.records)
        if page.status == "ended":
            return seen
        await store.wait(key, place, 1.0)


async def say(store: SqliteStore, key: RunKey, times: int, pause: float) -> Times:
    """Append chunks, then the end; say when each of them was acknowledged.

    Args:
        store: Where.
        key: A run that "bench" owns.
        times: How many chunks.
        pause: Seconds before each.

    Returns:
        The times, by seq.
    """
    head, acknowledged = 1, Times()
    for _ in range(times):
        await asyncio.sleep(pause)
        head = await store.append(key, 1, head, _chunks(key.run, head + 1, 1), _LEASE)
        acknowledged[head] = perf_counter()
    last = RunCompleted(seq=head + 1, ts=1, run=key.run, steps=1)
    await store.append(key, 1, head, [last], _LEASE)
    return acknowledged


def _waits_ms(acknowledged: Times, seen: Times) -> list[float]:
    """Give how much later the reader had each event than its writer knew it to be committed; 1 µs if it was first."""
    return [max(seen[seq] - at, 1e-6) * 1e3 for seq, at in acknowledged.items()]


@asynccontextmanager
async def visible(scale: Scale) -> Samplers:
    """Time how much later than its acknowledgement a reader of this process has a chunk: alone and under load."""
    async with _opened() as store:

        async def alone() -> list[float]:
            key, _ = await _owned(store)
            seen, acknowledged = await asyncio.gather(_read(store, key), say(store, key, scale.words, 0.002))
            return _waits_ms(acknowledged, seen)

        async def sample() -> Sample:
            idle = await alone()
            keys = [(await _owned(store))[0] for _ in range(scale.writers)]
            loads = [asyncio.create_task(_press(store, key)) for key in keys]
            loaded = await alone()
            for load in loads:
                load.cancel()
            await asyncio.wait(loads)
            return {"idle": percentile(idle, 99), "load": percentile(loaded, 99)}

        yield sample


async def _press(store: SqliteStore, key: RunKey) -> None:
    """Append as a run does that streams some 3,000 words a second."""
    head = 1
    while True:
        head = await store.append(key, 1, head, _chunks(key.run, head + 1, 30), _LEASE)
        await asyncio.sleep(0.01)


@asynccontextmanager
async def abroad(scale: Scale) -> Samplers:
    """Time how much later than its acknowledgement in another process a waiting reader of this one has a chunk."""
    async with _opened() as store:

        async def sample() -> Sample:
            key, _ = await _owned(store, worker=None)
            command = (sys.executable, "-m", "bench.writer_abroad", store.path, key.run, str(scale.words))
            writer = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
            seen, (said, _) = await asyncio.gather(_read(store, key), writer.communicate())
            waits = _waits_ms(msgspec.json.decode(said, type=dict[int, float]), seen)
            assert len(waits) == scale.words
            return {"p50": percentile(waits, 50), "p99": percentile(waits, 99)}

        yield sample


# --- giving back ---


@asynccontextmanager
async def replay(scale: Scale) -> Samplers:
    """Attach at the end of a long log, and read all of it; nothing of it is in memory any more."""
    async with _opened() as store:
        key, _ = await _owned(store)
        head = await _fill(store, key, scale.replayed)

        async def sample() -> Sample:
            store._tails.release()  # noqa: SLF001  # as in a process that was started just now
            began = perf_counter()
            page = await store.read(key, head - 1, _PAGE)
            attached = perf_counter() - began
            assert len(page.records) == 1
            began, place, size = perf_counter(), 0, 0
            while place < head:
                records = (await store.read(key, place, _PAGE)).records
                size += sum(len(record.data) for record in islice(records, 0, None, 1000))
                place += len(records)
            assert size
            return {"attach": attached * 1e3, "replay": (perf_counter() - began) * 1e3}

        yield sample


@asynccontextmanager
async def weight(scale: Scale) -> Samplers:
    """Weigh the file, by the pages that are in use, before and after compaction."""

    async def sample() -> Sample:
        async with _opened() as store:
            db = store._writer._db  # noqa: SLF001  # nobody writes while this looks

            def used() -> int:
                free, pages, size = (int(db.pragma(name)) for name in ("freelist_count", "page_count", "page_size"))
                return (pages - free) * size

            empty, (key, _) = used(), await _owned(store)
            head = await _fill(store, key, scale.replayed)
            live = used() - empty
            last = RunCompleted(seq=head + 1, ts=1, run=key.run, steps=1)
            await store.append(key, 1, head, [last], _LEASE)
            await store.compact(SystemClock().now_ms() + 1000)
            # A page is the least that can be counted: a log of a few events takes none of its own.
            return {"live": live / head, "compacted": max(used() - empty, 1) / head}

    yield sample


# --- going on ---


class _Said(TypedDict, total=False):
    n: Annotated[int, operator.add]
    text: str


def _loop() -> Plan:
    graph = StateGraph(_Said).add_node("work", lambda _: {"n": 1}).add_edge(START, "work")
    return graph.add_conditional_edges("work", lambda _: "work", ["work", END]).compile().plan


@asynccontextmanager
async def recovery(scale: Scale) -> Samplers:
    """Bring the machine of a long run back whose owner is gone: one that streamed, and one of many short nodes."""
    async with _opened() as store:
        settings = RunSettings()
        plan, history = _loop(), History(store, settings.checkpoint_events)
        clock, pool = SystemClock(), Pool(1)
        means = Means(store=store, clock=clock, pool=pool, settings=settings, history=history)
        long = {}
        for name, step in (("chunks", _stream), ("nodes", _turn)):
            key, started = await _owned(store, "loop", limit=10**9)
            long[name] = await _lived(store, plan, key, started, scale.recovered, step, history)
        rows = {row.key: row for row in await store.list(_TENANT, RunFilter())}

        async def sample() -> Sample:
            took = {}
            for name, (key, head) in long.items():
                began = perf_counter()
                machine, _, _ = await recall(means, plan, rows[key])
                took[name] = (perf_counter() - began) * 1e3
                assert machine.seq == head
            return took

        try:
            yield sample
        finally:
            pool.close()


def _stream(machine: Machine) -> None:
    machine.yielded("work:1", "text", f"{machine.seq % 10_000:04}", 1)


def _turn(machine: Machine) -> None:
    exec_id = f"work:{machine.made}"
    machine.returned(exec_id, {"n": 1}, (), (), 1)
    machine.routed(exec_id, ("work",), 1)


async def _lived(
    store: SqliteStore,
    plan: Plan,
    key: RunKey,
    started: RunStarted,
    events: int,
    step: Callable[[Machine], None],
    history: History,
) -> tuple[RunKey, int]:
    """Let a machine say so many events, commit them, and look after its checkpoints as a worker does."""
    machine, head = Machine(plan, key.run), 1
    machine.started(started)
    machine.events.pop(0)
    while machine.seq < events:
        for _ in range(_BATCH):
            step(machine)
        said, machine.events, machine.commands = machine.events, [], []
        head = await store.append(key, 1, head, said, _LEASE)
        if head % 5_000 < len(said):  # a worker looks each second
            await history.checkpoints.look([Owned(key, 1, machine)])
    return key, head


# --- waiting ---


@asynccontextmanager
async def parked(scale: Scale) -> Samplers:
    """Weigh what a server holds of runs that wait for an answer."""

    def asks(_state: _Said, ctx: Context) -> _Said:
        return {"text": str(ctx.interrupt("go on?"))}

    asking = StateGraph(_Said).add_node("asks", asks).add_edge(START, "asks").add_edge("asks", END).compile()

    async def sample() -> Sample:
        async with _opened() as store:
            service = RunService(store, {"asks": asking.plan}, settings=RunSettings(max_waiting=scale.parked))
            await service.open()
            await _ask(store, service, 10)
            with traced() as held:
                before = held()
                await _ask(store, service, scale.parked)
                grown = held() - before
            await service.close()
        return {"run": max(grown, 0) / scale.parked / 1024}

    yield sample


async def _ask(store: SqliteStore, service: RunService, count: int) -> None:
    """Start so many runs, and wait until all of them are parked."""
    keys = [(await service.start(_TENANT, "asks", {})).row.key for _ in range(count)]
    for key in keys:
        head = 0
        while (page := await store.read(key, head, 0)).status != "parked":
            head = page.head
            await store.wait(key, head, 1.0)
