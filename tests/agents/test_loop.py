"""The agent as a graph: turns, calls at once, questions, stops in the middle, another worker, a server."""

from __future__ import annotations

import asyncio
import gc
from contextlib import aclosing
from typing import Annotated, Any, TypedDict

import pytest

from riverrun import END, START, CompiledGraph, Context, InMemorySaver, RetryPolicy, StateGraph, add_messages
from riverrun.agents.loop import agent
from riverrun.agents.tool import Progress, tool
from riverrun.base.errors import ConnectionFault, GraphError, InputError
from riverrun.events.kinds import Custom, NodeChunk, NodeCompleted, NodeRetrying, NodeStarted, RunInterrupted
from riverrun.models.message import CUT_OFF
from riverrun.models.offline import OfflineModel
from riverrun.models.pieces import Finish, Text
from tests.agents.scripts import ScriptedModel, calls, results, says, told

HELLO = {"messages": ["Hello."]}


def add(a: int, b: int = 1) -> int:
    """Add."""
    return a + b


async def run(plan, given: Any = None):
    started = await CompiledGraph(plan).start(given or HELLO)
    log = [event async for event in started.events()]
    return log, started.state().get("messages", [])


async def test_a_model_without_tools_answers():
    log, messages = await run(agent(ScriptedModel(says("To ", "the sea.")), system="Be short."))
    assert ["Hello.", "To the sea."] == [one["content"] for one in messages]
    assert ["To ", "the sea."] == [event.value for event in log if isinstance(event, NodeChunk)]


async def test_the_model_is_asked_again_with_the_results_until_it_calls_nothing():
    model = ScriptedModel(calls(("add", {"a": 1}), text="Let me see. "), calls(("add", {"a": 5, "b": 6})), says("13"))
    log, messages = await run(agent(model, [add]))
    assert ["user", "assistant", "tool", "assistant", "tool", "assistant"] == [one["role"] for one in messages]
    assert [("2", None), ("11", None)] == results(messages)
    assert [1, 3, 5] == [len(each) for each in model.asked]
    assert [["add"]] * 3 == model.tools
    assert ["model:1", "tool:1", "model:2", "tool:2", "model:3"] == [
        event.exec for event in log if isinstance(event, NodeStarted)
    ]


async def test_calls_of_one_answer_run_at_once_and_their_results_keep_the_order_of_the_calls():
    both = asyncio.Barrier(2)
    first = asyncio.Event()

    async def meet(who: str) -> str:
        await both.wait()
        if who == "a":
            await first.wait()
        first.set()
        return who

    model = ScriptedModel(calls(("meet", {"who": "a"}), ("meet", {"who": "b"})), says("ok"))
    log, messages = await run(agent(model, [meet]))
    assert [("a", None), ("b", None)] == results(messages)
    assert ["tool:2", "tool:1"] == [e.exec for e in log if isinstance(e, NodeCompleted) and e.node == "tool"]


async def test_whatever_a_tool_does_wrong_the_model_goes_on_with_the_error():
    async def broken() -> None:
        raise LookupError("no such river")

    model = ScriptedModel(calls(("broken", {}), ("gone", {}), ("add", "{nonsense")), says("Sorry."))
    log, messages = await run(agent(model, [broken, add]))
    assert ["E3037", "E3040", "E3036"] == [error for _, error in results(messages)]
    assert ("run.completed", "Sorry.") == (log[-1].type, messages[-1]["content"])
    assert ["E3037", "E3040", "E3036"] == [value["error"] for value in told(log) if value["state"] == "failed"]


async def test_a_tool_streams_to_the_readers_before_it_has_ended():
    gates = [asyncio.Event(), asyncio.Event()]

    async def search(query: str):
        yield "first "
        await gates[0].wait()
        yield Progress(0.5)
        await gates[1].wait()
        yield "second"

    model = ScriptedModel(calls(("search", {"query": "x"})), says("ok"))
    async for event in CompiledGraph(agent(model, [search])).astream(HELLO):
        if isinstance(event, NodeChunk) and event.value == "first ":
            gates[0].set()
        elif isinstance(event, Custom) and event.value.get("state") == "progress":
            gates[1].set()
    assert all(gate.is_set() for gate in gates)
    assert "first second" == model.asked[-1][-1]["content"]


async def test_a_model_that_breaks_off_is_asked_again_and_tools_are_not_called_twice():
    seen: list[int] = []

    def count(n: int) -> int:
        seen.append(n)
        return n

    model = ScriptedModel(calls(("count", {"n": 1})), [Text("half")], says("whole"))
    policy = RetryPolicy(initial_interval=0.0, jitter=False)
    log, messages = await run(agent(model, [count], retry_policy=policy))
    assert ([1], "whole") == (seen, messages[-1]["content"])
    assert ["E3031"] == [event.error.code for event in log if isinstance(event, NodeRetrying) and event.error]


async def test_a_model_that_never_stops_calling_meets_the_limit_of_the_run():
    started = await CompiledGraph(agent(ScriptedModel(calls(("add", {"a": 1}))), [add])).start(
        HELLO, {"recursion_limit": 9}
    )
    log = [event async for event in started.events()]
    assert "E3005" == log[-1].error.code  # type: ignore[attr-defined]


# --- questions ---


