"""A graph that a node calls is heard, asks, fails and stops in the run of that node."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, TypeVar

import pytest

from riverrun.base.errors import RunFailed
from riverrun.events.kinds import Custom, Event, NodeChunk, NodeEvent, RunInterrupted, RunStopped
from riverrun.face import run as run_module
from riverrun.face.compiled import CompiledGraph
from riverrun.face.saver import InMemorySaver
from riverrun.face.state_graph import StateGraph
from riverrun.graph.node import Command
from riverrun.graph.policies import RetryPolicy
from tests.face.chains import (
    SECONDS,
    State,
    asks,
    at,
    chain,
    check,
    endings,
    ids,
    log_of,
    newest_log,
    says,
    side_by_side,
)
from tests.runs.plans import until

pytestmark = pytest.mark.timeout(SECONDS)
AnyEvent = TypeVar("AnyEvent", bound=Event)
MANNERS = pytest.mark.parametrize("manner", ["async", "sync"])


def counted(ran: list[str], name: str, node: Callable[..., Any]) -> Any:
    """Note that a node runs, whatever it then does."""

    async def wrapped(state: State, ctx: Any) -> Any:
        ran.append(name)
        return await (node(state, ctx) if "ctx" in inspect.signature(node).parameters else node(state))

    return wrapped


async def last_of(saver: InMemorySaver, kind: type[AnyEvent]) -> AnyEvent:
    """Give the last event of the newest run."""
    last = (await newest_log(saver))[-1]
    assert isinstance(last, kind)
    return last


def caller(manner: str, *graphs: CompiledGraph, **options: Any) -> Any:
    """Make a node that calls graphs one after another and writes what they wrote."""

    async def later(state: State) -> State:
        return {"log": [word for each in graphs for word in (await each.ainvoke({}, **options))["log"]]}

    def now(state: State) -> State:
        return {"log": [word for each in graphs for word in each.invoke({}, **options)["log"]]}

    return later if manner == "async" else now


@MANNERS
async def test_what_a_called_graph_does_is_told_in_the_run_of_its_caller(manner):
    async def speaks(state: State, ctx: Any) -> Any:
        yield "word"
        ctx.emit("told", 1)
        yield {"log": ["spoke"]}

    saver = InMemorySaver()
    outer = chain(saver, "abc", b=caller(manner, chain(None, "xy", x=speaks), chain(None, "z")))
    assert {"log": ["a", "spoke", "y", "z", "c"]} == await outer.ainvoke({}, at())
    log = await newest_log(saver)
    inside = [event for event in log if event.ns]
    assert {("b:1~1",), ("b:1~2",)} == {event.ns for event in inside}
    assert ["x", "x", "x", "x", "y", "y", "z", "z"] == [event.node for event in inside if isinstance(event, NodeEvent)]
    assert ["word"] == [event.value for event in inside if isinstance(event, NodeChunk)]
    assert [("told", 1)] == [(event.name, event.value) for event in inside if isinstance(event, Custom)]
    assert {log[0].run} == {event.run for event in log}
    await check(outer, saver)


@MANNERS
async def test_what_a_called_graph_asks_its_node_asks(manner):
    ran: list[str] = []
    inner = chain(None, "xyz", x=counted(ran, "x", says("x")), y=counted(ran, "y", asks("y", 2)))
    saver = InMemorySaver()
    outer = chain(saver, "abc", b=caller(manner, inner))
    first = await outer.ainvoke({}, at())
    assert (["a"], ["y?"], ["b:1?1"]) == (first["log"], [each.value for each in first["__interrupt__"]], ids(first))
    second = await outer.ainvoke(Command(resume=1), at())
    assert (["a"], ["b:1?2"]) == (second["log"], ids(second))
    assert ["a", "x", "y=1", "y=2", "z", "c"] == (await outer.ainvoke(Command(resume=2), at()))["log"]
    # In the loop of its caller the called run waits; in a thread it ends with the call, and runs anew to its question.
    assert (["x", "y", "y", "y"] if manner == "async" else ["x", "y", "x", "y", "y", "x", "y", "y", "y"]) == ran
    await check(outer, saver)


@MANNERS
async def test_the_answer_comes_to_the_called_graph_also_when_only_the_log_is_left(manner):
    saver = InMemorySaver()
    outer = chain(saver, "b", b=caller(manner, chain(None, "xy", y=asks("y"))))
    await outer.ainvoke({}, at())
    saver.parked.clear()
    assert ["x", "y=1"] == (await outer.ainvoke(Command(resume=1), at()))["log"]
    await check(outer, saver)


async def test_graphs_that_a_node_calls_one_after_another_ask_one_after_another_and_wait_each():
    ran: list[str] = []
    graphs = [chain(None, "xy", x=counted(ran, name, says(name)), y=asks(name)) for name in ("one", "two")]
    saver = InMemorySaver()
    outer = chain(saver, "b", b=caller("async", *graphs))
    await outer.ainvoke({}, at())
    await outer.ainvoke(Command(resume=1), at())
    assert ["one", "two"] == ran
    assert ["one", "one=1", "two", "two=2"] == (await outer.ainvoke(Command(resume=2), at()))["log"]
    # The first one had ended by then, and is called again like everything before the question; the second one waited.
    assert ["one", "two", "one"] == ran
    await check(outer, saver)


@MANNERS
async def test_each_answer_goes_to_the_question_that_it_was_given_to_however_the_calls_are_made(manner):
    async def later(state: State, ctx: Any) -> State:
        own = ctx.interrupt("own?")
        made = (await caller("async", *graphs)(state))["log"]
        return {"log": [f"own={own}", *made, f"last={ctx.interrupt('last?')}"]}

    def now(state: State, ctx: Any) -> State:
        own = ctx.interrupt("own?")
        made = caller("sync", *graphs)(state)["log"]
        return {"log": [f"own={own}", *made, f"last={ctx.interrupt('last?')}"]}

    both = side_by_side(None, p=asks("p"), q=asks("q", 2))
    graphs = (chain(None, "xy", x=asks("x", 2), y=asks("y")), both)
    saver = InMemorySaver()
    outer = chain(saver, "b", b=later if manner == "async" else now)
    result = await outer.ainvoke({}, at())
    while "__interrupt__" in result:
        question = result["__interrupt__"][0].value
        result = await outer.ainvoke(Command(resume=question.upper()), at())
    expected = ["own=OWN?", "x=X?", "x=X?", "y=Y?", "p=P?", "q=Q?", "q=Q?", "last=LAST?"]
    assert expected == result["log"]
    await check(outer, saver)


async def test_graphs_that_keep_threads_may_be_called_without_one_and_with_one_of_their_own():
    saver, inside = InMemorySaver(), InMemorySaver()
    ran: list[str] = []
    inner = chain(inside, "xy", x=counted(ran, "x", says("x")), y=asks("y"))

    async def calls(state: State) -> State:
        alone = await inner.ainvoke({})
        again = await inner.ainvoke({}, at(thread="inside"))
        return {"log": [*alone["log"], *again["log"]]}

    outer = chain(saver, "b", b=calls)
    await outer.ainvoke({}, at())
    await outer.ainvoke(Command(resume=1), at())
    assert ["x", "x"] == ran
    assert ["x", "y=1", "x", "y=2"] == (await outer.ainvoke(Command(resume=2), at()))["log"]
    assert ["x", "y=2"] == (await inner.aget_state(at(thread="inside"))).values["log"]
    assert ["completed"] == await endings(inside, "inside")
    await check(outer, saver)


@MANNERS
async def test_a_called_graph_that_fails_is_an_exception_in_the_node(manner):
    async def fails(state: State) -> State:
        raise ValueError("inside")

    inner = chain(None, "xy", y=fails)
    outer = chain(None, "b", b=caller(manner, inner))
    with pytest.raises(RunFailed, match="inside") as caught:
        await outer.ainvoke({})
    cause = caught.value.__cause__
    assert isinstance(cause, RunFailed)
    assert isinstance(cause.__cause__, ValueError)

    async def bears(state: State) -> State:
        try:
            await inner.ainvoke({})
        except RunFailed:
            return {"log": ["without it"]}
        return {}

    assert ["without it"] == (await chain(None, "b", b=bears).ainvoke({}))["log"]


async def test_a_called_graph_that_asks_in_a_run_that_nobody_can_answer_is_parked_with_it():
    outer = chain(None, "b", b=caller("async", chain(None, "x", x=asks("x"))))
    assert ["x?"] == [each.value for each in (await outer.ainvoke({}))["__interrupt__"]]


async def test_a_run_that_is_stopped_stops_what_its_nodes_have_called():
    began, ended = asyncio.Event(), []

    async def waits(state: State) -> State:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("x")
        return {}

    outer, others = chain(None, "b", b=caller("async", chain(None, "xy", x=waits))), set(run_module._running)
    run = await outer.start({})
    await began.wait()
    await run.stop("enough")
    assert ["x"] == ended
    assert others == run_module._running
    log = [event async for event in run.events()]
    assert ["run.stopped"] == [event.type for event in log if event.terminal]
    assert {"x"} == {event.node for event in log if isinstance(event, NodeEvent) and event.ns}


async def test_a_stopped_run_does_not_wait_for_a_thread_that_calls_a_graph_and_hears_no_more_of_it():
    began, go, ended = threading.Event(), threading.Event(), threading.Event()

    def holds(state: State) -> State:
        began.set()
        go.wait(SECONDS)
        return {"log": ["x"]}

    def calls(state: State) -> Any:
        try:
            return chain(None, "xy", x=holds).invoke({})
        finally:
            ended.set()

    outer = chain(None, "b", b=calls)
    run = await outer.start({})
    await until(began.is_set)
    await run.stop("enough")
    log = [event async for event in run.events()]
    assert "run.stopped" == log[-1].type
    go.set()
    await until(ended.is_set)
    await asyncio.sleep(0)  # what the thread sent to this loop is there by now
    assert log == [event async for event in run.events()]


async def test_a_graph_that_is_called_in_a_thread_is_told_to_stop_with_its_caller():
    began, ended, done = threading.Event(), [], threading.Event()

    async def waits(state: State) -> State:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("x")
        return {}

    def calls(state: State) -> Any:
        try:
            return chain(None, "xy", x=waits).invoke({})
        finally:
            done.set()

    run = await chain(None, "b", b=calls).start({})
    await until(began.is_set)
    await run.stop("enough")
    await until(done.is_set)  # nobody lets `waits` go on: only a stop can end it
    assert ["x"] == ended


async def test_a_graph_that_is_read_in_a_thread_is_told_to_stop_with_its_caller():
    began, done = threading.Event(), threading.Event()
    last: list[str] = []

    async def waits(state: State) -> State:
        began.set()
        await asyncio.Event().wait()
        return {}

    def reads(state: State) -> Any:
        try:
            last.extend(event.type for event in chain(None, "xy", x=waits).stream({}))
        finally:
            done.set()
        return {}

    run = await chain(None, "b", b=reads).start({})
    await until(began.is_set)
    await run.stop("enough")
    await until(done.is_set)
    assert "run.stopped" == last[-1]


@MANNERS
async def test_what_an_answer_must_be_and_what_was_wrong_with_it_are_told_outside_too(manner):
    async def counts(state: State, ctx: Any) -> Any:
        return {"log": [ctx.interrupt("how many?", type=int)]}

    saver = InMemorySaver()
    outer = chain(saver, "b", b=caller(manner, chain(None, "x", x=counts)))
    await outer.ainvoke({}, at())
    first = (await last_of(saver, RunInterrupted)).questions[0]
    assert ({"type": "integer"}, "") == (first.schema, first.problem)
    await outer.ainvoke(Command(resume="many"), at())
    again = (await last_of(saver, RunInterrupted)).questions[0]
    assert {"type": "integer"} == again.schema
    assert "int" in again.problem
    assert {"log": [3]} == await outer.ainvoke(Command(resume=3), at())


async def test_of_a_called_graph_only_what_was_cut_short_is_said_to_be_partial():
    cut = asyncio.Event()

    async def whole(state: State) -> Any:
        yield "whole"

    async def half(state: State) -> Any:
        yield "half"
        cut.set()
        await asyncio.Event().wait()

    outer = chain(None, "b", b=caller("async", chain(None, "xy", x=whole, y=half)))
    run = await outer.start({})
    await cut.wait()
    await run.stop("enough")
    log = [event async for event in run.events()]
    assert ["b:1~1/x:1", "b:1~1/y:1"] == [event.message for event in log if isinstance(event, NodeChunk)]
    last = log[-1]
    assert isinstance(last, RunStopped)
    assert ("b:1~1/y:1",) == last.partial


async def test_a_node_may_read_a_called_graph_and_leave_it():
    async def reads(state: State) -> State:
        heard = []
        async with aclosing(inner.astream({}, stream_mode="updates")) as parts:
            async for part in parts:
                heard.append(part)
                if "y" in part:
                    break
        return {"log": heard}

    ran: list[str] = []
    others = set(run_module._running)
    inner = chain(None, "xyz", z=counted(ran, "z", says("z")))
    saver = InMemorySaver()
    outer = chain(saver, "b", b=reads)
    assert [{"x": {"log": ["x"]}}, {"y": {"log": ["y"]}}] == (await outer.ainvoke({}, at()))["log"]
    inside = [(event.ns, event.exec) for event in await newest_log(saver) if isinstance(event, NodeEvent) and event.ns]
    assert [(("b:1~1",), "b:1~1/x:1")] * 2 == inside[:2]
    assert others == run_module._running
    await check(outer, saver)


async def test_a_call_within_a_call_is_heard_in_the_outermost_run():
    saver = InMemorySaver()
    middle = chain(None, "m", m=caller("async", chain(None, "xy", y=asks("y"))))
    outer = chain(saver, "b", b=caller("async", middle))
    asked = await outer.ainvoke({}, at())
    assert ["b:1?1"] == ids(asked)
    assert ["x", "y=1"] == (await outer.ainvoke(Command(resume=1), at()))["log"]
    depths = {event.node: len(event.ns) for event in await newest_log(saver) if isinstance(event, NodeEvent)}
    assert {"b": 0, "m": 1, "x": 2, "y": 2} == depths
    await check(outer, saver)


async def test_calls_that_a_node_makes_at_once_are_told_apart():
    async def calls(state: State) -> State:
        inner = chain(None, "xy")
        return {
            "log": [len((await one)["log"]) for one in [asyncio.ensure_future(inner.ainvoke({})) for _ in range(5)]]
        }

    saver = InMemorySaver()
    outer = chain(saver, "b", b=calls)
    assert [2] * 5 == (await outer.ainvoke({}, at()))["log"]
    places = {event.ns for event in await log_of(saver, (await saver.all("t"))[0].key.run) if event.ns}
    assert {(f"b:1~{number}",) for number in range(1, 6)} == places
    await check(outer, saver)


@pytest.mark.slow
async def test_a_node_that_is_tried_again_calls_anew_and_what_it_had_heard_is_void():
    tries: list[int] = []

    async def calls(state: State) -> State:
        tries.append(1)
        await chain(None, "x").ainvoke({})
        if len(tries) == 1:
            raise ConnectionError
        return {"log": ["done"]}

    saver = InMemorySaver()
    builder = StateGraph(State).add_node("b", calls, retry_policy=RetryPolicy(initial_interval=0.0, max_attempts=2))
    outer = builder.set_entry_point("b").compile(saver)
    assert ["done"] == (await outer.ainvoke({}, at()))["log"]
    assert [("b:1~1",), ("b:1~1.2",)] == list(dict.fromkeys(each.ns for each in await newest_log(saver) if each.ns))
    await check(outer, saver)
