"""A graph that says ten megabytes in ten seconds, for the figures of the console."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TypedDict

from riverrun import END, START, StateGraph

PIECE = 512
_PARAGRAPH = (
    "The **river** takes what it is given and carries it on: words, `code`, and now and then a list. It does not "
    "hurry, and it does not wait; who looks away finds it further down, whole.\n\n"
    "- first the *source*, which nobody sees\n- then the bend, where it slows\n- then the mouth\n\n"
    "```python\nfor drop in river:\n    carry(drop)\n```\n\n"
)


class Flood(TypedDict, total=False):
    """`pieces` of 512 characters come in `seconds`; `text` is what was said."""

    pieces: int
    seconds: float
    text: str


async def speak(state: Flood) -> dict[str, AsyncIterator[str]]:
    """Say it, evenly."""
    return {"text": _pieces(state.get("pieces", 20_480), state.get("seconds", 10.0))}


async def _pieces(count: int, seconds: float) -> AsyncIterator[str]:
    text = _PARAGRAPH * (2 + PIECE // len(_PARAGRAPH))
    began, at = time.monotonic(), 0
    for number in range(count):
        yield text[at : at + PIECE]
        at = (at + PIECE) % len(_PARAGRAPH)
        ahead = began + seconds * (number + 1) / count - time.monotonic()
        if ahead > 0.01:
            await asyncio.sleep(ahead)
        elif number % 32 == 0:
            await asyncio.sleep(0)


flood = StateGraph(Flood).add_node("speak", speak).add_edge(START, "speak").add_edge("speak", END).compile()
