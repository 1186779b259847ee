"""A real LangGraph graph, adopted: its nodes, its parallel branches, its sub graphs, its tools and its questions."""

from __future__ import annotations

import operator
import re
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver as TheirSaver
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.runtime import Runtime
from langgraph.types import StreamWriter, interrupt

from riverrun.agents.adopt import adopt
from riverrun.agents.langgraph import read
from riverrun.agents.stretch import Stretch
from riverrun.base.errors import NodeError
from riverrun.events.kinds import Custom, NodeCancelled, NodeChunk, NodeCompleted, NodeStarted
from riverrun.face.compiled import CompiledGraph
from riverrun.face.saver import InMemorySaver
from riverrun.graph.node import Command
from riverrun.log.view import View
from tests.agents.speakers import TEXT, WORDS, Source, SourceModel

THREAD = {"configurable": {"thread_id": "1"}}


class Notes(TypedDict, total=False):
    topic: str
    notes: Annotated[list[str], operator.add]
    answer: str


def threaded(graph: Any, **said: Any) -> CompiledGraph:
    """Adopt, and keep threads."""
    return CompiledGraph(adopt(graph, **said), checkpointer=InMemorySaver())


async def log_of(graph: CompiledGraph, given: Any, config: Any = None) -> list[Any]:
    """Run and give the events."""
    return [event async for event in graph.astream(given, config)]


def text_of(log: list[Any], node: str) -> str:
    """The text of a node that stands."""
    view = View()
    for event in log:
        view.apply(event)
    return "".join(message.text for message in view.messages.values() if message.node == node)


def branches(source: Source, *, asks: bool = False) -> Any:
    """Two branches side by side, one of them a sub graph, that meet."""
    model = SourceModel(source=source)

    async def speak(state: Notes) -> dict[str, Any]:
        return {"notes": [(await model.ainvoke("hi")).text]}

    def other(state: Notes) -> dict[str, Any]:
        return {"notes": [str(interrupt({"shall": state["topic"]}))] if asks else ["other"]}

    inner = StateGraph(Notes).add_node("speak", speak).add_edge(START, "speak").compile()
    made = StateGraph(Notes).add_node("inner", inner).add_node("other", other)
    made.add_node("meet", lambda state: {"answer": "|".join(state["notes"])})
    made.add_edge(START, "inner").add_edge(START, "other").add_edge(["inner", "other"], "meet").add_edge("meet", END)
    return made.compile()


async def test_nodes_of_the_graph_and_of_its_sub_graphs_are_executions_below_the_agent():
    log = await log_of(CompiledGraph(adopt(branches(Source()))), {"topic": "rivers"})
    began = {event.exec: event.ns for event in log if isinstance(event, NodeStarted)}
    assert {
        "agent:1": (),
        "agent:1~1/inner:1": ("agent:1~1",),
        "agent:1~1/other:1": ("agent:1~1",),
        "agent:1~1/inner:1/speak:1": ("agent:1~1", "agent:1~1/inner:1"),
        "agent:1~1/meet:1": ("agent:1~1",),
    } == began
    assert set(began) == {event.exec for event in log if isinstance(event, NodeCompleted)}
    chunks = [event for event in log if isinstance(event, NodeChunk)]
    assert {"agent:1~1/inner:1/speak:1"} == {event.exec for event in chunks}
    assert list(WORDS) == [event.value for event in chunks]
    writes = {event.node: event.writes for event in log if isinstance(event, NodeCompleted)}
    assert ({"notes": ["other"]},) == writes["other"]


async def test_the_state_of_the_graph_is_the_result_as_langgraph_itself_makes_it():
    theirs = await branches(Source()).ainvoke({"topic": "rivers"})
    assert theirs == await CompiledGraph(adopt(branches(Source()))).ainvoke({"topic": "rivers"})


async def test_a_question_in_one_branch_lets_the_other_end_and_does_not_begin_it_again():
    source = Source()
    graph = threaded(branches(source, asks=True))
    first = await log_of(graph, {"topic": "rivers"}, THREAD)
    assert [{"shall": "rivers"}] == [each.value for each in first[-1].questions]
    assert TEXT == text_of(first, "speak")
    second = await log_of(graph, Command(resume="yes"), THREAD)
    assert {"other", "meet", "agent"} == {event.node for event in second if isinstance(event, NodeStarted)}
    assert 1 == source.begun
    assert f"{TEXT}|yes" == second[-2].writes[0]["answer"]
    assert "run.completed" == second[-1].type


