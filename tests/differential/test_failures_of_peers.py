"""What was measured on other engines as a failure (F1–F20 of the comparison of peers), and what happens here instead.

Each test is one failure. Order is forced by events of asyncio, never by time: where an engine with the failure would
wait for ever, the time-out of the test says so.
"""

from __future__ import annotations

import asyncio
import operator
import sys
import threading
from itertools import pairwise
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.graph import StateGraph as PeerGraph

import riverrun
from riverrun import END, START, InMemorySaver, RetryPolicy, RiverrunError, StateGraph, View, interrupt
from riverrun.events.codec import encode
from riverrun.events.kinds import Custom, Event, NodeChunk, NodeCompleted, NodeRetrying
from riverrun.face.compiled import CompiledGraph
from riverrun.log.limits import Limits
from riverrun.runs.settings import RunSettings

THREAD = {"configurable": {"thread_id": "1"}}


class State(TypedDict, total=False):
    """A text, a number and a list."""

    text: str
    n: int
    trace: Annotated[list[str], operator.add]


def graph(*edges: str, **nodes: Any) -> StateGraph:
    """Declare a graph by its nodes and its edges, each written "a b"; `^` is START."""
    made = StateGraph(State)
    for name, function in nodes.items():
        made.add_node(name, function)
    for edge in edges:
        source, target = edge.split()
        made.add_edge(START if source == "^" else source, target)
    return made


def leaves(name):
    """Make a node that leaves its name in `trace`."""

    def node(state):
        return {"trace": [name]}

    return node


async def log_of(run) -> list[Event]:
    """Read a run from its first event to its last."""
    return [event async for event in run.events()]


async def parked(run) -> list[Event]:
    """Read a run until it asks."""
    log = []
    async for event in run.events():
        log.append(event)
        if event.type == "run.interrupted":
            break
    return log


def executions(log: list[Event], kind: str) -> list[str]:
    """Name the nodes of all events of a kind, in order."""
    return [event.node for event in log if event.type == kind]  # type: ignore[attr-defined]


async def test_f1_what_follows_only_the_fast_branch_does_not_wait_for_the_slow_one():
    went_on = asyncio.Event()

    async def slow(state):
        await went_on.wait()

    async def after(state):
        went_on.set()

    made = graph("^ fast", "^ slow", "fast after", fast=leaves("fast"), slow=slow, after=after).compile()
    assert {"trace": ["fast"]} == await made.ainvoke({"trace": []})


async def test_f2_a_producer_cannot_run_away_from_its_reader():
    made = 0

    async def node(state):
        nonlocal made
        for _ in range(2_000):
            made += 1
            yield "x"

    plan = graph("^ a", a=node).plan("graph")
    paced = CompiledGraph(plan, RunSettings(strict=False, buffer=Limits(items=50), lease_seconds=1e6))
    read, ahead = 0, 0
    async for event in paced.astream({}):
        if isinstance(event, NodeChunk):
            read += 1
            await asyncio.sleep(0)
            ahead = max(ahead, made - read)
    assert 2_000 == read
    assert 100 > ahead


async def test_f3_a_reader_that_stands_still_does_not_hold_up_the_run():
    made = graph("^ a", "a b", "b c", "c d", **{name: leaves(name) for name in "abcd"}).compile()
    run = await made.start({"trace": []})
    reader = run.events()
    first = await anext(reader)
    assert {"trace": ["a", "b", "c", "d"]} == await run.result()
    rest = [event async for event in reader]
    assert list(range(1, len(rest) + 2)) == [first.seq, *(event.seq for event in rest)]


