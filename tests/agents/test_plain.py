"""Functions of every manner, as agents."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from functools import partial
from typing import Any

import pytest

from riverrun.agents.adopt import adopt
from riverrun.base.errors import GraphError
from riverrun.events.kinds import NodeChunk, NodeStarted
from riverrun.face.compiled import CompiledGraph
from riverrun.graph.node import Command
from tests.leaks import held
from tests.runs.plans import until


async def coroutine(state):
    return f"hello {state['input']}"


async def mapping(state):
    return {"output": f"hello {state['input']}", "more": 1}


async def generator(state):
    yield "hello "
    yield state["input"]


def sync_generator(state):
    yield "hello "
    yield state["input"]


def function(state):
    return f"hello {state['input']}"


async def with_context(state, ctx):
    ctx.emit("said")
    return f"hello {state['input']}"


class Callable:
    async def __call__(self, state):
        return f"hello {state['input']}"


async def stream(state):
    return generator(state)


def later(state):
    return coroutine(state)


async def chooses(state):
    return Command(update={"output": f"hello {state['input']}"})


def several(state):
    return [Command(update={"output": "no"}), Command(update={"output": f"hello {state['input']}"})]


WAYS = {
    "coroutine function": coroutine,
    "coroutine function that gives a mapping": mapping,
    "async generator function": generator,
    "generator function": sync_generator,
    "function": function,
    "function with ctx": with_context,
    "object": Callable(),
    "partial": partial(coroutine),
    "function that gives a stream": stream,
    "function that gives what is awaited": later,
    "lambda": lambda state: f"hello {state['input']}",
    "function that gives a command": chooses,
    "function that gives several": several,
}


@pytest.mark.parametrize("way", WAYS)
async def test_what_a_function_gives_is_the_output(way):
    result = await CompiledGraph(adopt(WAYS[way])).ainvoke({"input": "Ada"})
    assert "hello Ada" == result["output"]


async def test_what_is_yielded_is_streamed_under_the_key_that_is_named_and_a_mapping_is_an_update():
    async def node(state):
        yield "a"
        yield {"other": 3}
        yield "b"

    graph = CompiledGraph(adopt(node, gives="answer"))
    log = [event async for event in graph.astream({})]
    assert [("answer", "a"), ("answer", "b")] == [(each.key, each.value) for each in log if isinstance(each, NodeChunk)]
    assert {"answer": "ab", "other": 3} == await graph.ainvoke({})


async def test_a_function_that_gives_nothing_changes_nothing():
    async def node(state):
        return None

    assert {"a": 1} == await CompiledGraph(adopt(node)).ainvoke({"a": 1})


async def test_a_chunk_of_a_sync_generator_is_there_before_the_next_is_made():
    made, gate = [], threading.Semaphore(0)

    def node(state):
        for word in ("one ", "two"):
            gate.acquire()
            made.append(word)
            yield word

    heard: list[Any] = []
    gate.release()
    async for event in CompiledGraph(adopt(node)).astream({}):
        if isinstance(event, NodeChunk):
            heard.append(event.value)
            assert heard == made
            gate.release()
    assert ["one ", "two"] == heard


async def test_a_sync_generator_that_is_stopped_is_closed():
    closed = threading.Event()

    def node(state):
        try:
            while True:
                yield "on "
        finally:
            closed.set()

    run = await CompiledGraph(adopt(node)).start({})
    async for event in run.events():
        if isinstance(event, NodeChunk):
            await run.stop("enough")
            break
    await until(closed.is_set)
    await asyncio.sleep(0)


@pytest.mark.slow
def test_a_thousand_sync_generators_that_ended_or_were_stopped_leave_nothing_behind():
    closed: list[int] = []

    def node(state):
        try:
            yield "once "
            while state["input"] == "on":
                yield "on "
        finally:
            closed.append(1)

    compiled = CompiledGraph(adopt(node))

    async def cycles(count):
        for number in range(count):
            run = await compiled.start({"input": "on" if number % 2 else "x"})
            async with aclosing(run.events()) as events:
                async for event in events:
                    if number % 2 and isinstance(event, NodeChunk):
                        await run.stop()
                        break
            await run.settled()
        await until(lambda: len(closed) == count and 1 == len(asyncio.all_tasks()))
        closed.clear()

    # A loop of its own: timers keep what they would have called for a while, and end with it.
    asyncio.run(cycles(50))
    first = held()
    asyncio.run(cycles(1000))
    last = held()
    assert last.objects - first.objects < 500, "something is kept of every second run"
    assert last.threads <= first.threads + 2  # the pool has some that stay


async def test_a_function_is_shown_by_its_name():
    log = [event async for event in CompiledGraph(adopt(coroutine)).astream({"input": "Ada"})]
    assert ["coroutine"] == [event.agent for event in log if isinstance(event, NodeStarted)]
    assert ("coroutine", "mine") == (adopt(coroutine).name, adopt(coroutine, name="mine").name)


def test_a_function_that_cannot_be_called_with_a_state_is_refused():
    def nothing():
        return 1

    with pytest.raises(GraphError, match="E1006"):
        adopt(nothing)
