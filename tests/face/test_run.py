"""One run in process: any number of readers from any place, a stop that waits, a result or an error."""

from __future__ import annotations

import asyncio

import pytest

from riverrun.base.errors import CursorError, RunFailed
from riverrun.events.codec import encode
from riverrun.graph.node import START
from riverrun.graph.replay import replay
from tests.graph.play import check_log
from tests.runs.plans import compiled, graph, kinds, parallel, values


class Held:
    """A node that says a word and waits until it is let go."""

    def __init__(self):
        self.began, self.go = asyncio.Event(), asyncio.Event()

    async def __call__(self, state):
        yield "first "
        self.began.set()
        await self.go.wait()
        yield "last"
        yield {"x": 1}


async def read(run, after=0):
    return [event async for event in run.events(after)]


async def test_readers_at_any_place_and_time_get_the_same_events():
    held = Held()
    run = await compiled(a=held).start({})
    early = [asyncio.create_task(read(run, after)) for after in (0, 0, 1)]
    await held.began.wait()
    middle = asyncio.create_task(read(run, 2))
    held.go.set()
    await run.result()
    late = await read(run)
    check_log(late)
    assert [late, late, late[1:], late[2:]] == [await reader for reader in [*early, middle]]
    assert late[-1:] == await read(run, len(late) - 1)
    assert [] == await read(run, len(late))
    with pytest.raises(CursorError) as caught:
        await read(run, len(late) + 1)
    assert "E2006" == caught.value.code


async def test_a_reader_that_leaves_changes_nothing():
    held = Held()
    run = await compiled(a=held).start({})
    async for event in run.events():
        if event.type == "node.chunk":
            break
    events = run.events()
    await anext(events)
    await events.aclose()
    held.go.set()
    assert {"x": 1, "log": []} == await run.result()


async def test_the_result_is_the_state_and_can_be_asked_for_again():
    run = await compiled(a=lambda state: {"x": 1}).start({"y": 2})
    assert [{"x": 1, "y": 2, "log": []}] * 3 == [await run.result(), await run.result(), run.state()]
    (await run.result())["x"] = 9
    assert 1 == run.state()["x"]


async def test_the_state_of_a_run_that_goes_on_is_what_is_settled():
    held = Held()
    run = await graph((START, "a"), ("a", "b"), a=lambda state: {"y": 1}, b=held).compile().start({})
    await held.began.wait()
    assert {"y": 1, "log": []} == run.state()
    held.go.set()
    assert {"x": 1, "y": 1, "log": []} == await run.result()


@pytest.mark.parametrize("waits", [True, False])
async def test_stopping_waits_for_the_end_and_may_be_done_again(waits):
    held = Held()
    run = await parallel(a=held, b=lambda state: {"y": 1}).compile().start({})
    if waits:
        await held.began.wait()
    await asyncio.gather(run.stop("enough"), run.stop("me too"))
    await run.stop("late")
    log = await read(run)
    check_log(log)
    assert ("run.stopped", "enough") == (log[-1].type, log[-1].reason)
    assert (["first "] if waits else []) == values(log)
    with pytest.raises(RunFailed, match="stopped"):
        await run.result()


async def test_a_stop_after_the_end_changes_nothing():
    run = await compiled(a=lambda state: {}).start({})
    await run.result()
    log = await read(run)
    await run.stop("late")
    assert log == await read(run)
    assert "run.completed" == log[-1].type


async def test_a_node_may_stop_its_own_run():
    after = []

    async def node(state):
        await run.stop("from inside")
        after.append("never")

    async def second(state):
        after.append("never")

    run = await compiled(a=node, b=second).start({})
    log = await read(run)
    assert ("run.stopped", "from inside", []) == (log[-1].type, log[-1].reason, after)


async def test_a_result_that_is_awaited_and_given_up_leaves_the_run_alone():
    held = Held()
    run = await compiled(a=held).start({})
    waiting = asyncio.create_task(run.result())
    await held.began.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    held.go.set()
    assert {"x": 1, "log": []} == await run.result()


async def test_a_run_goes_on_when_nobody_holds_it():
    done = asyncio.Event()

    async def node(state):
        await asyncio.sleep(0)
        done.set()

    await compiled(a=node).start({})
    await done.wait()


async def test_what_was_read_live_is_what_the_log_replays_to():
    held = Held()
    made = graph((START, "a"), ("a", "b"), a=held, b=lambda state: {"log": [state["x"]]}).compile()
    run = await made.start({})
    live = asyncio.create_task(read(run))
    held.go.set()
    state = await run.result()
    assert [encode(event) for event in await live] == [encode(event) for event in await read(run)]
    assert state == replay(made.plan, run.id, await live).values()


async def test_ids_of_runs_are_their_own():
    made = compiled(a=lambda state: {})
    runs = [await made.start({}) for _ in range(20)]
    assert 20 == len({run.id for run in runs})
    for run in runs:
        assert {run.id} == {event.run for event in await read(run)}
        assert ["run.started", "node.started", "node.completed", "run.completed"] == kinds(await read(run))
        await run.stop()
