"""Running one node: whatever it gives back, streams or raises becomes events that name the node and the place."""

from __future__ import annotations

import asyncio
import functools
import json
from typing import Any

import pytest

from riverrun.base.errors import NodeError, RunFailed
from riverrun.events.kinds import NodeFailed
from riverrun.face.compiled import CompiledGraph
from riverrun.graph.node import END, START, Command
from riverrun.runs.perform import describe
from riverrun.runs.settings import RunSettings
from tests.runs.plans import State, compiled, graph, kinds, parallel, plan, values

STRICT = RunSettings(lease_seconds=1e6)


async def run(node, given=None, **nodes):
    """Run one node, with others after it, and give the log and the state."""
    return await run_all(compiled(node=node, **nodes), given)


async def run_all(made, given=None):
    started = await made.start(given)
    log = [event async for event in started.events()]
    await started.stop()  # the last event is in the log a few turns before everything is cleared away
    return log, {key: value for key, value in started.state().items() if key != "log" or value}


def error_of(log):
    """Give what the one node that failed failed by."""
    (failed,) = [event for event in log if isinstance(event, NodeFailed)]
    assert failed.error == log[-1].error
    return failed.error


# --- what a node may be ---


async def text_stream(*pieces):
    for piece in pieces:
        yield piece


def wrapped(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)

    return inner


async def later(state):
    return {"x": 2}


class Node:
    async def __call__(self, state, ctx):
        return {"x": 2}


@pytest.mark.parametrize(
    "node",
    [
        later,
        lambda state: {"x": 2},
        lambda state: later(state),  # noqa: PLW0108  # a sync function around an async one
        wrapped(later),
        Node(),
        functools.partial(lambda x, state: {"x": x}, 2),
        lambda state: Command(update={"x": 2}),
        lambda state, ctx: {"x": 2},
        lambda state: asyncio.sleep(0, {"x": 2}),
    ],
    ids=map(str, range(9)),
)
async def test_every_kind_of_function_writes_its_update(node):
    log, state = await run(node)
    assert {"x": 2} == state
    assert ["run.started", "node.started", "node.completed", "run.completed"] == kinds(log)


async def test_a_node_may_give_back_nothing():
    nothings: list[Any] = [None, {}, Command(), Command(update=None)]
    for nothing in nothings:
        log, state = await run(lambda state, nothing=nothing: nothing, {"x": 1})
        assert ("run.completed", {"x": 1}) == (log[-1].type, state)


def words(state):
    yield "one "
    yield "two"


async def later_words(state):
    yield "one "
    await asyncio.sleep(0)
    yield "two"


@pytest.mark.parametrize("node", [words, later_words, wrapped(words), wrapped(later_words)], ids=map(str, range(4)))
async def test_a_generator_streams_its_yields_and_stores_them_under_its_key(node):
    made = graph(node=node)
    log, state = await run_all(made.compile())
    assert (["one ", "two"], {}) == (values(log), state)
    kept = type(made)(State).add_node("node", node, key="text").add_edge(START, "node")
    log, state = await run_all(kept.compile())
    assert (["one ", "two"], {"text": "one two"}) == (values(log), state)


async def test_a_generator_may_yield_updates_between_its_words():
    async def node(state):
        yield "a"
        yield {"log": [1]}
        yield "b"
        yield {"log": [2], "x": 3}

    log, state = await run(node)
    assert ["a", "b"] == values(log)
    assert {"log": [1, 2], "x": 3} == state


async def test_any_value_of_a_mapping_may_be_a_stream():
    def node(state):
        return {"text": text_stream("a", "b"), "more": iter(["c", "d"]), "x": 1, "log": iter([1, 2])}

    log, state = await run(node)
    assert {"text": "ab", "more": "cd", "x": 1, "log": [1, 2]} == state
    assert ["a", "b"] == [event.value for event in log if getattr(event, "key", None) == "text"]
    assert {"text": "text", "more": "text", "log": "list"} == log[-2].folds
    assert ({"x": 1},) == log[-2].writes


