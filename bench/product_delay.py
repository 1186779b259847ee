"""How late each chunk is with the reader of a run after its source has sent it, for every source that there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from statistics import median
from time import perf_counter
from typing import Any

from bench.measure import Sample, Samplers
from bench.results import percentile
from bench.scale import Scale
from bench.servers import serving
from bench.sources import AGENTS, Words
from riverrun import START, CompiledGraph, StateGraph
from riverrun.agents.adopt import adopt
from riverrun.base.errors import LoadError
from riverrun.events.kinds import NodeChunk

Read = Callable[[int], AsyncGenerator[str, None]]


@asynccontextmanager
async def delay(scale: Scale) -> Samplers:
    """Read a paced answer of each source, one after another."""
    async with AsyncExitStack() as stack:
        reads = {name: await stack.enter_async_context(opened()) for name, opened in _sources().items()}

        async def sample() -> Sample:
            found: dict[str, float] = {}
            for name, read in reads.items():
                lates = await _lates(read, max(2, scale.beats // 2))
                found |= {name: percentile(lates, 99) * 1e3, f"{name}, median": median(lates) * 1e3}
            return found

        yield sample


async def _lates(read: Read, chunks: int) -> list[float]:
    """Read an answer, in seconds, without its first chunk: that one waits for what is opened and loaded."""
    async with aclosing(read(chunks)) as texts:
        lates = [perf_counter() - float(text) async for text in texts]
    assert len(lates) == chunks
    return lates[1:]


async def _texts(graph: CompiledGraph, given: dict[str, Any]) -> AsyncGenerator[str, None]:
    async with aclosing(graph.astream(given)) as events:
        async for event in events:
            if isinstance(event, NodeChunk):
                yield event.value


def _sources() -> dict[str, Callable[[], Any]]:
    """Give what opens each source whose library is there."""
    found: dict[str, Callable[[], Any]] = {}
    for name, opened in _OPENERS.items():
        try:
            found[name] = opened()
        except (ModuleNotFoundError, LoadError):  # of the library itself, or as we say it
            continue  # the remark of the figure says so
    return found


def _openai() -> Callable[[], Any]:
    from riverrun.models.openai import OpenAIChat  # noqa: PLC0415  # here and below: a library that may not be there

    return lambda: _chat(lambda url: OpenAIChat("m", base_url=url, api_key="none"))


def _responses() -> Callable[[], Any]:
    from riverrun.models.responses import OpenAIResponses  # noqa: PLC0415

    return lambda: _chat(lambda url: OpenAIResponses("m", base_url=url, api_key="none"))


def _anthropic() -> Callable[[], Any]:
    from riverrun.models.anthropic import Anthropic  # noqa: PLC0415

    return lambda: _chat(lambda url: Anthropic("m", base_url=url, api_key="none"))


@asynccontextmanager
async def _chat(model_at: Callable[[str], Any]) -> AsyncIterator[Read]:
    from bench.product_chat import chatting  # noqa: PLC0415

    with serving("bench.chat_server") as url:
        model = model_at(url)
        graph = chatting(model)
        try:
            yield lambda chunks: _texts(graph, {"messages": [f"pace {chunks} 1"]})
        finally:
            await model.aclose()


def _remote() -> Callable[[], Any]:
    from riverrun.agents.remote import RemoteAgent  # noqa: PLC0415

    return lambda: _a2a(RemoteAgent)


@asynccontextmanager
async def _a2a(agent: Any) -> AsyncIterator[Read]:
    from riverrun.agents.egress import Egress  # noqa: PLC0415

    with serving("bench.remote_server") as url:
        node = agent(url, egress=Egress(loopback=True))
        graph = StateGraph(dict).add_node("agent", node).add_edge(START, "agent").compile()
        yield lambda chunks: _texts(graph, {"input": str(chunks)})


def _adopted(name: str) -> Callable[[], Callable[[], Any]]:
    def load() -> Callable[[], Any]:
        words = Words()
        graph = CompiledGraph(adopt(AGENTS[name](words)))

        @asynccontextmanager
        async def opened() -> AsyncIterator[Read]:
            def read(chunks: int) -> AsyncGenerator[str, None]:
                words.chunks = chunks
                return _texts(graph, {"input": "go"})

            yield read
            await asyncio.sleep(0)

        return opened

    return load


_OPENERS: dict[str, Callable[[], Callable[[], Any]]] = {
    "chat completions": _openai,
    "responses": _responses,
    "anthropic": _anthropic,
    "a2a": _remote,
    **{name: _adopted(name) for name in AGENTS},
}
