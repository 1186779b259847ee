"""Random graphs whose nodes do always the same for the same state, so that any difference in a result is the engine's.

A node tells its name and how much its causal past wrote, as text chunks under a key of its own and as an entry of the
list `log`. Both fold by concatenation, which is not commutative: a state that depended on timing would show it. What
else a node may do (ask, call others, fail, leave, be a graph itself) is its `Manner`.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple, TypedDict

from hypothesis import strategies as st

from riverrun.events.kinds import Send
from riverrun.graph.build import GraphBuilder
from riverrun.graph.node import END, START
from riverrun.graph.plan import Plan
from riverrun.graph.policies import Join, RetryPolicy
from riverrun.graph.step import RunNode

NODES = "abcdefg"
ALWAYS = 99  # so many attempts fail
ATTEMPTS = 3  # what a retry policy allows


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
class Manner:
    """What a node does beside telling its name.

    Attributes:
        asks: How many questions.
        fails: How many attempts fail before one goes well.
        mends: What becomes of a failed attempt: `retry`, `handler`, or `nothing`.
        calls: The nodes that it calls with an input of their own.
        chooses: The nodes that it goes to beside its plain edges.
        leaves: Whether it leaves its sub graph.
        leaves_to: Where to, in the graph around that.
        inside: The graph that runs in its place.
        join: How many branches must arrive.
    """

    asks: int = 0
    fails: int = 0
    mends: str = "nothing"
    calls: tuple[int, ...] = ()
    chooses: tuple[int, ...] = ()
    leaves: bool = False
    leaves_to: tuple[str, ...] = ()
    inside: Sketch | None = None
    join: Join | None = None


PLAIN = Manner()


@dataclass(frozen=True)
class Sketch:
    """What a graph is made from: node numbers count from 0, -1 is START, `len(chunks)` is END."""

    chunks: tuple[int, ...]
    edges: tuple[tuple[int, int], ...]
    # node → the targets between which it chooses, and how often it may choose the first one, which may lead back
    routers: dict[int, tuple[tuple[int, ...], int]] = field(default_factory=dict)
    declared: bool = True
    manners: dict[int, Manner] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    def name(self, number: int) -> str:
        """Name a node."""
        if number < 0:
            return START
        return END if number >= len(self.chunks) else NODES[number]

    def manner(self, node: str) -> Manner:
        """Say what a node does."""
        return self.manners.get(NODES.index(node), PLAIN)

    def _destinations(self, manner: Manner) -> list[str]:
        """Name where a node may go by itself, or what is in it by leaving."""
        inside = manner.inside.manners.values() if manner.inside else ()
        left = [name for inner in inside if inner.leaves for name in inner.leaves_to]
        return [self.name(target) for target in (*manner.calls, *manner.chooses)] + left

    def plan(self) -> Plan:
        """Build the graph."""
        builder = GraphBuilder(State)
        for number in range(len(self.chunks)):
            manner = self.manners.get(number, PLAIN)
            builder.add_node(
                NODES[number],
                _nothing if manner.inside is None else Inside(manner.inside.plan()),
                retry_policy=RetryPolicy(max_attempts=ATTEMPTS) if manner.mends == "retry" else None,
                error_handler=_mend if manner.mends == "handler" else None,
                join=manner.join,
                destinations=self._destinations(manner) or None,
            )
        for source, target in self.edges:
            builder.add_edge(self.name(source), self.name(target))
        for source, (targets, times) in self.routers.items():
            names = [self.name(target) for target in targets]
            router = _router(self.name(source), names, times)
            builder.add_conditional_edges(self.name(source), router, names if self.declared else None)
        return builder.plan("sketch", before=self.before, after=self.after)


class Inside:
    """A graph as a node of another one."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def __call__(self, state: object) -> None:
        """Stand for a node that nobody calls."""


def _nothing(state):
    """Stand for a node; the tests play what it does (`script`)."""


def _mend(state, error):
    """Stand for the handler of a node."""


def _router(source: str, names: Sequence[str], times: int):
    def choose(state: dict[str, Any]):
        runs = sum(entry.startswith(source) for entry in state.get("log", ()))
        if runs <= times:
            return names[0]
        rest = names[1:] or [END]
        # By the state alone: sometimes one of the others, sometimes all of them.
        return rest[runs % len(rest)] if len(state["log"]) % 2 else list(rest)

    return choose


