"""LangGraph in process: the same work as in `bench.product`, in the same words where it has them.

It runs without a checkpointer, as it does by default. Chunks are streamed with `stream_mode="custom"`, the fastest of
its modes.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from statistics import median
from time import perf_counter
from typing import Any

from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph

from bench.gate import Gate
from bench.measure import Sample, Samplers
from bench.product import State, count
from bench.rounds import seconds_each
from bench.scale import Scale
from bench.source import tokens
from bench.weight import traced


async def speak(state: State) -> dict[str, Any]:
    """Stream `n` chunks."""
    write = get_stream_writer()
    async for token in tokens(state["n"]):
        write(token)
    return {}


def chain_of(nodes: int, checkpointer: Any = None) -> Any:
    """Make a chain of nodes that count."""
    graph = StateGraph(State)
    before = START
    for index in range(nodes):
        graph.add_node(f"n{index}", count)
        graph.add_edge(before, f"n{index}")
        before = f"n{index}"
    graph.add_edge(before, END)
    return graph.compile(checkpointer=checkpointer)


def speaker() -> Any:
    """Make a graph of one node that streams."""
    graph = StateGraph(State)
    graph.add_node("speak", speak)
    graph.add_edge(START, "speak")
    graph.add_edge("speak", END)
    return graph.compile()


@asynccontextmanager
async def chain(scale: Scale) -> Samplers:
    """Nodes one after another."""
    graph = chain_of(scale.nodes)

    async def run() -> None:
        state = await graph.ainvoke({"n": 0}, {"recursion_limit": scale.nodes + 2})
        assert state["n"] == scale.nodes

    async def sample() -> Sample:
        return {"node": await seconds_each(scale.rounds, run) / scale.nodes * 1e6}

    yield sample


@asynccontextmanager
async def loop(scale: Scale) -> Samplers:
    """One node again and again; what follows is chosen by a plain function."""

    def route(state: State) -> str:
        return str(END) if state["n"] >= scale.turns else "count"

    async with _loop(scale, route) as sample:
        yield sample


@asynccontextmanager
async def loop_async(scale: Scale) -> Samplers:
    """Do the same, chosen by a coroutine."""

    async def route(state: State) -> str:
        return str(END) if state["n"] >= scale.turns else "count"

    async with _loop(scale, route) as sample:
        yield sample


@asynccontextmanager
async def _loop(scale: Scale, route: Any) -> Samplers:
    made = StateGraph(State)
    made.add_node("count", count)
    made.add_edge(START, "count")
    made.add_conditional_edges("count", route, ["count", END])
    graph = made.compile()

    async def sample() -> Sample:
        began = perf_counter()
        state = await graph.ainvoke({"n": 0}, {"recursion_limit": scale.turns + 2})
        took = perf_counter() - began
        assert state["n"] == scale.turns
        return {"node": took / scale.turns * 1e6}

    yield sample


@asynccontextmanager
async def fan(scale: Scale) -> Samplers:
    """Many nodes at once, and one that waits for them all."""

    async def one(_: State) -> dict[str, Any]:
        return {"out": [1]}

    async def nothing(_: State) -> dict[str, Any]:
        return {}

    made = StateGraph(State)
    made.add_node("fork", nothing)
    made.add_node("join", nothing)
    made.add_edge(START, "fork")
    made.add_edge("join", END)
    for index in range(scale.branches):
        made.add_node(f"n{index}", one)
        made.add_edge("fork", f"n{index}")
        made.add_edge(f"n{index}", "join")
    graph = made.compile()

    async def run() -> None:
        state = await graph.ainvoke({"n": 0, "out": []})
        assert len(state["out"]) == scale.branches

    async def sample() -> Sample:
        return {"round": await seconds_each(scale.rounds, run) * 1e3}

    yield sample


@asynccontextmanager
async def chunks(scale: Scale) -> Samplers:
    """From a node that streams to the reader of its run."""
    graph = speaker()

    async def sample() -> Sample:
        began = perf_counter()
        received = 0
        async for _ in graph.astream({"n": scale.chunks}, stream_mode="custom"):
            received += 1
        took = perf_counter() - began
        assert received == scale.chunks
        return {"chunk": took / received * 1e6}

    yield sample


@asynccontextmanager
async def first(scale: Scale) -> Samplers:
    """From the call to the first chunk."""
    graph = speaker()

    async def sample() -> Sample:
        waits = []
        for _ in range(scale.firsts):
            began = perf_counter()
            took = None
            async for _ in graph.astream({"n": 3}, stream_mode="custom"):
                if took is None:
                    took = perf_counter() - began
            assert took is not None
            waits.append(took)
        return {"first chunk": median(waits) * 1e6}

    yield sample


def parking(gate: Gate) -> Any:
    """Make a graph whose only node waits at a gate."""

    async def park(_: State) -> dict[str, Any]:
        await gate.enter()
        return {}

    made = StateGraph(State)
    made.add_node("park", park)
    made.add_edge(START, "park")
    made.add_edge("park", END)
    return made.compile()


@asynccontextmanager
async def starts(scale: Scale) -> Samplers:
    """Start runs until all are in their first node."""
    gate = Gate(scale.runs)
    graph = parking(gate)

    async def sample() -> Sample:
        gate.close()
        began = perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(scale.runs):
                group.create_task(graph.ainvoke({"n": 0}))
            await gate.full.wait()
            took = perf_counter() - began
            gate.open.set()
        return {"runs": scale.runs / took}

    yield sample


@asynccontextmanager
async def idle(scale: Scale) -> Samplers:
    """Weigh runs that wait in their first node."""
    gate = Gate(scale.runs)
    graph = parking(gate)

    async def sample() -> Sample:
        gate.close()
        with traced() as weight:
            async with asyncio.TaskGroup() as group:
                for _ in range(scale.runs):
                    group.create_task(graph.ainvoke({"n": 0}))
                await gate.full.wait()
                held = weight()
                gate.open.set()
        return {"run": held / scale.runs / 1024}

    yield sample
