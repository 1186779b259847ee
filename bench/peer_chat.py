"""The official SDK of OpenAI alone: what a chat node is set beside."""

from __future__ import annotations

from contextlib import asynccontextmanager
from time import perf_counter

from openai import AsyncOpenAI

from bench.measure import Sample, Samplers
from bench.scale import Scale
from bench.servers import serving


async def read(client: AsyncOpenAI, chunks: int) -> None:
    """Read an answer of so many chunks and join its text, as the documentation of the SDK does."""
    stream = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": str(chunks)}], stream=True
    )
    text = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert len("".join(text)) == len("word ") * chunks


@asynccontextmanager
async def chat(scale: Scale) -> Samplers:
    """Read a long answer with the SDK."""
    with serving("bench.chat_server") as url:
        async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:

            async def sample() -> Sample:
                began = perf_counter()
                await read(client, scale.chunks)
                return {"chunk": (perf_counter() - began) / scale.chunks * 1e6}

            yield sample
