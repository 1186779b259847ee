"""Chat nodes: what they cost beside the SDK that they use, how many keep time at once, how fast a stop arrives."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from statistics import median
from time import perf_counter, process_time
from typing import Annotated, Any, TypedDict

import httpx
from openai import AsyncOpenAI

from bench.answers import at_once
from bench.measure import Sample, Samplers
from bench.scale import Scale
from bench.servers import serving
from riverrun import END, START, CompiledGraph, StateGraph, add_messages
from riverrun.events.kinds import NodeChunk
from riverrun.models.chat import chat_node
from riverrun.models.model import Model
from riverrun.models.openai import OpenAIChat


class State(TypedDict, total=False):
    """A conversation."""

    messages: Annotated[list[Any], add_messages]


def chatting(model: Model) -> CompiledGraph:
    """Make a graph of one chat node."""
    made = StateGraph(State).add_node("chat", chat_node(model))
    return made.add_edge(START, "chat").add_edge("chat", END).compile()


async def texts(graph: CompiledGraph, asked: str) -> AsyncGenerator[str, None]:
    """Ask, and give the text as it comes.

    Yields:
        What each chunk adds.
    """
    async with aclosing(graph.astream({"messages": [asked]})) as events:
        async for event in events:
            if isinstance(event, NodeChunk):
                yield event.value


@asynccontextmanager
async def chat(scale: Scale) -> Samplers:
    """From the provider to the reader of the run."""
    with serving("bench.chat_server") as url:
        async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            graph = chatting(OpenAIChat("m", client=client))

            async def sample() -> Sample:
                # Processor time: the provider has sent everything before the first chunk is read.
                began = process_time()
                read = [text async for text in texts(graph, str(scale.chunks))]
                took = process_time() - began
                assert len("".join(read)) == len("word ") * scale.chunks
                return {"chunk": took / scale.chunks * 1e6}

            yield sample


@asynccontextmanager
async def chats(scale: Scale) -> Samplers:
    """Read many answers at once, each in a run of its own and by a reader of its own."""
    with serving("bench.chat_server") as url:
        async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0, timeout=300) as client:
            graph = chatting(OpenAIChat("m", client=client))

            async def sample() -> Sample:
                return await at_once(scale, lambda asked: texts(graph, asked))

            yield sample


@asynccontextmanager
async def stop(scale: Scale) -> Samplers:
    """From the stop of a run to the end of its connection, as the provider sees it."""
    with serving("bench.chat_server") as url:
        async with (
            AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client,
            httpx.AsyncClient(base_url=url) as asks,
        ):
            graph = chatting(OpenAIChat("m", client=client))

            async def sample() -> Sample:
                waits = [await _stopped(graph, asks) * 1e3 for _ in range(scale.firsts)]
                return {"median": median(waits), "worst": max(waits)}

            yield sample


async def _stopped(graph: CompiledGraph, asks: httpx.AsyncClient) -> float:
    run = await graph.start({"messages": ["hold"]})
    async with aclosing(run.events()) as events:
        async for event in events:
            if isinstance(event, NodeChunk):
                break
    began = perf_counter()
    await run.stop()
    left = float((await asks.get("/left")).text)
    await run.last()
    return left - began
