"""Stretches: an agent, whatever it is, as a graph of two nodes whose questions may be answered elsewhere and later."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.agents.stretch import Amendment, Asks, Done, Kind, Stretch, as_plan, as_prompt, asks_for_call, verdict
from riverrun.base.errors import GraphError
from riverrun.events.kinds import NodeCompleted, NodeInterrupted
from riverrun.face.compiled import CompiledGraph
from riverrun.face.saver import InMemorySaver
from riverrun.graph.node import Command

THREAD = {"configurable": {"thread_id": "1"}}


def graph_of(run: Any, takes: Any = ("input",), gives: Any = ("output",), **said: Any) -> CompiledGraph:
    """A graph of an agent that does this in each of its stretches, with threads."""
    kind = Kind(name="agent", run=run, takes=takes, gives=gives, where="here")
    return CompiledGraph(as_plan(kind, **said), checkpointer=InMemorySaver())


@given(st.lists(st.integers(0, 3), min_size=1, max_size=4))
async def test_an_agent_may_ask_any_number_of_questions_any_number_of_times(counts):
    """What it saved and the answers to what it asked last are all that a stretch has of the ones before."""
    heard = []

    async def run(stretch: Stretch) -> Done:
        turn = 0 if stretch.answers is None else stretch.saved["turn"]
        heard.append(None if stretch.answers is None else dict(stretch.answers))
        asks = (
            tuple(Asks(id=f"{turn}.{each}", value=each) for each in range(counts[turn])) if turn < len(counts) else ()
        )
        return Done(saved={"turn": turn + 1}, asks=asks) if asks else Done(update={"output": turn})

    graph = graph_of(run)
    result = await graph.ainvoke({"input": 1}, THREAD)
    turn = 0
    while "__interrupt__" in result:
        assert sorted(range(counts[turn])) == sorted(each.value for each in result["__interrupt__"])
        result = await graph.ainvoke(
            Command(resume={each.id: f"{turn}: {each.value}" for each in result["__interrupt__"]}), THREAD
        )
        turn += 1
        assert {f"{turn - 1}.{each}": f"{turn - 1}: {each}" for each in range(counts[turn - 1])} == heard[-1]
    assert turn == result["output"]


async def test_answers_in_parts_wait_for_each_other():
    async def run(stretch: Stretch) -> Done:
        if stretch.answers is None:
            return Done(asks=(Asks(id="a"), Asks(id="b")))
        return Done(update={"output": dict(stretch.answers)})

    graph = graph_of(run)
    first, second = (await graph.ainvoke({}, THREAD))["__interrupt__"]
    (still,) = (await graph.ainvoke(Command(resume={second.id: 2}), THREAD))["__interrupt__"]
    assert first.id == still.id
    assert {"a": 1, "b": 2} == (await graph.ainvoke(Command(resume={first.id: 1}), THREAD))["output"]


async def test_a_thread_hands_on_what_was_saved_and_only_what_this_run_was_given():
    seen = []

    async def run(stretch: Stretch) -> Done:
        seen.append((dict(stretch.given), stretch.saved, stretch.keeps))
        return Done(update={"notes": ["kept"], "topic": "kept"}, saved=len(seen))

    graph = graph_of(run, ("topic", "notes"), ("topic", "notes"))
    await graph.ainvoke({"topic": "a"}, THREAD)
    await graph.ainvoke({"notes": ["b"]}, THREAD)
    assert [({"topic": "a"}, None, True), ({"notes": ["b"]}, 1, True)] == seen


async def test_a_run_that_was_left_with_its_question_is_not_answered_by_the_next_one_of_its_thread():
    async def run(stretch: Stretch) -> Done:
        assert stretch.answers is None
        return Done(asks=(Asks(id="a"),), saved=1) if stretch.given["input"] == "ask" else Done(update={"output": 1})

    graph = graph_of(run)
    await graph.ainvoke({"input": "ask"}, THREAD)
    result = await graph.ainvoke({"input": "go"}, THREAD)
    assert {"output": 1} == result


async def test_a_run_that_keeps_nothing_says_nothing_of_it_in_its_log():
    async def run(stretch: Stretch) -> Done:
        return Done(update={"output": 1}, saved={"much": "x" * 1000})

    kind = Kind(name="agent", run=run, takes=("input",), gives=("output",), where="here")
    log = [event async for event in CompiledGraph(as_plan(kind)).astream({})]
    assert [({"output": 1},)] == [event.writes for event in log if isinstance(event, NodeCompleted)]


async def test_only_an_answer_to_an_approval_has_a_shape():
    async def run(stretch: Stretch) -> Done:
        return Done(asks=(Asks(id="a"), Asks(id="b", approval=True)))

    log = [event async for event in graph_of(run).astream({}, THREAD)]
    schemas = [event.question.schema for event in log if isinstance(event, NodeInterrupted)]
    assert [False, True] == [schema is not None for schema in schemas]


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (True, Amendment(approve=True)),
        (False, Amendment(approve=False)),
        ({"approve": True, "arguments": {"a": 1}}, Amendment(approve=True, arguments={"a": 1})),
    ],
    ids=str,
)
def test_a_verdict_is_read_from_a_yes_a_no_or_a_mapping(answer, wanted):
    assert wanted == verdict(answer)


async def test_arguments_may_be_changed_only_where_the_agent_can_take_them():
    async def run(stretch: Stretch) -> Done:
        if stretch.answers is not None:
            return Done(update={"output": dict(stretch.answers)})
        return Done(asks=tuple(asks_for_call(each, "f", {}, amendable=each == "may") for each in ("may", "not")))

    graph = graph_of(run)
    amended = {"approve": True, "arguments": {"a": 2}}
    asked = {each.value["call"]["id"]: each.id for each in (await graph.ainvoke({}, THREAD))["__interrupt__"]}
    (again,) = (await graph.ainvoke(Command(resume=dict.fromkeys(asked.values(), amended)), THREAD))["__interrupt__"]
    assert asked["not"] == again.id
    result = await graph.ainvoke(Command(resume={again.id: True}), THREAD)
    assert {"may": {"approve": True, "reason": "", "arguments": {"a": 2}}, "not": True} == result["output"]


def test_a_prompt_is_a_text_a_list_or_json():
    assert ["a", ["a"], None, '{"a":1}', "3"] == [as_prompt(each) for each in ("a", ["a"], None, {"a": 1}, 3)]


def test_there_are_two_ways_to_recover():
    async def run(stretch: Stretch) -> Done:
        await asyncio.sleep(0)
        return Done()

    for recover in ("restart", "fail"):
        graph_of(run, recover=recover)
    with pytest.raises(GraphError, match="E1012"):
        graph_of(run, recover="hope")
