"""What `compile` is told about a graph holds in its runs, and what happens to the builder afterwards does not."""

from __future__ import annotations

from typing import Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver as LangGraphsSaver
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

from riverrun.agents.adopt import adopt
from riverrun.base.errors import GraphError
from riverrun.face.compiled import CompiledGraph
from riverrun.face.saver import InMemorySaver
from riverrun.face.state_graph import StateGraph
from riverrun.graph.node import START
from riverrun.graph.policies import CachePolicy
from riverrun.graph.reducers import MessagesState
from riverrun.runs.cache import InMemoryCache
from tests.face.chains import SECONDS, State, at, says

pytestmark = pytest.mark.timeout(SECONDS)


def declared() -> StateGraph:
    """Declare two nodes that follow one another."""
    builder = StateGraph(State).add_node("a", says("a")).add_node("b", says("b"))
    return builder.add_edge(START, "a").add_edge("a", "b")


async def test_a_declared_graph_compiles_to_one_that_runs():
    made = declared().compile(name="mine")
    assert isinstance(made, CompiledGraph)
    assert ("mine", "mine", None) == (made.name, made.plan.name, made.checkpointer)
    assert {"log": ["a", "b"]} == await made.ainvoke({})
    assert "graph" == declared().compile().name


async def test_later_changes_of_the_builder_do_not_reach_a_compiled_graph():
    builder = declared()
    before = builder.compile()
    builder.add_node("c", says("c"))
    builder.add_edge("b", "c")
    assert ["a", "b"] == (await before.ainvoke({}))["log"]
    assert ["a", "b", "c"] == (await builder.compile().ainvoke({}))["log"]


@pytest.mark.parametrize(
    ("holds", "first"),
    [
        ({"interrupt_before": "b"}, ["a"]),
        ({"interrupt_before": ["a", "b"]}, []),
        ({"interrupt_before": "*"}, []),
        ({"interrupt_after": "a"}, ["a"]),
        ({"interrupt_after": ("a",)}, ["a"]),
        ({"interrupt_after": "*"}, ["a"]),
        ({"interrupt_before": None, "interrupt_after": []}, ["a", "b"]),
    ],
    ids=str,
)
async def test_a_graph_may_be_told_where_all_its_runs_hold(holds, first):
    made = declared().compile(InMemorySaver(), **holds)
    for thread in ("t", "other"):
        assert first == (await made.ainvoke({}, at(thread=thread)))["log"]


async def test_a_graph_may_be_told_to_hold_only_at_nodes_that_it_has():
    with pytest.raises(GraphError) as caught:
        declared().compile(interrupt_before=["nobody"])
    assert "E1003" == caught.value.code
    assert "nobody" in caught.value.message


async def test_debug_changes_nothing():
    assert await declared().compile(debug=True).ainvoke({}) == await declared().compile().ainvoke({})


async def test_the_store_is_handed_to_nodes_as_it_is():
    kept = object()
    seen: list[Any] = []

    async def looks(state: State, ctx: Any, store: Any) -> State:
        seen.extend([ctx.store, store])
        return {}

    builder = StateGraph(State).add_node("a", looks).add_edge(START, "a")
    await builder.compile(store=kept).ainvoke({})
    await builder.compile().ainvoke({})
    assert [kept, kept, None, None] == seen


async def test_graphs_share_a_cache_that_they_are_given_and_no_other():
    ran: list[Any] = []

    async def counts(state: State) -> State:
        ran.append(state["x"])
        return {"log": ["made"]}

    builder = StateGraph(State).add_node("a", counts, cache_policy=CachePolicy()).add_edge(START, "a")
    cache = InMemoryCache()
    for made in (builder.compile(cache=cache), builder.compile(cache=cache), builder.compile()):
        for _ in range(2):
            assert ["made"] == (await made.ainvoke({"x": 1}))["log"]
    assert [1, 1] == ran


@pytest.mark.parametrize(
    ("builder", "code"),
    [
        (StateGraph(State).add_node("a", says("a")), "E1004"),
        (declared().add_edge("b", "nobody"), "E1003"),
    ],
    ids=["no beginning", "no such node"],
)
def test_a_graph_that_cannot_run_does_not_compile_and_says_why(builder, code):
    with pytest.raises(GraphError) as caught:
        builder.compile()
    assert (code, True) == (caught.value.code, bool(caught.value.mend))


@pytest.mark.parametrize("saver", [LangGraphsSaver(), True, "sqlite:///runs.db"], ids=["LangGraph's", "True", "a name"])
def test_what_keeps_no_logs_is_no_checkpointer_and_the_error_says_what_to_do_instead(saver):
    with pytest.raises(GraphError) as caught:
        declared().compile(checkpointer=saver)
    assert ("E1012", True) == (caught.value.code, "create_app" in caught.value.mend)
    assert type(saver).__name__ in str(caught.value)


async def test_an_agent_of_a_library_and_what_adopt_made_of_one_are_nodes_as_graphs_are():
    builder = StateGraph(Told).add_node("first", Agent(TestModel(custom_output_text="one")))
    builder.add_node("second", adopt(Agent(TestModel(custom_output_text="two")), takes="output", gives="input"))
    graph = builder.add_edge(START, "first").add_edge("first", "second").compile()
    assert {"input": "two", "output": "one"} == await graph.ainvoke({"input": "hello"})


async def test_a_conversation_is_a_state_that_a_class_below_it_adds_keys_to():
    class Talk(MessagesState, total=False):
        mood: str

    builder = StateGraph(Talk).add_node("answer", lambda state: {"messages": [("ai", "hello")], "mood": "good"})
    state = await builder.add_edge(START, "answer").compile().ainvoke({"messages": ["hi"]})
    assert [("user", "hi"), ("ai", "hello")] == [(each["role"], each["content"]) for each in state["messages"]]
    assert "good" == state["mood"]


class Told(TypedDict, total=False):
    input: str
    output: str
