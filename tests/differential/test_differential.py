"""Programs in LangGraph's public interface, each run on LangGraph and on Riverrun, with what they tell compared.

Nothing is recorded: both engines run side by side. Every difference that is intended stands in `differences.py` with
what either side gives; any other is a failure. The programs are in the files that `FILES` names.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from tests.differential import (
    below,
    chains,
    commands,
    forks,
    handlers,
    loops,
    mistakes,
    nested,
    policies,
    questions,
    reduced,
    routes,
    schemas,
    sends,
    streams,
    threads,
)
from tests.differential.compare import Difference, complaints, outcome_of, programs
from tests.differential.differences import DIFFERENCES
from tests.differential.engines import NAMES, names_of

FILES = (
    chains,
    forks,
    routes,
    sends,
    commands,
    loops,
    reduced,
    schemas,
    policies,
    handlers,
    questions,
    threads,
    streams,
    nested,
    below,
    mistakes,
)
PROGRAMS = programs(FILES)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", PROGRAMS)
def test_both_engines_tell_the_same(name):
    program = PROGRAMS[name]
    found = complaints(outcome_of("langgraph", program), outcome_of("riverrun", program), DIFFERENCES.get(name))
    assert not found, "\n".join(found)


def test_there_are_enough_programs():
    assert len(PROGRAMS) >= 200


def test_langgraph_is_the_real_one():
    found = importlib.util.find_spec("langgraph.pregel")
    assert found is not None
    assert "site-packages" in str(found.origin)


@pytest.mark.parametrize("engine", ["langgraph", "riverrun"])
def test_an_engine_has_every_name(engine):
    lacking = [name for names in NAMES.values() for name in names if not hasattr(names_of(engine), name)]
    assert [] == lacking


def test_every_intended_difference_has_its_program():
    assert [] == [name for name in DIFFERENCES if name not in PROGRAMS]


def test_an_intended_difference_is_one():
    same = [
        name
        for name, one in DIFFERENCES.items()
        if not one.langgraph or set(one.langgraph) != set(one.riverrun) or one.langgraph == one.riverrun
    ]
    assert [] == same


# --- the comparison itself ---


def compared(there: dict[str, Any], here: dict[str, Any], intended: Difference | None = None) -> list[str]:
    return complaints(there, here, intended)


def test_equal_outcomes_are_no_complaint():
    assert [] == compared({"state": {"x": 1}, "error": None}, {"state": {"x": 1}, "error": None})


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ({"state": {"x": 1}}, {"state": {"x": 2}}),
        ({"state": {"x": 1}}, {}),
        ({}, {"state": {"x": 1}}),
        ({"error": "ValueError"}, {"error": None}),
        ({"updates": [["a", 1], ["a", 1]]}, {"updates": [["a", 1]]}),
    ],
    ids=["value", "lacking", "added", "error", "twice"],
)
def test_a_difference_is_a_complaint(there, here):
    assert 1 == len(compared(there, here))


def test_an_intended_difference_is_asserted_on_both_sides():
    intended = Difference("because", {"state": 1}, {"state": 2})
    assert [] == compared({"state": 1}, {"state": 2}, intended)
    assert ["state: LangGraph gives 3; the table of differences says 1"] == compared(
        {"state": 3}, {"state": 2}, intended
    )
    assert ["state: Riverrun gives 1; the table of differences says 2"] == compared(
        {"state": 1}, {"state": 1}, intended
    )


def test_what_is_not_named_in_an_intended_difference_is_still_compared():
    intended = Difference("because", {"state": 1}, {"state": 2})
    assert 1 == len(compared({"state": 1, "error": None}, {"state": 2, "error": "ValueError"}, intended))


def test_the_order_of_updates_is_not_compared_but_how_many_there_are():
    def one(lg):
        return {"updates": [["b", 1], ["a", 1]], "values": [2, 1]}

    assert {"updates": [["a", 1], ["b", 1]], "values": [2, 1]} == outcome_of("langgraph", one)


def test_a_program_that_tells_nothing_is_refused():
    def empty(lg):
        return {}

    with pytest.raises(AssertionError, match="tells nothing"):
        outcome_of("langgraph", empty)
