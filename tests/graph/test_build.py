"""Every mistake in the edges of a graph is refused before the first run, with its code, the names and the place."""

from __future__ import annotations

import operator
from typing import Annotated, Any, Literal, TypedDict

import pytest

from riverrun.base.errors import GraphError
from riverrun.graph.build import GraphBuilder
from riverrun.graph.node import END, START, Command


class State(TypedDict, total=False):
    x: int
    log: Annotated[list[str], operator.add]


def one(state):
    return {}


def two(state):
    return {}


def here(function) -> str:
    return f"{__file__}:{function.__code__.co_firstlineno}"


def builder(*names) -> GraphBuilder:
    made = GraphBuilder(State)
    for name in names:
        made.add_node(name, one)
    return made


def refused(code, call, *names, where=None):
    """Hold what was refused against what it must say."""
    with pytest.raises(GraphError) as caught:
        call()
    assert code == caught.value.code
    for name in names:
        assert repr(name) in caught.value.message
    if where is not None:
        assert where == caught.value.where
    assert caught.value.mend
    return caught.value


def test_an_edge_to_nowhere_names_both_ends_and_a_place():
    refused("E1003", lambda: builder("a").add_edge(START, "a").add_edge("a", "b").plan("g"), "a", "b", where=here(one))
    refused("E1003", lambda: builder("a").add_edge(START, "a").add_edge("b", "a").plan("g"), "b", where=here(one))


def test_a_path_map_to_nowhere_is_refused():
    made = builder("a").add_edge(START, "a").add_conditional_edges("a", two, {"yes": "gone"})
    refused("E1003", lambda: made.plan("g"), "a", "gone")


def test_a_conditional_edge_from_nowhere_is_refused():
    made = builder("a").add_edge(START, "a").add_conditional_edges("gone", two)
    refused("E1003", lambda: made.plan("g"), "gone", where=here(two))


def test_a_command_to_nowhere_is_refused():
    def node(state) -> Command[Literal["gone"]]:
        return Command(goto="gone")

    made = GraphBuilder(State).add_node(node).add_edge(START, "node")
    refused("E1003", lambda: made.plan("g"), "node", "gone", where=here(node))


def test_a_graph_without_a_way_in_is_refused():
    refused("E1004", lambda: builder("a").add_edge("a", END).plan("g"), "g")
    refused("E1004", lambda: builder().plan("g"), "g")


def test_a_node_that_cannot_be_reached_is_named():
    made = builder("a").add_node("b", two).add_edge(START, "a").add_edge("b", "a")
    refused("E1005", lambda: made.plan("g"), "b", where=here(two))


def test_a_node_that_an_open_router_may_reach_is_not_unreachable():
    builder("a", "b").add_edge(START, "a").add_conditional_edges("a", two).plan("g")


def test_a_router_is_a_function():
    no_function: Any = "b"
    refused("E1006", lambda: builder("a").add_conditional_edges("a", no_function), "a")


def test_an_edge_is_declared_once():
    refused("E1009", lambda: builder("a").add_edge(START, "a").add_edge(START, "a"), START, "a", where=here(one))
    refused("E1009", lambda: builder("a").add_edge(["a", "a"], END), "a", END)


def test_start_has_no_way_in_and_end_no_way_out():
    refused("E1010", lambda: builder("a").add_edge("a", START), "a", START)
    refused("E1010", lambda: builder("a").add_edge(END, "a"), END, "a")
    refused("E1010", lambda: builder("a").add_conditional_edges(END, two))


# --- what is taken ---


def test_several_sources_are_one_edge_each():
    plan = builder("a", "b", "c").add_edge(START, "a").add_edge(START, "b").add_edge(["a", "b"], "c").plan("g")
    assert [(START, "a"), (START, "b"), ("a", "c"), ("b", "c")] == [(edge.source, edge.target) for edge in plan.edges]


def test_a_sequence_is_nodes_that_follow_one_another():
    plan = (
        GraphBuilder(State).add_sequence([one, ("zwei", two)]).set_entry_point("one").set_finish_point("zwei").plan("g")
    )
    assert {"one": ("zwei",), START: ("one",), "zwei": (END,)} == plan.targets


def test_a_literal_annotation_declares_where_a_router_leads():
    def router(state) -> Literal["b", "__end__"]:
        return "b"

    plan = builder("a", "b").add_edge(START, "a").add_conditional_edges("a", router).plan("g")
    assert ("b", END) == plan.routers["a"][0].targets
    assert [] == plan.undeclared()


def test_a_plan_does_not_change_when_its_builder_goes_on():
    made = builder("a").add_edge(START, "a")
    plan = made.plan("g")
    made.add_node("b", two).add_edge("a", "b")
    assert ["a"] == list(plan.nodes)
    assert {START: ("a",)} == plan.targets


def test_a_graph_of_many_nodes_is_built_at_once():
    count = 3000
    made = GraphBuilder(State).add_sequence([(f"n{number}", one) for number in range(count)]).add_edge(START, "n0")
    assert count == len(made.plan("g").nodes)
