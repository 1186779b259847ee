"""A saver keeps threads as long as it lives, forgets what it is told to, and nothing of a run stays beside its log."""

from __future__ import annotations

import asyncio
import gc
import threading
import tracemalloc
import types
import weakref
from contextlib import aclosing
from typing import Any

import pytest

from riverrun.base.errors import Busy, InputError, NotFound, RunFailed
from riverrun.events.kinds import Custom
from riverrun.events.record import Record
from riverrun.face import run as run_module
from riverrun.face.compiled import CompiledGraph
from riverrun.face.run import Run
from riverrun.face.saver import InMemorySaver
from riverrun.graph.machine import Machine
from riverrun.graph.node import Command
from riverrun.runs.driver import Driver
from riverrun.runs.writer import Writer
from tests.face.chains import SECONDS, State, asks, at, chain, endings, history, side_by_side
from tests.runs.plans import until


class Weighty:
    """A value that can be watched."""


@pytest.mark.timeout(SECONDS)
async def test_a_thread_that_is_deleted_is_as_if_it_had_never_been():
    saver = InMemorySaver()
    graph = chain(saver, b=asks("b"))
    for thread in ("t", "other"):
        await graph.ainvoke({}, at(thread=thread))
        await graph.ainvoke(Command(resume=1), at(thread=thread))
        await graph.ainvoke({}, at(thread=thread))
    saver.delete_thread("t")
    assert ([], {}) == (await history(graph), (await graph.aget_state(at())).values)
    assert 1 == len(saver.parked)
    with pytest.raises(InputError) as caught:
        await graph.ainvoke(Command(resume=1), at())
    assert "E2016" == caught.value.code
    assert ["a"] == (await graph.ainvoke({}, at()))["log"]
    other = await graph.ainvoke(Command(resume=2), at(thread="other"))
    assert ["a", "b=1", "c", "a", "b=2", "c"] == other["log"]
    await saver.adelete_thread("other")
    await saver.adelete_thread("never there")
    assert [] == await endings(saver, "other")


@pytest.mark.timeout(SECONDS)
async def test_what_was_in_a_deleted_thread_is_freed_also_where_it_was_folded_already():
    async def node(state: State) -> State:
        held = Weighty()
        refs.append(weakref.ref(held))
        return {"log": [held]}

    refs: list[weakref.ref[Weighty]] = []
    saver = InMemorySaver()
    graph = chain(saver, "ab", a=node, b=asks("b"))
    for thread in ("t", "other"):
        for _ in range(2):
            await graph.ainvoke({}, at(thread=thread))
        await graph.ainvoke(Command(resume=1), at(thread=thread))
        assert "b=1" == (await graph.aget_state(at(thread=thread))).values["log"][-1]
    saver.delete_thread("t")
    await until(lambda: gc.collect() is not None and [True, True] == [ref() is None for ref in refs[:2]])
    assert [False, False] == [ref() is None for ref in refs[2:]]


@pytest.mark.timeout(SECONDS)
async def test_a_run_that_is_running_is_not_deleted_under_its_owner():
    go = asyncio.Event()

    async def waits(state: State) -> State:
        await go.wait()
        return {"log": ["waited"]}

    saver = InMemorySaver()
    graph = chain(saver, "ab", b=waits)
    run = await graph.start({}, at())
    saver.delete_thread("t")
    go.set()
    assert {"log": ["a", "waited"]} == await run.result()
    saver.delete_thread("t")
    assert [] == await endings(saver)
    with pytest.raises(NotFound):
        await run.result()


@pytest.mark.timeout(SECONDS)
async def test_graphs_that_share_a_saver_share_its_threads_and_two_savers_share_nothing():
    saver = InMemorySaver()
    first, second = chain(saver), chain(saver)
    await first.ainvoke({"x": 1}, at())
    assert {"x": 1, "log": ["a", "b", "c"] * 2} == await second.ainvoke({}, at())
    assert {} == (await chain(InMemorySaver()).aget_state(at())).values


@pytest.mark.timeout(SECONDS)
async def test_the_runs_of_a_thread_are_found_newest_first():
    saver = InMemorySaver()
    graph = chain(saver)
    runs = []
    for thread in ("t", "other", "t"):
        run = await graph.start({}, at(thread=thread))
        await run.result()
        runs.append(run.id)
    assert [runs[2], runs[0]] == [row.key.run for row in await saver.all("t")]
    newest = await saver.newest("t")
    assert newest is not None
    assert (runs[2], "ended") == (newest.key.run, newest.status)
    assert (None, None) == (await saver.newest("nobody"), await saver.find("nobody"))


@pytest.mark.timeout(SECONDS)
async def test_a_run_is_live_while_it_is_driven_parked_while_it_waits_and_then_neither():
    saver = InMemorySaver()
    graph = chain(saver, b=asks("b"))
    run = await graph.start({}, at())
    assert ([run.id], []) == ([*saver.live], [*saver.parked])
    await run.result()
    assert ([], [run.id]) == ([*saver.live], [*saver.parked])
    await run.resume(1)
    await run.result()
    assert ([], []) == ([*saver.live], [*saver.parked])


