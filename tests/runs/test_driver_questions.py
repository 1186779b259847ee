"""Runs that ask: in any kind of node, several at once, across restarts; only who asked runs again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from riverrun import StateGraph
from riverrun.base.errors import InputError
from riverrun.events.kinds import NodeInterrupted, NodeRetrying, RunInterrupted, RunTakenOver
from riverrun.graph.node import START
from riverrun.graph.replay import replay
from riverrun.graph.step import RunNode
from riverrun.runs.context import interrupt
from tests.graph.laws import texts
from tests.graph.play import RUN, through_json
from tests.runs.plans import State, graph, kinds, parallel, plan, values
from tests.runs.ride import Held, Ride, drive


async def asked(ride) -> dict[str, Any]:
    """Wait until a run is parked, and give what it asks, by id."""
    await ride.task
    log = await ride.log()
    assert isinstance(log[-1], RunInterrupted)
    return {question.id: question.value for question in log[-1].questions}


async def in_async(state, ctx):
    return {"x": ctx.interrupt("well?")}


def in_thread(state, ctx):
    return {"x": ctx.interrupt("well?")}


def without_ctx(state):
    return {"x": interrupt("well?")}


async def in_async_generator(state, ctx):
    yield "half "
    yield {"x": ctx.interrupt("well?")}


def in_generator(state, ctx):
    yield "half "
    yield {"x": ctx.interrupt("well?")}


async def in_stream(state, ctx):
    async def words() -> AsyncIterator[str]:
        yield "so "
        yield str(ctx.interrupt("well?"))

    return {"text": words(), "x": 5}


async def in_one_of_two_streams(state, ctx):
    async def words() -> AsyncIterator[str]:
        yield str(ctx.interrupt("well?"))

    async def others() -> AsyncIterator[str]:
        yield "other"
        await asyncio.sleep(0)

    return {"text": words(), "more": others(), "x": 5}


@pytest.mark.parametrize(
    "node",
    [in_async, in_thread, without_ctx, in_async_generator, in_generator, in_stream, in_one_of_two_streams],
    ids=lambda node: node.__name__,
)
async def test_a_node_of_any_kind_may_ask_and_goes_on_with_the_answer(node):
    ride = await Ride(plan(a=node, b=lambda state: {"y": state["x"] + 1})).begin()
    assert {"a:1?1": "well?"} == await asked(ride)
    log = await (await ride.resume({"a:1?1": 5})).end()
    (retrying,) = [event for event in log if isinstance(event, NodeRetrying)]
    assert ("resumed", 2, "run.completed") == (retrying.reason, retrying.attempt, log[-1].type)
    assert (5, 6) == tuple(ride.driver.machine.values()[key] for key in "xy")
    assert ride.driver.machine.values() == replay(ride.plan, RUN, through_json(log)).values()


async def test_what_was_said_before_a_question_is_void_once_it_is_answered():
    ride = await Ride(plan(a=in_async_generator)).begin()
    await asked(ride)
    assert {"a:1": "half "} == texts(await ride.log())
    log = await (await ride.resume({"a:1?1": 5})).end()
    assert (["half ", "half "], {"a:1": "half "}) == (values(log), texts(log))


async def test_several_questions_of_one_node_are_told_apart_by_their_order():
    runs = []

    async def node(state, ctx):
        runs.append(ctx.attempt)
        return {"log": [ctx.interrupt("one"), ctx.interrupt("two"), ctx.interrupt("three")]}

    ride = await Ride(plan(a=node)).begin()
    for place, value in enumerate(["one", "two", "three"], 1):
        assert {f"a:1?{place}": value} == await asked(ride)
        await ride.resume({f"a:1?{place}": place * 10})
    await ride.end()
    assert ([10, 20, 30], [1, 2, 3, 4]) == (ride.driver.machine.values()["log"], runs)


async def test_only_who_asked_runs_again():
    ran = []

    async def steady(state):
        ran.append("steady")
        return {"log": ["steady"]}

    async def asks(state, ctx):
        ran.append("asks")
        return {"log": [ctx.interrupt("well?")]}

    ride = await Ride(parallel(steady=steady, asks=asks).plan("graph")).begin()
    await asked(ride)
    await (await ride.resume({"asks:1?1": "yes"})).end()
    assert (["asks", "asks", "steady"], ["steady", "yes"]) == (sorted(ran), ride.driver.machine.values()["log"])


async def test_questions_of_parallel_branches_are_answered_in_parts_and_in_any_order():
    async def asks(state, ctx):
        return {"log": [(ctx.node, ctx.interrupt(f"{ctx.node}?"))]}

    ride = await Ride(parallel(a=asks, b=asks, c=asks).plan("graph")).begin()
    assert {"a:1?1": "a?", "b:1?1": "b?", "c:1?1": "c?"} == await asked(ride)
    await ride.resume({"c:1?1": 3})
    assert {"a:1?1": "a?", "b:1?1": "b?"} == await asked(ride)
    log = await (await ride.resume({"b:1?1": 2, "a:1?1": 1})).end()
    assert [("a", 1), ("b", 2), ("c", 3)] == ride.driver.machine.values()["log"]
    assert [3, 2] == [len(event.questions) for event in log if isinstance(event, RunInterrupted)]


async def test_a_question_may_be_answered_while_other_branches_still_run():
    held = Held({"log": ["held"]})
    ride = await Ride(parallel(a=in_async, held=held).plan("graph")).begin()
    await ride.until("node.interrupted")
    ride.driver.resume({"a:1?1": 5})
    held.go.set()
    log = await ride.end()
    assert ("run.completed", 0, 5) == (
        log[-1].type,
        kinds(log).count("run.interrupted"),
        ride.driver.machine.values()["x"],
    )


async def test_an_answer_of_the_wrong_type_is_asked_for_again_with_what_was_wrong():
    async def node(state, ctx):
        return {"x": ctx.interrupt("how many?", type=int)}

    ride = await Ride(plan(a=node)).begin()
    await asked(ride)
    await ride.resume({"a:1?1": "many"})
    assert {"a:1?1": "how many?"} == await asked(ride)
    log = await (await ride.resume({"a:1?1": 3})).end()
    first, again = [event.question for event in log if isinstance(event, NodeInterrupted)]
    assert ({"type": "integer"}, {"type": "integer"}) == (first.schema, again.schema)
    assert ("", True) == (first.problem, "int" in again.problem)
    assert 3 == ride.driver.machine.values()["x"]


async def test_what_was_answered_before_a_wrong_answer_is_not_asked_for_again():
    async def node(state, ctx):
        return {"log": [ctx.interrupt("one"), ctx.interrupt("two", type=int), ctx.interrupt("three")]}

    ride = await Ride(plan(a=node)).begin()
    for name, answer in (("a:1?1", "x"), ("a:1?2", "wrong"), ("a:1?2", 2), ("a:1?3", "z")):
        assert [name] == list(await asked(ride))
        await ride.resume({name: answer})
    await ride.end()
    assert ["x", 2, "z"] == ride.driver.machine.values()["log"]


async def test_an_answer_to_what_nobody_asks_is_refused_and_changes_nothing():
    ride = await Ride(plan(a=in_async)).begin()
    await asked(ride)
    before = await ride.log()
    with pytest.raises(InputError) as caught:
        ride.driver.resume({"a:1?1": 5, "b:1?1": 6})
    assert ("E2015", "answer 'b:1?1'") == (caught.value.code, caught.value.where)
    assert "a:1?1" in caught.value.message
    assert before == await ride.log()
    await (await ride.resume({"a:1?1": 5})).end()


async def test_an_except_clause_does_not_swallow_a_question():
    async def node(state, ctx):
        try:
            return {"x": ctx.interrupt("well?")}
        except Exception:  # noqa: BLE001  # what many nodes do
            return {"x": -1}

    ride = await Ride(plan(a=node)).begin()
    await asked(ride)
    await (await ride.resume({"a:1?1": 5})).end()
    assert 5 == ride.driver.machine.values()["x"]


async def test_a_question_that_is_not_json_fails_the_node():
    async def node(state, ctx):
        ctx.interrupt(object())

    log = await drive(plan(a=node))
    assert ("run.failed", "E3008") == (log[-1].type, log[-1].error.code)


async def test_a_router_cannot_ask():
    made = graph((START, "a"), a=lambda state: {"x": 1})
    made.add_conditional_edges("a", lambda state: interrupt("where to?"), ["a"])
    log = await drive(made.plan("graph"))
    assert ("run.failed", True) == (log[-1].type, "interrupt" in log[-1].error.message)


async def test_a_parked_run_can_be_stopped():
    ride = await Ride(plan(a=in_async)).begin()
    await asked(ride)
    ride.driver.stop("enough")
    ride.task = asyncio.create_task(ride.driver.run(ride.started))
    log = await ride.end()
    assert ("run.stopped", "enough") == (log[-1].type, log[-1].reason)


async def test_time_spent_waiting_for_answers_does_not_count():
    ride = await Ride(plan(a=in_async), timeout=60.0).begin()
    await asked(ride)
    ride.clock.advance(3600)
    log = await (await ride.resume({"a:1?1": 5})).end()
    assert "run.completed" == log[-1].type


async def test_a_question_has_the_same_id_for_a_new_owner_and_is_not_asked_again():
    ride = await Ride(parallel(a=in_async, b=in_async_generator).plan("graph")).begin()
    questions = await asked(ride)
    log = through_json(await ride.log())
    log.append(RunTakenOver(seq=len(log) + 1, ts=9, run=RUN, epoch=2))
    machine = replay(ride.plan, RUN, log)
    assert ([], []) == (machine.events, machine.commands)
    machine.resumed({"a:1?1": 5}, 10)
    (order,) = machine.commands
    assert isinstance(order, RunNode)
    assert ("a:1", (5,), 2) == (order.exec_id, order.answers, order.attempt)
    assert {"a:1?1", "b:1?1"} == set(questions)
    ride.pool.close()


# --- in sub graphs ---


def nested(node, depth=2):
    """Put a node into graphs within graphs."""
    made = StateGraph(State).add_node("ask", node).add_edge(START, "ask")
    for level in range(depth):
        made = StateGraph(State).add_node(f"level{level}", made.compile()).add_edge(START, f"level{level}")
    return made


async def test_a_question_in_a_graph_within_a_graph_parks_the_run_and_nothing_outside_runs_again():
    ride = await Ride(nested(in_async).plan("graph")).begin()
    name = "level1:1/level0:1/ask:1?1"
    assert {name: "well?"} == await asked(ride)
    log = await (await ride.resume({name: 5})).end()
    assert 5 == ride.driver.machine.values()["x"]
    assert 3 == kinds(log).count("node.started")
    (question,) = [event for event in log if isinstance(event, NodeInterrupted)]
    assert (("level1:1", "level1:1/level0:1"), "ask") == (question.ns, question.node)


async def test_questions_of_sub_graphs_and_of_nodes_beside_them_are_open_together():
    made = StateGraph(State)
    made.add_node("inner", nested(in_async, 0).compile()).add_node("b", in_async_generator)
    made.add_edge(START, "inner").add_edge(START, "b")
    ride = await Ride(made.plan("graph")).begin()
    assert {"inner:1/ask:1?1", "b:1?1"} == set(await asked(ride))
    log = await (await ride.resume({"inner:1/ask:1?1": 1, "b:1?1": 2})).end()
    assert ("run.failed", "E3004") == (log[-1].type, log[-1].error.code), "both wrote x"


# --- holds ---


async def test_a_run_holds_before_and_after_the_nodes_it_was_told_to():
    ran = []

    def node(name):
        async def run(state):
            ran.append(name)

        return run

    names = "abc"
    made = graph(**{name: node(name) for name in names})
    ride = await Ride(made.plan("graph", before=["b"], after=["b"])).begin()
    assert {"b:1?0": None} == await asked(ride)
    assert ["a"] == ran
    await ride.resume({"b:1?0": None})
    assert {"c:1?0": None} == await asked(ride)
    assert ["a", "b"] == ran
    log = await (await ride.resume({"c:1?0": "any answer will do"})).end()
    assert (["before", "after"], [*names]) == (
        [event.question.kind for event in log if isinstance(event, NodeInterrupted)],
        ran,
    )
    assert "node.retrying" not in kinds(log)


async def test_a_start_may_say_where_its_run_holds():
    ride = await Ride(plan(a=in_async, b=lambda state: {"y": 1}), before=("*",)).begin()
    assert ["a:1?0"] == list(await asked(ride))
    await ride.resume({"a:1?0": None})
    assert ["a:1?1"] == list(await asked(ride))
    await ride.resume({"a:1?1": 5})
    assert ["b:1?0"] == list(await asked(ride))
    log = await (await ride.resume({"b:1?0": None})).end()
    assert "run.completed" == log[-1].type


async def test_several_sub_graphs_that_are_held_go_on_with_one_answer():
    inner = StateGraph(State).add_node("i", lambda state: {"log": ["i"]}).add_edge(START, "i").compile()
    made = StateGraph(State)
    for name in "abc":
        made.add_node(name, inner).add_edge(START, name)
    ride = await Ride(made.plan("graph", before=["*"])).begin()
    questions = await asked(ride)
    assert ["a:1?0", "b:1?0", "c:1?0"] == list(questions)
    log = await (await ride.resume(questions)).end()
    assert ("run.completed", ["i"] * 3) == (log[-1].type, ride.driver.machine.values()["log"])