async def test_several_questions_are_open_at_once_and_each_gets_its_own_answer():
    def ask(name: str) -> Any:
        return lambda state: {"notes": [f"{name}: {interrupt(name)}"]}

    made = StateGraph(Notes).add_node("a", ask("a")).add_node("b", ask("b"))
    graph = threaded(made.add_edge(START, "a").add_edge(START, "b").compile())
    log = await log_of(graph, {"topic": "x"}, THREAD)
    asked = {each.value: each.id for each in log[-1].questions}
    assert {"a", "b"} == set(asked)
    result = await graph.ainvoke(Command(resume={asked["b"]: 2, asked["a"]: 1}), THREAD)
    assert ["a: 1", "b: 2"] == result["notes"]


async def test_what_a_node_says_before_it_asks_is_said_again_and_stands_once():
    model = SourceModel(source=Source())

    async def node(state: Notes) -> dict[str, Any]:
        said = await model.ainvoke("hi")
        return {"answer": f"{said.text}, {interrupt('well?')}"}

    graph = threaded(StateGraph(Notes).add_node("node", node).add_edge(START, "node").compile())
    first = await log_of(graph, {"topic": "x"}, THREAD)
    assert [("agent:1~1/node:1",)] == [event.voids for event in first if isinstance(event, NodeCancelled)]
    await log_of(graph, Command(resume="good"), THREAD)
    snapshot = await graph.aget_state(THREAD)
    assert f"{TEXT}, good" == snapshot.values["answer"]


async def test_a_question_inside_a_sub_graph_is_a_question_of_the_run():
    inner = StateGraph(Notes).add_node("ask", lambda state: {"answer": interrupt("deep?")}).add_edge(START, "ask")
    graph = threaded(StateGraph(Notes).add_node("inner", inner.compile()).add_edge(START, "inner").compile())
    assert ["deep?"] == [each.value for each in (await log_of(graph, {"topic": "x"}, THREAD))[-1].questions]
    assert "down" == (await graph.ainvoke(Command(resume="down"), THREAD))["answer"]


async def test_two_questions_of_one_node_are_asked_one_after_the_other():
    def node(state: Notes) -> dict[str, Any]:
        return {"notes": [interrupt("first?"), interrupt("second?")]}

    graph = threaded(StateGraph(Notes).add_node("node", node).add_edge(START, "node").compile())
    assert ["first?"] == [each.value for each in (await log_of(graph, {"topic": "x"}, THREAD))[-1].questions]
    log = await log_of(graph, Command(resume="one"), THREAD)
    assert ["second?"] == [each.value for each in log[-1].questions]
    assert ["one", "two"] == (await graph.ainvoke(Command(resume="two"), THREAD))["notes"]


async def test_a_graph_that_was_told_to_hold_before_a_node_waits_for_any_answer():
    made = StateGraph(Notes).add_node("a", lambda state: {"notes": ["a"]}).add_node("b", lambda state: {"notes": ["b"]})
    graph = threaded(made.add_edge(START, "a").add_edge("a", "b").compile(interrupt_before=["b"]))
    log = await log_of(graph, {"topic": "x"}, THREAD)
    assert [{"held": ["b"]}] == [each.value for each in log[-1].questions]
    assert ["a", "b"] == (await graph.ainvoke(Command(resume=True), THREAD))["notes"]


async def test_runs_of_a_thread_go_on_from_one_another_whatever_the_graph_was_compiled_with():
    made = StateGraph(Notes).add_node("add", lambda state: {"notes": [state["topic"]]}).add_edge(START, "add")
    theirs = TheirSaver()
    graph = threaded(made.compile(checkpointer=theirs))
    await graph.ainvoke({"topic": "a"}, THREAD)
    assert ["a", "b"] == (await graph.ainvoke({"topic": "b"}, THREAD))["notes"]
    assert not theirs.storage, "the log keeps what its own checkpointer would keep"
    other = {"configurable": {"thread_id": "2"}}
    assert ["c"] == (await graph.ainvoke({"topic": "c"}, other))["notes"]


async def test_what_a_node_writes_to_the_stream_is_told():
    def node(state: Notes, writer: Any) -> dict[str, Any]:
        writer({"done": 0.5})
        return {"answer": "done"}

    node.__annotations__["writer"] = StreamWriter
    log = await log_of(
        CompiledGraph(adopt(StateGraph(Notes).add_node("node", node).add_edge(START, "node").compile())), {}
    )
    assert [{"done": 0.5}] == [event.value for event in log if isinstance(event, Custom)]


