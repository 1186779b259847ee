"""Following edges: what begins, what it sees, what remains, and what the whole adds up to."""

from __future__ import annotations

import gc
import operator
from typing import Annotated, TypedDict

import pytest

from riverrun.base.errors import NodeError
from riverrun.graph.build import GraphBuilder
from riverrun.graph.course import Course
from riverrun.graph.merge import Moment
from riverrun.graph.node import END, START


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    x: int


def course(*edges):
    builder = GraphBuilder(State)
    for name in dict.fromkeys(name for edge in edges for name in edge if name not in (START, END)):
        builder.add_node(name, lambda state: None)
    for source, target in edges:
        builder.add_edge(source, target)
    plan = builder.plan("drawn")
    made = Course(plan)
    complete(made, made.open({}, {"x": 1}))
    return made


def complete(made, step, **wrote):
    if wrote:
        step.updates.append(wrote)
    made.complete(step, made.plan.schema.write(step.base, step.writes))


def begin(made):
    return [made.begin(live) for live in made.ready()]


def test_it_is_finished_when_nothing_runs_and_nothing_waits():
    made = course((START, "a"), ("a", END))
    assert not made.finished
    (step,) = begin(made)
    assert not made.finished
    complete(made, step, log=["a"])
    assert made.finished
    assert {"x": 1, "log": ["a"]} == made.final()


def test_executions_are_numbered_per_node():
    made = course((START, "a"), ("a", "a"), (START, "b"))
    ids = []
    for _ in range(3):
        for step in begin(made):
            ids.append(step.exec_id)
            complete(made, step)
    assert ["a:1", "b:1", "a:2", "a:3"] == ids


def test_what_was_done_is_settled_while_the_next_is_about_to_begin():
    made = course((START, "a"), ("a", "a"))
    for _ in range(2):
        (step,) = begin(made)
        complete(made, step, log=["a"])
    assert {"x": 1, "log": ["a", "a"]} == made.settled()
    assert 1 == len(made.ready())
    assert {"x": 1, "log": ["a", "a"]} == made.settled()


def test_before_a_step_ends_what_led_to_it_is_settled():
    made = course((START, "a"), ("a", "b"))
    (step,) = begin(made)
    complete(made, step, log=["a"])
    (step,) = begin(made)
    step.updates.append({"log": ["unfinished"]})
    assert {"x": 1, "log": ["a"]} == made.settled()


def test_before_anything_began_the_input_is_settled():
    builder = GraphBuilder(State).add_node("a", lambda state: None).add_edge(START, "a")
    made = Course(builder.plan("g"))
    assert {} == made.settled()
    made.open({}, {"x": 1})
    assert {"x": 1} == made.settled()


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_of_branches_in_conflict_only_what_they_had_in_common_is_settled(order):
    made = course((START, "a"), (START, "b"))
    steps = {step.name: step for step in begin(made)}
    for name in order:
        complete(made, steps[name], x=2, log=[name])
    assert {"x": 1} == made.settled()
    with pytest.raises(NodeError):
        made.final()


def test_a_long_loop_keeps_one_moment_and_not_one_per_turn():
    made = course((START, "turns"), ("turns", "turns"))  # a name that no other test leaves behind
    for _ in range(1000):
        (step,) = begin(made)
        complete(made, step)
    del step
    gc.collect()
    # The one before the next turn, and what it begins with.
    assert 3 > sum(isinstance(each, Moment) and each.exec_id.startswith("turns:") for each in gc.get_objects())
