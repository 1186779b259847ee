"""What a user calls: live events at the reader's pace, results, errors as exceptions, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextlib import aclosing

import pytest

from riverrun.base.errors import GraphError, InputError, RunFailed
from riverrun.events.kinds import NodeChunk
from riverrun.events.record import Record
from riverrun.face.compiled import CompiledGraph
from riverrun.face.run import Run
from riverrun.graph.machine import Machine
from riverrun.graph.node import START
from riverrun.log.limits import Limits
from riverrun.runs.driver import Driver
from riverrun.runs.settings import RunSettings
from riverrun.runs.writer import Writer
from riverrun.stores.memory import MemoryStore
from tests.graph.play import check_log
from tests.runs.plans import compiled, graph, kinds, parallel, plan, until, values


def one(state):
    return {"x": state.get("x", 0) + 1}


async def later_one(state):
    return {"x": state.get("x", 0) + 1}


# --- results ---


async def test_a_run_is_awaited_for_its_state():
    assert {"x": 4, "log": []} == await compiled(a=one, b=later_one, c=one).ainvoke({"x": 1})


def test_code_that_is_not_async_may_run_graphs_too():
    made = compiled(a=one, b=later_one)
    assert {"x": 2, "log": []} == made.invoke({})
    assert {"x": 2, "log": []} == made.invoke()
    log = list(made.stream({"x": 5}))
    check_log(log)
    assert "run.completed" == log[-1].type


async def test_inside_a_loop_the_async_form_is_named():
    made = compiled(a=one)
    for call, other in ((lambda: made.invoke({}), "ainvoke"), (lambda: next(made.stream({})), "astream")):
        with pytest.raises(InputError) as caught:
            call()
        assert "E6006" == caught.value.code
        assert other in caught.value.mend


def test_leaving_a_stream_early_ends_the_run():
    ended = []

    async def node(state):
        try:
            for number in range(10**9):
                yield f"{number}"
                await asyncio.sleep(0)
        finally:
            ended.append(True)

    stream = compiled(a=node).stream({})
    for event in stream:
        if isinstance(event, NodeChunk):
            break
    stream.close()  # type: ignore[attr-defined]
    assert [True] == ended


@pytest.mark.parametrize("limit", [0, -1, "many", 1.5])
async def test_a_limit_is_a_number_from_one(limit):
    with pytest.raises(InputError) as caught:
        await compiled(a=one).ainvoke({}, {"recursion_limit": limit})
    assert "E6006" == caught.value.code


async def test_a_limit_of_none_is_the_limit_of_the_settings():
    made = CompiledGraph(
        graph((START, "a"), ("a", "a"), a=one).plan("graph"), RunSettings(strict=False, recursion_limit=7)
    )
    for config in ({"recursion_limit": None}, {}, None):
        with pytest.raises(RunFailed, match="7 steps"):
            await made.ainvoke({}, config)


async def test_a_limit_is_kept():
    made = graph((START, "a"), ("a", "a"), a=one).compile()
    with pytest.raises(RunFailed) as caught:
        await made.ainvoke({}, {"recursion_limit": 5})
    assert "E3005" in caught.value.message
    assert "5 steps" in caught.value.message


@pytest.mark.parametrize("given", [{"typo": 1}, 5, {"log": 5}], ids=str)
async def test_an_input_that_does_not_fit_is_refused_before_anything_runs(given):
    made = compiled(a=one)
    for call in (made.ainvoke(given), made.start(given), anext(made.astream(given))):
        with pytest.raises(InputError) as caught:
            await call
        assert "E2010" == caught.value.code


async def test_a_caller_that_is_cancelled_ends_its_run():
    began, ended = asyncio.Event(), []

    async def node(state):
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    task = asyncio.create_task(compiled(a=node).ainvoke({}))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [True] == ended


async def test_a_time_limit_is_an_error_of_its_own():
    async def node(state):
        await asyncio.Event().wait()

    with pytest.raises(RunFailed, match="timed_out"):
        await compiled(a=node).ainvoke({}, timeout=0.01)


async def test_one_graph_runs_many_times_at_once():
    made = compiled(a=later_one, b=one)
    results = await asyncio.gather(*(made.ainvoke({"x": number}) for number in range(50)))
    assert [{"x": number + 2, "log": []} for number in range(50)] == results


async def test_a_graph_without_a_node_ends_at_once():
    made = graph((START, "__end__")).compile()
    assert {"x": 1, "log": []} == await made.ainvoke({"x": 1})
    assert ["run.started", "run.completed"] == kinds([event async for event in made.astream({})])


# --- events, live ---


async def test_the_first_word_is_read_although_everything_else_waits():
    go = asyncio.Event()

    async def speaker(state):
        yield "word"
        await go.wait()

    async def sleeper(state):
        await go.wait()

    log = []
    async for event in parallel(sleeper=sleeper, speaker=speaker).compile().astream({}):
        log.append(event)
        if isinstance(event, NodeChunk):
            go.set()
    check_log(log)
    assert ["word"] == values(log)


async def test_each_word_is_read_before_the_next_is_asked_for():
    heard = asyncio.Event()

    async def node(state):
        for number in range(20):
            heard.clear()
            yield f"{number}"
            await heard.wait()

    count = 0
    async for event in compiled(a=node).astream({}):
        if isinstance(event, NodeChunk):
            count += 1
            heard.set()
    assert 20 == count


@pytest.mark.parametrize("manner", ["async", "sync"])
@pytest.mark.parametrize("limits", [Limits(items=10), Limits(size_bytes=10 * 1_200)], ids=["items", "bytes"])
async def test_a_slow_reader_bounds_what_its_producer_runs_ahead(manner, limits):
    made = 0

    async def later_node(state):
        nonlocal made
        for _ in range(300):
            made += 1
            yield "x" * 1_000

    def node(state):
        nonlocal made
        for _ in range(2_000):
            made += 1
            yield "x" * 1_000

    used = CompiledGraph(
        plan(a=node if manner == "sync" else later_node), RunSettings(strict=False, buffer=limits, lease_seconds=1e6)
    )
    read, ahead = 0, 0
    async for event in used.astream({}):
        if isinstance(event, NodeChunk):
            read += 1
            if read % 50 == 0:
                for _ in range(50):
                    await asyncio.sleep(0)  # as long as it likes: nothing moves while nobody reads
            ahead = max(ahead, made - read)
    assert made == read
    # A thread has a belt of its own, 256 values long.
    assert 5 <= ahead <= (10 + 2 if manner == "async" else 10 + 256 + 2)


async def test_a_run_that_is_only_started_waits_for_no_reader():
    async def node(state):
        for _ in range(500):
            yield "x"

    used = CompiledGraph(plan(a=node), RunSettings(strict=False, buffer=Limits(items=10), lease_seconds=1e6))
    run = await used.start({})
    await run.result()
    assert 500 == len(values([event async for event in run.events()]))


@pytest.mark.parametrize("how", ["close", "cancel", "error"])
async def test_a_reader_that_leaves_ends_the_run(how):
    ended = []

    async def node(state):
        try:
            yield "word"
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def read():
        async with aclosing(compiled(a=node).astream({})) as events:
            async for event in events:
                if isinstance(event, NodeChunk):
                    if how == "close":
                        return
                    if how == "error":
                        raise ValueError
                    task.cancel()

    task = asyncio.create_task(read())
    await asyncio.wait([task])
    assert [True] == ended
    if how == "error":
        assert isinstance(task.exception(), ValueError)


async def test_a_reader_that_only_breaks_ends_the_run_as_soon_as_nobody_holds_the_stream():
    ended = asyncio.Event()

    async def node(state):
        try:
            yield "word"
            await asyncio.Event().wait()
        finally:
            ended.set()

    async for event in compiled(a=node).astream({}):
        if isinstance(event, NodeChunk):
            break
    await ended.wait()
    await until(lambda: len(asyncio.all_tasks()) == 1)


async def test_a_reader_that_waits_at_a_full_buffer_and_leaves_lets_the_producer_go():
    async def node(state):
        for _ in range(100):
            yield "x"

    used = CompiledGraph(plan(a=node), RunSettings(strict=False, buffer=Limits(items=2), lease_seconds=1e6))
    events = used.astream({})
    await anext(events)
    await anext(events)
    await events.aclose()
    assert 1 == len(asyncio.all_tasks())


# --- nothing is left behind ---


async def _abandon(made):
    async for event in made.astream({}):
        if isinstance(event, NodeChunk):
            break


@pytest.mark.slow
async def test_a_thousand_runs_leave_nothing_behind():
    async def speaks(state):
        yield "a"
        yield {"log": [1]}

    async def fails(state):
        yield "a"
        raise ValueError

    async def waits(state):
        yield "a"
        await asyncio.Event().wait()

    good = parallel(a=speaks, b=speaks, c=one).compile()
    bad = parallel(a=waits, b=fails).compile()
    held = parallel(a=waits, b=waits).compile()

    async def round_of_four():
        await good.ainvoke({})
        with pytest.raises(RunFailed):
            await bad.ainvoke({})
        run = await held.start({})
        await asyncio.sleep(0)
        await run.stop("enough")
        await _abandon(held)

    def count():
        gc.collect()
        return sum(isinstance(each, (Run, Machine, Driver, Writer, Record, MemoryStore)) for each in gc.get_objects())

    for _ in range(10):
        await round_of_four()
    await until(lambda: len(asyncio.all_tasks()) == 1)
    before, objects, threads = count(), len(gc.get_objects()), threading.active_count()
    for _ in range(250):
        await round_of_four()
    await until(lambda: len(asyncio.all_tasks()) == 1)
    assert before == count()
    await until(lambda: len(gc.get_objects()) < objects + 100)  # timers that were cancelled stay for a second
    assert threading.active_count() <= threads + 16


# --- what a graph says about itself ---


def test_a_graph_is_drawn_and_explained():
    made = compiled(a=one, b=one)
    assert "n1 --> n2" in made.draw_mermaid()
    assert "is triggered by the end of 'a'" in made.explain("b")
    with pytest.raises(GraphError, match="E1003"):
        made.explain("c")
