"""Small graphs for the tests of runs, and what tests ask of a log."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Any, TypedDict

from riverrun.events.kinds import Custom, Event, NodeChunk
from riverrun.face.compiled import CompiledGraph
from riverrun.face.state_graph import StateGraph
from riverrun.graph.node import END, START
from riverrun.graph.plan import Plan


class State(TypedDict, total=False):
    """Text, a list and numbers."""

    text: str
    more: str
    x: int
    y: int
    log: Annotated[list[Any], operator.add]


def graph(*edges: tuple[str, str], **nodes: Any) -> StateGraph:
    """Declare a graph by its edges; without edges the nodes follow one another."""
    made = StateGraph(State)
    for name, function in nodes.items():
        made.add_node(name, function)
    names = [START, *nodes]
    for source, target in edges or pairwise(names):
        made.add_edge(source, target)
    return made


def parallel(**nodes: Any) -> StateGraph:
    """Declare nodes that run side by side."""
    return graph(*((START, name) for name in nodes), *((name, END) for name in nodes), **nodes)


def compiled(*edges: tuple[str, str], **nodes: Any) -> CompiledGraph:
    """Declare and compile."""
    return graph(*edges, **nodes).compile()


def plan(*edges: tuple[str, str], **nodes: Any) -> Plan:
    """Declare and plan."""
    return graph(*edges, **nodes).plan("graph")


def kinds(log: list[Event]) -> list[str]:
    """The types of events."""
    return [event.type for event in log]


def values(log: list[Event], node: str | None = None) -> list[Any]:
    """What was streamed, by one node or by all."""
    return [event.value for event in log if isinstance(event, NodeChunk) and node in (None, event.node)]


def told(log: list[Event]) -> list[tuple[str, Any]]:
    """What nodes told with `ctx.emit`."""
    return [(event.name, event.value) for event in log if isinstance(event, Custom)]


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until something that tells nobody, such as a thread, has come so far."""
    while not condition():  # noqa: ASYNC110  # the time-out of the test is the bound
        await asyncio.sleep(0.001)