@pytest.mark.timeout(SECONDS)
async def test_a_thread_is_busy_also_while_its_run_was_resumed_by_hand():
    go = asyncio.Event()

    async def waits(state: State) -> State:
        await go.wait()
        return {"log": ["waited"]}

    saver = InMemorySaver()
    graph = chain(saver, "bc", b=asks("b"), c=waits)
    run = await graph.start({}, at())
    await run.result()
    await run.resume(1)
    for _ in range(3):
        with pytest.raises(Busy):
            await graph.ainvoke({}, at())
        await asyncio.sleep(0)
    go.set()
    assert {"log": ["b=1", "waited"]} == await run.result()


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("then", ["ends", "asks"])
async def test_a_run_whose_log_somebody_else_wrote_to_ends_there_and_what_it_did_after_never_happened(then):
    async def meddles(state: State, ctx: Any) -> State:
        row = await saver.find(ctx.run)
        assert row is not None
        event = Custom(seq=row.head + 1, ts=0, run=ctx.run, node="b", exec="b:1")
        saver.store.append_now(row.key, row.epoch, row.head, [event])
        if then == "asks":
            ctx.interrupt("b?")
        return {"log": ["never"]}

    saver = InMemorySaver()
    graph = chain(saver, "ab", b=meddles)
    run = await graph.start({}, at())
    with pytest.raises(RunFailed, match="E4005"):
        await run.result()
    assert (["failed"], {}, {}) == (await endings(saver), saver.live, saver.parked)
    assert (True, False, False) == (run.ended, run.waits, run.parked)
    with pytest.raises(RunFailed, match="E4005"):
        await graph.ainvoke({"x": 1}, at())
    assert ["a", "a"] == (await graph.aget_state(at())).values["log"]


# --- nothing is left behind ---


async def _speaks(state: State) -> Any:
    yield "word"
    yield {"log": ["spoke"]}


async def _fails(state: State) -> Any:
    yield "word"
    raise ValueError


async def _waits(state: State) -> Any:
    yield "word"
    await asyncio.Event().wait()


def _in_a_thread(state: State) -> Any:
    yield "word"
    yield {"log": ["threaded"]}


def _calls(graph: CompiledGraph) -> Any:
    async def node(state: State) -> Any:
        return {"log": (await graph.ainvoke({}))["log"]}

    return node


class Ways:
    """Every way in which a run can end, or be left."""

    def __init__(self, saver: InMemorySaver | None) -> None:
        self._saver = saver
        self._good = side_by_side(saver, a=_speaks, b=_in_a_thread)
        self._bad = side_by_side(saver, a=_waits, b=_fails)
        self._held = side_by_side(saver, a=_waits, b=_waits)
        self._parks = side_by_side(saver, a=asks("a"), b=_speaks)
        self._calls = chain(saver, "ab", b=_calls(chain(None, "xy", y=asks("y"))))

    async def go(self, thread: str) -> None:
        """Make a run of each, and delete the threads."""
        await self._good.ainvoke({}, at(thread=thread))
        with pytest.raises(RunFailed):
            await self._bad.ainvoke({}, at(thread=f"{thread} bad"))
        run = await self._held.start({}, at(thread=f"{thread} held"))
        await run.stop("enough")
        await self._abandon(at(thread=f"{thread} abandoned"))
        for graph, name in ((self._parks, "parked"), (self._calls, "calls")):
            assert "__interrupt__" in await graph.ainvoke({}, at(thread=f"{thread} {name}"))
        if self._saver is not None:
            await self._parks.ainvoke(Command(resume=1), at(thread=f"{thread} parked"))
            await self._parks.ainvoke({}, at(thread=f"{thread} parked"))
            for name in ("", " bad", " held", " abandoned", " parked", " calls"):
                self._saver.delete_thread(f"{thread}{name}")

    async def _abandon(self, config: dict[str, Any]) -> None:
        async with aclosing(self._held.astream({}, config)) as events:
            async for event in events:
                if event.type == "node.chunk":
                    return


def _alive() -> tuple[int, int]:
    gc.collect()
    kinds = (Run, Machine, Driver, Writer, Record, types.AsyncGeneratorType, types.GeneratorType)
    return sum(isinstance(each, kinds) for each in gc.get_objects()), len(run_module._running)


def _has_room(before: tuple[int, int], now: tuple[int, int]) -> bool:
    return now[0] <= before[0] + 4 and now[1] == before[1]


@pytest.mark.slow
@pytest.mark.parametrize("keeps", [True, False], ids=["threads", "no threads"])
async def test_a_thousand_runs_however_they_end_leave_tasks_threads_generators_and_memory_as_they_were(keeps):
    saver = InMemorySaver() if keeps else None
    ways = Ways(saver)
    nothing, before = _alive(), threading.active_count()
    tracemalloc.start()
    try:
        await ways.go("first")
        await until(lambda: _has_room(nothing, _alive()))  # a timer that was cancelled holds its run for a second
        first_bytes = tracemalloc.get_traced_memory()[0]
        for number in range(170):
            await ways.go(f"{number}")
        await until(lambda: _has_room(nothing, _alive()))  # an idle thread holds its last work: 4 of them at most
        assert 1 == len(asyncio.all_tasks())
        # 100 bytes for each of more than 1,000 runs, most of them tables of the interpreter that never shrink.
        assert tracemalloc.get_traced_memory()[0] - first_bytes < 100 * 1024
    finally:
        tracemalloc.stop()
    assert threading.active_count() <= before + 4
    if saver is not None:
        assert ({}, {}) == (saver.live, saver.parked)
