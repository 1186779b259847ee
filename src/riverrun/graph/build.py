"""Declaring a graph: nodes and edges, with LangGraph's names, every mistake reported before the first run.

`plan()` ends the pure room. What a user calls, `StateGraph.compile()`, is in `riverrun.face` and knows the driver.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from riverrun.base.errors import GraphError
from riverrun.graph.build_nodes import NodeBuilder, name_and_function, seeing
from riverrun.graph.node import END, START, literal_targets, place_of, wants_of
from riverrun.graph.plan import Edge, Plan, Router


class GraphBuilder(NodeBuilder):
    """Collect nodes and edges. See `NodeBuilder` for what it is made with."""

    def add_edge(self, source: str | Sequence[str], target: str) -> Self:
        """Let the end of a node trigger another.

        Args:
            source: A node or START; or several nodes, which is the same as one edge from each: what waits for what
                follows from the graph.
            target: A node or END.

        Returns:
            The builder.

        Raises:
            GraphError: E1009, the edge is there already; E1010, it leaves END or enters START.
        """
        for one in [source] if isinstance(source, str) else source:
            if one == END or target == START:
                raise GraphError("E1010", f"there can be no edge from {one!r} to {target!r}")
            edge = Edge(one, target, "plain")
            if edge in self._edges:
                what = f"the edge from {one!r} to {target!r} is there already"
                raise GraphError("E1009", what, where=self._place_of(edge))
            self._edges[edge] = None
        return self

    def add_conditional_edges(
        self,
        source: str,
        path: Callable[..., Any],
        path_map: Mapping[Any, str] | Sequence[str] | None = None,
    ) -> Self:
        """Let a function choose what follows a node.

        Args:
            source: A node or START.
            path: `(state)` -> a name, several, END, None (nothing follows), or a key of `path_map`. It only looks: a
                sync one is called on the event loop; write it async where it has to wait.
            path_map: What its answers mean, or the list of names it may give. Without one, and without a
                `Literal` return annotation, it counts as leading anywhere, and nodes elsewhere may have to wait for it.

        Returns:
            The builder.

        Raises:
            GraphError: E1006, `path` is not a function; E1007 or E1008, the class that its parameter is annotated with
                cannot be used; E1010, `source` is END.
        """
        place = place_of(path)
        if not callable(path):
            raise GraphError("E1006", f"the router of {source!r} is {type(path).__name__}, not a function", where=place)
        if source == END:
            raise GraphError("E1010", "nothing follows END", where=place)
        mapping = dict(path_map) if isinstance(path_map, Mapping) else None
        declared = tuple(path_map.values()) if isinstance(path_map, Mapping) else path_map
        targets = tuple(declared) if declared is not None else literal_targets(path)
        shape = self._seen_by(path, None)
        function = path if shape is None else seeing(path, shape, f"the router of {source!r}")
        wants, _ = wants_of(path, f"the router of {source!r}", place)
        router = Router(source=source, function=function, targets=targets, path_map=mapping, where=place, wants=wants)
        self._routers.setdefault(source, []).append(router)
        self._edges.update((Edge(source, target, "conditional"), None) for target in targets or ())
        return self

    def add_sequence(self, nodes: Sequence[Callable[..., Any] | tuple[str, Callable[..., Any]]]) -> Self:
        """Add nodes that follow one another.

        Args:
            nodes: Functions, or pairs of a name and a function, in order.

        Returns:
            The builder.

        Raises:
            GraphError: As `add_node`.
        """
        before = None
        for item in nodes:
            name, function = item if isinstance(item, tuple) else name_and_function(item, None)
            self.add_node(name, function)
            if before is not None:
                self.add_edge(before, name)
            before = name
        return self

    def set_entry_point(self, node: str) -> Self:
        """Let a run begin at `node`: the same as an edge from START.

        Raises:
            GraphError: As `add_edge`.
        """
        return self.add_edge(START, node)

    def set_finish_point(self, node: str) -> Self:
        """Let a run end after `node`: the same as an edge to END.

        Raises:
            GraphError: As `add_edge`.
        """
        return self.add_edge(node, END)

    def set_conditional_entry_point(
        self, path: Callable[..., Any], path_map: Mapping[Any, str] | Sequence[str] | None = None
    ) -> Self:
        """Let a function choose where a run begins: the same as a conditional edge from START.

        Raises:
            GraphError: As `add_conditional_edges`.
        """
        return self.add_conditional_edges(START, path, path_map)

    def plan(self, name: str, *, before: Sequence[str] = (), after: Sequence[str] = ()) -> Plan:
        """Check everything and make the plan.

        Args:
            name: Name of the graph.
            before: Nodes before which a run holds; `("*",)` for all.
            after: Nodes after which it holds.

        Returns:
            The plan; the builder may go on to be changed without changing it.

        Raises:
            GraphError: E1003, an edge or a hold names a node that was never added; E1004, nothing follows START; E1005,
                a node cannot be reached.
        """
        nodes = {each: self._finished(node) for each, node in self._nodes.items()}
        for held in (*before, *after):
            if held != "*" and held not in nodes:
                raise GraphError("E1003", f"a run of graph {name!r} should hold at {held!r}, no such node")
        commands = [
            Edge(node.name, target, "conditional")
            for node in nodes.values()
            for target in dict.fromkeys(node.targets or ())
        ]
        edges = tuple(dict.fromkeys([*self._edges, *commands]))
        self._check_names(edges)
        if START not in self._routers and not any(edge.source == START for edge in edges):
            raise GraphError("E1004", f"graph {name!r} has no edge from START")
        routers = {source: tuple(all_of) for source, all_of in self._routers.items()}
        plan = Plan(
            name,
            self._schema,
            nodes,
            edges,
            routers,
            self._context_schema,
            before=tuple(before),
            after=tuple(after),
            inner=self._inner,
        )
        reached = plan.nest.reach(0)
        for node in nodes.values():
            if plan.number[node.name] not in reached:
                raise GraphError("E1005", f"no path leads from START to node {node.name!r}", where=node.where)
        return plan

    def _check_names(self, edges: tuple[Edge, ...]) -> None:
        for edge in edges:
            for name, end in ((edge.source, START), (edge.target, END)):
                if name != end and name not in self._nodes:
                    known = ", ".join(self._nodes) or "none"
                    what = f"the edge {edge.source!r} → {edge.target!r} names {name!r}; the nodes are: {known}"
                    raise GraphError("E1003", what, where=self._place_of(edge))
        for source, routers in self._routers.items():
            if source != START and source not in self._nodes:
                raise GraphError("E1003", f"a conditional edge leaves {source!r}, no such node", where=routers[0].where)

    def _place_of(self, edge: Edge) -> str:
        for name in (edge.source, edge.target):
            if name in self._nodes:
                return self._nodes[name].where
        return ""
