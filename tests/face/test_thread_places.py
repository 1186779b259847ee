"""A thread is gone on with where it failed, or anywhere in its past, which stays as it was."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import InputError, NodeError, NotFound, RunFailed
from riverrun.events.kinds import RunForked, RunStarted
from riverrun.face.compiled import CompiledGraph
from riverrun.face.saver import InMemorySaver
from riverrun.graph.node import Command
from riverrun.log.limits import Limits
from riverrun.runs.settings import RunSettings
from tests.face.chains import (
    SECONDS,
    Gate,
    State,
    asks,
    at,
    chain,
    check,
    endings,
    history,
    log_of,
    newest_log,
    place_of,
    words,
)

pytestmark = pytest.mark.timeout(SECONDS)


# --- trying again ---


async def test_a_failed_run_is_gone_on_with_from_what_failed():
    ran: list[str] = []

    async def first(state: State) -> State:
        ran.append("a")
        return {"log": ["a"]}

    async def second(state: State) -> State:
        ran.append("b")
        if ran.count("b") < 3:
            raise ValueError("not yet")
        return {"log": ["b"]}

    saver = InMemorySaver()
    graph = chain(saver, a=first, b=second)
    inputs: list[Any] = [{}, None]
    for given_input in inputs:
        with pytest.raises(RunFailed, match="not yet"):
            await graph.ainvoke(given_input, at())
        assert ("b",) == (await graph.aget_state(at())).next
    assert ["a", "b", "c"] == (await graph.ainvoke(None, at()))["log"]
    assert ["a", "b", "b", "b"] == ran
    assert ["failed", "failed", "completed"] == await endings(saver)


async def test_a_run_that_made_too_many_steps_goes_on_with_more():
    graph = chain(InMemorySaver())
    with pytest.raises(RunFailed, match="E3005"):
        await graph.ainvoke({}, {**at(), "recursion_limit": 2})
    assert ["a", "b", "c"] == (await graph.ainvoke(None, {**at(), "recursion_limit": 3}))["log"]


# --- places in the past ---


@given(st.integers(1, 3), st.lists(st.sampled_from(["run", "edit", "fork"]), min_size=1, max_size=3), st.randoms())
@pytest.mark.slow
def test_a_thread_can_be_gone_on_with_at_any_place_and_its_past_stays_as_it_was(size, course, chance):
    names = "abc"[:size]
    saver = InMemorySaver()
    graph = chain(saver, names)
    graph.invoke({"log": ["in"]}, at())
    for what in course:
        places = list(graph.get_state_history(at()))
        place = chance.choice(places)
        if what == "run":
            graph.invoke({"log": ["in"]}, place.config)
        elif what == "edit":
            graph.update_state(place.config, {"log": ["edit"]}, as_node=chance.choice(names))
        else:
            graph.invoke(None, place.config)
    places = list(graph.get_state_history(at()))
    for place in places:
        result = graph.invoke(None, place.config)
        left = names if place.next == ("__start__",) else names[names.index(place.next[0]) :] if place.next else ""
        begun = ["in"] if place.next == ("__start__",) else []
        assert [*place.values["log"], *begun, *left] == result["log"]
    after = list(graph.get_state_history(at()))[-len(places) :]
    assert words(places) == words(after)
    assert [place_of(each.config) for each in places] == [place_of(each.config) for each in after]
    asyncio.run(check(graph, saver))


async def test_a_fork_begins_with_a_copy_and_runs_only_what_came_after():
    ran: list[str] = []

    async def noted(state: State) -> State:
        ran.append("b")
        return {"log": ["b"]}

    saver = InMemorySaver()
    graph = chain(saver, b=noted)
    await graph.ainvoke({}, at())
    source = await newest_log(saver)
    after_b = next(each for each in await history(graph) if each.next == ("c",))
    assert ["a", "b", "c"] == (await graph.ainvoke(None, at(after_b)))["log"]
    copy = await newest_log(saver)
    forked = next(event for event in copy if isinstance(event, RunForked))
    assert (source[0].run, int(place_of(after_b.config).rpartition(".")[2])) == (forked.source, forked.at)
    assert [event.type for event in source[: forked.at]] == [event.type for event in copy[: forked.at]]
    assert ["b"] == ran
    assert source == await log_of(saver, source[0].run)


@pytest.mark.parametrize("seq", [1, 2])
@pytest.mark.parametrize("later", [False, True])
async def test_an_edit_can_be_gone_on_with_again(seq, later):
    saver = InMemorySaver()
    graph = chain(saver)
    await graph.ainvoke({}, at())
    edited = place_of(await graph.aupdate_state(at(), {"log": ["edit"]}, as_node="a")).rpartition(".")[0]
    if later:
        await graph.ainvoke(None, at())
    for _ in range(2):
        async with asyncio.timeout(SECONDS / 4):
            result = await graph.ainvoke(None, at(f"{edited}.{seq}"))
        assert ["a", "b", "c", "edit", "b", "c"] == result["log"]
    await check(graph, saver)
    assert {"completed"} == set(await endings(saver))


async def test_an_edit_that_a_new_input_replaced_can_still_be_gone_on_with():
    saver = InMemorySaver()
    graph = chain(saver)
    await graph.ainvoke({}, at())
    config = await graph.aupdate_state(at(), {"log": ["edit"]}, as_node="b")
    assert ["a", "b", "c", "edit", "new", "a", "b", "c"] == (await graph.ainvoke({"log": ["new"]}, at()))["log"]
    async with asyncio.timeout(SECONDS / 4):
        assert ["a", "b", "c", "edit", "c"] == (await graph.ainvoke(None, config))["log"]


async def test_a_new_input_at_a_place_begins_with_the_state_that_was_there():
    graph = chain(InMemorySaver())
    await graph.ainvoke({"log": ["one"]}, at())
    await graph.ainvoke({"log": ["two"]}, at())
    for place in await history(graph):
        expected = [*place.values["log"], "new", "a", "b", "c"]
        assert expected == (await graph.ainvoke({"log": ["new"]}, at(place)))["log"]


async def test_a_place_that_is_not_in_the_thread_is_refused():
    saver = InMemorySaver()
    graph = chain(saver)
    await graph.ainvoke({}, at())
    await graph.ainvoke({}, at(thread="other"))
    foreign = place_of((await graph.aget_state(at(thread="other"))).config)
    own = place_of((await graph.aget_state(at())).config).rpartition(".")[0]
    for place in (foreign, f"{own}.99", "0123.1"):
        calls = (
            lambda place=place: graph.ainvoke(None, at(place)),
            lambda place=place: graph.ainvoke({}, at(place)),
            lambda place=place: graph.aget_state(at(place)),
            lambda place=place: graph.aupdate_state(at(place), {"x": 1}),
        )
        for call in calls:
            with pytest.raises(NotFound) as caught:
                await call()
            assert "E2005" == caught.value.code
    assert ["completed"] == await endings(saver)


async def test_a_question_of_the_past_is_asked_and_answered_again_in_a_fork():
    saver = InMemorySaver()
    graph = chain(saver, b=asks("b"))
    await graph.ainvoke({}, at())
    asked = await graph.aget_state(at())
    assert ["a", "b=1", "c"] == (await graph.ainvoke(Command(resume=1), at(asked)))["log"]
    assert ["completed"] == await endings(saver)  # that was its end: no fork
    assert ["a", "b=2", "c"] == (await graph.ainvoke(Command(resume=2), at(asked)))["log"]
    assert ["completed"] * 2 == await endings(saver)
    with pytest.raises(InputError) as caught:
        await graph.ainvoke(Command(resume=3), at(next(each for each in await history(graph) if each.next == ("c",))))
    assert "E2009" == caught.value.code


async def test_a_fork_that_says_much_before_it_is_answered_waits_for_no_reader():
    async def talks(state: State, ctx: Any) -> Any:
        for _ in range(50):
            yield "word"
        yield {"log": [ctx.interrupt("b?")]}

    saver = InMemorySaver()
    settings = RunSettings(strict=False, buffer=Limits(items=4), lease_seconds=1e6)
    graph = CompiledGraph(chain(saver, b=talks).plan, settings, checkpointer=saver)
    async for _ in graph.astream({}, at()):
        pass
    asked = await graph.aget_state(at())
    for number in range(2):
        told = [event async for event in graph.astream(Command(resume=number), at(asked))]
        assert "run.completed" == told[-1].type
    assert ["a", 1, "c"] == (await graph.aget_state(at())).values["log"]


async def test_a_caller_who_is_cancelled_while_a_fork_comes_to_its_question_ends_it():
    gate, saver = Gate(), InMemorySaver()
    gate.go.set()
    graph = chain(saver, "abcd", b=gate, c=asks("c"))
    await graph.ainvoke({}, at())
    await graph.ainvoke(Command(resume=1), at())
    place = next(each for each in await history(graph) if each.next == ("b",))
    gate.go.clear()
    gate.began.clear()
    task = asyncio.create_task(graph.ainvoke(Command(resume=2), at(place)))
    await gate.began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ["completed", "stopped"] == await endings(saver)


async def test_a_graph_that_did_not_write_the_thread_says_so():
    saver = InMemorySaver()
    await chain(saver).ainvoke({}, at())
    with pytest.raises(NodeError) as caught:
        await chain(saver, "ba").ainvoke(None, at())
    assert "E3009" == caught.value.code


async def test_every_run_of_a_thread_names_the_one_that_it_stands_on():
    saver = InMemorySaver()
    graph = chain(saver)
    for _ in range(3):
        await graph.ainvoke({}, at())
    await graph.aupdate_state(at(), {"x": 1})
    rows = list(reversed(await saver.all("t")))
    assert [None, *(row.key.run for row in rows[:-1])] == [row.base_run for row in rows]
    for before, row in itertools.pairwise(rows):
        first = (await log_of(saver, row.key.run))[0]
        assert isinstance(first, RunStarted)
        assert first.base is not None
        assert (before.key.run, None) == (first.base.run, first.base.seq)
