"""What a node may ask of its run, from the loop and from any thread."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from riverrun.base.errors import NodeError
from riverrun.runs.context import Context


def context(said, **options):
    return Context(
        run="r",
        tenant="t",
        node="a",
        exec_id="a:1",
        attempt=2,
        remaining_steps=7,
        emit=lambda name, value: said.append((name, value)),
        **options,
    )


async def test_it_says_where_the_node_is():
    ctx = context([])
    assert ("r", "t", "a", "a:1", 2, 7, False) == (
        ctx.run,
        ctx.tenant,
        ctx.node,
        ctx.exec,
        ctx.attempt,
        ctx.remaining_steps,
        ctx.stopping,
    )


async def test_on_the_loop_it_tells_at_once():
    said: list[Any] = []
    context(said).emit("progress", {"done": 1})
    assert [("progress", {"done": 1})] == said


async def test_from_a_thread_it_tells_on_the_loop_in_order():
    said: list[Any] = []
    ctx = context(said)

    def work():
        for number in range(100):
            ctx.emit("step", number)

    await asyncio.to_thread(work)
    assert [("step", number) for number in range(100)] == said


async def test_from_another_loop_it_tells_on_its_own():
    said: list[Any] = []
    ctx = context(said)

    async def elsewhere():
        ctx.emit("from", "elsewhere")

    await asyncio.to_thread(asyncio.run, elsewhere())
    assert [("from", "elsewhere")] == said


@pytest.mark.parametrize(("name", "value"), [("x", object()), (5, 1), (None, 1), ("x", {"a": {1j}}), ("x", "\ud800")])
async def test_what_is_not_json_is_refused_where_it_is_said(name, value):
    said: list[Any] = []
    with pytest.raises(NodeError) as caught:
        context(said).emit(name, value)
    assert "E3008" == caught.value.code
    assert "'a'" in caught.value.message
    assert [] == said


async def test_in_process_any_value_may_be_told():
    said: list[Any] = []
    value = object()
    context(said, strict=False).emit("x", value)
    assert [("x", value)] == said


async def test_it_hears_that_it_should_end():
    ctx = context([])
    ctx.tell_stopping()
    assert ctx.stopping
