"""A node keeps its colour, and every state has a mark."""

from __future__ import annotations

from riverrun.cli.palette import CONNECTIONS, STATES, colour_of
from riverrun.client.session import State


def test_a_node_has_the_same_colour_every_time():
    assert colour_of("summary") == colour_of("summary")


def test_neighbours_differ_where_the_graph_is_known():
    known = ("read", "summary", "terms", "outline")
    assert 4 == len({colour_of(node, known) for node in known})


def test_every_state_of_a_connection_has_a_colour():
    assert {state.value for state in State} == set(CONNECTIONS)


def test_marks_are_different():
    assert len(STATES) == len({mark for mark, _ in STATES.values()})