async def test_a_call_that_needs_approval_waits_while_the_others_are_done_and_only_it_runs_again():
    seen: list[str] = []

    def note(word: str) -> str:
        seen.append(word)
        return word

    careful = tool(note, name="careful", approval=True)
    model = ScriptedModel(
        calls(("note", {"word": "a"}), ("careful", {"word": "b"}), ("careful", {"word": "c"})), says("ok")
    )
    started = await CompiledGraph(agent(model, [note, careful])).start(HELLO)
    async with aclosing(started.events()) as events:
        async for event in events:
            if isinstance(event, RunInterrupted):
                break
    assert ["a"] == seen
    questions = {question.value["call"]["arguments"]["word"]: question for question in started.questions}
    assert {"b", "c"} == questions.keys()
    assert all(question.schema for question in questions.values())
    answers = {questions["b"].id: {"approve": False, "reason": "too late"}, questions["c"].id: True}
    await started.resume(answers)
    state = await started.result()
    assert ["a", "c"] == seen
    assert [("a", None), ("E3041 The call was not allowed: too late.", "E3041"), ("c", None)] == results(
        state["messages"]
    )


async def test_an_answer_that_makes_no_sense_is_asked_for_again():
    careful = tool(add, approval=True)
    started = await CompiledGraph(agent(ScriptedModel(calls(("add", {"a": 1})), says("ok")), [careful])).start(HELLO)
    await started.settled()
    await started.resume({started.questions[0].id: "perhaps"})
    await started.settled()
    assert started.questions[0].problem
    await started.resume({started.questions[0].id: {"approve": True, "arguments": {"a": 2}}})
    assert [("3", None)] == results((await started.result())["messages"])


# --- stops ---


async def test_after_a_stop_in_the_middle_of_calls_the_conversation_goes_on_with_what_was_done():
    began = asyncio.Event()

    async def hang() -> None:
        began.set()
        await asyncio.Event().wait()

    model = ScriptedModel(calls(("add", {"a": 1}), ("hang", {})), says("Where were we?"))
    graph = CompiledGraph(agent(model, [add, hang]), checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    started = await graph.start(HELLO, config)
    async with aclosing(started.events()) as events:
        async for event in events:
            if isinstance(event, NodeCompleted) and event.node == "tool":
                break
    await began.wait()
    await started.stop("enough")
    await started.settled()
    state = await graph.ainvoke({"messages": ["Go on."]}, config)
    assert "Where were we?" == state["messages"][-1]["content"]
    sent = model.asked[-1]
    assert [("2", None), (CUT_OFF, "E3042")] == results(sent)
    assert ["user", "assistant", "tool", "tool", "user"] == [one["role"] for one in sent]


async def test_a_stop_reaches_a_tool_and_closes_what_it_reads():
    closed, began = asyncio.Event(), asyncio.Event()

    async def read():
        try:
            yield "some "
            began.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    started = await CompiledGraph(agent(ScriptedModel(calls(("read", {}))), [read])).start(HELLO)
    await began.wait()
    await started.stop()
    await closed.wait()
    await started.settled()
    last = await started.last()
    assert ("run.stopped", ("tool:1",)) == (last.type, last.partial)  # type: ignore[attr-defined]


# --- where it may be used ---


class Around(TypedDict, total=False):
    """A graph around an agent."""

    messages: Annotated[list[Any], add_messages]
    verdict: str


async def test_an_agent_may_be_a_node_of_another_graph():
    async def judge(state: Around) -> Around:
        return {"verdict": state["messages"][-1]["content"].upper()}

    plan = agent(ScriptedModel(calls(("add", {"a": 1})), says("two")), [add])
    made = StateGraph(Around).add_node("agent", plan).add_node(judge)
    graph = made.add_edge(START, "agent").add_edge("agent", "judge").add_edge("judge", END).compile()
    assert "TWO" == (await graph.ainvoke(HELLO))["verdict"]


async def test_an_agent_without_a_key_runs_on_the_offline_model():
    _, messages = await run(agent(OfflineModel(), [add]), {"messages": ['Please add {"a": 3, "b": 4}.']})
    assert "add says: 7" == messages[-1]["content"]


def test_two_tools_of_one_name_and_what_is_none_and_no_model_are_refused():
    with pytest.raises(GraphError, match="E1015"):
        agent(OfflineModel(), [add, tool(add)])
    with pytest.raises(GraphError, match="E1014"):
        agent(OfflineModel(), ["add"])  # type: ignore[list-item]
    with pytest.raises(InputError, match="E1016"):
        agent(None)  # type: ignore[arg-type]


async def test_a_failing_model_fails_the_run_with_its_code():
    class Gone(ScriptedModel):
        async def stream(self, messages, tools=(), **options):
            if messages:
                raise ConnectionFault("E3030", "not there")
            yield Finish("stop")

    log, _ = await run(agent(Gone([]), retry_policy=None))
    assert "E3030" == log[-1].error.code


# --- many ---


@pytest.mark.slow
async def test_nothing_is_left_after_a_thousand_agents_that_ended_failed_or_were_stopped():
    async def words(query: str):
        for _ in range(100):
            yield "word "
            await asyncio.sleep(0)

    def fails() -> None:
        raise ValueError("no")

    graph = CompiledGraph(
        agent(ScriptedModel(*[calls(("words", {"query": "x"}), ("fails", {})), says("ok")] * 2000), [words, fails])
    )
    for round_ in range(1000):
        run_ = await graph.start(HELLO)
        async with aclosing(run_.events()) as events:
            async for event in events:
                if round_ % 2 and isinstance(event, NodeChunk):
                    break
        if round_ % 2:
            await run_.stop()
        await run_.settled()
    del run_, events, event
    gc.collect()
    assert 1 == len(asyncio.all_tasks())
    assert not [each for each in gc.get_objects() if isinstance(each, Context)]
