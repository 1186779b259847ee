"""The official SDK of OpenAI alone: what a chat node is set beside."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import process_time

from openai import AsyncOpenAI

from bench.answers import at_once
from bench.measure import Sample, Samplers
from bench.scale import Scale
from bench.servers import serving


async def texts(client: AsyncOpenAI, asked: str) -> AsyncGenerator[str, None]:
    """Ask, and give the text as it comes, as the documentation of the SDK does.

    Yields:
        What each chunk adds.
    """
    stream = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": asked}], stream=True)
    async for chunk in stream:
        if text := chunk.choices[0].delta.content:
            yield text


@asynccontextmanager
async def chat(scale: Scale) -> Samplers:
    """Read a long answer with the SDK, and join its text."""
    with serving("bench.chat_server") as url:
        async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:

            async def sample() -> Sample:
                # Processor time: the provider has sent everything before the first chunk is read.
                began = process_time()
                read = [text async for text in texts(client, str(scale.chunks))]
                took = process_time() - began
                assert len("".join(read)) == len("word ") * scale.chunks
                return {"chunk": took / scale.chunks * 1e6}

            yield sample


@asynccontextmanager
async def chats(scale: Scale) -> Samplers:
    """Read many answers at once with the SDK."""
    with serving("bench.chat_server") as url:
        async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0, timeout=300) as client:

            async def sample() -> Sample:
                few = scale._replace(answers=scale.answers[:-1])
                return await at_once(few, lambda asked: texts(client, asked))

            yield sample