@tool
def weather(city: str) -> str:
    """Say what the weather is like."""
    return f"{city} is wet"


class Caller(BaseChatModel):
    """A model that calls a tool, and then says what that gave."""

    @property
    def _llm_type(self) -> str:
        return "caller"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        return ChatResult(generations=[ChatGeneration(message=AIMessage("unused"))])

    async def _astream(self, messages, stop=None, run_manager=None, **kwargs):
        if isinstance(messages[-1], HumanMessage):
            for name, args in (("weather", ""), (None, '{"city": '), (None, '"Paris"}')):
                call: Any = {"name": name, "args": args, "id": "call" if name else None, "index": 0}
                yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[call]))
        else:
            for word in messages[-1].content.split():
                yield ChatGenerationChunk(message=AIMessageChunk(content=f"{word} "))


async def test_messages_tool_calls_and_tools_of_a_chat_graph_are_seen():
    model = Caller()

    async def chat(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    made = StateGraph(MessagesState).add_node("chat", chat).add_node("tools", ToolNode([weather]))
    made.add_edge(START, "chat").add_edge("tools", "chat")
    made.add_conditional_edges("chat", lambda state: "tools" if state["messages"][-1].tool_calls else END)
    graph = CompiledGraph(adopt(made.compile()))
    log = await log_of(graph, {"messages": [{"role": "user", "content": "how is it?"}]})
    fragments = [event.value for event in log if isinstance(event, Custom) and event.name == "riverrun.tool_call"]
    assert '{"city": "Paris"}' == "".join(each["arguments"] for each in fragments)
    assert ("call", "weather") == (fragments[0]["id"], fragments[0]["name"])
    assert "Paris is wet" == text_of(log, "tools")
    assert "Paris is wet " == text_of(log, "chat")
    result = await graph.ainvoke({"messages": [{"role": "user", "content": "how is it?"}]})
    assert ["human", "ai", "tool", "ai"] == [each["type"] for each in result["messages"]]


async def test_a_graph_without_keys_takes_and_gives_the_keys_that_are_named():
    @task
    async def double(number: int) -> int:
        return 2 * number

    @entrypoint()
    async def flow(number: int) -> int:
        return int(await double(number)) + 1

    log = await log_of(CompiledGraph(adopt(flow, takes="number", gives="result")), {"number": 4})
    assert ["agent", "flow", "double"] == [event.node for event in log if isinstance(event, NodeStarted)]
    assert ({"result": 9},) == log[-2].writes


async def test_what_the_caller_configures_and_the_context_reach_the_graph():
    class Who(TypedDict):
        name: str

    def node(state: Notes, runtime: Any, config: Any) -> dict[str, Any]:
        return {"answer": f"{runtime.context['name']} {config['configurable']['model']}"}

    node.__annotations__.update(runtime=Runtime[Who], config=RunnableConfig)
    made = StateGraph(Notes, context_schema=Who).add_node("node", node).add_edge(START, "node").compile()
    graph = CompiledGraph(adopt(made))
    result = await graph.ainvoke({}, {"configurable": {"model": "small"}}, context={"name": "Ada"})
    assert "Ada small" == result["answer"]


async def test_a_result_that_is_no_json_is_refused_by_the_name_of_its_key():
    made = (
        StateGraph(Notes).add_node("node", lambda state: {"answer": re.compile("a")}).add_edge(START, "node").compile()
    )
    log = await log_of(CompiledGraph(adopt(made)), {"topic": "x"})
    assert ("run.failed", "E3045") == (log[-1].type, log[-1].error.code)
    assert "'answer'" in log[-1].error.message


async def test_what_is_not_what_a_graph_left_is_refused():
    kind = read(branches(Source()), None, "input", "output", {})
    unseen: Any = None  # it is refused before anything else is looked at
    saved = {"checkpoints": 3}
    with pytest.raises(NodeError, match="E3047"):
        await kind.run(Stretch(given={}, saved=saved, answers={}, keeps=False, context=unseen, strands=unseen))


async def test_a_graph_has_its_own_name_or_the_one_that_it_is_given():
    made = StateGraph(Notes).add_node("a", lambda state: {}).add_edge(START, "a")
    assert "langgraph" == adopt(made.compile()).name
    assert "notes" == adopt(made.compile(name="notes")).name
    assert "mine" == adopt(made.compile(name="notes"), name="mine").name
