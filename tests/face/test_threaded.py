"""Threads are looked at and written to, by code that is async and by code that is not, and both tell the same."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import InputError, NotFound
from riverrun.face.compiled import CompiledGraph
from riverrun.face.saver import InMemorySaver
from riverrun.face.state_graph import StateGraph
from riverrun.graph.node import END, START, Command
from riverrun.graph.reducers import Overwrite
from tests.face.chains import SECONDS, State, asks, at, chain, check, endings, history, place_of, says, words

pytestmark = pytest.mark.timeout(SECONDS)


def routed(saver: InMemorySaver) -> CompiledGraph:
    """Compile a node whose router looks at the state."""
    builder = StateGraph(State)
    for name in ("ask", "small", "large"):
        builder.add_node(name, says(name))

    def router(state: State) -> Literal["small", "large"]:
        return "large" if state["x"] > 5 else "small"

    builder.add_edge(START, "ask")
    builder.add_conditional_edges("ask", router)
    return builder.compile(saver)


# --- looking ---


async def test_a_thread_without_a_run_has_an_empty_state():
    graph = chain(InMemorySaver())
    empty = await graph.aget_state(at())
    assert ({}, (), at(), None, ()) == (empty.values, empty.next, empty.config, empty.parent_config, empty.tasks)
    assert [] == await history(graph)


async def test_the_state_of_a_thread_is_what_its_last_run_left():
    graph = chain(InMemorySaver())
    result = await graph.ainvoke({"x": 3}, at())
    state = await graph.aget_state(at())
    assert (result, ()) == (state.values, state.next)
    state.values["log"].append("by a caller")
    assert result == (await graph.aget_state(at())).values


async def test_the_state_at_any_place_of_the_history_is_what_the_history_says():
    graph = chain(InMemorySaver())
    await graph.ainvoke({}, at())
    await graph.aupdate_state(at(), {"x": 1}, as_node="a")
    await graph.ainvoke(None, at())
    for place in await history(graph):
        assert place == await graph.aget_state(place.config)


@given(st.integers(0, 12))
def test_a_history_can_be_cut_off_and_begun_anywhere(limit):
    graph = chain(InMemorySaver())
    graph.invoke({}, at())
    graph.invoke({}, at())
    whole = list(graph.get_state_history(at()))
    assert whole[:limit] == list(graph.get_state_history(at(), limit=limit))
    for number, place in enumerate(whole):
        assert whole[number:][:limit] == list(graph.get_state_history(place.config, limit=limit))


def test_code_that_is_not_async_sees_and_writes_the_same():
    graph = chain(InMemorySaver(), b=asks("b"))
    graph.invoke({}, at())
    assert asyncio.run(graph.aget_state(at())) == graph.get_state(at())
    assert asyncio.run(history(graph)) == list(graph.get_state_history(at()))
    config = graph.update_state(at(), {"x": 4}, as_node="b")
    assert (4, ("c",)) == (graph.get_state(config).values["x"], graph.get_state(at()).next)
    assert {"x": 4, "log": ["a", "c"]} == graph.invoke(None, config)


async def test_inside_a_loop_the_async_form_is_named():
    graph = chain(InMemorySaver())
    calls = {
        "aget_state": lambda: graph.get_state(at()),
        "aget_state_history": lambda: graph.get_state_history(at()),
        "aupdate_state": lambda: graph.update_state(at(), {}),
        "ainvoke": lambda: graph.invoke({}, at()),
        "astream": lambda: next(graph.stream({}, at())),
    }
    for other, call in calls.items():
        with pytest.raises(InputError) as caught:
            call()
        assert ("E6006", f"Use {other} in async code.") == (caught.value.code, caught.value.mend)


@pytest.mark.parametrize(("saver", "config"), [(None, at()), (InMemorySaver(), {})], ids=["saver", "thread"])
async def test_a_graph_without_a_saver_and_a_config_without_a_thread_are_refused(saver, config):
    graph = chain(saver)
    for call in (graph.aget_state(config), graph.aupdate_state(config, {"x": 1})):
        with pytest.raises(InputError) as caught:
            await call
        assert "E2016" == caught.value.code
        assert "thread_id" in caught.value.mend


# --- writing ---


async def test_an_update_goes_through_the_reducers_and_waits_until_the_thread_is_gone_on_with():
    saver = InMemorySaver()
    graph = chain(saver)
    await graph.ainvoke({"x": 1}, at())
    config = await graph.aupdate_state(at(), {"x": 2, "log": ["edit"]}, as_node="b")
    state = await graph.aget_state(at())
    assert ({"x": 2, "log": ["a", "b", "c", "edit"]}, ("c",)) == (state.values, state.next)
    assert (config, "update") == (state.config, (state.metadata or {})["source"])
    assert ["completed", "parked"] == await endings(saver)
    assert ["a", "b", "c", "edit", "c"] == (await graph.ainvoke(None, at()))["log"]
    await check(graph, saver)


async def test_an_overwrite_goes_past_the_reducer():
    graph = chain(InMemorySaver())
    await graph.ainvoke({}, at())
    await graph.aupdate_state(at(), {"log": Overwrite(["only"])}, as_node="b")
    assert ["only"] == (await graph.aget_state(at())).values["log"]
    assert ["only", "c"] == (await graph.ainvoke(None, at()))["log"]
    await check(graph, graph.checkpointer or InMemorySaver())


async def test_without_a_node_an_update_counts_as_that_of_the_last_that_wrote():
    graph = chain(InMemorySaver(), b=asks("b"))
    await graph.ainvoke({}, at())
    for _ in range(2):  # the second one stands on the first
        await graph.aupdate_state(at(), {"log": ["edit"]})
        assert ("b",) == (await graph.aget_state(at())).next
    asked = await graph.ainvoke(None, at())
    assert ["a", "edit", "edit"] == asked["log"]
    assert ["a", "edit", "edit", "b=1", "c"] == (await graph.ainvoke(Command(resume=1), at()))["log"]


async def test_an_update_of_nothing_only_moves_the_thread():
    graph = chain(InMemorySaver())
    await graph.ainvoke({}, at())
    await graph.aupdate_state(at(), None, as_node="a")
    state = await graph.aget_state(at())
    assert (["a", "b", "c"], ("b",)) == (state.values["log"], state.next)


async def test_an_update_as_the_start_is_an_input_that_waits_and_one_as_the_last_node_leaves_nothing_to_do():
    graph = chain(InMemorySaver())
    await graph.ainvoke({}, at())
    await graph.aupdate_state(at(), {"log": ["in"]}, as_node=START)
    assert ("a",) == (await graph.aget_state(at())).next
    assert ["a", "b", "c", "in", "a", "b", "c"] == (await graph.ainvoke(None, at()))["log"]
    await graph.aupdate_state(at(), {"log": ["out"]}, as_node="c")
    assert () == (await graph.aget_state(at())).next
    assert "out" == (await graph.ainvoke(None, at()))["log"][-1]


async def test_an_update_may_be_the_first_thing_in_a_thread():
    saver = InMemorySaver()
    graph = chain(saver)
    await graph.aupdate_state(at(), {"x": 1, "log": ["first"]}, as_node="b")
    assert ({"x": 1, "log": ["first"]}, ("c",)) == ((await graph.aget_state(at())).values, ("c",))
    assert {"x": 1, "log": ["first", "c"]} == await graph.ainvoke(None, at())
    await graph.aupdate_state(at(thread="other"), {"log": ["in"]})
    assert ["in", "a", "b", "c"] == (await graph.ainvoke(None, at(thread="other")))["log"]
    await check(graph, saver)


@pytest.mark.parametrize(("number", "target"), [(1, "small"), (9, "large")])
async def test_the_router_behind_the_node_decides_on_what_was_written(number, target):
    saver = InMemorySaver()
    graph = routed(saver)
    await graph.ainvoke({"x": 0}, at())
    await graph.aupdate_state(at(), {"x": number}, as_node="ask")
    assert (target,) == (await graph.aget_state(at())).next
    assert [target] == [task.name for task in (await graph.aget_state(at())).tasks]
    assert ["ask", "small", target] == (await graph.ainvoke(None, at()))["log"]
    await check(graph, saver)


async def test_a_router_that_ends_the_graph_leaves_nothing_next():
    builder = StateGraph(State).add_node("a", says("a")).add_node("b", says("b")).add_edge(START, "a")
    graph = builder.add_conditional_edges("a", lambda state: END, ["b", END]).compile(InMemorySaver())
    await graph.ainvoke({}, at())
    await graph.aupdate_state(at(), {}, as_node="a")
    assert () == (await graph.aget_state(at())).next
    assert ["a"] == (await graph.ainvoke(None, at()))["log"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=5))
@pytest.mark.slow
def test_updates_add_up_and_each_goes_on_behind_its_node(updates):
    saver = InMemorySaver()
    graph = chain(saver)
    expected: list[Any] = ["a", "b", "c"]
    graph.invoke({}, at())
    for number, (node, goes_on) in enumerate(updates):
        graph.update_state(at(), {"log": [number]}, as_node=node)
        expected.append(number)
        left = "abc"["abc".index(node) + 1 :]
        state = graph.get_state(at())
        assert (expected, tuple(left[:1])) == (state.values["log"], state.next)
        if goes_on:
            expected += left
            assert expected == graph.invoke(None, at())["log"]
    asyncio.run(check(graph, saver))


async def test_an_update_of_a_place_in_the_past_begins_a_branch_there():
    saver = InMemorySaver()
    graph = chain(saver)
    await graph.ainvoke({}, at())
    before = await history(graph)
    after_a = next(each for each in before if each.next == ("b",))
    config = await graph.aupdate_state(after_a.config, {"log": ["edit"]})
    assert ["a", "edit"] == (await graph.aget_state(config)).values["log"]
    assert ["a", "edit", "b", "c"] == (await graph.ainvoke(None, config))["log"]
    assert words(before) == words((await history(graph))[-len(before) :])
    await check(graph, saver)


async def test_an_update_of_an_open_question_takes_the_place_of_its_node():
    saver = InMemorySaver()
    graph = chain(saver, b=asks("b"))
    await graph.ainvoke({}, at())
    await graph.aupdate_state(at(), {"log": ["instead"]}, as_node="b")
    state = await graph.aget_state(at())
    assert (("c",), ()) == (state.next, state.interrupts)
    assert ["a", "instead", "c"] == (await graph.ainvoke(None, at()))["log"]
    assert ["stopped", "completed"] == await endings(saver)
    assert {} == saver.parked == saver.live


@pytest.mark.parametrize(
    ("values", "node", "code"), [({"typo": 1}, None, "E2010"), (5, None, "E2010"), ({"x": 1}, "nobody", "E2004")]
)
async def test_an_update_that_does_not_fit_is_refused_and_changes_nothing(values, node, code):
    saver = InMemorySaver()
    graph = chain(saver)
    await graph.ainvoke({}, at())
    with pytest.raises((InputError, NotFound)) as caught:
        await graph.aupdate_state(at(), values, as_node=node)
    assert code == caught.value.code
    assert ["completed"] == await endings(saver)


# --- a graph with a config of its own ---


async def test_a_config_that_a_graph_carries_holds_where_a_call_says_nothing_else():
    saver = InMemorySaver()
    plain = chain(saver)
    graph = plain.with_config(at(), recursion_limit=50)
    assert ["a", "b", "c"] == (await graph.ainvoke({}))["log"]
    assert ["a", "b", "c"] == (await graph.aget_state({})).values["log"]
    await graph.aupdate_state({}, {"log": ["edit"]}, as_node="b")
    assert 6 == len([each async for each in graph.aget_state_history({})])
    assert ["a", "b", "c", "edit", "c"] == (await graph.ainvoke(None, {"tags": ["x"]}))["log"]
    assert ["a", "b", "c"] == (await graph.ainvoke({}, at(thread="other")))["log"]
    both = graph.with_config({"configurable": {"user": "Ann"}})
    assert "edit" in (await both.aget_state({})).values["log"]
    with pytest.raises(InputError):
        await plain.ainvoke({})


async def test_a_place_that_update_state_names_is_one_to_go_on_from():
    graph = chain(InMemorySaver())
    await graph.ainvoke({}, at())
    config = await graph.aupdate_state(at(), {"x": 1}, as_node="a")
    assert {"thread_id", "checkpoint_id", "checkpoint_ns"} == set(config["configurable"])
    assert place_of(config) == place_of((await graph.aget_state(at())).config)
