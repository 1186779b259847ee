"""A snapshot says what the state was, what came next, what was asked, what failed, and what it follows."""

from __future__ import annotations

import operator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import NotFound, RunFailed
from riverrun.events.kinds import Base, NodeStarted
from riverrun.face.interrupt import Interrupt
from riverrun.face.options import Options
from riverrun.face.saver import InMemorySaver
from riverrun.face.snapshot import Snapshots, StateSnapshot, end_of_history
from riverrun.face.state_graph import StateGraph
from riverrun.graph.node import END, START, Command
from tests.face.chains import (
    SECONDS,
    State,
    asks,
    at,
    chain,
    history,
    newest_log,
    place_of,
    says,
    side_by_side,
    words,
)

pytestmark = pytest.mark.timeout(SECONDS)


def _meta(shot: StateSnapshot, name: str) -> Any:
    return (shot.metadata or {})[name]


async def test_a_run_leaves_a_snapshot_before_its_input_with_its_input_and_after_each_step():
    graph = chain(InMemorySaver())
    began = datetime.now(UTC) - timedelta(milliseconds=1)
    await graph.ainvoke({"x": 1}, at())
    shots = list(reversed(await history(graph)))
    assert [[], [], ["a"], ["a", "b"], ["a", "b", "c"]] == words(shots)
    assert [("__start__",), ("a",), ("b",), ("c",), ()] == [each.next for each in shots]
    assert ["input", "loop", "loop", "loop", "loop"] == [_meta(each, "source") for each in shots]
    assert [-1, 0, 1, 2, 3] == [_meta(each, "step") for each in shots]
    assert [False, True, True, True, True] == ["x" in each.values for each in shots]
    times = [datetime.fromisoformat(each.created_at or "") for each in shots]
    assert times == sorted(times)
    assert began <= times[0] <= times[-1] <= datetime.now(UTC)


@given(st.lists(st.sampled_from(["run", "edit"]), min_size=1, max_size=5))
def test_every_snapshot_names_the_one_before_it_through_all_runs_of_a_thread(course):
    graph = chain(InMemorySaver(), "ab")
    for what in course:
        if what == "run":
            graph.invoke({"x": 1}, at())
        else:
            graph.update_state(at(), {"log": ["edit"]}, as_node="a")
    shots = list(graph.get_state_history(at()))
    assert shots[-1].parent_config is None
    for later, earlier in pairwise(shots):
        assert earlier.config == later.parent_config
        assert words([earlier])[0] == words([later])[0][: len(words([earlier])[0])]
    assert len(shots) == len({place_of(each.config) for each in shots})
    assert ["update" if what == "edit" else "input" for what in course] == [
        _meta(each, "source") for each in reversed(shots) if _meta(each, "source") != "loop"
    ]


async def test_what_is_asked_stands_with_the_task_that_asks():
    graph = side_by_side(InMemorySaver(), a=asks("a"), b=says("b"), c=asks("c"))
    asked = await graph.ainvoke({}, at())
    state = await graph.aget_state(at())
    questions = {each.id: each for each in asked["__interrupt__"]}
    assert {"a": (questions["a:1?1"],), "c": (questions["c:1?1"],)} == {
        task.name: task.interrupts for task in state.tasks
    }
    assert ({"a:1", "c:1"}, {"a", "c"}) == ({task.id for task in state.tasks}, set(state.next))
    assert set(questions.values()) == set(state.interrupts)
    await graph.ainvoke(Command(resume={"a:1?1": 1}), at())
    state = await graph.aget_state(at())
    assert (("c",), (questions["c:1?1"],)) == (state.next, state.interrupts)
    assert ["a=1", "b"] == state.values["log"]


