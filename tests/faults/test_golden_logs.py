"""Logs that were written once replay in every later version, to the same state, event for event.

One per scenario, in `golden_logs/`: a header (the state that it comes to), then the events as a store keeps them. A new
scenario gets its log with RIVERRUN_WRITE_GOLDEN=1; one that is there is never written anew, because the version that
wrote it is out in the world. Where a log cannot be had again, its scenario was changed: write a new one instead.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from riverrun.base.errors import NodeError
from riverrun.events.codec import decode, encode
from riverrun.events.kinds import RunStarted
from riverrun.graph.replay import replay
from riverrun.log.view import View
from riverrun.testing.faults import NoFault
from tests.faults.scenarios import SCENARIOS
from tests.graph.play import check_log

FOLDER = Path(__file__).with_name("golden_logs")
HERE = f"{Path(__file__).parents[2]}/".encode()
CUT_OFF = ("run.stopped", "run.timed_out")  # what a part of these logs folds to depends on its end


def write(name):
    """Play a scenario and keep the log of its first run."""
    outcome, world = SCENARIOS[name].play(NoFault())
    assert [] == outcome.problems
    header = {"golden": 1, "scenario": name, "ending": outcome.endings[0], "state": outcome.states[0]}
    records = world.store._runs[world.keys[0]].records
    lines = [record.data.replace(HERE, b"") for record in records]  # where a node failed is a place in a checkout
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.jsonl").write_bytes(b"\n".join([msgspec.json.encode(header), *lines, b""]))


def load(name):
    """The header and the lines of a golden log."""
    header, *lines = (FOLDER / f"{name}.jsonl").read_bytes().splitlines()
    return msgspec.json.decode(header), lines


@pytest.fixture(params=sorted(path.stem for path in FOLDER.glob("*.jsonl")))
def golden(request):
    """The name, the header, the lines and the events of each golden log."""
    header, lines = load(request.param)
    return request.param, header, lines, [decode(line) for line in lines]


def plan_of(name):
    """The graph that wrote it."""
    return SCENARIOS[name].plan(lambda _: None)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_has_a_golden_log(name):
    if os.environ.get("RIVERRUN_WRITE_GOLDEN") == "1" and not (FOLDER / f"{name}.jsonl").exists():
        write(name)
    assert (FOLDER / f"{name}.jsonl").exists(), "write it: RIVERRUN_WRITE_GOLDEN=1 make test"
    assert name == load(name)[0]["scenario"]


def test_a_golden_log_replays_to_the_same_state(golden):
    name, header, _, log = golden
    machine = replay(plan_of(name), log[0].run, log)
    assert (header["ending"], header["state"]) == (log[-1].type, machine.values())
    assert ([], []) == (machine.events, machine.commands)


def test_every_part_of_a_golden_log_replays(golden):
    """So does a worker that takes over a run of an older version, wherever it stands."""
    name, header, _, log = golden
    if header["ending"] not in CUT_OFF:
        for upto in range(1, len(log)):
            machine = replay(plan_of(name), log[0].run, log[:upto])
            following = machine.events[0] if machine.events else None
            assert following is None or following.seq == upto + 1


def test_a_golden_log_is_read_and_written_without_a_change(golden):
    _, _, lines, log = golden
    assert lines == [encode(event) for event in log]


def test_a_golden_log_is_a_log_and_a_reader_can_show_it(golden):
    _, header, _, log = golden
    view = View()
    for event in log:
        view.apply(event)
    assert (len(log), header["ending"]) == (view.place, f"run.{view.ending.value if view.ending else None}")
    check_log(log)


def test_another_graph_does_not_replay_it():
    _, lines = load("a_chain")
    log = [decode(line) for line in lines]
    assert isinstance(log[0], RunStarted)
    with pytest.raises(NodeError, match="E3009"):
        replay(plan_of("a_loop"), log[0].run, log)
