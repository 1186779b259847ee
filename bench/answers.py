"""Many answers of a chat model at once, fifty chunks a second each: how late every chunk is with whoever reads it.

Each chunk says when it was sent, by a clock that is the same in all processes of this machine (`perf_counter`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from time import perf_counter, process_time

from bench.measure import Sample
from bench.results import percentile
from bench.scale import ANSWERS, Scale, name_of

Texts = AsyncGenerator[str, None]


async def at_once(scale: Scale, read: Callable[[str], Texts]) -> Sample:
    """Read more and more answers at once; the provider begins to speak when all of them were asked for.

    What counts is the second half of each answer: in the first one there is still the work of a thousand beginnings.

    Args:
        scale: How many, and of how many chunks.
        read: Gives the answer to what is asked.

    Returns:
        For each number of answers the p99 in milliseconds and the processor time per chunk in microseconds.
    """
    found: dict[str, float] = {}
    for count, named in zip(scale.answers, ANSWERS, strict=False):  # a peer may be given fewer
        asked = f"pace {scale.beats} {count}"
        clock: list[float] = []
        several = await asyncio.gather(*[_hear(read(asked), scale.beats // 2, clock) for _ in range(count)])
        lates = [each for one in several for each in one]
        assert len(lates) == count * (scale.beats - scale.beats // 2)
        found[f"{name_of(named)}, p99"] = percentile(lates, 99) * 1e3
        found[f"{name_of(named)}, processor"] = (max(clock) - min(clock)) / len(lates) * 1e6
    return found


async def _hear(texts: Texts, passed: int, clock: list[float]) -> list[float]:
    """Give how late the chunks behind the first ones were, in seconds."""
    lates: list[float] = []
    async with aclosing(texts) as stream:
        async for text in stream:
            if passed:
                passed -= 1
                continue
            if not lates:
                clock.append(process_time())
            lates.append(perf_counter() - float(text))
    clock.append(process_time())
    return lates
