"""A sketch is a graph of which it is known what its runs come to; the engine in process agrees."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.events.kinds import Custom, NodeChunk
from riverrun.face.compiled import CompiledGraph
from riverrun.testing.sketches import Part, Sketch, draw
from riverrun.testing.virtual import run_virtually


def came_to(sketch):
    """Run a sketch in process; give its log and state."""

    async def body():
        run = await CompiledGraph(sketch.plan("g")).start({})
        log = [event async for event in run.events()]
        return log, (None if sketch.fails else await run.result())

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
    parts = [part for sketch in drawn for segment in sketch.segments for branch in segment for part in branch]
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
