"""What a plan makes of its routers' answers, and what counts as leading anywhere."""

from __future__ import annotations

from typing import TypedDict

import pytest

from riverrun.base.errors import NodeError
from riverrun.graph.build import GraphBuilder
from riverrun.graph.node import END, START, Command
from riverrun.graph.plan import Router

KNOWN = {"a": 1, "b": 2}


class State(TypedDict):
    x: int


def router(path_map=None):
    return Router(source="a", function=lambda state: None, targets=None, path_map=path_map, where="there.py:7")


@pytest.mark.parametrize(
    ("answer", "targets"),
    [
        (None, ()),
        ([], ()),
        ("a", ("a",)),
        (END, (END,)),
        (["b", "a"], ("b", "a")),
        (("b", END), ("b", END)),
    ],
)
def test_answers_are_names(answer, targets):
    assert targets == router().resolve(answer, KNOWN)


@pytest.mark.parametrize(("answer", "targets"), [(True, ("a",)), (False, (END,)), ([True, False], ("a", END))])
def test_a_path_map_says_what_answers_mean(answer, targets):
    assert targets == router({True: "a", False: END}).resolve(answer, KNOWN)


@pytest.mark.parametrize("answer", ["gone", 5, {"a": 1}, ["a", "gone"], [["a"]], START, {"a"}])
@pytest.mark.parametrize("path_map", [None, {"yes": "a"}])
def test_an_answer_that_leads_nowhere_is_named_with_the_place_of_the_router(answer, path_map):
    with pytest.raises(NodeError) as caught:
        router(path_map).resolve(answer, KNOWN)
    assert ("E3006", "there.py:7") == (caught.value.code, caught.value.where)
    assert "'a'" in caught.value.message


def plan():
    def free(state) -> Command:  # type: ignore[type-arg]
        return Command()

    builder = GraphBuilder(State).add_node(free).add_node("a", lambda state: None).add_node("b", lambda state: None)
    builder.add_edge(START, "free").add_edge(START, "a").add_conditional_edges("a", lambda state: "b")
    return builder.plan("g")


def test_open_routers_and_free_commands_lead_anywhere():
    assert ["a", "free"] == plan().undeclared()
    numbers = plan().number
    for source in ("a", "free"):
        assert {"free", "a", "b", END} == {plan().names[each] for each in plan().nest.reach(numbers[source])}


def test_what_a_command_names_must_be_there():
    assert ("a", END) == plan().check_goto("free", ("a", END))
    for target in ("gone", START):
        with pytest.raises(NodeError) as caught:
            plan().check_goto("free", (target,))
        assert "E3006" == caught.value.code
        assert repr(target) in caught.value.message
        assert __file__ in caught.value.where
