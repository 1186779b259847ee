"""Random graphs whose nodes do always the same for the same state, so that any difference in a result is the engine's.

A node tells its name and how much its causal past wrote, as text chunks under a key of its own and as an entry of the
list `log`. Both fold by concatenation, which is not commutative: a state that depended on timing would show it.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

from hypothesis import strategies as st

from riverrun.graph.build import GraphBuilder
from riverrun.graph.node import END, START
from riverrun.graph.plan import Plan

NODES = "abcdefg"


class State(TypedDict, total=False):
    """One list that all nodes append to, and one text per node."""

    log: Annotated[list[str], operator.add]
    a: Annotated[str, operator.add]
    b: Annotated[str, operator.add]
    c: Annotated[str, operator.add]
    d: Annotated[str, operator.add]
    e: Annotated[str, operator.add]
    f: Annotated[str, operator.add]
    g: Annotated[str, operator.add]


@dataclass(frozen=True)
class Sketch:
    """What a graph is made from: node numbers count from 0, -1 is START, `len(chunks)` is END."""

    chunks: tuple[int, ...]
    edges: tuple[tuple[int, int], ...]
    # node → the targets between which it chooses, and how often it may choose the first one, which may lead back
    routers: dict[int, tuple[tuple[int, ...], int]] = field(default_factory=dict)
    declared: bool = True

    def name(self, number: int) -> str:
        """Name a node."""
        if number < 0:
            return START
        return END if number >= len(self.chunks) else NODES[number]

    def plan(self) -> Plan:
        """Build the graph."""
        builder = GraphBuilder(State)
        for number in range(len(self.chunks)):
            builder.add_node(NODES[number], _nothing)
        for source, target in self.edges:
            builder.add_edge(self.name(source), self.name(target))
        for source, (targets, times) in self.routers.items():
            names = [self.name(target) for target in targets]
            router = _router(self.name(source), names, times)
            builder.add_conditional_edges(self.name(source), router, names if self.declared else None)
        return builder.plan("sketch")


def _nothing(state):
    """Stand for a node; the tests play what it does (`script`)."""


def _router(source: str, names: Sequence[str], times: int):
    def choose(state: dict[str, Any]):
        runs = sum(entry.startswith(source) for entry in state.get("log", ()))
        if runs <= times:
            return names[0]
        rest = names[1:] or [END]
        # By the state alone: sometimes one of the others, sometimes all of them.
        return rest[runs % len(rest)] if len(state["log"]) % 2 else list(rest)

    return choose


def script(sketch: Sketch, node: str, state: dict[str, Any]) -> list[tuple[str, Any]]:
    """Say what an execution does: chunks, something for the readers, an early update, and what it gives back."""
    seen = len(state.get("log", ()))
    moves: list[tuple[str, Any]] = [
        ("chunk", f"{node}{seen}.{index}🌊") for index in range(sketch.chunks[NODES.index(node)])
    ]
    if seen % 3 == 0:
        moves.insert(len(moves) // 2, ("emit", seen))
    if seen % 2:
        return [*moves, ("update", {"log": [f"{node}<{seen}"]}), ("return", {})]
    return [*moves, ("return", {"log": [f"{node}:{seen}"]})]


@st.composite
def acyclic(draw: st.DrawFn, most: int = 6) -> Sketch:
    """A graph without loops and without choices."""
    count = draw(st.integers(1, most))
    chunks = tuple(draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)))
    return Sketch(chunks, _forward(draw, count))


@st.composite
def looped(draw: st.DrawFn, most: int = 6, *, declared: bool = True) -> Sketch:
    """A graph in which some nodes choose what follows, also something before them."""
    count = draw(st.integers(1, most))
    chunks = tuple(draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)))
    edges = _forward(draw, count)
    routers = {}
    for source in draw(st.sets(st.integers(0, count - 1), max_size=2)):
        back = draw(st.integers(0, source))
        others = draw(st.lists(st.integers(source + 1, count), min_size=1, max_size=2, unique=True))
        routers[source] = ((back, *others), draw(st.integers(0, 2)))
    return Sketch(chunks, edges, routers, declared)


def _forward(draw: st.DrawFn, count: int) -> tuple[tuple[int, int], ...]:
    edges: dict[tuple[int, int], None] = {}
    for target in range(count):
        sources = draw(st.lists(st.integers(-1, target - 1), min_size=1, max_size=3, unique=True))
        edges.update(((source, target), None) for source in sources)
    order = draw(st.permutations(sorted(edges)))  # the order of declaration is the order of merging
    return tuple(order)
