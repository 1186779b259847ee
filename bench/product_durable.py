"""Riverrun on SQLite, without HTTP: runs that survive a crash, and the store that keeps them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from bench.keeping import KILOBYTE, Texts, folder_bytes
from bench.keeping import append as write_text
from bench.measure import Sample, Samplers
from bench.product import chain_of
from bench.scale import Scale
from riverrun import END, START, StateGraph
from riverrun.base.ids import new_log_id, new_run_id
from riverrun.events.kinds import Event, NodeChunk, RunCompleted, RunStarted
from riverrun.events.record import Record
from riverrun.log.store import RunKey
from riverrun.runs.reader import follow
from riverrun.runs.service import RunService
from riverrun.stores.sqlite import SqliteStore

_TENANT = "bench"
_EVENT_BYTES = 200  # of an event as JSON


@asynccontextmanager
async def durable(scale: Scale) -> Samplers:
    """Nodes one after another; over when the terminal event is on the disk."""
    with TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder, "runs.db"))
        service = RunService(store, {"chain": chain_of(scale.nodes).plan})
        await service.open()

        async def sample() -> Sample:
            began = perf_counter()
            created = await service.start(_TENANT, "chain", {"n": 0})
            last: Event | None = None
            async for page in follow(store, created.row.key, 0):
                last = page.records[-1].event if page is not None else last
            took = perf_counter() - began
            assert isinstance(last, RunCompleted)
            assert last.steps == scale.nodes
            return {"node": took / scale.nodes * 1e6}

        try:
            yield sample
        finally:
            await service.close()
            await store.close()


@asynccontextmanager
async def checkpoint(scale: Scale) -> Samplers:
    """Weigh the file of a run that appends as often as the scale says, less the file of none; and that run's log."""

    async def sample() -> Sample:
        file_bytes, log_bytes = await _kept(scale.appends)
        empty_bytes, _ = await _kept(0)
        return {"stored": (file_bytes - empty_bytes) / KILOBYTE, "log": log_bytes / KILOBYTE}

    yield sample


async def _kept(steps: int) -> tuple[int, int]:
    """Give the bytes of a store's file once it is closed, and of the lines of the log in it."""

    def route(state: Texts) -> str:
        return END if len(state["texts"]) >= steps else "append"

    made = StateGraph(Texts).add_node("append", write_text).add_edge(START, "append")
    graph = made.add_conditional_edges("append", route, ["append", END]).compile()
    with TemporaryDirectory() as folder:
        path = Path(folder, "runs.db")
        store = SqliteStore(path)
        service = RunService(store, {"texts": graph.plan})
        await service.open()
        lines: list[Record] = []
        try:
            if steps:
                created = await service.start(_TENANT, "texts", {"texts": []}, limit=steps)
                async for page in follow(store, created.row.key, 0):
                    lines.extend(page.records if page is not None else ())
                last = lines[-1].event
                assert isinstance(last, RunCompleted)
                assert last.steps == steps
        finally:
            await service.close()
            await store.close()
        return folder_bytes(folder), sum(len(line.data) for line in lines)


@asynccontextmanager
async def append(scale: Scale) -> Samplers:
    """One run, one append after another; each is on the disk before the next begins."""
    with TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder, "runs.db"))

        async def sample() -> Sample:
            run = new_run_id(0)
            started = RunStarted(seq=1, ts=0, run=run, graph="bench", log=new_log_id())
            await store.create(_TENANT, started, worker="bench", lease_seconds=60.0)
            batches = [_events(run, 2 + index * scale.batch, scale.batch) for index in range(scale.batches)]
            key, head = RunKey(_TENANT, run), 1
            began = perf_counter()
            for events in batches:
                head = await store.append(key, 1, head, events, 60.0)
            took = perf_counter() - began
            assert head == 1 + scale.batches * scale.batch
            return {"events": (head - 1) / took}

        try:
            yield sample
        finally:
            await store.close()


def _events(run: str, first_seq: int, count: int) -> list[Event]:
    return [
        NodeChunk(
            seq=seq, ts=0, run=run, node="node", exec="node:1", message="node:1/text", value="x" * (_EVENT_BYTES - 130)
        )
        for seq in range(first_seq, first_seq + count)
    ]
