"""A real Pydantic AI agent, adopted: its text, its reasoning, its tools, its approvals and its threads."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, CallDeferred, DeferredToolRequests, ModelRetry, RunContext
from pydantic_ai.messages import ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import DeltaThinkingPart, DeltaToolCall, FunctionModel
from pydantic_ai.models.test import TestModel

from riverrun.agents.adopt import adopt
from riverrun.events.kinds import Custom, NodeCompleted, NodeFailed, NodeStarted
from riverrun.face.compiled import CompiledGraph
from riverrun.face.saver import InMemorySaver
from riverrun.graph.node import Command
from riverrun.log.view import View

THREAD = {"configurable": {"thread_id": "1"}}


def threaded(agent: Any, **said: Any) -> CompiledGraph:
    """Adopt, and keep threads."""
    return CompiledGraph(adopt(agent, **said), checkpointer=InMemorySaver())


async def log_of(graph: CompiledGraph, given: Any, config: Any = None) -> list[Any]:
    """Run and give the events."""
    return [event async for event in graph.astream(given, config)]


def texts(log: list[Any]) -> dict[str, str]:
    """The texts that stand, by the ids of their messages."""
    view = View()
    for event in log:
        view.apply(event)
    return {name: message.text for name, message in view.messages.items() if message.text}


def calls(*tools: tuple[str, str]) -> FunctionModel:
    """A model that calls tools, and then says what they gave."""

    async def stream(messages, info):
        returned = [part for part in messages[-1].parts if isinstance(part, ToolReturnPart)]
        if returned:
            yield "; ".join(str(part.content) for part in returned)
        else:
            yield "let me see"
            for place, (name, args) in enumerate(tools, 1):
                yield {place: DeltaToolCall(name=name, json_args=args, tool_call_id=f"call-{place}")}

    return FunctionModel(stream_function=stream)


async def test_requests_of_the_model_and_tools_that_run_side_by_side_are_executions_below_the_agent():
    agent = Agent(calls(("weather", '{"city": "Paris"}'), ("weather", '{"city": "Rome"}')), name="guide")

    @agent.tool_plain
    async def weather(city: str) -> str:
        return f"{city} is wet"

    log = await log_of(CompiledGraph(adopt(agent)), {"input": "how is it?"})
    began = [event.exec for event in log if isinstance(event, NodeStarted)]
    assert ["agent:1", *(f"agent:1~1/{each}" for each in ("model:1", "weather:1", "weather:2", "model:2"))] == began
    assert set(began) == {event.exec for event in log if isinstance(event, NodeCompleted)}
    said = texts(log)
    assert ("let me see", "Paris is wet; Rome is wet") == (said["agent:1~1/model:1"], said["agent:1~1/model:2"])
    asked = [event.value for event in log if isinstance(event, Custom) and event.name == "riverrun.tool_call"]
    assert [("call-1", "weather"), ("call-2", "weather")] == [(each["id"], each["name"]) for each in asked]
    assert ['{"city": "Paris"}', '{"city": "Rome"}'] == [each["arguments"] for each in asked]
    ran = [event.value["state"] for event in log if isinstance(event, Custom) and event.name == "riverrun.tool"]
    assert ["started", "started", "ended", "ended"] == ran
    writes = [event.writes for event in log if isinstance(event, NodeCompleted) and event.node == "weather"]
    assert {"Paris is wet", "Rome is wet"} == {each[0]["value"] for each in writes}
    assert ({"output": "Paris is wet; Rome is wet"},) == log[-2].writes


async def test_reasoning_and_usage_are_told_beside_the_text():
    async def stream(messages, info):
        yield {0: DeltaThinkingPart(content="hmm, ")}
        yield {0: DeltaThinkingPart(content="yes")}
        yield "so it is"

    log = await log_of(CompiledGraph(adopt(Agent(FunctionModel(stream_function=stream)))), {"input": "is it?"})
    assert ["so it is"] == list(texts(log).values())
    told = {name: [event.value for event in log if isinstance(event, Custom) and event.name == name] for name in TOLD}
    assert "hmm, yes" == "".join(each["text"] for each in told["riverrun.reasoning"])
    assert [True] == [each["output"] > 0 for each in told["riverrun.usage"]]


TOLD = ("riverrun.reasoning", "riverrun.usage")


async def test_an_output_with_a_class_is_plain_data():
    class City(BaseModel):
        name: str
        people: int

    agent = Agent(TestModel(custom_output_args={"name": "Paris", "people": 2}), output_type=City)
    assert {"name": "Paris", "people": 2} == (await CompiledGraph(adopt(agent)).ainvoke({"input": "?"}))["output"]


def shop() -> Any:
    """An agent with a tool that needs approval, one that somebody else carries out, and one that needs neither."""
    model = calls(("weather", "{}"), ("pay", '{"amount": 3}'), ("ship", '{"to": "Rome"}'))
    agent: Any = Agent(model, output_type=[str, DeferredToolRequests], name="shop")

    @agent.tool_plain
    async def weather() -> str:
        return "wet"

    @agent.tool_plain(requires_approval=True)
    async def pay(amount: int) -> str:
        return f"paid {amount}"

    @agent.tool_plain
    async def ship(to: str) -> str:
        raise CallDeferred

    return agent


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (True, "paid 3"),
        ({"approve": True, "arguments": {"amount": 4}}, "paid 4"),
        ({"approve": False, "reason": "too dear"}, "too dear"),
        (False, "The tool call was denied."),
    ],
    ids=["yes", "yes, but", "no, with a reason", "no"],
)
async def test_tool_calls_that_wait_are_questions_and_the_rest_does_not_run_again(answer, outcome):
    graph = threaded(shop())
    log = await log_of(graph, {"input": "buy"}, THREAD)
    asked = {each.value["call"]["name"]: each for each in log[-1].questions}
    assert {"kind": "tool_call", "call": {"id": "call-2", "name": "pay", "arguments": {"amount": 3}}} == asked[
        "pay"
    ].value
    assert ("tool_result", {"to": "Rome"}) == (asked["ship"].value["kind"], asked["ship"].value["call"]["arguments"])
    assert asked["pay"].schema is not None
    log = await log_of(graph, Command(resume={asked["pay"].id: answer, asked["ship"].id: "on its way"}), THREAD)
    assert "run.completed" == log[-1].type
    output = (await graph.aget_state(THREAD)).values["output"]
    assert outcome in output
    assert "on its way" in output
    assert "weather" not in {event.node for event in log if isinstance(event, NodeStarted)}


async def test_an_answer_that_is_no_verdict_is_asked_for_again():
    graph = threaded(shop())
    log = await log_of(graph, {"input": "buy"}, THREAD)
    asked = {each.value["call"]["name"]: each.id for each in log[-1].questions}
    log = await log_of(graph, Command(resume={asked["pay"]: "perhaps", asked["ship"]: "x"}), THREAD)
    assert [True] == [bool(each.problem) for each in log[-1].questions]


async def test_runs_of_a_thread_are_one_conversation():
    async def stream(messages, info):
        prompts = [str(part.content) for each in messages for part in each.parts if isinstance(part, UserPromptPart)]
        yield " + ".join(prompts)

    graph = threaded(Agent(FunctionModel(stream_function=stream)))
    await graph.ainvoke({"input": "one"}, THREAD)
    assert "one + two" == (await graph.ainvoke({"input": "two"}, THREAD))["output"]
    assert "three" == (await graph.ainvoke({"input": "three"}, {"configurable": {"thread_id": "2"}}))["output"]


async def test_a_tool_that_has_the_model_try_again_fails_and_the_run_goes_on():
    async def stream(messages, info):
        if len(messages) == 1:
            yield {0: DeltaToolCall(name="guess", json_args="{}", tool_call_id="a")}
        elif len(messages) == 3:
            yield {0: DeltaToolCall(name="guess", json_args="{}", tool_call_id="b")}
        else:
            yield "found"

    agent: Any = Agent(FunctionModel(stream_function=stream))
    tries: list[int] = []

    @agent.tool_plain(retries=2)
    async def guess() -> str:
        tries.append(1)
        if len(tries) == 1:
            raise ModelRetry("colder")
        return "warm"

    log = await log_of(CompiledGraph(adopt(agent)), {"input": "?"})
    (failed,) = [event for event in log if isinstance(event, NodeFailed)]
    assert failed.tolerated
    assert "colder" in failed.error.message
    assert "found" == log[-2].writes[0]["output"]


async def test_options_are_those_of_the_librarys_own_run():
    agent: Any = Agent(calls(("whose", "{}")), deps_type=str)

    @agent.tool
    async def whose(ctx: RunContext[str]) -> str:
        return f"it is {ctx.deps}'s"

    result = await CompiledGraph(adopt(agent, deps="Ada")).ainvoke({"input": "whose?"})
    assert "it is Ada's" == result["output"]


async def test_what_is_neither_text_nor_list_is_told_to_the_model_as_json():
    async def stream(messages, info):
        yield messages[0].parts[0].content

    result = await CompiledGraph(adopt(Agent(FunctionModel(stream_function=stream)))).ainvoke({"input": {"a": [1]}})
    assert '{"a":[1]}' == result["output"]


async def test_what_is_not_what_an_agent_left_is_refused():
    saver = InMemorySaver()
    graph = CompiledGraph(adopt(Agent(TestModel())), checkpointer=saver)
    await graph.ainvoke({"input": "one"}, THREAD)
    await graph.aupdate_state(THREAD, {"__saved__": {"messages": [{"kind": "poem"}]}})
    log = await log_of(graph, {"input": "two"}, THREAD)
    assert ("run.failed", "E3047") == (log[-1].type, log[-1].error.code)
