"""A real agent of the OpenAI Agents SDK, adopted: its text, its handoffs, its tools, its approvals and its threads."""

from __future__ import annotations

from typing import Any

import pytest
from agents import Agent, RunContextWrapper, function_tool, set_tracing_disabled
from agents.testing import ScriptedModel, assistant_message, function_call
from pydantic import BaseModel

from riverrun.agents.adopt import adopt
from riverrun.agents.openai_agents import read
from riverrun.agents.stretch import Stretch
from riverrun.base.errors import NodeError
from riverrun.events.kinds import Custom, NodeChunk, NodeCompleted, NodeStarted
from riverrun.face.compiled import CompiledGraph
from riverrun.face.saver import InMemorySaver
from riverrun.graph.node import Command
from riverrun.log.view import View

set_tracing_disabled(True)
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


@function_tool
async def weather(city: str) -> str:
    """Say what the weather is like."""
    return f"{city} is wet"


@function_tool(needs_approval=True)
async def pay(amount: int) -> str:
    """Pay."""
    return f"paid {amount}"


def shop() -> Any:
    """An agent that calls two tools side by side, one of which needs approval."""
    both = [
        function_call("weather", {"city": "Paris"}, call_id="a"),
        function_call("pay", {"amount": 3}, call_id="b"),
    ]
    return Agent(name="shop", model=ScriptedModel([both, [assistant_message("done")]]), tools=[weather, pay])


async def test_tools_that_run_side_by_side_are_executions_below_the_agent_that_calls_them():
    both = [function_call("weather", {"city": city}, call_id=city) for city in ("Paris", "Rome")]
    agent = Agent(name="guide", model=ScriptedModel([both, [assistant_message("both wet")]]), tools=[weather])
    log = await log_of(CompiledGraph(adopt(agent)), {"input": "how is it?"})
    began = [event.exec for event in log if isinstance(event, NodeStarted)]
    places = ("guide:1", "guide:1/weather:1", "guide:1/weather:2")
    assert ["agent:1", *(f"agent:1~1/{each}" for each in places)] == began
    assert set(began) == {event.exec for event in log if isinstance(event, NodeCompleted)}
    assert {"agent:1~1/guide:1": "both wet"} == texts(log)
    writes = [event.writes for event in log if isinstance(event, NodeCompleted) and event.node == "weather"]
    assert {"Paris is wet", "Rome is wet"} == {each[0]["value"] for each in writes}
    fragments = [event.value for event in log if isinstance(event, Custom) and event.name == "riverrun.tool_call"]
    assert [("Paris", "weather"), ("Rome", "weather")] == [
        (each["id"], each["name"]) for each in fragments if "id" in each
    ]
    for index, city in enumerate(("Paris", "Rome")):
        assert f'{{"city":"{city}"}}' == "".join(each["arguments"] for each in fragments if each["index"] == index)
    states = [event.value["state"] for event in log if isinstance(event, Custom) and event.name == "riverrun.tool"]
    assert ["started", "started", "ended", "ended"] == states
    assert 1 == sum(isinstance(event, Custom) and event.name == "riverrun.usage" for event in log)
    assert ({"output": "both wet"},) == log[-2].writes


async def test_an_agent_that_takes_over_is_an_execution_of_its_own():
    second = Agent(name="second", model=ScriptedModel([[assistant_message("here I am")]]))
    hand = function_call("transfer_to_second", {}, call_id="a")
    first = Agent(name="first", model=ScriptedModel([[hand]]), handoffs=[second])
    log = await log_of(CompiledGraph(adopt(first)), {"input": "who?"})
    assert ["agent", "first", "second"] == [event.node for event in log if isinstance(event, NodeStarted)]
    assert {"agent:1~1/second:1": "here I am"} == texts(log)
    told = [event.name for event in log if isinstance(event, Custom) and event.name.startswith("openai_agents.")]
    assert ["openai_agents.handoff_requested", "openai_agents.handoff_occured"] == told


