"""Riverrun in process, at several lengths: the counterparts stand in `bench.bare`."""

from __future__ import annotations

from contextlib import asynccontextmanager

from bench.flat import flatness
from bench.measure import Sample, Samplers
from bench.product import State, chain_of, count
from bench.scale import CHAINS, LOOPS, Scale
from riverrun import END, START, StateGraph


@asynccontextmanager
async def flat_chain(scale: Scale) -> Samplers:
    """Follow chains of several lengths, compiled beforehand."""
    graphs = {length: chain_of(length) for length in {1, *scale.chains}}

    async def run(length: int) -> None:
        state = await graphs[length].ainvoke({"n": 0}, {"recursion_limit": length})
        assert state["n"] == length

    async def sample() -> Sample:
        return await flatness(CHAINS, scale.chains, scale.flat_nodes, run)

    yield sample


@asynccontextmanager
async def flat_loop(scale: Scale) -> Samplers:
    """Run one node again and again, a plain function as its router."""
    turns = 1

    def route(state: State) -> str:
        return END if state["n"] >= turns else "count"

    made = StateGraph(State).add_node("count", count).add_edge(START, "count")
    graph = made.add_conditional_edges("count", route, ["count", END]).compile()

    async def run(length: int) -> None:
        nonlocal turns
        turns = length
        state = await graph.ainvoke({"n": 0}, {"recursion_limit": length})
        assert state["n"] == length

    async def sample() -> Sample:
        return await flatness(LOOPS, scale.loops, scale.flat_nodes, run)

    yield sample
