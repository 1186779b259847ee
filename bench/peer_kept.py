"""LangGraph and what its checkpointers keep of one run, the counterpart of `bench.product_durable.checkpoint`.

Of its saver in memory the serialised values and writes are counted, not the checkpoints around them, which only makes
it look better.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph

from bench.keeping import KILOBYTE, Texts, append
from bench.measure import Sample, Samplers
from bench.scale import Scale


def appending(steps: int, schema: type, saver: Any) -> Callable[[], Any]:
    """Make a loop whose node appends a text.

    Args:
        steps: Turns of the loop.
        schema: Of its state.
        saver: Its checkpointer.

    Returns:
        A function that runs it once, in a thread of its own.
    """

    def route(state: Any) -> str:
        return str(END) if len(state["texts"]) >= steps else "append"

    made = StateGraph(schema)
    made.add_node("append", append, input_schema=schema)
    made.add_edge(START, "append")
    made.add_conditional_edges("append", route, ["append", END])
    graph = made.compile(checkpointer=saver)

    async def run() -> None:
        config = {"recursion_limit": steps + 2, "configurable": {"thread_id": "bench"}}
        state = await graph.ainvoke({"texts": []}, config)
        assert len(state["texts"]) == steps

    return run


def held_bytes(saver: Any) -> int:
    """Count the serialised values and writes that a saver in memory holds."""
    values = sum(len(data) for _, data in saver.blobs.values())
    return values + sum(len(data) for writes in saver.writes.values() for _, _, (_, data), _ in writes.values())


@asynccontextmanager
async def checkpoint(scale: Scale, schema: type = Texts) -> Samplers:
    """Append as often as the scale says, with the saver in memory."""

    async def sample() -> Sample:
        saver = InMemorySaver()
        await appending(scale.appends, schema, saver)()
        return {"stored": held_bytes(saver) / KILOBYTE}

    yield sample