class Move(NamedTuple):
    """One thing that an execution does.

    Attributes:
        kind: `chunk`, `emit`, `update`, `ask`, `return` or `fail`.
        value: What belongs to it: a chunk, an update, the problem of a question.
        place: Of a question: which one.
        goto: Of a return: where to.
        leaves: Of a return: out of its sub graph.
    """

    kind: str
    value: Any = None
    place: int = 0
    goto: tuple[str | Send, ...] = ()
    leaves: bool = False


def script(sketch: Sketch, order: RunNode, failed: int) -> list[Move]:
    """Say what an execution does: chunks, something for the readers, an early update, and how it ends.

    Args:
        sketch: The graph of the node.
        order: What it was ordered to do.
        failed: How many attempts have failed before, those of the sub graphs around it included.

    Returns:
        Its moves; the last one ends it.
    """
    node, manner = order.node.name, sketch.manner(order.node.name)
    seen = len(order.state.get("log", ()))
    moves = [Move("chunk", f"{node}{seen}.{index}🌊") for index in range(sketch.chunks[NODES.index(node)])]
    if seen % 3 == 0:
        moves.insert(len(moves) // 2, Move("emit", seen))
    if failed < manner.fails:
        return [*moves, Move("fail")]
    for place, answer in enumerate(order.answers[: manner.asks], 1):
        if answer.startswith("bad"):
            return [*moves, Move("ask", "bad is no answer", place)]
    if len(order.answers) < manner.asks:
        return [*moves, Move("ask", "", len(order.answers) + 1)]
    told = f"{'+'.join(order.answers)}{'!' * len(order.failures)}"
    last = Move("return", {}, goto=_goto(sketch, manner, f"{node}{seen}"), leaves=manner.leaves)
    if seen % 2:
        return [*moves, Move("update", {"log": [f"{node}<{seen}{told}"]}), last]
    return [*moves, last._replace(value={"log": [f"{node}:{seen}{told}"]})]


def mended(sketch: Sketch, order: RunNode) -> list[Move]:
    """Say what the error handler of a node does."""
    return [Move("chunk", "mended🌊"), Move("return", {"log": [f"{order.node.name}~"]})]


def _goto(sketch: Sketch, manner: Manner, who: str) -> tuple[str | Send, ...]:
    if manner.leaves:
        return manner.leaves_to
    calls = [Send(sketch.name(target), {"log": [f"{who}>{place}"]}) for place, target in enumerate(manner.calls)]
    return (*(sketch.name(target) for target in manner.chooses), *calls)


@st.composite
def acyclic(draw: st.DrawFn, most: int = 6) -> Sketch:
    """A graph without loops and without choices."""
    count = draw(st.integers(1, most))
    chunks = tuple(draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)))
    return Sketch(chunks, forward(draw, count))


@st.composite
def looped(draw: st.DrawFn, most: int = 6, *, declared: bool = True) -> Sketch:
    """A graph in which some nodes choose what follows, also something before them."""
    count = draw(st.integers(1, most))
    chunks = tuple(draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)))
    edges = forward(draw, count)
    return Sketch(chunks, edges, choices(draw, count), declared)


def choices(draw: st.DrawFn, count: int) -> dict[int, tuple[tuple[int, ...], int]]:
    """Routers for some of the nodes."""
    routers = {}
    for source in draw(st.sets(st.integers(0, count - 1), max_size=2)):
        back = draw(st.integers(0, source))
        others = draw(st.lists(st.integers(source + 1, count), min_size=1, max_size=2, unique=True))
        routers[source] = ((back, *others), draw(st.integers(0, 2)))
    return routers


def forward(draw: st.DrawFn, count: int) -> tuple[tuple[int, int], ...]:
    """Edges that all lead from earlier to later nodes, and reach every one of them."""
    edges: dict[tuple[int, int], None] = {}
    for target in range(count):
        sources = draw(st.lists(st.integers(-1, target - 1), min_size=1, max_size=3, unique=True))
        edges.update(((source, target), None) for source in sources)
    order = draw(st.permutations(sorted(edges)))  # the order of declaration is the order of merging
    return tuple(order)
