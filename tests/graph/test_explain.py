"""What a node waits for, in words; held against texts, and against the schedule itself."""

from __future__ import annotations

from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import GraphError
from riverrun.graph.build import GraphBuilder
from riverrun.graph.explain import explain
from riverrun.graph.node import START, Command
from tests.graph.sketch import acyclic, looped


class State(TypedDict):
    x: int


def nothing(state):
    return {}


def anywhere(state):
    return "d"


HERE = f"{__file__}:{nothing.__code__.co_firstlineno}"
ROUTER = f"{__file__}:{anywhere.__code__.co_firstlineno}"


def builder(*names, **edges) -> GraphBuilder:
    made = GraphBuilder(State)
    for name in names:
        made.add_node(name, nothing)
    return made


def told(made: GraphBuilder, node: str) -> list[str]:
    return explain(made.plan("g"), node).splitlines()


def test_a_join_waits_for_whatever_can_still_reach_it():
    made = builder("fast", "slow", "slower", "join", "apart")
    made.add_edge(START, "fast").add_edge(START, "slow").add_edge("slow", "slower")
    made.add_edge("fast", "join").add_edge("slower", "join").add_edge("fast", "apart")
    assert [
        f"'join' ({HERE})",
        "  is triggered by the end of 'fast' and 'slower'.",
        "  once triggered, waits while one of these runs or waits, for each can still reach it in this round:",
        "    'fast': 'fast' → 'join'",
        "    'slow': 'slow' → 'slower' → 'join'",
        "    'slower': 'slower' → 'join'",
        "  lies in no loop that has rounds.",
    ] == told(made, "join")
    assert [
        f"'slow' ({HERE})",
        "  is triggered by the end of START.",
        "  waits for nothing: once triggered it runs, for no other node can reach it in the same round.",
        "  lies in no loop that has rounds.",
    ] == told(made, "slow")


def test_a_supervisor_waits_for_the_workers_of_the_round_before():
    made = builder("boss", "one", "two", "done")
    made.add_edge(START, "boss").add_edge("one", "two").add_edge("two", "boss")
    made.add_conditional_edges("boss", nothing, ["one", "done"])
    assert [
        f"'boss' ({HERE})",
        "  is triggered by the end of START and 'two'.",
        "  waits for these only while they are in an earlier round than its own, for they reach it in their next:",
        "    'one': 'one' → 'two' → 'boss', a new round of 'boss'",
        "    'two': 'two' → 'boss', a new round of 'boss'",
        "  lies in the loop of 'boss': an edge back there begins its next round.",
    ] == told(made, "boss")
    assert "  is triggered by 'boss' when it is chosen there." in told(made, "one")


def test_nested_loops_are_named_from_the_outside():
    made = builder("outer", "inner", "deep", "back").add_edge(START, "outer").add_edge("outer", "inner")
    made.add_edge("inner", "deep").add_edge("deep", "inner").add_edge("inner", "back").add_edge("back", "outer")
    assert (
        "  lies in the loops, outermost first, of 'outer' and 'inner': an edge back there begins its next round."
        == told(made, "deep")[-1]
    )


def test_undeclared_targets_are_blamed_for_what_they_alone_hold_back():
    made = builder("a", "b", "c", "d").add_edge(START, "a").add_edge(START, "b").add_edge("a", "c").add_edge("b", "c")
    made.add_conditional_edges("b", anywhere)
    assert [
        f"'d' ({HERE})",
        "  may be chosen by 'b', whose targets are not declared.",
        "  once triggered, waits while one of these runs or waits, for each can still reach it in this round:",
        "    'b': 'b' → 'd'",
        "  lies in no loop that has rounds.",
        f"  waits for 'b' only because 'b' ({ROUTER}) counts as leading anywhere.",
        "    Declare the targets: a path map, a return annotation Literal[...], or Command[Literal[...]].",
    ] == told(made, "d")
    assert "only because" not in explain(made.plan("g"), "c")


def test_a_command_that_may_go_anywhere_is_blamed_at_its_node():
    def free(state) -> Command:  # type: ignore[type-arg]
        return Command()

    made = builder("a").add_node(free).add_edge(START, "a").add_edge(START, "free")
    made.add_conditional_edges(START, anywhere)
    place = f"{__file__}:{free.__code__.co_firstlineno}"
    assert (
        f"  waits for 'free' only because START ({ROUTER}) and 'free' ({place}) count as leading anywhere."
        == told(made, "a")[-2]
    )


def test_nodes_that_only_wait_for_one_another_are_said_to_run_together():
    made = builder("a", "b").add_edge(START, "a").add_edge(START, "b").add_edge("a", "b").add_edge("b", "a")
    text = (
        "  it and 'a' can reach each other within one round: where they only wait for one another, they run together."
    )
    assert text in told(made, "b")


@given(st.one_of(acyclic(5), looped(5), looped(4, declared=False)))
def test_every_node_of_every_graph_is_explained_as_the_schedule_sees_it(sketch):
    plan = sketch.plan()
    for node in plan.nodes:
        lines = explain(plan, node).splitlines()
        named = {line.split("'")[1] for line in lines if line.startswith("    '")}
        reaching = {name for name in plan.nodes if plan.number[node] in plan.nest.reach(plan.number[name])}
        assert reaching - {node} == named, "who can reach it is named, and nobody else"
        for line in lines:
            if line.startswith("    '"):
                path = line.partition(": ")[2].partition(",")[0].replace("'", "").split(" → ")
                assert (line.split("'")[1], node) == (path[0], path[-1])


@pytest.mark.parametrize("name", ["gone", START, ""])
def test_a_node_that_is_not_there_is_refused_with_those_that_are(name):
    with pytest.raises(GraphError) as caught:
        explain(builder("a").add_edge(START, "a").plan("g"), name)
    assert "E1003" == caught.value.code
    assert "the nodes are: a" in caught.value.message