async def test_f4_what_a_failed_attempt_said_is_taken_back():
    failed: list[int] = []

    async def node(state):
        yield "a"
        yield "b"
        if not failed:
            failed.append(1)
            raise ConnectionError
        yield "c"

    made = StateGraph(State)
    made.add_node("a", node, key="text", retry_policy=RetryPolicy(max_attempts=2, initial_interval=0.001, jitter=False))
    run = await made.add_edge(START, "a").compile().start({})
    assert "abc" == (await run.result())["text"]
    log = await log_of(run)
    assert [1, 1, 2, 2, 2] == [event.attempt for event in log if isinstance(event, NodeChunk)]
    (again,) = [event for event in log if isinstance(event, NodeRetrying)]
    assert ("failed", {event.message for event in log if isinstance(event, NodeChunk)}) == (
        again.reason,
        set(again.voids),
    )
    view = View()
    for event in log:
        view.apply(event)
    assert ("abc", 2) == (view.text("text"), view.voided)


async def test_f5_a_thread_that_cannot_be_interrupted_is_counted_and_its_output_refused():
    began, go = threading.Event(), threading.Event()

    def node(state):
        began.set()
        go.wait()
        return {"n": 1}

    made = graph("^ a", a=node).compile()
    run = await made.start({})
    await asyncio.to_thread(began.wait)
    try:
        await run.stop("enough")
        assert "run.stopped" == (await log_of(run))[-1].type
        assert 1 == made._pool.orphans
    finally:
        go.set()
    while made._pool.orphans:  # noqa: ASYNC110  # a thread tells nobody that it ended; the time-out of the test is the bound
        await asyncio.sleep(0.001)
    assert "n" not in run.state()


async def test_f6_a_reader_that_breaks_off_stops_the_run_and_one_that_only_pauses_bounds_it():
    ended = asyncio.Event()
    ticks = 0

    async def node(state):
        nonlocal ticks
        try:
            while True:
                ticks += 1
                yield "tick"
        finally:
            ended.set()

    plan = graph("^ a", a=node).plan("graph")
    paced = CompiledGraph(plan, RunSettings(strict=False, buffer=Limits(items=20), lease_seconds=1e6))
    events = paced.astream({})
    async for event in events:
        if isinstance(event, NodeChunk):
            break
    for _ in range(200):
        await asyncio.sleep(0)
    assert 50 > ticks  # the stream is still held, so the node may go on as far as the buffer, and no further
    await events.aclose()
    assert ended.is_set()


async def test_f7_every_yield_of_a_generator_counts():
    async def node(state):
        yield {"trace": ["one"]}
        yield {"trace": ["two"]}
        yield {"n": 3}

    run = await graph("^ a", a=node).compile().start({"trace": []})
    assert {"trace": ["one", "two"], "n": 3} == await run.result()
    (completed,) = [event for event in await log_of(run) if isinstance(event, NodeCompleted)]
    assert ({"trace": ["one"]}, {"trace": ["two"]}, {"n": 3}) == completed.writes


async def test_f8_what_was_said_before_a_sibling_failed_is_delivered():
    said, ended = asyncio.Event(), []

    async def speaks(state):
        try:
            for word in ("one", "two", "three"):
                yield word
            said.set()
            await asyncio.Event().wait()
        finally:
            ended.append("speaks")

    async def fails(state):
        await said.wait()
        raise LookupError("gone")

    log = [event async for event in graph("^ a", "^ b", a=speaks, b=fails).compile().astream({})]
    assert ["one", "two", "three"] == [event.value for event in log if isinstance(event, NodeChunk)]
    assert ("run.failed", ["speaks"]) == (log[-1].type, ended)


async def test_f9_a_node_may_tell_something_from_any_thread():
    async def node(state, ctx):
        await asyncio.to_thread(ctx.emit, "from", "to_thread")
        await asyncio.to_thread(lambda: riverrun.get_stream_writer()("fetched in to_thread"))
        await asyncio.get_running_loop().run_in_executor(None, ctx.emit, "from", "run_in_executor")

    log = [event async for event in graph("^ a", a=node).compile().astream({})]
    told = [event.value for event in log if isinstance(event, Custom)]
    assert ["to_thread", "fetched in to_thread", "run_in_executor"] == told


