"""Chat nodes: what they cost over the SDK that they use, how a thousand at once keep time, how fast a stop arrives.

`python -m bench.product_chat [--quick]` prints the figures; it runs where the extra `openai` is installed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from statistics import median
from time import perf_counter, process_time
from typing import Annotated, Any, TypedDict

import httpx
import uvloop
from openai import AsyncOpenAI

from bench import peer_chat
from bench.cores import pin_load
from bench.measure import Sample, Sampler, Samplers
from bench.results import percentile
from bench.scale import FULL, QUICK, Scale
from bench.servers import serving
from riverrun import END, START, CompiledGraph, StateGraph, add_messages
from riverrun.events.kinds import NodeChunk
from riverrun.models.chat import chat_node
from riverrun.models.model import Messages, Model, ToolSpec
from riverrun.models.openai import OpenAIChat
from riverrun.models.pieces import Finish, Piece, Text

PER_SECOND = 50  # chunks of one answer
SECONDS = 3.0  # of one sample
COUNTS = (100, 300, 1000)  # answers at once
_STOPS = 20


class State(TypedDict, total=False):
    """A conversation."""

    messages: Annotated[list[Any], add_messages]


def chatting(model: Model) -> CompiledGraph:
    """Make a graph of one chat node."""
    made = StateGraph(State).add_node("chat", chat_node(model))
    return made.add_edge(START, "chat").add_edge("chat", END).compile()


@asynccontextmanager
async def chat(scale: Scale) -> Samplers:
    """From the provider to the reader of the run, and the same answer with the SDK alone: by turns, in one process."""
    with serving("bench.chat_server") as url:
        async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            graph = chatting(OpenAIChat("m", client=client))

            async def sample() -> Sample:
                # Processor time: the provider has sent everything before the first chunk is read.
                began = process_time()
                await peer_chat.read(client, scale.chunks)
                alone = process_time() - began
                began = process_time()
                received = 0
                async for event in graph.astream({"messages": [str(scale.chunks)]}):
                    received += isinstance(event, NodeChunk)
                whole = process_time() - began
                assert received == scale.chunks
                return {"chunk": whole / received * 1e6, "overhead": (whole - alone) / received * 1e6}

            yield sample


class Paced:
    """A model that says when each of its pieces is due, and says it then."""

    name = "paced"

    async def stream(
        self, messages: Messages, tools: Sequence[ToolSpec] = (), **options: Any
    ) -> AsyncGenerator[Piece, None]:
        """Give a piece every so often, whose text is the time at which it was due."""
        del messages, tools, options
        due = asyncio.get_running_loop().time()
        for _ in range(int(SECONDS * PER_SECOND)):
            due += 1 / PER_SECOND
            yield Text(await _at(due))
        yield Finish("stop")


async def _at(due: float) -> str:
    loop = asyncio.get_running_loop()
    come: asyncio.Future[str] = loop.create_future()
    loop.call_at(due, come.set_result, f"{due:.6f} ")
    return await come


async def _alone(begin: float) -> list[float]:
    """Read a paced model with nothing around it; give how late each chunk was, in seconds."""
    await asyncio.sleep(begin)
    now = asyncio.get_running_loop().time
    async with aclosing(Paced().stream([])) as pieces:
        return [now() - float(piece.text) async for piece in pieces if isinstance(piece, Text)]


async def _in_graph(graph: CompiledGraph, begin: float) -> list[float]:
    """Read the same from a run of a graph."""
    await asyncio.sleep(begin)
    now = asyncio.get_running_loop().time
    async with aclosing(graph.astream({"messages": ["?"]})) as events:
        return [now() - float(event.value) async for event in events if isinstance(event, NodeChunk)]


@asynccontextmanager
async def chats(scale: Scale) -> Samplers:
    """Read many paced answers at once, each in a graph of its own and by a reader of its own; and the models alone."""
    graph = chatting(Paced())

    async def sample() -> Sample:
        found: dict[str, float] = {}
        for count in COUNTS:
            # Spread over the time between two chunks, as users are: they do not ask in one moment.
            begins = [place / count / PER_SECOND for place in range(count)]
            for name in ("alone", "graph"):
                began = process_time()
                reads = [_alone(each) if name == "alone" else _in_graph(graph, each) for each in begins]
                late = [each for lates in await asyncio.gather(*reads) for each in lates]
                found[f"{count} {name} p99 ms"] = percentile(late, 99) * 1e3
                found[f"{count} {name} µs of processor per chunk"] = (process_time() - began) / len(late) * 1e6
        return found

    del scale
    yield sample


@asynccontextmanager
async def stop(scale: Scale) -> Samplers:
    """From the stop of a run to the end of its connection, as the provider sees it."""
    del scale
    with serving("bench.chat_server") as url:
        async with (
            AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client,
            httpx.AsyncClient(base_url=url) as asks,
        ):
            graph = chatting(OpenAIChat("m", client=client))

            async def sample() -> Sample:
                waits = [await _stopped(graph, asks) for _ in range(_STOPS)]
                return {"p50": median(waits) * 1e3, "max": max(waits) * 1e3}

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


async def _print(opened: AbstractAsyncContextManager[Sampler], name: str, repeats: int) -> None:
    async with opened as sample:
        await sample()
        samples = [await sample() for _ in range(repeats)]
    line = {metric: round(median(each[metric] for each in samples), 2) for metric in samples[0]}
    print(json.dumps({"bench": name, "n": repeats, "median": line}), flush=True)


async def main(scale: Scale) -> None:
    """Print the figures."""
    await _print(chat(scale), "chat", scale.repeats)
    await _print(stop(scale), "stop", 3)
    await _print(chats(scale), "chats", 1)


if __name__ == "__main__":
    pin_load()
    uvloop.run(main(QUICK if "--quick" in sys.argv else FULL))
