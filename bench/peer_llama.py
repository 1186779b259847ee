"""LlamaIndex workflows in process: the same work as in `bench.product`, as steps that wait for events of a type.

A chain has a type of event between every two steps; these and the steps are made here as a user would write them out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from statistics import median
from time import perf_counter
from types import GenericAlias
from typing import Any

from workflows import Context, Workflow, step
from workflows.events import Event, StartEvent, StopEvent

from bench.gate import Gate
from bench.measure import Sample, Samplers
from bench.rounds import seconds_each
from bench.scale import Scale
from bench.source import tokens
from bench.weight import traced


def _event(name: str, base: Any = Event, **fields: Any) -> Any:
    return type(name, (base,), {"__annotations__": fields, "__module__": __name__})


def _step(name: str, work: Callable[..., Any], takes: Any, gives: Any, **options: Any) -> Any:
    """Make a step of a function, of its own name and signature."""

    async def run(_: Any, ctx: Any, event: Any) -> Any:
        return await work(ctx, event)

    run.__name__ = name
    run.__qualname__ = f"Made.{name}"
    run.__annotations__ = {"ctx": Context, "event": takes, "return": gives}
    return step(**options)(run)


def _workflow(*steps: Any) -> Any:
    made = type("Made", (Workflow,), {each.__name__: each for each in steps})
    return made(timeout=None)


def chain_of(nodes: int) -> Any:
    """Make a chain of steps that count."""
    kinds = [_event("Begin", StartEvent, n=int), *(_event(f"Counted{index}", n=int) for index in range(1, nodes))]
    return _workflow(*(_counting(kinds, index) for index in range(nodes)))


def _counting(kinds: list[Any], index: int) -> Any:
    if index == len(kinds) - 1:
        return _step(f"n{index}", _stop, kinds[index], StopEvent)
    after = kinds[index + 1]

    async def count(_: Any, event: Any) -> Any:
        return after(n=event.n + 1)

    return _step(f"n{index}", count, kinds[index], after)


async def _stop(_: Any, event: Any) -> Any:
    return StopEvent(result=event.n + 1)


def parking(gate: Gate) -> Any:
    """Make a workflow whose only step waits at a gate."""

    async def park(_: Any, __: Any) -> Any:
        await gate.enter()
        return StopEvent()

    return _workflow(_step("park", park, StartEvent, StopEvent))


@asynccontextmanager
async def chain(scale: Scale) -> Samplers:
    """Follow steps one after another."""
    workflow = chain_of(scale.nodes)

    async def run() -> None:
        counted = await workflow.run(n=0)
        assert counted == scale.nodes

    async def sample() -> Sample:
        return {"node": await seconds_each(scale.rounds, run) / scale.nodes * 1e6}

    yield sample


@asynccontextmanager
async def loop(scale: Scale) -> Samplers:
    """One step that sends itself an event, and chooses when to stop."""
    counted = _event("Counted", n=int)

    async def begin(_: Any, __: Any) -> Any:
        return counted(n=0)

    async def count(_: Any, event: Any) -> Any:
        n = event.n + 1
        return StopEvent(result=n) if n >= scale.turns else counted(n=n)

    workflow = _workflow(
        _step("begin", begin, StartEvent, counted), _step("count", count, counted, counted | StopEvent)
    )

    async def sample() -> Sample:
        began = perf_counter()
        n = await workflow.run()
        took = perf_counter() - began
        assert n == scale.turns
        return {"node": took / scale.turns * 1e6}

    yield sample


@asynccontextmanager
async def fan(scale: Scale) -> Samplers:
    """One step that sends many events, as many workers, and a step that collects."""
    work, done = _event("Work"), _event("Done", n=int)

    async def fork(_: Any, __: Any) -> Any:
        return [work() for _ in range(scale.branches)]

    async def one(_: Any, __: Any) -> Any:
        return done(n=1)

    async def join(_: Any, events: Any) -> Any:
        return StopEvent(result=len(events))

    workflow = _workflow(
        _step("fork", fork, StartEvent, GenericAlias(list, (work,))),
        _step("one", one, work, done, num_workers=scale.branches),
        _step("join", join, GenericAlias(list, (done,)), StopEvent),
    )

    async def run() -> None:
        joined = await workflow.run()
        assert joined == scale.branches

    async def sample() -> Sample:
        return {"round": await seconds_each(scale.rounds, run) * 1e3}

    yield sample


def _speaker() -> tuple[Any, Any]:
    """Make a workflow of one step that streams, and the type of its chunks."""
    chunk = _event("Chunk", text=str)
    begin = _event("Begin", StartEvent, n=int)

    async def speak(ctx: Any, event: Any) -> Any:
        async for token in tokens(event.n):
            ctx.write_event_to_stream(chunk(text=token))
        return StopEvent()

    return _workflow(_step("speak", speak, begin, StopEvent)), chunk


@asynccontextmanager
async def chunks(scale: Scale) -> Samplers:
    """From a step that streams to the reader of its run."""
    workflow, chunk = _speaker()

    async def sample() -> Sample:
        began = perf_counter()
        received = 0
        run = workflow.run(n=scale.chunks)
        async for event in run.stream_events():
            received += isinstance(event, chunk)
        took = perf_counter() - began
        await run
        assert received == scale.chunks
        return {"chunk": took / received * 1e6}

    yield sample


@asynccontextmanager
async def first(scale: Scale) -> Samplers:
    """From the call to the first chunk."""
    workflow, chunk = _speaker()

    async def sample() -> Sample:
        waits = []
        for _ in range(scale.firsts):
            began = perf_counter()
            took = None
            run = workflow.run(n=3)
            async for event in run.stream_events():
                if took is None and isinstance(event, chunk):
                    took = perf_counter() - began
            await run
            assert took is not None
            waits.append(took)
        return {"first chunk": median(waits) * 1e6}

    yield sample


@asynccontextmanager
async def starts(scale: Scale) -> Samplers:
    """Start runs until all are in their first step."""
    gate = Gate(scale.runs)
    workflow = parking(gate)

    async def sample() -> Sample:
        gate.close()
        began = perf_counter()
        runs = [workflow.run() for _ in range(scale.runs)]
        await gate.full.wait()
        took = perf_counter() - began
        gate.open.set()
        await asyncio.gather(*runs)
        return {"runs": scale.runs / took}

    yield sample


@asynccontextmanager
async def idle(scale: Scale) -> Samplers:
    """Weigh runs that wait in their first step."""
    gate = Gate(scale.runs)
    workflow = parking(gate)

    async def sample() -> Sample:
        gate.close()
        with traced() as weight:
            runs = [workflow.run() for _ in range(scale.runs)]
            await gate.full.wait()
            held = weight()
            gate.open.set()
            await asyncio.gather(*runs)
        return {"run": held / scale.runs / 1024}

    yield sample
