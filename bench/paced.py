"""A model without a network, which keeps time: what chat nodes cost where nothing but they and the engine runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from itertools import count
from typing import Any

from bench.answers import at_once
from bench.measure import Sample, Samplers
from bench.scale import Scale
from riverrun.models.model import Messages, ToolSpec
from riverrun.models.pieces import Finish, Piece, Text

PER_SECOND = 50  # pieces of one answer


class Paced:
    """A model that gives a piece whenever one is due; its text says when that was."""

    name = "paced"

    def __init__(self) -> None:
        self._begun = count()

    async def stream(
        self, messages: Messages, tools: Sequence[ToolSpec] = (), **options: Any
    ) -> AsyncGenerator[Piece, None]:
        """Give as many pieces as it is asked for.

        Args:
            messages: The last one says `pace`, how many, and how many answers there are at once.
            tools: Not looked at.
            **options: Not looked at.

        Yields:
            Pieces.
        """
        del tools, options
        _, chunks, answers = str(messages[-1]["content"]).split()
        # Spread over the time between two pieces, as users are: they do not ask in one moment.
        due = asyncio.get_running_loop().time() + next(self._begun) % int(answers) / int(answers) / PER_SECOND
        for _ in range(int(chunks)):
            due += 1 / PER_SECOND
            yield Text(await _at(due))
        yield Finish("stop")


async def _at(due: float) -> str:
    # Where the bench runs, the clock of a loop is that of `perf_counter`.
    loop = asyncio.get_running_loop()
    come: asyncio.Future[str] = loop.create_future()
    loop.call_at(due, come.set_result, f"{due:.6f} ")
    return await come


async def _texts(model: Paced, asked: str) -> AsyncGenerator[str, None]:
    async with aclosing(model.stream([{"content": asked}])) as pieces:
        async for piece in pieces:
            if isinstance(piece, Text):
                yield piece.text


@asynccontextmanager
async def paced(scale: Scale) -> Samplers:
    """Read many answers of the model alone."""
    model = Paced()

    async def sample() -> Sample:
        return await at_once(scale, lambda asked: _texts(model, asked))

    yield sample
