"""pydantic-graph in process: the same work as in `bench.product`, with its builder.

It has no stream to a reader: what `@g.stream` yields can only feed edges, each item a step of its own. So its chunks
are counted in such a step, and the first one is there when that step begins for the first time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median
from time import perf_counter
from typing import Any

from pydantic_graph import GraphBuilder, reduce_list_append, reduce_null

from bench.gate import Gate
from bench.measure import Sample, Samplers
from bench.rounds import seconds_each
from bench.scale import Scale
from bench.source import tokens
from bench.weight import traced


async def count(ctx: Any) -> int:
    """Add one: the least that a step can do."""
    return int(ctx.inputs) + 1


def chain_of(nodes: int) -> Any:
    """Make a chain of steps that count."""
    made = GraphBuilder(input_type=int, output_type=int)
    before = made.start_node
    for index in range(nodes):
        step = made.step(count, node_id=f"n{index}")
        made.add(made.edge_from(before).to(step))
        before = step
    made.add(made.edge_from(before).to(made.end_node))
    return made.build()


def parking(gate: Gate) -> Any:
    """Make a graph whose only step waits at a gate."""

    async def park(_: Any) -> None:
        await gate.enter()

    made = GraphBuilder()
    step = made.step(park)
    made.add(made.edge_from(made.start_node).to(step), made.edge_from(step).to(made.end_node))
    return made.build()


@asynccontextmanager
async def chain(scale: Scale) -> Samplers:
    """Follow steps one after another."""
    graph = chain_of(scale.nodes)

    async def run() -> None:
        counted = await graph.run(inputs=0)
        assert counted == scale.nodes

    async def sample() -> Sample:
        return {"node": await seconds_each(scale.rounds, run) / scale.nodes * 1e6}

    yield sample


@asynccontextmanager
async def loop(scale: Scale) -> Samplers:
    """One step again and again; what follows is chosen by a decision."""
    made = GraphBuilder(input_type=int, output_type=int)
    step = made.step(count)
    decision = (
        made.decision()
        .branch(made.match(int, matches=lambda counted: counted >= scale.turns).to(made.end_node))
        .branch(made.match(int).to(step))
    )
    made.add(made.edge_from(made.start_node).to(step), made.edge_from(step).to(decision))
    graph = made.build()

    async def sample() -> Sample:
        began = perf_counter()
        counted = await graph.run(inputs=0)
        took = perf_counter() - began
        assert counted == scale.turns
        return {"node": took / scale.turns * 1e6}

    yield sample


@asynccontextmanager
async def fan(scale: Scale) -> Samplers:
    """Many steps at once, and a join that waits for them all."""

    async def one(_: Any) -> int:
        return 1

    async def nothing(ctx: Any) -> Any:
        return ctx.inputs

    made = GraphBuilder(output_type=list[int])
    fork = made.step(nothing, node_id="fork")
    join = made.join(reduce_list_append, initial_factory=list)
    after = made.step(nothing, node_id="join")
    branches = [made.step(one, node_id=f"n{index}") for index in range(scale.branches)]
    made.add(
        made.edge_from(made.start_node).to(fork),
        made.edge_from(fork).to(*branches),
        made.edge_from(*branches).to(join),
        made.edge_from(join).to(after),
        made.edge_from(after).to(made.end_node),
    )
    graph = made.build()

    async def run() -> None:
        out = await graph.run()
        assert len(out) == scale.branches

    async def sample() -> Sample:
        return {"round": await seconds_each(scale.rounds, run) * 1e3}

    yield sample


def _speaker(heard: list[float]) -> Any:
    """Make a graph whose chunks note when they arrived."""

    async def speak(ctx: Any) -> AsyncIterator[str]:
        async for token in tokens(ctx.inputs):
            yield token

    async def hear(_: Any) -> None:
        heard.append(perf_counter())

    made = GraphBuilder(input_type=int)
    source = made.stream(speak)
    reader = made.step(hear)
    over = made.join(reduce_null, initial=None)
    made.add(
        made.edge_from(made.start_node).to(source),
        made.edge_from(source).map().to(reader),
        made.edge_from(reader).to(over),
        made.edge_from(over).to(made.end_node),
    )
    return made.build()


@asynccontextmanager
async def chunks(scale: Scale) -> Samplers:
    """From a step that streams to the step that each item starts."""
    heard: list[float] = []
    graph = _speaker(heard)

    async def sample() -> Sample:
        heard.clear()
        began = perf_counter()
        await graph.run(inputs=scale.chunks)
        took = perf_counter() - began
        assert len(heard) == scale.chunks
        return {"chunk": took / scale.chunks * 1e6}

    yield sample


@asynccontextmanager
async def first(scale: Scale) -> Samplers:
    """From the call to the step that the first item starts."""
    heard: list[float] = []
    graph = _speaker(heard)

    async def sample() -> Sample:
        waits = []
        for _ in range(scale.firsts):
            heard.clear()
            began = perf_counter()
            await graph.run(inputs=3)
            waits.append(heard[0] - began)
        return {"first chunk": median(waits) * 1e6}

    yield sample


@asynccontextmanager
async def starts(scale: Scale) -> Samplers:
    """Start runs until all are in their first step."""
    gate = Gate(scale.runs)
    graph = parking(gate)

    async def sample() -> Sample:
        gate.close()
        began = perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(scale.runs):
                group.create_task(graph.run())
            await gate.full.wait()
            took = perf_counter() - began
            gate.open.set()
        return {"runs": scale.runs / took}

    yield sample


@asynccontextmanager
async def idle(scale: Scale) -> Samplers:
    """Weigh runs that wait in their first step."""
    gate = Gate(scale.runs)
    graph = parking(gate)

    async def sample() -> Sample:
        gate.close()
        with traced() as weight:
            async with asyncio.TaskGroup() as group:
                for _ in range(scale.runs):
                    group.create_task(graph.run())
                await gate.full.wait()
                held = weight()
                gate.open.set()
        return {"run": held / scale.runs / 1024}

    yield sample
