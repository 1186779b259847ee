"""What is wrong in a world is found: each thing that must hold, broken by hand, is a problem in words and numbers."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from msgspec.structs import replace

from riverrun.events.kinds import NodeChunk, RunCompleted
from riverrun.events.record import Record
from riverrun.runs.settings import RunSettings
from riverrun.testing.faults import NoFault
from riverrun.testing.sketches import Part, Sketch
from riverrun.testing.verdict import Tally, judge
from riverrun.testing.virtual import run_virtually
from riverrun.testing.world import Reader, make_world

SKETCH = Sketch((((Part("a", 3),),),))
SETTINGS = RunSettings(lease_seconds=6.0)


def judged(harm):
    """Let a run with a reader come to its end, do some harm, and judge."""

    async def body():
        async with make_world(Random(1), NoFault(), lambda: 0.01, SETTINGS) as world:
            plans = {"g": SKETCH.plan("g", world.note)}
            await world.add_worker(plans)
            key = await world.start("g")
            reader = Reader(world, "r", key, lambda: None)
            await asyncio.gather(reader.read(), world.ended(key))
            harm(world, world.store._runs[key], reader)
            return await judge(world, [reader], plans)

    return run_virtually(body())


def nothing(_world, _run, _reader):
    pass


def test_a_good_world_is_good():
    outcome = judged(nothing)
    assert [] == outcome.problems
    assert Tally(runs=1, acknowledged=6) == outcome.tally
    assert (["run.completed"], [SKETCH.state()]) == (outcome.endings, outcome.states)


def loses_an_acknowledged_event(_world, run, reader):
    del run.records[3]
    del reader.lines[3]


def has_two_ends(_world, run, _reader):
    last = run.records[-1].event
    run.records.append(Record(last.seq + 1, replace(last, seq=last.seq + 1)))
    run.head += 1


def changes_a_word(_world, run, _reader):
    place = next(number for number, one in enumerate(run.records) if isinstance(one.event, NodeChunk))
    event = run.records[place].event
    run.records[place] = Record(event.seq, replace(event, value="x0 "))


def ran_too_often(world, _run, _reader):
    world.calls.append(world.calls[0])


def reads_twice(_world, _run, reader):
    reader.lines.insert(3, reader.lines[2])


def reads_in_the_wrong_order(_world, _run, reader):
    reader.lines[2], reader.lines[3] = reader.lines[3], reader.lines[2]


def reads_too_little(_world, _run, reader):
    del reader.lines[-1]


def shows_something_else(_world, _run, reader):
    reader.view.voided = 7


def breaks_a_law(world, _run, _reader):
    place = next(number for number, one in enumerate(world.history.entries) if one.verb == "append" and one.head)
    world.history.entries[place] = replace(world.history.entries[place], head=99)


def saw_something(world, _run, _reader):
    world.broken.append("something was seen")


def does_not_replay(_world, run, _reader):
    last = run.records[-1].event
    run.records.insert(1, Record(2, RunCompleted(seq=2, ts=last.ts, run=last.run)))


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (loses_an_acknowledged_event, "1 events lost|2 events lost|3 events lost"),
        (has_two_ends, "has not one terminal event"),
        (changes_a_word, "something else than the log holds"),
        (ran_too_often, "a:1 ran 2 times under 1 owners"),
        (reads_twice, "1 events repeated"),
        (reads_in_the_wrong_order, "1 events reordered"),
        (reads_too_little, "1 events lost"),
        (shows_something_else, "shows something else"),
        (breaks_a_law, "L1 "),
        (saw_something, "something was seen"),
        (does_not_replay, "does not replay"),
    ],
)
def test_what_is_wrong_is_said(harm, problem):
    outcome = judged(harm)
    assert any(part in text for text in outcome.problems for part in problem.split("|")), outcome.problems


def test_tallies_add_up():
    total = Tally(faults=1, lost=2)
    total.add(Tally(faults=3, runs=4, acknowledged=5, repeated=6, reordered=7))
    assert Tally(faults=4, runs=4, acknowledged=5, lost=2, repeated=6, reordered=7) == total