async def test_several_streams_of_one_node_flow_at_once():
    turn = asyncio.Event()

    async def waits():
        yield "first"
        await turn.wait()
        yield "last"

    async def lets_go():
        yield "middle"
        turn.set()

    log, state = await run(lambda state: {"text": waits(), "more": lets_go()})
    assert ["first", "middle", "last"] == values(log)
    assert {"text": "firstlast", "more": "middle"} == state


async def test_a_stream_that_gives_nothing_is_stored_as_nothing_of_its_kind():
    log, state = await run(lambda state: {"text": text_stream(), "log": iter([])})
    assert {"text": ""} == state
    assert [] == values(log)


async def test_lists_texts_and_mappings_are_values_and_no_streams():
    log, state = await run(lambda state: {"log": ["a"], "text": "abc"})
    assert [] == values(log)
    assert {"log": ["a"], "text": "abc"} == state


async def test_a_command_may_stream_too():
    async def node(state) -> Command:  # type: ignore[type-arg]
        return Command(update={"text": text_stream("a")}, goto="second")

    log, state = await run_all(compiled((START, "node"), node=node, second=lambda state: {"x": 1}))
    assert {"text": "a", "x": 1} == state
    assert ("second",) == log[3].goto


async def test_text_is_counted_as_browsers_count_it():
    log, _ = await run(lambda state: {"text": text_stream("a🌊", "é", "b")})
    assert [0, 3, 4] == [event.start for event in log if event.type == "node.chunk"]


# --- what it may not be ---


@pytest.mark.parametrize("given", [5, "text", ["a"], object(), True], ids=map(str, range(5)))
async def test_a_wrong_type_is_named(given):
    log, _ = await run(lambda state: given)
    error = error_of(log)
    assert "E3002" == error.code
    assert "'node'" in error.message
    assert type(given).__name__ in error.message
    assert f"{__file__}:" in error.where


@pytest.mark.parametrize("manner", ["return", "yield", "command"])
async def test_an_unknown_key_is_named_with_those_that_are_known(manner):
    def returns(state):
        return {"y": 1, "typo": 1}

    def yields(state):
        yield {"typo": 1}

    def commands(state):
        return Command(update={"typo": 1})

    log, _ = await run({"return": returns, "yield": yields, "command": commands}[manner])
    error = error_of(log)
    assert "E3003" == error.code
    assert "'typo'" in error.message
    assert "text, more" in error.message
    assert f"{__file__}:" in error.where


async def test_a_key_is_a_name():
    log, _ = await run(lambda state: {1: "x"})
    assert "E3002" == error_of(log).code


@pytest.mark.parametrize("manner", ["return", "chunk", "update", "emit"])
async def test_what_is_not_json_is_refused_where_somebody_else_will_read_it(manner):
    def node(state, ctx):
        if manner == "return":
            return {"x": object()}
        if manner == "chunk":
            return {"log": iter([1, object()])}
        if manner == "emit":
            return ctx.emit("x", object())
        return iter([{"x": object()}])

    strict = CompiledGraph(plan(node=node), STRICT)
    log, _ = await run_all(strict)
    error = error_of(log)
    assert "E3008" == error.code
    assert "'node'" in error.message
    log, _ = await run(node)
    assert "run.completed" == log[-1].type


@pytest.mark.parametrize("goto", ["gone", ["node", "gone"], START])
async def test_a_command_to_nowhere_is_named(goto):
    async def node(state) -> Command:  # type: ignore[type-arg]
        return Command(goto=goto)

    log, _ = await run(node)
    error = error_of(log)
    assert "E3006" == error.code
    assert "'node'" in error.message
    assert f"{__file__}:" in error.where


async def test_a_router_to_nowhere_is_named():
    def router(state):
        return "gone"

    made = graph((START, "node"), node=later).add_conditional_edges("node", router)
    log, _ = await run_all(made.compile())
    error = error_of(log)
    assert ("E3006", f"{__file__}:{router.__code__.co_firstlineno}") == (error.code, error.where)
    assert "'gone'" in error.message


async def test_a_router_may_be_async_and_what_it_raises_is_named():
    async def router(state):
        assert 2 == state.pop("x"), "a router has a copy of its own"
        raise ValueError("no way")

    made = graph((START, "node"), node=later).add_conditional_edges("node", router, [END])
    log, _ = await run_all(made.compile())
    error = error_of(log)
    assert ("E3001", "ValueError") == (error.code, error.kind)
    assert f"{__file__}:" in error.where


