"""A real Riverrun server for the figures over HTTP: `python -m bench.product_server FILE` prints its URL and serves.

Its graphs: `speak` streams at once; `tell` streams once its gate is opened, and stays afterwards where it is told to;
`open` opens a gate. So readers can be there before the first event.
"""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any, TypedDict

from bench.product import speaker
from bench.source import dated
from riverrun import END, START, CompiledGraph, StateGraph
from riverrun.server.app import create_app
from riverrun.server.serve import serve


class Telling(TypedDict, total=False):
    """What `tell` and `open` are asked for."""

    gate: str  # whose opening is waited for
    n: int  # chunks
    pause: float  # seconds between them; 0: none
    stay: bool  # whether the run goes on, silently, until it is stopped
    text: str


_gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)


async def _told(asked: Telling) -> AsyncIterator[str]:
    if asked.get("gate"):
        await _gates[asked["gate"]].wait()
    async for piece in dated(asked["n"], asked.get("pause", 0.0)):
        yield piece
    if asked.get("stay"):
        await asyncio.Event().wait()


async def _tell(state: Telling) -> dict[str, Any]:
    return {"text": _told(state)}


async def _open(state: Telling) -> dict[str, Any]:
    _gates[state["gate"]].set()
    return {}


def _one_node(name: str, node: Any) -> CompiledGraph:
    return StateGraph(Telling).add_node(name, node).add_edge(START, name).add_edge(name, END).compile()


def main(path: str) -> None:
    """Serve until SIGTERM.

    Args:
        path: The SQLite file.
    """
    graphs = {"speak": speaker(), "tell": _one_node("tell", _tell), "open": _one_node("open", _open)}
    app = create_app(graphs, store=f"sqlite:///{path}")
    serve(app, port=0, announce=lambda url: print(url, flush=True))


if __name__ == "__main__":
    main(sys.argv[1])
