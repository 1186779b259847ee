"""LangGraph with its delta channel (a beta in the version that is locked): what it keeps of the same run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import asynccontextmanager
from typing import Annotated, TypedDict

from langgraph.channels.delta import DeltaChannel

from bench import peer_kept
from bench.measure import Samplers
from bench.scale import Scale


def _extend(texts: list[str], writes: Sequence[list[str]]) -> list[str]:
    return [*texts, *(text for written in writes for text in written)]


class _Texts(TypedDict, total=False):
    texts: Annotated[list[str], DeltaChannel(_extend)]


@asynccontextmanager
async def checkpoint(scale: Scale) -> Samplers:
    """Append as often as the scale says, with the saver in memory."""
    async with peer_kept.checkpoint(scale, _Texts) as sample:
        yield sample
