"""Agents of every library that can be adopted, all of which say what one source says, when a test lets it.

They are real objects of the libraries; only what a model would say comes from the test.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypedDict

from agents import Agent as OpenAIAgent
from agents import function_tool, set_tracing_disabled
from agents.models.interface import Model
from agents.testing import assistant_message, function_call
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langgraph import graph as lg
from langgraph.types import interrupt
from openai.types.responses import Response, ResponseCompletedEvent, ResponseTextDeltaEvent
from pydantic_ai import Agent as PydanticAgent
from pydantic_ai import DeferredToolRequests
from pydantic_ai.messages import ToolReturnPart
from pydantic_ai.models.function import DeltaToolCall, FunctionModel
from workflows import Context, Workflow, step
from workflows.events import Event, HumanResponseEvent, InputRequiredEvent, StartEvent, StopEvent

set_tracing_disabled(True)  # it would send what happens here to the maker of the SDK

WORDS = ("one ", "two ", "three")
TEXT = "".join(WORDS)


class Broken(Exception):
    """What a source raises that breaks."""


class Source:
    """What a model says: word by word, each when it is let.

    Args:
        free: Whether no word has to wait.
        breaks: Whether it breaks before its last word.

    Attributes:
        made: The words it has made, of all that heard it.
        begun: How often it was begun.
        left: How often it was left before its end.
        free: As given.
    """

    def __init__(self, *, free: bool = True, breaks: bool = False) -> None:
        self.made: list[str] = []
        self.begun = self.left = 0
        self.breaks = breaks
        self.free = free
        self._gate = asyncio.Semaphore(0)

    def let(self) -> None:
        """Let it make one more word."""
        self._gate.release()

    def let_all(self) -> None:
        """Let it speak freely from now on."""
        self.free = True
        self._gate.release()

    async def speak(self) -> AsyncIterator[str]:
        """Say the words."""
        self.begun += 1
        ended = False
        try:
            for word in WORDS:
                if not self.free:
                    await self._gate.acquire()
                if self.breaks and word == WORDS[-1]:
                    raise Broken("the model is gone")
                self.made.append(word)
                yield word
            ended = True
        finally:
            self.left += not ended


# --- LangGraph ---


class SourceModel(BaseChatModel):
    """A chat model of LangChain that says what a source says."""

    source: Any

    @property
    def _llm_type(self) -> str:
        return "source"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        return ChatResult(generations=[ChatGeneration(message=AIMessage(TEXT))])

    async def _astream(self, messages, stop=None, run_manager=None, **kwargs):
        async for word in self.source.speak():
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))


class Words(TypedDict, total=False):
    input: str
    output: str


def langgraph(source: Source, *, asks: bool = False) -> Any:
    """A LangGraph graph whose one model speaks; one that asks does so in a node of its own behind it."""
    model = SourceModel(source=source)

    async def speak(state: Words) -> dict[str, Any]:
        return {"output": (await model.ainvoke(state["input"])).text}

    def ask(state: Words) -> dict[str, Any]:
        return {"output": f"{state['output']}, {interrupt({'pay': 3})}"}

    made = lg.StateGraph(Words).add_node("speak", speak).add_edge(lg.START, "speak")
    if asks:
        made.add_node("ask", ask).add_edge("speak", "ask")
    return made.compile()


# --- Pydantic AI ---


def pydantic_ai(source: Source, *, asks: bool = False) -> Any:
    """A Pydantic AI agent; one that asks calls a tool that needs approval after it has spoken."""

    async def stream(messages, info):
        returned = [part for part in messages[-1].parts if isinstance(part, ToolReturnPart)]
        if returned:
            yield f"{TEXT}, {returned[0].content}"
            return
        async for word in source.speak():
            yield word
        if asks:
            yield {1: DeltaToolCall(name="pay", json_args='{"amount": 3}', tool_call_id="call")}

    agent: Any = PydanticAgent(
        FunctionModel(stream_function=stream), output_type=[str, DeferredToolRequests] if asks else str, name="teller"
    )

    @agent.tool_plain(requires_approval=True)
    async def pay(amount: int) -> bool:
        return amount == 3

    return agent


# --- the OpenAI Agents SDK ---


class Speaker(Model):
    """A model of the OpenAI Agents SDK that says what a source says."""

    def __init__(self, source: Source, *, asks: bool) -> None:
        self._source = source
        self._asks = asks

    async def get_response(self, *args, **kwargs):
        raise NotImplementedError

    async def stream_response(self, system_instructions, input, *args, **kwargs):  # noqa: A002  # the SDK's names
        items: list[Any] = []
        outputs = [each for each in input if isinstance(each, dict) and each.get("type") == "function_call_output"]
        if outputs:
            text = f"{TEXT}, {outputs[0]['output']}"
            yield self._delta(text)
            items = [assistant_message(text)]
        else:
            async for word in self._source.speak():
                yield self._delta(word)
            items = [assistant_message(TEXT)]
            if self._asks:
                items.append(function_call("pay", {"amount": 3}, call_id="call"))
        yield ResponseCompletedEvent(
            type="response.completed",
            sequence_number=9,
            response=Response(
                id="response",
                created_at=0.0,
                model="source",
                object="response",
                output=items,
                parallel_tool_calls=False,
                tool_choice="none",
                tools=[],
            ),
        )

    def _delta(self, text: str) -> ResponseTextDeltaEvent:
        return ResponseTextDeltaEvent(
            type="response.output_text.delta",
            content_index=0,
            delta=text,
            item_id="item",
            output_index=0,
            sequence_number=1,
            logprobs=[],
        )


def openai_agents(source: Source, *, asks: bool = False) -> Any:
    """An agent of the OpenAI Agents SDK; one that asks calls a tool that needs approval after it has spoken."""

    @function_tool(needs_approval=True)
    async def pay(amount: int) -> str:
        return str(amount == 3)

    return OpenAIAgent(name="teller", model=Speaker(source, asks=asks), tools=[pay])


# --- LlamaIndex ---


class Piece(Event):  # type: ignore[misc]  # its types are not followed
    delta: str


class Telling(Workflow):  # type: ignore[misc]  # its types are not followed
    """A workflow whose first step speaks."""

    def __init__(self, source: Source, *, asks: bool) -> None:
        super().__init__(timeout=None)
        self.source = source
        self.asks = asks

    @step
    async def speak(self, ctx: Context, ev: StartEvent) -> InputRequiredEvent | StopEvent:
        async for word in self.source.speak():
            ctx.write_event_to_stream(Piece(delta=word))
            await asyncio.sleep(0)
        return InputRequiredEvent(pay=3) if self.asks else StopEvent(result=TEXT)

    @step
    async def answered(self, ev: HumanResponseEvent) -> StopEvent:
        return StopEvent(result=f"{TEXT}, {ev.response}")


def llama_index(source: Source, *, asks: bool = False) -> Any:
    """A LlamaIndex workflow; one that asks does so after it has spoken."""
    return Telling(source, asks=asks)


# --- functions ---


def plain(source: Source, *, asks: bool = False) -> Any:
    """An async generator function; one that asks does so before it speaks, as a node that runs again after it must."""

    async def teller(state, ctx):
        told = ctx.interrupt({"pay": 3}) if asks else None
        async for word in source.speak():
            yield word
        if asks:
            yield f", {told}"

    return teller


AGENTS = {
    "langgraph": langgraph,
    "pydantic_ai": pydantic_ai,
    "openai_agents": openai_agents,
    "llama_index": llama_index,
    "plain": plain,
}