async def test_f10_what_an_inner_graph_tells_is_always_in_the_log_and_says_where_it_came_from():
    async def tells(state, ctx):
        ctx.emit("news", state["n"])

    inner = graph("^ inner", inner=tells).compile()
    run = await graph("^ sub", sub=inner).compile().start({"n": 7})
    await run.result()
    (told,) = [event for event in await log_of(run) if isinstance(event, Custom)]
    assert (("sub:1",), "inner", "sub:1/inner:1", 7) == (told.ns, told.node, told.exec, told.value)


async def test_f11_what_is_kept_of_a_growing_list_grows_with_it_and_not_with_its_square():
    async def bytes_of(steps):
        made = graph("^ a", a=lambda state: {"n": state["n"] + 1, "trace": [f"{state['n']:04d}" + "x" * 1_020]})
        made.add_conditional_edges("a", lambda state: "a" if state["n"] < steps else END, ["a", END])
        run = await made.compile(checkpointer=InMemorySaver()).start({"n": 0, "trace": []}, THREAD)
        assert steps == len((await run.result())["trace"])
        return sum(len(encode(event)) for event in await log_of(run))

    few, many = await bytes_of(50), await bytes_of(200)
    assert 500_000 > many
    assert 4.4 * few > many


async def test_f12_two_runs_at_once_on_one_thread_are_refused():
    began, go = asyncio.Event(), asyncio.Event()

    async def adds(state):
        began.set()
        await go.wait()
        return {"n": state["n"] + 1}

    made = graph("^ a", a=adds).compile(checkpointer=InMemorySaver())
    first = await made.start({"n": 10}, THREAD)
    await began.wait()
    with pytest.raises(RiverrunError) as caught:
        await made.start({"n": 20}, THREAD)
    assert "E3018" == caught.value.code
    go.set()
    assert 11 == (await first.result())["n"]
    assert 21 == (await made.ainvoke({"n": 20}, THREAD))["n"]


async def test_f13_updates_arrive_as_they_come_and_the_state_does_not_depend_on_it():
    done = {name: asyncio.Event() for name in ("aa", "mm", "zz")}

    def node(name, waits_for):
        async def works(state):
            if waits_for:
                await done[waits_for].wait()
            done[name].set()
            return {"trace": [name]}

        return works

    nodes = {"aa": node("aa", "mm"), "mm": node("mm", "zz"), "zz": node("zz", None)}
    run = await graph("^ aa", "^ mm", "^ zz", **nodes).compile().start({"trace": []})
    assert {"trace": ["aa", "mm", "zz"]} == await run.result()
    assert ["zz", "mm", "aa"] == executions(await log_of(run), "node.completed")


async def test_f14_a_sibling_of_a_branch_that_asked_is_neither_run_nor_told_of_again():
    ran = []

    def asks(state):
        ran.append("asks")
        return {"trace": [interrupt("name?")]}

    async def speaks(state):
        ran.append("speaks")
        yield "word"
        yield {"trace": ["spoke"]}

    made = graph("^ asks", "^ speaks", asks=asks, speaks=speaks).compile(checkpointer=InMemorySaver())
    run = await made.start({"trace": []}, THREAD)
    log = await parked(run)
    (question,) = log[-1].questions  # type: ignore[attr-defined]
    assert ["speaks"] == executions(log, "node.completed")
    await run.resume({question.id: "Ann"})
    assert {"trace": ["Ann", "spoke"]} == await run.result()
    log = await log_of(run)
    assert ["speaks", "asks"] == executions(log, "node.completed")
    assert ["asks", "asks", "speaks"] == sorted(ran)
    assert 1 == sum(isinstance(event, NodeChunk) for event in log)


async def test_f15_a_stop_keeps_what_was_finished_and_says_that_it_was_a_stop():
    waits = asyncio.Event()

    async def hangs(state):
        waits.set()
        await asyncio.Event().wait()

    made = graph("^ a", "^ b", a=leaves("a"), b=hangs).compile(checkpointer=InMemorySaver())
    run = await made.start({"trace": []}, THREAD)
    async for event in run.events():
        if event.type == "node.completed":
            break
    await waits.wait()
    await run.stop("enough")
    last = (await log_of(run))[-1]
    assert ("run.stopped", "enough") == (last.type, last.reason)  # type: ignore[attr-defined]
    assert {"trace": ["a"]} == run.state()


