"""Agents of every library that can be adopted, and functions, all of which say the same: when each word was said.

Only what a model would say is ours; the rest is what their users write.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from time import perf_counter, sleep
from typing import Any, TypedDict

PER_SECOND = 50  # words


class Words:
    """What a model says.

    Attributes:
        chunks: How many words.
    """

    def __init__(self) -> None:
        self.chunks = 0

    async def speak(self) -> AsyncIterator[str]:
        """Say the words, each when it is due."""
        for _ in range(self.chunks):
            await asyncio.sleep(1 / PER_SECOND)
            yield f"{perf_counter():.6f} "


class State(TypedDict, total=False):
    """What a LangGraph graph takes and gives."""

    input: str
    output: str


def _langgraph(words: Words) -> Any:
    from langchain_core.language_models import BaseChatModel  # noqa: PLC0415  # here and below: it may not be there
    from langchain_core.messages import AIMessage, AIMessageChunk  # noqa: PLC0415
    from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult  # noqa: PLC0415
    from langgraph.graph import START, StateGraph  # noqa: PLC0415

    class Model(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "words"

        def _generate(self, *_: Any, **__: Any) -> ChatResult:
            return ChatResult(generations=[ChatGeneration(message=AIMessage("none"))])

        async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
            async for word in words.speak():
                yield ChatGenerationChunk(message=AIMessageChunk(content=word))

    async def speak(state: State) -> State:
        return {"output": str((await Model().ainvoke(state["input"])).text)}

    return StateGraph(State).add_node("speak", speak).add_edge(START, "speak").compile()


def _pydantic_ai(words: Words) -> Any:
    from pydantic_ai import Agent  # noqa: PLC0415
    from pydantic_ai.models.function import FunctionModel  # noqa: PLC0415

    async def stream(*_: Any) -> AsyncIterator[str]:
        async for word in words.speak():
            yield word

    return Agent(FunctionModel(stream_function=stream))


def _openai_agents(words: Words) -> Any:
    from agents import Agent, set_tracing_disabled  # noqa: PLC0415
    from agents.models.interface import Model  # noqa: PLC0415
    from agents.testing import assistant_message  # noqa: PLC0415
    from openai.types.responses import Response, ResponseCompletedEvent, ResponseTextDeltaEvent  # noqa: PLC0415

    set_tracing_disabled(True)  # it would send what happens here to the maker of the SDK

    class Speaker(Model):
        async def get_response(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError

        async def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
            async for word in words.speak():
                yield ResponseTextDeltaEvent(
                    type="response.output_text.delta",
                    content_index=0,
                    delta=word,
                    item_id="item",
                    output_index=0,
                    sequence_number=1,
                    logprobs=[],
                )
            whole = Response(
                id="response",
                created_at=0.0,
                model="words",
                object="response",
                output=[assistant_message("said")],
                parallel_tool_calls=False,
                tool_choice="none",
                tools=[],
            )
            yield ResponseCompletedEvent(type="response.completed", sequence_number=2, response=whole)

    return Agent(name="words", model=Speaker())


def _llama_index(words: Words) -> Any:
    from bench.sources_llama import Telling  # noqa: PLC0415  # its decorator reads annotations in the file's own names

    return Telling(words)


def _generator(words: Words) -> Any:
    async def words_of(state: Any) -> AsyncIterator[str]:
        del state
        async for word in words.speak():
            yield word

    return words_of


def _sync_generator(words: Words) -> Any:
    def words_of(state: Any) -> Iterator[str]:
        del state
        for _ in range(words.chunks):
            sleep(1 / PER_SECOND)
            yield f"{perf_counter():.6f} "

    return words_of


AGENTS = {
    "langgraph": _langgraph,
    "pydantic ai": _pydantic_ai,
    "openai agents": _openai_agents,
    "llama-index": _llama_index,
    "generator": _generator,
    "sync generator": _sync_generator,
}
