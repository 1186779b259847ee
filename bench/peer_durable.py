"""LangGraph with its SQLite checkpointer, the counterpart of `bench.product_durable`: a checkpoint after every node."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from uuid import uuid4

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from bench.keeping import KILOBYTE, Texts, folder_bytes
from bench.measure import Sample, Samplers
from bench.peer import chain_of
from bench.peer_kept import appending
from bench.scale import Scale


@asynccontextmanager
async def durable(scale: Scale) -> Samplers:
    """Nodes one after another, a new thread each time, `durability` as it is by default."""
    with TemporaryDirectory() as folder:
        async with AsyncSqliteSaver.from_conn_string(str(Path(folder, "runs.db"))) as saver:
            graph = chain_of(scale.nodes, saver)

            async def sample() -> Sample:
                config = {"recursion_limit": scale.nodes + 2, "configurable": {"thread_id": uuid4().hex}}
                began = perf_counter()
                state = await graph.ainvoke({"n": 0}, config)
                took = perf_counter() - began
                assert state["n"] == scale.nodes
                return {"node": took / scale.nodes * 1e6}

            yield sample


@asynccontextmanager
async def checkpoint(scale: Scale) -> Samplers:
    """Weigh the file of a run that appends as often as the scale says, less the file of none."""

    async def file_bytes(steps: int) -> int:
        with TemporaryDirectory() as folder:
            async with AsyncSqliteSaver.from_conn_string(str(Path(folder, "runs.db"))) as saver:
                await saver.setup()
                if steps:
                    await appending(steps, Texts, saver)()
            return folder_bytes(folder)

    async def sample() -> Sample:
        return {"stored": (await file_bytes(scale.appends) - await file_bytes(0)) / KILOBYTE}

    yield sample