async def test_what_a_sub_graph_asks_stands_with_its_node():
    inner = StateGraph(State).add_node("deep", asks("deep")).add_edge(START, "deep")
    graph = chain(InMemorySaver(), "ab", b=inner.compile())
    await graph.ainvoke({}, at())
    state = await graph.aget_state(at(), subgraphs=True)
    assert ("b",) == state.next
    assert [("b", (Interrupt("deep?", "b:1/deep:1?1"),))] == [(task.name, task.interrupts) for task in state.tasks]
    assert (Interrupt("deep?", "b:1/deep:1?1"),) == state.interrupts
    await graph.ainvoke(Command(resume=1), at())
    assert () == (await graph.aget_state(at())).next


async def test_what_failed_is_said_with_its_task():
    async def fails(state: State) -> State:
        raise ValueError("broken")

    graph = chain(InMemorySaver(), b=fails)
    with pytest.raises(RunFailed):
        await graph.ainvoke({}, at())
    state = await graph.aget_state(at())
    assert (["a"], ("b",)) == (state.values["log"], state.next)
    assert [("b", True)] == [(task.name, "broken" in (task.error or "")) for task in state.tasks]
    assert {None} == {task.error for each in (await history(graph))[1:] for task in each.tasks}


async def test_a_held_run_shows_what_it_holds_and_asks_nothing():
    graph = chain(InMemorySaver(), interrupt_after=["a"])
    await graph.ainvoke({}, at())
    state = await graph.aget_state(at())
    assert (["a"], ()) == (state.values["log"], state.interrupts)
    assert ["a", "b", "c"] == (await graph.ainvoke(None, at()))["log"]


async def test_an_update_shows_what_follows_it_on_all_ways():
    builder = StateGraph(State)
    for name in "abcd":
        builder.add_node(name, says(name))
    builder.add_edge(START, "a").add_edge("a", "b")
    builder.add_conditional_edges("a", lambda state: ["c", "b", END], ["b", "c", "d", END])
    graph = builder.compile(InMemorySaver())
    await graph.aupdate_state(at(), {}, as_node="a")
    state = await graph.aget_state(at())
    assert ("b", "c") == state.next
    assert ["b", "c"] == [task.name for task in state.tasks]


async def test_values_are_those_of_the_output_schema():
    class Public(TypedDict, total=False):
        log: Annotated[list[Any], operator.add]

    builder = StateGraph(State, output_schema=Public).add_node("a", says("a")).add_edge(START, "a")
    graph = builder.compile(InMemorySaver())
    result = await graph.ainvoke({"x": 1}, at())
    assert {"log": ["a"]} == result == (await graph.aget_state(at())).values


async def test_a_place_between_snapshots_is_shown_too_and_one_past_the_end_is_not():
    saver = InMemorySaver()
    graph = chain(saver)
    await graph.ainvoke({}, at())
    log = await newest_log(saver)
    begun = next(event for event in log if isinstance(event, NodeStarted) and event.node == "b")
    snapshots = Snapshots(graph.plan, saver)
    shot = await snapshots.now(Options(thread="t", place=Base(begun.run, begun.seq)))
    assert (["a"], ("b",)) == (shot.values["log"], shot.next)
    for place in (Base(begun.run, len(log) + 1), Base("nobody", 1)):
        with pytest.raises(NotFound):
            await snapshots.now(Options(thread="t", place=place))


async def test_the_end_of_the_history_of_a_run_is_its_newest_snapshot():
    async def fails(state: State) -> State:
        raise ValueError

    saver = InMemorySaver()
    graphs = {
        "done": chain(saver),
        "asked": chain(saver, b=asks("b")),
        "first": chain(saver, a=asks("a")),
        "held": chain(saver, interrupt_before="c"),
        "failed": chain(saver, c=fails),
    }
    for thread, graph in graphs.items():
        try:
            await graph.ainvoke({}, at(thread=thread))
        except RunFailed:
            assert "failed" == thread
        log = await newest_log(saver, thread)
        newest = place_of((await graph.aget_state(at(thread=thread))).config)
        assert f"{log[0].run}.{end_of_history(graph.plan, log)}" == newest