def calls_per_node(make, length: int) -> float:
    """Count the calls of Python functions that a chain of nodes takes, per node."""
    names = [f"n{number}" for number in range(length)]
    edges = [f"^ {names[0]}", *(f"{one} {two}" for one, two in pairwise(names))]
    run = make(names, edges)
    run()  # what is made on first use is not counted
    count = 0

    def counts(frame, event, argument):
        nonlocal count
        count += event == "call"

    sys.setprofile(counts)
    try:
        run()
    finally:
        sys.setprofile(None)
    return count / length


def test_f16_the_work_for_a_node_is_flat_and_a_fraction_of_langgraphs():
    async def node(state):
        return {"n": state["n"] + 1}

    def chain_of(builder):
        def make(names, edges):
            made = builder(State)
            for name in names:
                made.add_node(name, node)
            for edge in edges:
                source, target = edge.split()
                made.add_edge(START if source == "^" else source, target)
            compiled = made.compile()
            return lambda: asyncio.run(compiled.ainvoke({"n": 0}, {"recursion_limit": 1_000}))

        return make

    few, many = (calls_per_node(chain_of(StateGraph), length) for length in (50, 200))
    assert 1.1 * few > many
    assert calls_per_node(chain_of(PeerGraph), 50) > 5 * few


async def test_f17_a_run_has_any_number_of_readers_and_every_event_its_number():
    go = asyncio.Event()

    async def speaks(state):
        yield "one"
        await go.wait()
        yield "two"

    run = await graph("^ a", a=speaks).compile().start({})
    early = [asyncio.create_task(log_of(run)) for _ in range(3)]
    async for event in run.events():
        if isinstance(event, NodeChunk):
            break
    late = asyncio.create_task(log_of(run))
    go.set()
    logs = [await reader for reader in [*early, late]]
    assert all(logs[0] == log for log in logs)
    assert list(range(1, len(logs[0]) + 1)) == [event.seq for event in logs[0]]


async def test_f18_a_failing_node_ends_the_log_of_every_reader():
    async def fails(state):
        raise LookupError("gone")

    run = await graph("^ a", a=fails).compile().start({})
    logs = await asyncio.gather(log_of(run), log_of(run))
    assert logs[0] == logs[1] == await log_of(run)
    assert "run.failed" == logs[0][-1].type
    assert ("E3001", "LookupError") == (logs[0][-1].error.code, logs[0][-1].error.kind)  # type: ignore[attr-defined]


async def test_f19_a_chunk_is_read_while_its_node_goes_on_and_a_failure_cancels_its_siblings():
    heard, ended = asyncio.Event(), []

    async def speaks(state):
        try:
            yield "word"
            await asyncio.Event().wait()
        finally:
            ended.append("speaks")

    async def fails(state):
        await heard.wait()
        raise LookupError("gone")

    log = []
    async for event in graph("^ a", "^ b", a=speaks, b=fails).compile().astream({}):
        log.append(event)
        if isinstance(event, NodeChunk):
            heard.set()
    assert ("run.failed", ["speaks"]) == (log[-1].type, ended)


async def test_f20_branches_that_run_side_by_side_stream_side_by_side():
    turn = {"a": asyncio.Event(), "b": asyncio.Event()}

    def speaks(name, other):
        async def node(state):
            for number in range(3):
                await turn[name].wait()
                turn[name].clear()
                yield f"{name}{number}"

        return node

    turn["a"].set()
    said = []
    async for event in graph("^ a", "^ b", a=speaks("a", "b"), b=speaks("b", "a")).compile().astream({}):
        if isinstance(event, NodeChunk):
            said.append(event.value)
            turn["b" if event.node == "a" else "a"].set()  # the other one speaks only when this one was heard
    assert ["a0", "b0", "a1", "b1", "a2", "b2"] == said