async def test_a_router_of_the_start_may_fail_too():
    made = graph(node=later).add_conditional_edges(START, lambda state: "gone")
    log, state = await run_all(made.compile(), {"x": 1})
    assert ("E3006", "__start__", {"x": 1}) == (error_of(log).code, log[-2].node, state)


async def test_a_reducer_that_raises_fails_the_node_that_wrote():
    log, state = await run(lambda state: {"log": 5}, {"x": 1})
    error = error_of(log)
    assert ("E3007", "key 'log'", {"x": 1}) == (error.code, error.where, state)


# --- what it raises ---


class Odd(BaseException):
    pass


@pytest.mark.parametrize("error", [ValueError, SystemExit, asyncio.CancelledError, Odd, StopIteration, TimeoutError])
@pytest.mark.parametrize("manner", ["async", "sync", "stream", "two streams", "generator"])
async def test_whatever_a_node_raises_fails_it_by_name_and_keeps_what_was_said(error, manner):
    closed = []

    async def breaks():
        yield "before"
        raise error("half")

    async def endless():
        try:
            yield "other"
            await asyncio.Event().wait()
        finally:
            closed.append("endless")

    async def sibling(state):
        try:
            await asyncio.Event().wait()
        finally:
            closed.append("sibling")

    def sync(state):
        raise error("half")

    async def node(state):
        if manner == "async":
            raise error("half")
        return {"text": breaks()} | ({"more": endless()} if manner == "two streams" else {})

    def generator(state):
        yield "before"
        raise error("half")

    chosen = {"sync": sync, "generator": generator}.get(manner, node)
    log, _ = await run_all(parallel(node=chosen, sibling=sibling).compile())
    failed = error_of(log)
    assert "E3001" == failed.code
    assert "'node'" in failed.message
    assert f"{__file__}:" in failed.where
    if error is not StopIteration:  # Python itself makes a RuntimeError of that
        assert error.__name__ == failed.kind
    if manner not in ("async", "sync"):
        assert "before" in values(log)
        assert any(name.startswith("node:1") for name in log[-1].partial)
    assert "sibling" in closed
    assert ("endless" in closed) is (manner == "two streams")
    assert [] == [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_a_call_that_nobody_awaited_is_named_and_is_no_value():
    async def ask():
        return 1

    async def node(state):
        return {"x": ask()}

    log, state = await run(node, {"x": 0})
    error = error_of(log)
    assert ("E3008", 0) == (error.code, state["x"])
    assert ".ask(), which nobody awaited" in error.message
    assert "Write await: {'x': await ask(…)}." == error.mend


async def test_what_a_library_raised_is_placed_where_the_users_code_called_it():
    async def node(state):
        json.loads("{")

    log, _ = await run_all(graph((START, "node"), node=node).compile())
    assert f"node 'node', {__file__}:{node.__code__.co_firstlineno + 1}" == error_of(log).where


async def test_the_exception_itself_is_the_cause_of_what_a_caller_gets():
    wrong = ValueError("no")

    async def node(state):
        raise wrong

    with pytest.raises(RunFailed) as caught:
        await compiled(node=node).ainvoke({})
    assert wrong is caught.value.__cause__
    assert "E3011" == caught.value.code
    assert "E3001" in caught.value.message
    assert f"{__file__}:{node.__code__.co_firstlineno + 1}" in caught.value.where


async def test_a_node_may_fail_inside_and_mend_it_without_harm_to_those_after_it():
    async def breaks():
        raise ValueError

    async def mends(state):
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(breaks())
                await asyncio.Event().wait()
        except* ValueError:
            pass
        return {"x": 1}

    async def second(state):
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            return {"y": state["x"] + 1}

    log, state = await run(mends, second=second, third=mends)
    assert ("run.completed", {"x": 1, "y": 2}) == (log[-1].type, state)


def test_an_error_of_ours_is_told_as_it_is():
    told_error = describe(NodeError("E3002", "that", where="there", mend="so"), "n")
    assert ("E3002", "that", "there", "so") == (told_error.code, told_error.message, told_error.where, told_error.mend)
