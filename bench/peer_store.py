"""LangGraph with its SQLite checkpointer, where it does what a figure of `bench.product_store` measures."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypedDict
from uuid import uuid4

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

from bench.measure import Sample, Samplers
from bench.scale import Scale
from bench.weight import traced


class _Said(TypedDict, total=False):
    text: str


async def _asks(_state: _Said) -> _Said:
    return {"text": str(interrupt("go on?"))}


@asynccontextmanager
async def parked(scale: Scale) -> Samplers:
    """Weigh what a process holds of threads that wait for an answer."""

    async def sample() -> Sample:
        with TemporaryDirectory() as folder:
            async with AsyncSqliteSaver.from_conn_string(str(Path(folder, "runs.db"))) as saver:
                made = StateGraph(_Said)
                made.add_node("asks", _asks)
                made.add_edge(START, "asks")
                made.add_edge("asks", END)
                graph: Any = made.compile(checkpointer=saver)
                await _ask(graph, 10)
                with traced() as held:
                    before = held()
                    await _ask(graph, scale.parked)
                    grown = held() - before
        return {"run": max(grown, 0) / scale.parked / 1024}

    yield sample


async def _ask(graph: Any, count: int) -> None:
    for _ in range(count):
        state = await graph.ainvoke({}, {"configurable": {"thread_id": uuid4().hex}})
        assert state["__interrupt__"]
