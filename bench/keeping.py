"""The run whose stored bytes are weighed, in words that both sides take: a loop whose node appends 1 KB to a list."""

from __future__ import annotations

import operator
from contextlib import asynccontextmanager
from hashlib import sha512
from pathlib import Path
from typing import Annotated, TypedDict

from bench.measure import Sample, Samplers
from bench.scale import Scale

KILOBYTE = 1000
TEXT_BYTES = 1024


class Texts(TypedDict, total=False):
    """What grows."""

    texts: Annotated[list[str], operator.add]


async def append(state: Texts) -> Texts:
    """Write one more text, different from all others: nothing can be saved by noticing that they are the same."""
    return {"texts": [text_of(len(state.get("texts", [])))]}


def text_of(index: int) -> str:
    """Give 1 KB of text that depends on a number."""
    digits = sha512(str(index).encode()).hexdigest()
    return digits * (TEXT_BYTES // len(digits))


def folder_bytes(folder: str) -> int:
    """Count the bytes of the files in a folder."""
    return sum(file.stat().st_size for file in Path(folder).iterdir())


@asynccontextmanager
async def checkpoint(scale: Scale) -> Samplers:
    """Weigh the text itself, once."""

    async def sample() -> Sample:
        return {"stored": sum(len(text_of(index)) for index in range(scale.appends)) / KILOBYTE}

    yield sample
