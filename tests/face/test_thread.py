"""An input meets a thread: a new run on the last, an answer, another try; one run at a time, the past untouched."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import Busy, InputError, NotFound
from riverrun.events.kinds import Custom, NodeCompleted, NodeStarted, Send
from riverrun.face.saver import InMemorySaver
from riverrun.face.state_graph import StateGraph
from riverrun.graph.node import START, Command
from riverrun.graph.policies import RetryPolicy
from tests.face.chains import (
    SECONDS,
    Gate,
    State,
    asks,
    at,
    chain,
    check,
    endings,
    ids,
    newest_log,
    says,
    side_by_side,
)
from tests.runs.plans import until

pytestmark = pytest.mark.timeout(SECONDS)


# --- threads ---


@given(st.lists(st.tuples(st.sampled_from("stu"), st.integers(0, 9)), max_size=8))
def test_a_run_begins_with_what_the_last_one_of_its_thread_left_and_knows_no_other_thread(inputs):
    graph = chain(InMemorySaver(), "a")
    left: dict[str, list[Any]] = {}
    for thread, number in inputs:
        left.setdefault(thread, []).extend([number, "a"])
        assert {"x": number, "log": left[thread]} == graph.invoke({"x": number, "log": [number]}, at(thread=thread))
    for thread, log in left.items():
        assert log == graph.get_state(at(thread=thread)).values["log"]


async def test_a_thread_has_one_run_at_a_time_and_others_do_not_wait_for_it():
    gate, saver = Gate(), InMemorySaver()
    graph = chain(saver, a=gate)
    run = await graph.start({}, at())
    await gate.began.wait()
    tries: list[Any] = [{}, None, Command(resume=1), Command(goto="b")]
    for given_input in tries:
        with pytest.raises(Busy) as caught:
            await graph.ainvoke(given_input, at())
        assert "E3018" == caught.value.code
        assert run.id in caught.value.message
    with pytest.raises(Busy):
        await graph.aupdate_state(at(), {"x": 1})
    other = chain(saver, "b")
    assert {"log": ["b"]} == await other.ainvoke({}, at(thread="other"))
    gate.go.set()
    await run.result()
    assert ["gate", "b", "c"] * 2 == (await graph.ainvoke({}, at()))["log"]


async def test_of_two_runs_that_are_begun_at_once_one_is_refused():
    saver = InMemorySaver()
    graph = chain(saver)
    first, second = await asyncio.gather(*(graph.ainvoke({}, at()) for _ in range(2)), return_exceptions=True)
    assert {"log": ["a", "b", "c"]} == first
    assert isinstance(second, Busy)
    assert ["completed"] == await endings(saver)


async def test_a_thread_must_be_named_where_threads_are_kept():
    with pytest.raises(InputError) as caught:
        await chain(InMemorySaver()).ainvoke({})
    assert "E2016" == caught.value.code
    assert "thread_id" in caught.value.mend


async def test_a_run_whose_caller_is_cancelled_is_stopped_and_can_be_gone_on_with():
    gate, saver = Gate(), InMemorySaver()
    graph = chain(saver, b=gate)
    task = asyncio.create_task(graph.ainvoke({}, at()))
    await gate.began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ["stopped"] == await endings(saver)
    gate.go.set()
    assert ["a", "gate", "c"] == (await graph.ainvoke(None, at()))["log"]


@pytest.mark.parametrize("closing", ["by asyncio.run", "at once"])
def test_a_thread_whose_event_loop_was_closed_under_it_is_free_again(closing):
    saver, began = InMemorySaver(), []

    async def node(state: State) -> State:
        began.append(1)
        if len(began) == 1:
            await asyncio.Event().wait()
        return {"log": ["b"]}

    graph = chain(saver, b=node)

    async def leave() -> None:
        await graph.start({}, at())
        await until(lambda: began)

    if closing == "by asyncio.run":
        asyncio.run(leave())
    else:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(leave())
        left = asyncio.all_tasks(loop)
        loop.close()
        for task in left:  # what Python would warn of is what is tested here
            task._log_destroy_pending = False  # type: ignore[attr-defined]
    assert ["a", "b", "c"] == graph.invoke(None, at())["log"]
    # Closing cancels tasks in any order: where the node's comes first, that is an end of the node.
    assert asyncio.run(endings(saver)) in (["lost", "completed"], ["failed", "completed"])
    assert {} == saver.live


# --- answers ---


async def test_the_one_question_is_answered_by_any_value():
    answers: list[Any] = ["yes", 0, False, "", [], {"plain": 1}, {}]
    for answer in answers:
        graph = chain(InMemorySaver(), b=asks("b"))
        asked = await graph.ainvoke({}, at())
        assert (["a"], ["b?"]) == (asked["log"], [each.value for each in asked["__interrupt__"]])
        assert ["a", f"b={answer}", "c"] == (await graph.ainvoke(Command(resume=answer), at()))["log"]


async def test_only_the_one_who_asked_runs_again():
    ran: list[str] = []

    def noted(name: str, node: Any) -> Any:
        async def wrapped(state: State, ctx: Any) -> Any:
            ran.append(name)
            return await (node(state, ctx) if name == "b" else node(state))

        return wrapped

    graph = chain(InMemorySaver(), a=noted("a", says("a")), b=noted("b", asks("b", 2)), c=noted("c", says("c")))
    await graph.ainvoke({}, at())
    await graph.ainvoke(Command(resume=1), at())
    assert ["a", "b=1", "b=2", "c"] == (await graph.ainvoke(Command(resume=2), at()))["log"]
    assert ["a", "b", "b", "b", "c"] == ran


@given(
    st.permutations(range(3)),
    st.lists(st.booleans(), min_size=2, max_size=2),
    st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_answers_by_id_may_come_in_parts_and_any_order_also_when_only_the_log_is_left(order, cuts, gone):
    saver = InMemorySaver()
    graph = side_by_side(saver, a=asks("a"), b=asks("b"), c=asks("c"))
    names = ids(graph.invoke({}, at()))
    parts: list[list[int]] = [[order[0]]]
    for place, cut in zip(order[1:], cuts, strict=True):
        if cut:
            parts.append([])
        parts[-1].append(place)
    for part, is_gone in zip(parts, gone, strict=False):
        if is_gone:
            saver.parked.clear()
        result = graph.invoke(Command(resume={names[place]: place for place in part}), at())
    assert {"log": ["a=0", "b=1", "c=2"]} == result
    assert ["completed"] == asyncio.run(endings(saver))
    asyncio.run(check(graph, saver))
    log = asyncio.run(newest_log(saver))
    assert 3 + 3 == sum(isinstance(event, NodeStarted | NodeCompleted) for event in log)  # begun once, ended once
    assert {} == saver.parked == saver.live


@pytest.mark.parametrize("gone", [False, True])
async def test_what_answers_no_question_is_refused_and_the_questions_stay(gone):
    saver = InMemorySaver()
    graph = side_by_side(saver, a=asks("a"), b=asks("b"))
    names = ids(await graph.ainvoke({}, at()))
    answers: list[Any] = ["one for both", {"nobody:1?1": 1}, {names[0]: 1, "nobody:1?1": 1}]
    for answer in answers:
        if gone:
            saver.parked.clear()
        with pytest.raises(InputError) as caught:
            await graph.ainvoke(Command(resume=answer), at())
        assert "E2015" == caught.value.code
    assert {"a?", "b?"} == {each.value for each in (await graph.aget_state(at())).interrupts}
    assert {"log": ["a=1", "b=2"]} == await graph.ainvoke(Command(resume=dict(zip(names, (1, 2), strict=True))), at())


def test_an_answer_may_come_from_another_event_loop():
    saver = InMemorySaver()
    graph = chain(saver, b=asks("b", 3))
    graph.invoke({}, at())
    for number in range(2):
        graph.invoke(Command(resume=number), at())
    assert ["a", "b=0", "b=1", "b=2", "c"] == asyncio.run(graph.ainvoke(Command(resume=2), at()))["log"]


async def test_of_two_answers_at_once_one_is_taken():
    for _ in range(5):
        saver = InMemorySaver()
        graph = chain(saver, b=asks("b"))
        await graph.ainvoke({}, at())
        calls = (graph.ainvoke(Command(resume=number), at()) for number in range(2))
        first, second = await asyncio.gather(*calls, return_exceptions=True)
        assert {"log": ["a", "b=0", "c"]} == first
        assert isinstance(second, Busy)
        assert ["completed"] == await endings(saver)


async def test_an_answer_may_follow_the_question_at_once():
    saver = InMemorySaver()
    graph = chain(saver, b=asks("b"))
    run = await graph.start({}, at())
    async for event in run.events():
        if event.type == "run.interrupted":
            break
    assert ["a", "b=1", "c"] == (await graph.ainvoke(Command(resume=1), at()))["log"]
    assert 1 == len(await saver.all("t"))


@pytest.mark.parametrize("gone", [False, True])
async def test_without_an_answer_a_question_stays_and_is_told_again(gone):
    saver = InMemorySaver()
    graph = chain(saver, b=asks("b"))
    asked = await graph.ainvoke({}, at())
    for _ in range(2):
        if gone:
            saver.parked.clear()
        assert asked == await graph.ainvoke(None, at())
        if gone:
            saver.parked.clear()
        assert ["run.interrupted"] == [event.type async for event in graph.astream(None, at())]
        told = [part async for part in graph.astream(None, at(), stream_mode="updates")]
        assert [{"__interrupt__": tuple(asked["__interrupt__"])}] == told
    assert ["parked"] == await endings(saver)
    assert ["a", "b=1", "c"] == (await graph.ainvoke(Command(resume=1), at()))["log"]


@pytest.mark.parametrize("mode", [None, "updates", "values"])
async def test_a_reader_who_hears_the_question_and_leaves_does_not_end_the_run(mode):
    saver = InMemorySaver()
    graph = chain(saver, b=asks("b"))
    async for _ in graph.astream({}, at(), stream_mode=mode):
        pass
    assert ["parked"] == await endings(saver)
    assert [saver.parked.keys(), {}] == [{row.key.run for row in await saver.all("t")}, saver.live]
    assert ["a", "b=1", "c"] == (await graph.ainvoke(Command(resume=1), at()))["log"]


async def test_an_empty_command_and_an_answer_with_an_update_are_refused_and_the_question_stays():
    saver = InMemorySaver()
    graph = chain(saver, b=asks("b"))
    await graph.ainvoke({}, at())
    commands: tuple[Command[Any], ...] = (
        Command(),
        Command(resume=1, update={"x": 1}),
        Command(resume=1, goto="c"),
        Command(resume=None),
    )
    for command in commands:
        with pytest.raises(InputError) as caught:
            await graph.ainvoke(command, at())
        assert "E2016" == caught.value.code
    assert ["parked"] == await endings(saver)


async def test_a_thread_without_a_run_has_nothing_to_go_on_with():
    inputs: list[Any] = [None, Command(resume=1)]
    for given_input in inputs:
        with pytest.raises(InputError) as caught:
            await chain(InMemorySaver()).ainvoke(given_input, at())
        assert "E2016" == caught.value.code


async def test_a_thread_that_is_done_gives_its_state_and_makes_no_run():
    saver = InMemorySaver()
    graph = chain(saver)
    done = await graph.ainvoke({"x": 1}, at())
    assert done == await graph.ainvoke(None, at())
    assert done == await graph.ainvoke(None, (await graph.aget_state(at())).config)
    assert [] == [event async for event in graph.astream(None, at())]
    with pytest.raises(InputError) as caught:
        await graph.start(None, at())
    assert "E2016" == caught.value.code
    assert ["completed"] == await endings(saver)


# --- a new input while something is open ---


@pytest.mark.parametrize("gone", [False, True])
async def test_a_new_input_goes_on_without_the_open_question(gone):
    saver = InMemorySaver()
    graph = chain(saver, b=asks("b"))
    await graph.ainvoke({}, at())
    if gone:
        saver.parked.clear()
    assert ["a", "new", "a"] == (await graph.ainvoke({"log": ["new"]}, at()))["log"]
    assert ["stopped", "parked"] == await endings(saver)
    assert ["a", "new", "a", "b=1", "c"] == (await graph.ainvoke(Command(resume=1), at()))["log"]
    assert {} == saver.parked == saver.live


async def test_an_input_that_is_refused_leaves_the_open_question_alone():
    saver = InMemorySaver()
    graph = chain(saver, b=asks("b"))
    await graph.ainvoke({}, at())
    calls = (
        (lambda: graph.ainvoke({"typo": 1}, at()), "E2010"),
        (lambda: graph.ainvoke(Command(goto="nowhere"), at()), "E2004"),
        (lambda: graph.aupdate_state(at(), {"typo": 1}), "E2010"),
        (lambda: graph.aupdate_state(at(), {"x": 1}, as_node="nobody"), "E2004"),
        (lambda: graph.ainvoke({}, at("0.1")), "E2005"),
    )
    for call, code in calls:
        with pytest.raises((InputError, NotFound)) as caught:
            await call()
        assert code == caught.value.code
    assert ["parked"] == await endings(saver)
    assert ["a", "b=1", "c"] == (await graph.ainvoke(Command(resume=1), at()))["log"]


async def test_a_command_writes_and_goes_somewhere_instead_of_the_start():
    saver = InMemorySaver()
    graph = chain(saver)
    assert {"x": 1, "log": ["in", "c"]} == await graph.ainvoke(Command(update={"x": 1, "log": ["in"]}, goto="c"), at())
    assert ["in", "c", "b", "c"] == (await graph.ainvoke(Command(goto="b"), at()))["log"]
    assert ["in", "c", "b", "c", "u", "a", "b", "c"] == (await graph.ainvoke(Command(update={"log": ["u"]}), at()))[
        "log"
    ]
    both = await graph.ainvoke(Command(update=[("x", 5)], goto=["c", Send("c", {})]), at())
    assert (5, ["c", "c"]) == (both["x"], both["log"][8:])
    with pytest.raises(InputError) as caught:
        await graph.ainvoke(Command(goto="nowhere"), at())
    assert "E2004" == caught.value.code


# --- holds ---


@pytest.mark.parametrize("where", ["of the graph", "of the run"])
@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize(
    ("before", "after", "stops"),
    [
        ("b", None, [["a"]]),
        (["b", "c"], None, [["a"], ["a", "b"]]),
        ("*", None, [[], ["a"], ["a", "b"]]),
        (None, ["a"], [["a"]]),
        (["b"], ["b"], [["a"], ["a", "b"]]),
    ],
    ids=str,
)
async def test_a_run_holds_where_it_is_told_to_and_is_let_go_without_an_answer(where, gone, before, after, stops):
    saver = InMemorySaver()
    holds: dict[str, Any] = {"interrupt_before": before, "interrupt_after": after}
    graph = chain(saver, **(holds if where == "of the graph" else {}))
    found = [(await graph.ainvoke({}, at(), **(holds if where == "of the run" else {})))["log"]]
    while len(found) < 10 and (await graph.aget_state(at())).next:
        if gone:
            saver.parked.clear()
        found.append((await graph.ainvoke(None, at()))["log"])
    assert [*stops, ["a", "b", "c"]] == found
    assert ["completed"] == await endings(saver)


async def test_a_hold_is_let_go_at_the_place_that_the_state_names():
    saver = InMemorySaver()
    graph = chain(saver, interrupt_before=["b"])
    await graph.ainvoke({}, at())
    held = await graph.aget_state(at())
    assert (("b",), ()) == (held.next, held.interrupts)
    assert ["a", "b", "c"] == (await graph.ainvoke(None, held.config))["log"]
    assert ["completed"] == await endings(saver)
    assert ["a", "b", "c"] == (await graph.ainvoke(None, held.config))["log"]  # in the past by now: a fork
    assert ["completed"] * 2 == await endings(saver)


async def test_what_is_written_while_a_run_is_held_is_there_when_it_goes_on_and_it_does_not_hold_there_again():
    saver = InMemorySaver()
    graph = chain(saver, interrupt_before=["b", "c"])
    await graph.ainvoke({}, at())
    await graph.aupdate_state(at(), {"x": 7, "log": ["seen"]})
    held = await graph.ainvoke(None, at())
    assert {"x": 7, "log": ["a", "seen", "b"]} == held
    assert {"x": 7, "log": ["a", "seen", "b", "c"]} == await graph.ainvoke(None, at())


async def test_a_question_and_a_hold_at_once_are_let_go_one_by_one():
    saver = InMemorySaver()
    graph = side_by_side(saver, a=asks("a"), b=says("b"))
    await graph.ainvoke({}, at(), interrupt_before="b")
    assert ["b"] == (await graph.ainvoke(None, at()))["log"]
    assert ["a=1", "b"] == (await graph.ainvoke(Command(resume=1), at()))["log"]


# --- notes ---


@pytest.mark.parametrize("only_the_log_is_left", [False, True])
async def test_what_a_node_noted_is_there_when_it_runs_again(only_the_log_is_left):
    seen = []

    async def notes(state, ctx):
        seen.append(ctx.noted)
        ctx.note({"task": len(seen)})
        if len(seen) == 1:
            raise ConnectionError("once")
        return {"log": [ctx.interrupt("go on?")]}

    saver = InMemorySaver()
    builder = StateGraph(State).add_node("a", notes, retry_policy=RetryPolicy(initial_interval=0, jitter=False))
    graph = builder.add_edge(START, "a").compile(saver)
    await graph.ainvoke({}, at())
    if only_the_log_is_left:
        saver.parked.clear()
    assert {"log": ["yes"]} == await graph.ainvoke(Command(resume="yes"), at())
    assert [None, {"task": 1}, {"task": 2}] == seen
    notes_told = [event.value for event in await newest_log(saver) if isinstance(event, Custom)]
    assert [{"task": 1}, {"task": 2}, {"task": 3}] == notes_told
