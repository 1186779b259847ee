"""Riverrun in process: each figure's work, written as a user would write it.

The same functions stand in `bench.peer` for LangGraph, in `bench.peer_pydantic`, in `bench.peer_llama`, and in
`bench.bare` for asyncio alone.
"""

from __future__ import annotations

import asyncio
import operator
from contextlib import asynccontextmanager
from statistics import median
from time import perf_counter
from typing import Annotated, Any, TypedDict

from bench.gate import Gate
from bench.measure import Sample, Samplers
from bench.rounds import seconds_each
from bench.scale import Scale
from bench.source import tokens
from bench.weight import traced
from riverrun import END, START, CompiledGraph, StateGraph
from riverrun.events.kinds import NodeChunk


class State(TypedDict, total=False):
    """The state of all graphs here, on both sides."""

    n: int
    out: Annotated[list[int], operator.add]
    text: str


async def count(state: State) -> dict[str, Any]:
    """Add one: the least that a node can do."""
    return {"n": state["n"] + 1}


async def speak(state: State) -> dict[str, Any]:
    """Stream `n` chunks."""
    return {"text": tokens(state["n"])}


def chain_of(nodes: int) -> CompiledGraph:
    """Make a chain of nodes that count."""
    graph = StateGraph(State)
    graph.add_sequence([(f"n{index}", count) for index in range(nodes)])
    return graph.add_edge(START, "n0").add_edge(f"n{nodes - 1}", END).compile()


def speaker() -> CompiledGraph:
    """Make a graph of one node that streams."""
    return StateGraph(State).add_node("speak", speak).add_edge(START, "speak").add_edge("speak", END).compile()


@asynccontextmanager
async def chain(scale: Scale) -> Samplers:
    """Nodes one after another."""
    graph = chain_of(scale.nodes)

    async def run() -> None:
        state = await graph.ainvoke({"n": 0})
        assert state["n"] == scale.nodes

    async def sample() -> Sample:
        return {"node": await seconds_each(scale.rounds, run) / scale.nodes * 1e6}

    yield sample


@asynccontextmanager
async def loop(scale: Scale) -> Samplers:
    """One node again and again; what follows is chosen by a plain function."""

    def route(state: State) -> str:
        return END if state["n"] >= scale.turns else "count"

    async with _loop(scale, route) as sample:
        yield sample


@asynccontextmanager
async def loop_async(scale: Scale) -> Samplers:
    """Do the same, chosen by a coroutine."""

    async def route(state: State) -> str:
        return END if state["n"] >= scale.turns else "count"

    async with _loop(scale, route) as sample:
        yield sample


@asynccontextmanager
async def _loop(scale: Scale, route: Any) -> Samplers:
    made = StateGraph(State).add_node("count", count).add_edge(START, "count")
    graph = made.add_conditional_edges("count", route, ["count", END]).compile()

    async def sample() -> Sample:
        began = perf_counter()
        state = await graph.ainvoke({"n": 0}, {"recursion_limit": scale.turns + 1})
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

    made = StateGraph(State).add_node("fork", nothing).add_node("join", nothing)
    made.add_edge(START, "fork").add_edge("join", END)
    for index in range(scale.branches):
        made.add_node(f"n{index}", one).add_edge("fork", f"n{index}").add_edge(f"n{index}", "join")
    graph = made.compile()

    async def run() -> None:
        state = await graph.ainvoke({"n": 0})
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
        async for event in graph.astream({"n": scale.chunks}):
            received += isinstance(event, NodeChunk)
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
            async for event in graph.astream({"n": 3}):
                if took is None and isinstance(event, NodeChunk):
                    took = perf_counter() - began
            assert took is not None
            waits.append(took)
        return {"first chunk": median(waits) * 1e6}

    yield sample


def parking(gate: Gate) -> CompiledGraph:
    """Make a graph whose only node waits at a gate."""

    async def park(_: State) -> dict[str, Any]:
        await gate.enter()
        return {}

    return StateGraph(State).add_node("park", park).add_edge(START, "park").add_edge("park", END).compile()


@asynccontextmanager
async def starts(scale: Scale) -> Samplers:
    """Start runs until all are in their first node."""
    gate = Gate(scale.runs)
    graph = parking(gate)

    async def sample() -> Sample:
        gate.close()
        began = perf_counter()
        runs = [await graph.start({"n": 0}) for _ in range(scale.runs)]
        await gate.full.wait()
        took = perf_counter() - began
        gate.open.set()
        await asyncio.gather(*(run.result() for run in runs))
        return {"runs": scale.runs / took}

    yield sample


@asynccontextmanager
async def idle(scale: Scale) -> Samplers:
    """Weigh runs that wait in their first node, their logs and stores included."""
    gate = Gate(scale.runs)
    graph = parking(gate)

    async def sample() -> Sample:
        gate.close()
        with traced() as weight:
            runs = [await graph.start({"n": 0}) for _ in range(scale.runs)]
            await gate.full.wait()
            held = weight()
            gate.open.set()
            await asyncio.gather(*(run.result() for run in runs))
        return {"run": held / scale.runs / 1024}

    yield sample
