"""Small graphs by number, of which it is known beforehand what their runs come to.

A sketch is a row of segments: one node, nodes side by side (each with a tail or not), a loop, a graph of its own. Its
nodes say words with pauses between, so that faults find them in the middle of something, and some ask and wait; what
they say and write depends on nothing but their names, so every run that completes comes to the same state, whoever ran
it and how often.

This file does not know stores, workers or faults.
"""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator, Callable, Iterator
from random import Random
from typing import Annotated, Any, TypedDict

from msgspec import Struct

from riverrun.graph.build import GraphBuilder
from riverrun.graph.node import END, START
from riverrun.graph.plan import Plan
from riverrun.runs.context import Context

ANSWER = "yes"  # to every question


class SketchState(TypedDict, total=False):
    """Which nodes ran, in order, and all that was said."""

    log: Annotated[list[str], operator.add]
    said: Annotated[str, operator.add]


class Part(Struct, frozen=True):
    """One node of a sketch.

    Attributes:
        name: Of the node.
        words: How many it says.
        pause: Seconds before each word, and before its end.
        rounds: How often it runs: above 1 it leads back to itself.
        fails: Whether it raises after its words, always.
        emits: Whether it tells something beside them.
        asks: Whether it asks something after its words, and goes on once it is told `ANSWER`.
        inside: A graph that runs in its place; then nothing above but the name matters.
    """

    name: str
    words: int = 0
    pause: float = 0.0
    rounds: int = 1
    fails: bool = False
    emits: bool = False
    asks: bool = False
    inside: Sketch | None = None


# What a segment is: branches side by side, each a chain of parts; they all start together and are all waited for.
Segment = tuple[tuple[Part, ...], ...]
Heard = Callable[[Context], None]


class Sketch(Struct, frozen=True):
    """A graph, and what its runs come to.

    Attributes:
        segments: One after another.
    """

    segments: tuple[Segment, ...]

    @property
    def fails(self) -> bool:
        """Whether a run of it fails, unless it ends otherwise before."""
        return any(part.fails for part in self.parts())

    @property
    def asks(self) -> bool:
        """Whether a run of it asks something."""
        return any(part.asks for part in self.parts())

    def parts(self) -> Iterator[Part]:
        """Give the nodes that do something, those of the graphs inside in the places of these."""
        for part in (one for segment in self.segments for branch in segment for one in branch):
            if part.inside is None:
                yield part
            else:
                yield from part.inside.parts()

    def state(self) -> dict[str, Any]:
        """Give the state at the end of a run that completes."""
        order = [part for part in self.parts() for _ in range(part.rounds)]
        return {"log": [part.name for part in order], "said": "".join(map(_words, order))}

    def plan(self, name: str, heard: Heard = lambda _: None) -> Plan:
        """Make the graph.

        Args:
            name: It is served under.
            heard: Called whenever a node begins.

        Returns:
            The plan.
        """
        graph = GraphBuilder(SketchState)
        before = [START]
        for number, segment in enumerate(self.segments):
            if len(before) > 1:
                join = f"join{number}"
                graph.add_node(join, _join)
                graph.add_edge(before, join)
                before = [join]
            before = [_add_branch(graph, branch, before[0], heard) for branch in segment]
        for last in before:
            graph.add_edge(last, END)
        return graph.plan(name)


async def _join(_state: SketchState) -> None:
    """Wait for the branches; write nothing."""


def _add_branch(graph: GraphBuilder, branch: tuple[Part, ...], before: str, heard: Heard) -> str:
    for part in branch:
        if part.inside is None:
            graph.add_node(part.name, _node(part, heard), key="said")
        else:
            graph.add_node(part.name, _Inside(part.inside.plan(part.name, heard)))
        graph.add_edge(before, part.name)
        before = part.name
        if part.rounds > 1:
            way_out = f"{part.name}out"
            graph.add_node(way_out, _join)
            graph.add_conditional_edges(part.name, _router(part, way_out), [part.name, way_out])
            before = way_out
    return before


def _router(part: Part, way_out: str) -> Callable[[SketchState], str]:
    return lambda state: part.name if state["log"].count(part.name) < part.rounds else way_out


def _node(part: Part, heard: Heard) -> Callable[..., AsyncIterator[Any]]:
    async def speak(_state: SketchState, ctx: Context) -> AsyncIterator[Any]:
        heard(ctx)
        for number in range(part.words):
            if part.pause:
                await asyncio.sleep(part.pause)
            yield f"{part.name}{number} "
        if part.emits:
            ctx.emit("note", part.name)
        if part.asks and ctx.interrupt(f"{part.name}?") != ANSWER:
            raise ValueError(f"{part.name} was told something else")
        if part.pause:
            await asyncio.sleep(part.pause)
        if part.fails:
            raise RuntimeError(f"{part.name} was drawn to fail")
        yield {"log": [part.name]}

    return speak


class _Inside:
    """A graph as a node of another one."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __call__(self, _state: SketchState) -> None:
        """Stand for a node that nobody calls."""


def _words(part: Part) -> str:
    return "".join(f"{part.name}{number} " for number in range(part.words))


def draw(random: Random) -> Sketch:
    """Draw a sketch at random.

    Args:
        random: Where chance comes from.

    Returns:
        The sketch; the same numbers give the same.
    """
    return _draw(random, (f"n{number}" for number in range(100)), deep=True)


def _draw(random: Random, names: Iterator[str], *, deep: bool) -> Sketch:
    segments: list[Segment] = []
    for _ in range(random.randint(1, 3)):
        kind = random.random()
        if deep and kind < 0.12:
            segments.append(((Part(next(names), inside=_draw(random, names, deep=False)),),))
        elif kind < 0.45:
            segments.append(((_part(random, next(names)),),))
        elif kind < 0.65:
            segments.append(((_part(random, next(names), rounds=random.randint(2, 4)),),))
        else:
            branches = (
                tuple(_part(random, next(names)) for _ in range(random.randint(1, 2)))
                for _ in range(random.randint(2, 3))
            )
            segments.append(tuple(branches))
    if deep and random.random() < 0.1:
        segments.append(((_part(random, next(names), fails=True),),))
    return Sketch(tuple(segments))


def _part(random: Random, name: str, rounds: int = 1, *, fails: bool = False) -> Part:
    pause = random.choice((0.0, 0.0, 0.01, 0.3, 2.0, 4.0))
    asks = not fails and random.random() < 0.12
    return Part(name, random.randint(0, 4), pause, rounds, fails, random.random() < 0.2, asks)