async def test_several_messages_of_one_agent_are_told_apart():
    call = function_call("weather", {"city": "Paris"}, call_id="a")
    model = ScriptedModel([[assistant_message("let me see"), call], [assistant_message("wet")]])
    log = await log_of(CompiledGraph(adopt(Agent(name="guide", model=model, tools=[weather]))), {"input": "?"})
    assert ["let me see", "wet"] == list(texts(log).values())


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(True, "paid 3"), ({"approve": False, "reason": "too dear"}, "too dear")],
    ids=["yes", "no"],
)
async def test_a_tool_call_that_needs_approval_is_a_question_and_the_other_does_not_run_again(answer, outcome):
    graph = threaded(shop())
    log = await log_of(graph, {"input": "buy"}, THREAD)
    (asked,) = log[-1].questions
    assert {"kind": "tool_call", "call": {"id": "b", "name": "pay", "arguments": {"amount": 3}}} == asked.value
    log = await log_of(graph, Command(resume=answer), THREAD)
    assert "run.completed" == log[-1].type
    assert outcome in str([event.writes for event in log if isinstance(event, NodeCompleted)])
    # The tool that needed no approval had run before; "tool" is the one whose call the SDK does not tell again.
    assert ["agent", "shop", "tool"] == [event.node for event in log if isinstance(event, NodeStarted)]
    assert {"agent:2~1/shop:1": "done"} == {name: text for name, text in texts_of(log).items() if text}


def texts_of(log: list[Any]) -> dict[str, str]:
    """The texts of a part of a log, by the ids of their messages."""
    made: dict[str, str] = {}
    for event in log:
        if isinstance(event, NodeChunk) and isinstance(event.value, str):
            made[event.message] = made.get(event.message, "") + event.value
    return made


async def test_runs_of_a_thread_are_one_conversation():
    seen: list[int] = []

    class Counting(ScriptedModel):
        def stream_response(self, system_instructions, input, *args, **kwargs):  # noqa: A002  # the SDK's names
            seen.append(len(input) if isinstance(input, list) else 1)
            return super().stream_response(system_instructions, input, *args, **kwargs)

    graph = threaded(Agent(name="a", model=Counting([[assistant_message(each)] for each in ("one", "two", "three")])))
    await graph.ainvoke({"input": "1"}, THREAD)
    assert "two" == (await graph.ainvoke({"input": [{"role": "user", "content": "2"}]}, THREAD))["output"]
    await graph.ainvoke({"input": "3"}, {"configurable": {"thread_id": "2"}})
    assert [1, 3, 1] == seen


async def test_an_output_with_a_class_is_plain_data():
    class City(BaseModel):
        name: str

    model = ScriptedModel([[assistant_message('{"name": "Paris"}')]])
    agent = Agent(name="a", model=model, output_type=City)
    assert {"name": "Paris"} == (await CompiledGraph(adopt(agent)).ainvoke({"input": "?"}))["output"]


async def test_options_are_those_of_the_sdks_own_run_before_and_after_a_question():
    seen: list[str] = []

    @function_tool(needs_approval=True)
    async def whose(ctx: RunContextWrapper[dict[str, str]]) -> str:
        """Say whose it is."""
        seen.append(ctx.context["name"])
        return "told"

    model = ScriptedModel([[function_call("whose", {}, call_id="a")], [assistant_message("done")]])
    graph = threaded(Agent(name="a", model=model, tools=[whose]), context={"name": "Ada"})
    await graph.ainvoke({"input": "whose?"}, THREAD)
    assert "done" == (await graph.ainvoke(Command(resume=True), THREAD))["output"]
    assert ["Ada"] == seen


async def test_an_agent_that_goes_in_circles_fails_by_the_sdks_own_limit():
    model = ScriptedModel([[function_call("weather", {"city": "x"}, call_id=str(number))] for number in range(5)])
    log = await log_of(CompiledGraph(adopt(Agent(name="a", model=model, tools=[weather]), max_turns=2)), {"input": "?"})
    assert ("run.failed", "MaxTurnsExceeded") == (log[-1].type, log[-1].error.kind)


async def test_what_is_not_what_an_agent_left_is_refused():
    kind = read(shop(), None, "input", "output", {})
    unseen: Any = None  # it is refused before anything else is looked at
    left: list[Any] = [{"state": {"$schemaVersion": "0.0"}}, {"items": []}]
    for saved in left:
        with pytest.raises(NodeError, match="E3047"):
            await kind.run(
                Stretch(given={}, saved=saved, answers={"b": True}, keeps=False, context=unseen, strands=unseen)
            )
