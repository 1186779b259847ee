"""The n-th call of the store fails, for every n, before and after its effect: no reader can tell that it did."""

from __future__ import annotations

import logging
from itertools import count

import pytest

from riverrun.events.kinds import KINDS
from riverrun.testing.faults import Fault, NoFault, NthFault
from tests.faults.scenarios import SCENARIOS

# Kinds of events that no scenario has, each with the reason.
NOT_COVERED: dict[str, str] = {
    "run.lost": "only a worker that does not serve the graph any more writes it, and claims are by graph",
}


@pytest.fixture(autouse=True)
def quiet():
    """Warnings of the store that was made to fail are no news here."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_comes_to_its_end_without_faults(name, tally):
    outcome, _ = SCENARIOS[name].play(NoFault())
    tally.add(outcome.tally)
    assert [] == outcome.problems


async def _types(world):
    return {event.type for key in world.keys for event in await world.log(key)}


def test_the_scenarios_cover_every_kind_of_event():
    seen = set()
    for scenario in SCENARIOS.values():
        _, world = scenario.play(NoFault())
        for key in world.keys:
            seen |= {record.event.type for record in world.store._runs[key].records}
    every = {str(kind.__struct_config__.tag) for kind in KINDS}
    assert every - NOT_COVERED.keys() == seen


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["before", "after", "hang", "twice"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_survives_any_one_fault(name, kind, tally):
    hit = set()
    for n in count(1):
        plan = NthFault(n, Fault(kind, seconds=9.0))
        outcome, _ = SCENARIOS[name].play(plan)
        tally.add(outcome.tally)
        assert [] == outcome.problems, f"{kind}, call {n} ({plan.hit}) of {name}"
        if plan.hit is None:
            break
        hit.add(plan.hit)
    assert {"create", "append", "read"} <= hit
