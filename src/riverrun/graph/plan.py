"""The immutable plan of a graph: what a builder declared, checked, and laid out for the machine.

The pure room ends here: a plan holds the user's functions but never calls them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from riverrun.base.errors import NodeError
from riverrun.events.kinds import Send
from riverrun.graph.loops import LoopNest
from riverrun.graph.node import END, START, Node
from riverrun.graph.state import Schema

EdgeKind = Literal["plain", "conditional"]


class Edge(NamedTuple):
    """One way from a node to another: `conditional` when a router or a Command chooses it."""

    source: str
    target: str
    kind: EdgeKind


class Router(Struct, frozen=True, kw_only=True):
    """A conditional edge: a function that looks at the state and says where to go.

    Attributes:
        source: The node after which it is asked.
        function: `(state)` -> a name, a list of names, or a key of the path map.
        targets: Where it may lead; None when it may lead anywhere.
        path_map: What its answers mean; None when they are names.
        where: `file:line` of the function.
        wants: What it is given after the state, in order: `ctx`, `config`, `runtime`, `writer` or `store`.
    """

    source: str
    function: Callable[..., Any]
    targets: tuple[str, ...] | None
    path_map: Mapping[Any, str] | None
    where: str
    wants: tuple[str, ...] = ()

    def resolve(self, answer: object, known: Mapping[str, object]) -> tuple[str | Send, ...]:
        """Turn what the function gave back into names of nodes and calls of them.

        Args:
            answer: A name, a key of the path map, a `Send`, or a list of these; None means nowhere.
            known: The nodes of the graph.

        Returns:
            Names and calls, in the order given.

        Raises:
            NodeError: E3006, an answer leads nowhere that the graph has.
        """
        if answer is None:
            return ()
        if type(answer) is str:  # as most are
            meant = answer if self.path_map is None else self.path_map.get(answer)
            if meant is not None and (meant in known or meant == END):
                return (meant,)
        answers = answer if isinstance(answer, (list, tuple)) else [answer]
        targets: list[str | Send] = []
        for one in answers:
            if isinstance(one, Send) and one.node in known:
                targets.append(one)
                continue
            target = self._meaning(one)
            if not isinstance(target, str) or (target != END and target not in known):
                raise NodeError("E3006", f"the router of {self.source!r} answered {one!r}", where=self.where)
            targets.append(target)
        return tuple(targets)

    def _meaning(self, answer: object) -> object:
        if self.path_map is None:
            return answer
        try:
            return self.path_map.get(answer)
        except TypeError:  # not even hashable
            return None


class Plan:
    """A checked graph, ready to run any number of times.

    Args:
        name: Name of the graph.
        schema: Keys of its state.
        nodes: In the order they were added.
        edges: In the order they were declared, plain and conditional ones.
        routers: By source, in the order they were declared.
        context_schema: Class of the run's context, if one was declared.
        before: Nodes before which a run holds (`*`: all).
        after: Nodes after which it holds.
        inner: The plans of its sub graphs, by the name of their node.

    Attributes:
        name: As given.
        schema: As given.
        nodes: By name.
        edges: All of them, for drawing.
        routers: By source.
        context_schema: As given.
        before: As given.
        after: As given.
        inner: As given.
        joins: The joins that do not need every branch, by the number of their node.
        targets: The plain targets of each node, in the order they were declared.
        names: START, the nodes, END: the number of each in the loop nest is its place here.
        number: The same the other way round.
        nest: Loops and reachability.
    """

    def __init__(  # noqa: PLR0913  # what a graph is made of
        self,
        name: str,
        schema: Schema,
        nodes: Mapping[str, Node],
        edges: tuple[Edge, ...],
        routers: Mapping[str, tuple[Router, ...]],
        context_schema: type | None = None,
        *,
        before: tuple[str, ...] = (),
        after: tuple[str, ...] = (),
        inner: Mapping[str, Plan] | None = None,
    ) -> None:
        self.name = name
        self.before = before
        self.after = after
        self.inner = dict(inner or {})
        self.schema = schema
        self.nodes = dict(nodes)
        self.edges = edges
        self.routers = dict(routers)
        self.context_schema = context_schema
        self.names = names = (START, *nodes, END)
        self.number = {node: index for index, node in enumerate(names)}
        self.joins = {self.number[name]: node.join for name, node in nodes.items() if node.join is not None}
        plain: dict[str, list[str]] = {}
        successors: list[list[int]] = [[] for _ in names]
        for edge in edges:
            successors[self.number[edge.source]].append(self.number[edge.target])
            if edge.kind == "plain":
                plain.setdefault(edge.source, []).append(edge.target)
        self.targets: dict[str, tuple[str, ...]] = {node: tuple(targets) for node, targets in plain.items()}
        # What is not declared may lead anywhere.
        for source in self.undeclared():
            successors[self.number[source]].extend(range(1, len(names)))
        self.nest = LoopNest([list(dict.fromkeys(targets)) for targets in successors])

    def undeclared(self) -> list[str]:
        """Give the nodes whose targets are not all declared, so that they count as leading anywhere."""
        open_routers = [source for source, all_of in self.routers.items() if any(r.targets is None for r in all_of)]
        return open_routers + [node.name for node in self.nodes.values() if node.targets is None]

    def check_goto(self, node: str, targets: tuple[str | Send, ...]) -> tuple[str | Send, ...]:
        """Take the targets that a node chose itself.

        Args:
            node: Who chose.
            targets: Names, and calls.

        Returns:
            They.

        Raises:
            NodeError: E3006, there is no node of one of the names.
        """
        for target in targets:
            name = target.node if isinstance(target, Send) else target
            if name not in self.nodes and (name != END or isinstance(target, Send)):
                what = f"node {node!r} goes to {target!r}, which the graph does not have"
                raise NodeError("E3006", what, where=self.nodes[node].where if node in self.nodes else "")
        return targets
