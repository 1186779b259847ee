"""The immutable plan of a graph: what a builder declared, checked, and laid out for the machine.

The pure room ends here: a plan holds the user's functions but never calls them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from riverrun.base.errors import NodeError
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
    """

    source: str
    function: Callable[..., Any]
    targets: tuple[str, ...] | None
    path_map: Mapping[Any, str] | None
    where: str

    def resolve(self, answer: object, known: Mapping[str, object]) -> tuple[str, ...]:
        """Turn what the function gave back into names of nodes.

        Args:
            answer: A name, a key of the path map, or a list of these; None means nowhere.
            known: The nodes of the graph.

        Returns:
            Names, in the order given.

        Raises:
            NodeError: E3006, an answer leads nowhere that the graph has.
        """
        if answer is None:
            return ()
        answers = answer if isinstance(answer, (list, tuple)) else [answer]
        targets = []
        for one in answers:
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

    Attributes:
        name: As given.
        schema: As given.
        nodes: By name.
        edges: All of them, for drawing.
        routers: By source.
        context_schema: As given.
        targets: The plain targets of each node, in the order they were declared.
        names: START, the nodes, END: the number of each in the loop nest is its place here.
        number: The same the other way round.
        nest: Loops and reachability.
    """

    def __init__(
        self,
        name: str,
        schema: Schema,
        nodes: Mapping[str, Node],
        edges: tuple[Edge, ...],
        routers: Mapping[str, tuple[Router, ...]],
        context_schema: type | None = None,
    ) -> None:
        self.name = name
        self.schema = schema
        self.nodes = dict(nodes)
        self.edges = edges
        self.routers = dict(routers)
        self.context_schema = context_schema
        self.names = names = (START, *nodes, END)
        self.number = {node: index for index, node in enumerate(names)}
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

    def check_goto(self, node: str, targets: tuple[str, ...]) -> tuple[str, ...]:
        """Take the targets that a node chose itself.

        Args:
            node: Who chose.
            targets: Names.

        Returns:
            The names.

        Raises:
            NodeError: E3006, there is no node of one of the names.
        """
        for target in targets:
            if target != END and target not in self.nodes:
                what = f"node {node!r} goes to {target!r}, which the graph does not have"
                raise NodeError("E3006", what, where=self.nodes[node].where if node in self.nodes else "")
        return targets
