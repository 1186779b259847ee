"""Pictures of plans, held against what they should be, line by line."""

from __future__ import annotations

from typing import TypedDict

from riverrun.graph.build import GraphBuilder
from riverrun.graph.draw import draw_mermaid
from riverrun.graph.node import END, START, Command


class State(TypedDict):
    x: int


def nothing(state):
    return {}


def free(state) -> Command:  # type: ignore[type-arg]
    return Command()


def test_edges_are_solid_or_dotted_and_say_which_answer_leads_along_them():
    builder = GraphBuilder(State)
    for name in ("plan", "work", "check"):
        builder.add_node(name, nothing)
    builder.add_edge(START, "plan").add_edge("plan", "work").add_edge("work", "check")
    builder.add_conditional_edges("check", lambda state: None, {True: END, "again": "plan", "work": "work"})
    expected = """flowchart TD
    n0([START])
    n1["plan"]
    n2["work"]
    n3["check"]
    n4([END])
    n0 --> n1
    n1 --> n2
    n2 --> n3
    n3 -. "True" .-> n4
    n3 -. "again" .-> n1
    n3 -.-> n2
"""
    assert expected == draw_mermaid(builder.plan("g"))


def test_what_may_lead_anywhere_is_seen():
    builder = GraphBuilder(State).add_node(free).add_node("a", nothing).add_edge(START, "free").add_edge("free", "a")
    builder.add_conditional_edges("a", lambda state: "free").add_conditional_edges("a", lambda state: "a")
    expected = """flowchart TD
    n0([START])
    n1["free"]
    n2["a"]
    any{{"any node"}}
    n0 --> n1
    n1 --> n2
    n2 -. undeclared .-> any
    n1 -. undeclared .-> any
"""
    assert expected == draw_mermaid(builder.plan("g"))


def test_no_name_and_no_answer_is_taken_for_syntax():
    name = 'a"] --> b; #quot; <b>`x|y\\'
    builder = GraphBuilder(State).add_node(name, nothing)
    builder.add_conditional_edges(START, lambda state: 1, {"one\ntwo": name})
    lines = draw_mermaid(builder.plan("g")).splitlines()
    assert '    n1["a#34;] --#62; b#59; #35;quot#59; #60;b#62;#96;x#124;y#92;"]' == lines[2]
    assert '    n0 -. "one#92;ntwo" .-> n1' == lines[3]
    assert 4 == len(lines)
