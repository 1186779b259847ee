"""A sketch is a graph of which it is known what its runs come to; the engine in process agrees."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.events.kinds import Custom, NodeChunk
from riverrun.face.compiled import CompiledGraph
from riverrun.testing.sketches import ANSWER, Part, Sketch, draw
from riverrun.testing.virtual import run_virtually


async def answered(run, answer):
    """Answer whatever a run asks, until it has ended."""
    await run.settled()
    while run.questions:
        await run.resume({each.id: answer for each in run.questions})
        await run.settled()


def came_to(sketch):
    """Run a sketch in process, and answer what it asks; give its log and state."""

    async def body():
        run = await CompiledGraph(sketch.plan("g")).start({})
        await answered(run, ANSWER)
        return [event async for event in run.events()], (None if sketch.fails else await run.result())

    return run_virtually(body())


@given(seed=st.integers(0, 2**32))
def test_a_run_comes_to_what_was_known(seed):
    sketch = draw(Random(seed))
    log, state = came_to(sketch)
    assert ("run.failed" if sketch.fails else "run.completed") == log[-1].type
    assert state is None or sketch.state() == state


@given(seed=st.integers(0, 2**32))
def test_the_same_chance_draws_the_same(seed):
    assert draw(Random(seed)) == draw(Random(seed))


def test_every_kind_of_segment_is_drawn():
    drawn = [draw(Random(seed)) for seed in range(60)]
    parts = [part for sketch in drawn for part in sketch.parts()]
    outer = [part for sketch in drawn for segment in sketch.segments for branch in segment for part in branch]
    assert any(part.inside is not None and part.inside.asks for part in outer)
    assert {True, False} == {part.asks for part in parts} == {sketch.asks for sketch in drawn}
    assert any(len(segment) == 3 for sketch in drawn for segment in sketch.segments)
    assert any(len(branch) == 2 for sketch in drawn for segment in sketch.segments for branch in segment)
    assert {1, 2, 3, 4} == {part.rounds for part in parts}
    assert {True, False} == {part.fails for part in parts} == {part.emits for part in parts}


def test_nodes_say_their_words_and_call_whoever_wants_to_hear_of_them():
    heard = []
    sketch = Sketch((((Part("a", 2, rounds=2, emits=True),),),))

    async def body():
        run = await CompiledGraph(sketch.plan("g", lambda ctx: heard.append(ctx.exec))).start({})
        return [event async for event in run.events()]

    log = run_virtually(body())
    assert ["a:1", "a:2"] == heard
    assert ["a0 ", "a1 "] * 2 == [event.value for event in log if isinstance(event, NodeChunk)]
    assert [("note", "a")] * 2 == [(event.name, event.value) for event in log if isinstance(event, Custom)]
    assert {"log": ["a", "a"], "said": "a0 a1 a0 a1 "} == sketch.state()


@pytest.mark.parametrize("pause", [0.0, 2.0])
def test_a_node_that_is_drawn_to_fail_fails_after_its_words(pause):
    log, _ = came_to(Sketch((((Part("a", 1, pause, fails=True),),),)))
    assert ["run.started", "node.started", "node.chunk", "node.failed", "run.failed"] == [event.type for event in log]


def test_a_node_that_asks_goes_on_only_with_the_answer():
    async def body(answer):
        run = await CompiledGraph(Sketch((((Part("a", 1, asks=True),),),)).plan("g")).start({})
        await answered(run, answer)
        return [event async for event in run.events()][-1].type

    assert ("run.completed", "run.failed") == (run_virtually(body(ANSWER)), run_virtually(body("no")))


def test_a_graph_inside_runs_in_the_place_of_its_node():
    inside = Sketch((((Part("b", 1),),), ((Part("c", 2),), (Part("d"),))))
    sketch = Sketch((((Part("a", 1),),), ((Part("in", inside=inside),),), ((Part("e", 1, asks=True),),)))
    _, state = came_to(sketch)
    assert {"log": ["a", "b", "c", "d", "e"], "said": "a0 b0 c0 c1 e0 "} == sketch.state() == state
