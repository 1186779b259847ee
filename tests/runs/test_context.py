"""What a node may ask of its run, from the loop and from any thread."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from riverrun.base.errors import NodeError
from riverrun.graph.node import read_node
from riverrun.graph.step import RunNode
from riverrun.runs.context import Context, RunFacts


class Listener:
    """Hears what nodes say, and holds them back when it is told to."""

    def __init__(self):
        self.said: list[Any] = []
        self.beats = 0
        self.full = False
        self.waited = 0

    def emit(self, exec_id, name, value):
        assert "a:1" == exec_id
        self.said.append((name, value))

    def heartbeat(self, exec_id):
        assert "a:1" == exec_id
        self.beats += 1

    async def room(self):
        self.waited += 1
        self.full = False


def context(ear=None, *, answers=(), **facts):
    node = read_node("a", lambda state: None, agent=None, key=None)
    order = RunNode("a:1", node, {}, 2, answers)
    hears: Any = ear or Listener()
    return Context(RunFacts(run="r", tenant="t", **facts), order, hears, remaining_steps=7)


async def test_it_says_where_the_node_is():
    ctx = context()
    assert ("r", "t", "a", "a:1", 2, 7, False) == (
        ctx.run,
        ctx.tenant,
        ctx.node,
        ctx.exec,
        ctx.attempt,
        ctx.remaining_steps,
        ctx.stopping,
    )


async def test_written_out_it_shows_nothing_of_what_the_run_was_given():
    assert "Context('a:1', run='r')" == repr(context(context={"password": "secret"}, config={"key": "secret"}))


async def test_on_the_loop_it_tells_at_once():
    ear = Listener()
    context(ear).emit("progress", {"done": 1})
    assert [("progress", {"done": 1})] == ear.said


async def test_from_a_thread_it_tells_on_the_loop_in_order():
    ear = Listener()
    ctx = context(ear)

    def work():
        for number in range(100):
            ctx.emit("step", number)

    await asyncio.to_thread(work)
    assert [("step", number) for number in range(100)] == ear.said


async def test_from_another_loop_it_tells_on_its_own():
    ear = Listener()
    ctx = context(ear)

    async def elsewhere():
        ctx.emit("from", "elsewhere")

    await asyncio.to_thread(asyncio.run, elsewhere())
    assert [("from", "elsewhere")] == ear.said


@pytest.mark.parametrize(("name", "value"), [("x", object()), (5, 1), (None, 1), ("x", {"a": {1j}}), ("x", "\ud800")])
async def test_what_is_not_json_is_refused_where_it_is_said(name, value):
    ear = Listener()
    with pytest.raises(NodeError) as caught:
        context(ear).emit(name, value)
    assert "E3008" == caught.value.code
    assert "'a'" in caught.value.message
    assert [] == ear.said


async def test_in_process_any_value_may_be_told():
    ear, value = Listener(), object()
    context(ear, strict=False).emit("x", value)
    assert [("x", value)] == ear.said


async def test_it_hears_that_it_should_end():
    ctx = context()
    ctx.tell_stopping()
    assert ctx.stopping
