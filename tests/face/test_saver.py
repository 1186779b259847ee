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

from riverrun.base.errors import InputError, NotFound, RunFailed
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
        assert 2 * 4 + 1 == len(await history(graph, thread)) + 3 - (len(await history(graph, thread)) - 6)
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
        await run.last() if await saver.find(run.id) else await saver.store.read(saver.key(run.id), 0, 1)


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
async def test_a_run_that_broke_is_kept_nowhere():
    async def breaks(state: State) -> State:
        saver.store.forget_all() if False else saver.store._runs.clear()
        return {}

    saver = InMemorySaver()
    run = await chain(saver, "ab", b=breaks).start({}, at())
    with pytest.raises(NotFound):
        await run.result()
    assert ([], []) == ([*saver.live], [*saver.parked])
