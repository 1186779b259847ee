"""Rounds and what can still result in what, held against definitions that are slow and obvious."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.graph.loops import LoopNest
from tests.graph import reference


@st.composite
def graphs(draw: st.DrawFn, most: int = 7, first: int = 0):
    """Any graph, also one with unreachable parts and with cycles that have two ways in; edges lead from `first` on."""
    count = draw(st.integers(1 + first, most))
    targets = st.lists(st.integers(first, count - 1), max_size=3, unique=True)
    return [draw(targets) for _ in range(count)]


@st.composite
def nested(draw: st.DrawFn):
    """A path with edges back from later to earlier nodes and a few short cuts: loops in loops."""
    count = draw(st.integers(3, 8))
    edges = {(node, node + 1) for node in range(count - 1)}
    for _ in range(draw(st.integers(1, 4))):
        tail = draw(st.integers(1, count - 1))
        edges.add((tail, draw(st.integers(1, tail))))
    for _ in range(draw(st.integers(0, 2))):
        source = draw(st.integers(0, count - 2))
        edges.add((source, draw(st.integers(source + 1, count - 1))))
    return [[target for source, target in sorted(edges) if source == node] for node in range(count)]


GRAPHS = st.one_of(graphs(), nested())


@given(GRAPHS)
def test_the_loops_around_a_node_are_those_of_the_definition(graph):
    assert reference.around(graph) == LoopNest(graph).around


@given(GRAPHS)
def test_sources_and_reach_are_reachability(graph):
    nest = LoopNest(graph)
    for node in range(len(graph)):
        assert reference.reachable(graph, node) == set(nest.reach(node))
        mask = nest.sources(node)
        assert {n for n in range(len(graph)) if node in reference.reachable(graph, n)} == {
            n for n in range(len(graph)) if mask >> n & 1
        }


@given(GRAPHS, st.data())
def test_an_edge_leads_to_the_round_of_the_definition(graph, data):
    nest = LoopNest(graph)
    for source, targets in enumerate(graph):
        when = tuple(data.draw(st.integers(0, 3)) for _ in nest.around[source])
        for target in targets:
            assert reference.step(nest.around, source, when, target) == nest.step(source, when, target)


@given(GRAPHS, st.data())
def test_an_execution_holds_back_exactly_what_it_can_still_result_in(graph, data):
    nest = LoopNest(graph)
    around = reference.around(graph)
    for source in sorted(reference.reachable(graph, 0) | {0}):  # nothing else ever runs
        when = tuple(data.draw(st.integers(0, 2)) for _ in around[source])
        for target in range(len(graph)):
            latest = tuple(data.draw(st.integers(0, 2)) for _ in around[target])
            expected = reference.could_result_in(graph, around, source, when, target, latest)
            assert expected == nest.holds_back(source, when, target, latest)


# 0 is START in all of these.
DIAMOND = [[1], [2, 3], [4], [4], []]
LOOP = [[1], [2], [1, 3], []]
NESTED = [[1], [2], [3], [2, 1, 4], []]
TWO_WAYS_BACK = [[1], [2, 3], [1], [1, 4], []]
ITSELF = [[1], [1, 2], []]
TWO_WAYS_IN = [[1, 2], [2], [1, 3], []]


@pytest.mark.parametrize(
    ("graph", "around"),
    [
        (DIAMOND, [(), (), (), (), ()]),
        (LOOP, [(), (1,), (1,), ()]),
        (NESTED, [(), (1,), (1, 2), (1, 2), ()]),
        (TWO_WAYS_BACK, [(), (1,), (1,), (1,), ()]),
        (ITSELF, [(), (1,), ()]),
        (TWO_WAYS_IN, [(), (), (), ()]),
    ],
    ids=["diamond", "loop", "nested", "two edges back", "itself", "two ways in"],
)
def test_loops_that_can_be_seen_are_found(graph, around):
    assert around == LoopNest(graph).around


def test_going_back_begins_the_next_round_of_that_loop_and_inner_loops_begin_anew():
    nest = LoopNest(NESTED)
    assert (4,) == nest.step(3, (3, 7), 1)
    assert (3, 8) == nest.step(3, (3, 7), 2)
    assert (3, 7) == nest.step(2, (3, 7), 3)
    assert (4, 0) == nest.step(1, (4,), 2)
    assert () == nest.step(3, (3, 7), 4)


def test_both_edges_back_to_one_header_begin_the_same_round():
    nest = LoopNest(TWO_WAYS_BACK)
    assert (1,) == nest.step(2, (0,), 1) == nest.step(3, (0,), 1)


def test_an_earlier_round_holds_a_later_one_back_and_not_the_other_way():
    nest = LoopNest(LOOP)
    assert nest.holds_back(2, (0,), 1, (1,))
    assert not nest.holds_back(2, (1,), 1, (1,))
    assert nest.holds_back(1, (5,), 3, ())


def test_an_edge_that_was_not_declared_has_a_round_all_the_same():
    nest = LoopNest(NESTED)
    assert (0, 0) == nest.step(0, (), 3)
    assert (2,) == nest.step(2, (1, 5), 1)


def test_ten_thousand_nodes_in_a_row_are_laid_out_at_once():
    count = 10_000
    nest = LoopNest([*([node + 1] for node in range(count - 1)), [1]])
    assert (1,) == nest.around[count - 1]
    assert nest.holds_back(1, (0,), count - 1, (0,))
