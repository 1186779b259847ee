"""The print of a graph: the same for the same graph in every process, another one where runs would stand elsewhere."""

from __future__ import annotations

import operator
import subprocess
import sys
from typing import Annotated, TypedDict

import pytest

from riverrun.graph.build import GraphBuilder
from riverrun.graph.machine import Machine
from riverrun.graph.node import START
from riverrun.graph.policies import collect
from riverrun.graph.prints import OWN, holds, print_of
from tests.graph.play import RUN, run_started
from tests.graph.sketch import Manner, Sketch

CHAIN = Sketch((2, 1), ((-1, 0), (0, 1)))
INNER = {0: Manner(inside=Sketch((1,), ((-1, 0),)))}


def adding(reducer):
    """A graph whose one key has a reducer."""
    one = TypedDict("one", {"value": Annotated[int, reducer]})  # noqa: UP013  # the reducer is an argument
    return GraphBuilder(one).add_node("a", lambda _: None).add_edge(START, "a").plan("g")


def test_one_graph_built_twice_has_one_print():
    assert print_of(CHAIN.plan()) == print_of(CHAIN.plan())


@pytest.mark.parametrize(
    "sketch",
    [
        Sketch((2, 1, 0), ((-1, 0), (0, 1), (1, 2))),
        Sketch((2, 1), ((-1, 0), (0, 1), (-1, 1))),
        Sketch((2, 1), ((-1, 0), (0, 1)), before=("b",)),
        Sketch((2, 1), ((-1, 0), (0, 1)), after=("a",)),
        Sketch((2, 1), ((-1, 0), (0, 1)), routers={1: ((0, 2), 1)}),
        Sketch((2, 1), ((-1, 0), (0, 1)), manners={0: Manner(mends="retry")}),
        Sketch((2, 1), ((-1, 0), (0, 1)), manners={1: Manner(join=collect())}),
        Sketch((2, 1), ((-1, 0), (0, 1)), manners=INNER),
    ],
)
def test_another_graph_has_another_print(sketch):
    assert print_of(CHAIN.plan()) != print_of(sketch.plan())


def test_a_change_in_a_sub_graph_changes_the_print():
    other = {0: Manner(inside=Sketch((1, 1), ((-1, 0), (0, 1))))}
    one, two = (Sketch((2, 1), ((-1, 0), (0, 1)), manners=manners) for manners in (INNER, other))
    assert print_of(one.plan()) != print_of(two.plan())


def test_another_reducer_changes_the_print_also_under_the_same_name():
    def one(old, new):
        return old + new

    def other(old, new):
        return old - new

    other.__qualname__ = one.__qualname__
    assert print_of(adding(one)) == print_of(adding(one))
    assert print_of(adding(one)) != print_of(adding(other))
    assert print_of(adding(operator.add)) != print_of(adding(max))


def test_what_a_node_does_is_no_part_of_it_because_the_log_has_that():
    def graph(function):
        return GraphBuilder(dict).add_node("a", function).add_edge(START, "a").plan("g")

    assert print_of(graph(lambda _: None)) == print_of(graph(lambda _: {"a": 1}))


def test_the_print_is_the_same_in_another_process():
    code = (
        "from riverrun.graph.prints import print_of; from tests.graph.sketch import Sketch;"
        "print(print_of(Sketch((2, 1), ((-1, 0), (0, 1))).plan()).hex())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert print_of(CHAIN.plan()).hex() == done.stdout.strip()


def test_graphs_are_summed_up_again_when_many_came_by():
    first = CHAIN.plan()
    known = print_of(first)
    for _ in range(300):
        print_of(CHAIN.plan())
    assert known == print_of(first)


def test_of_a_machine_is_held_where_it_stands_and_not_what_it_has_to_say():
    machine = Machine(CHAIN.plan(), RUN)
    machine.started(run_started())
    assert {"plan", "run", "events", "commands"}.isdisjoint(holds(machine))
    assert 2 == holds(machine)["seq"]
    step = machine.steps["a:1"]
    assert "a:1" == holds(step)["exec_id"]
    assert type(step) in OWN
