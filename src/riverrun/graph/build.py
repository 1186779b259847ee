"""Declaring a graph: nodes and edges, with LangGraph's names, every mistake reported before the first run.

`plan()` ends the pure room. What a user calls, `StateGraph.compile()`, is in `riverrun.face` and knows the driver.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from msgspec.structs import replace

from riverrun.base.errors import GraphError
from riverrun.graph.node import END, START, Node, literal_targets, place_of, read_node
from riverrun.graph.plan import Edge, Plan, Router
from riverrun.graph.shapes import Shape, declared_input, read_shape
from riverrun.graph.state import Schema


class GraphBuilder:
    """Collect nodes and edges.

    Args:
        state: A TypedDict, dataclass, Struct or pydantic class whose keys may carry reducers
            (`Annotated[list, operator.add]`), or `dict`. Of a TypedDict a node sees a dict, of another class an
            instance; it gives back a mapping of what changes in either case. Defaults are starting values.
        context_schema: Class of the run's context; kept for those who read the plan.
        input_schema: Class whose keys the input may have; None for all keys of the state. Keys that only this or the
            next class has belong to the state too.
        output_schema: Class whose keys a result has; None for all.
        **options: None in this version.

    Raises:
        GraphError: E1007 or E1008, a class cannot be used as a state; E1011, there is no such option.
    """

    def __init__(
        self,
        state: object,
        context_schema: type | None = None,
        *,
        input_schema: object = None,
        output_schema: object = None,
        **options: object,
    ) -> None:
        for option in options:
            raise GraphError("E1011", f"StateGraph was given the option {option!r}")
        self._shape = read_shape(state)
        inputs, outputs = (None if each is None else read_shape(each) for each in (input_schema, output_schema))
        self._schema = Schema(self._shape.keys, (self._shape,)).limited(inputs, outputs)
        self._context_schema = context_schema
        self._nodes: dict[str, Node] = {}
        self._edges: dict[Edge, None] = {}
        self._routers: dict[str, list[Router]] = {}

    def add_node(
        self,
        node: str | Callable[..., Any],
        function: Callable[..., Any] | None = None,
        *,
        agent: str | None = None,
        key: str | None = None,
        input_schema: object = None,
        **options: object,
    ) -> Self:
        """Add a node.

        Args:
            node: Its name; or its function, whose name it then takes.
            function: `(state)` or `(state, ctx)`, sync or async, or an (async) generator. It gives back an update (a
                mapping in which any value may be a stream), a `Command`, or None.
            agent: Name to show to people.
            key: For a generator: key under which the fold of its yields is stored.
            input_schema: Class whose keys the node sees, and as which; None: what its first parameter is annotated
                with, if that is such a class, else the state's own. Keys that only this class has belong to the state.
            **options: None in this version.

        Returns:
            The builder, so that calls can be chained.

        Raises:
            GraphError: E1001, the name is taken; E1002, it cannot be a name; E1003, there is no such key; E1006, the
                function cannot be a node; E1007 or E1008, `input_schema` cannot be used; E1011, there is no such
                option.
        """
        name, made = _name_and_function(node, function)
        if name in (START, END) or not name.strip() or not name.isprintable() or any(c in name for c in "/:"):
            raise GraphError("E1002", f"{name!r} cannot be the name of a node", where=place_of(made))
        if name in self._nodes:
            what = f"there is a node {name!r} already, from {self._nodes[name].where}"
            raise GraphError("E1001", what, where=place_of(made))
        if key is not None and self._schema.unknown([key]):
            what = f"node {name!r} stores under {key!r}, a key the state does not have"
            raise GraphError("E1003", what, where=place_of(made), mend="Add the key to the state, or correct its name.")
        for option in options:
            raise GraphError("E1011", f"node {name!r} was given the option {option!r}", where=place_of(made))
        added = read_node(name, made, agent=agent, key=key)
        shape = self._seen_by(made, input_schema)
        if shape is not None:
            added = replace(added, function=_seeing(made, shape, f"node {name!r}"))
        self._nodes[name] = added
        return self

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
        function = path if shape is None else _seeing(path, shape, f"the router of {source!r}")
        router = Router(source=source, function=function, targets=targets, path_map=mapping, where=place)
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
            name, function = item if isinstance(item, tuple) else _name_and_function(item, None)
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

    def plan(self, name: str) -> Plan:
        """Check everything and make the plan.

        Args:
            name: Name of the graph.

        Returns:
            The plan; the builder may go on to be changed without changing it.

        Raises:
            GraphError: E1003, an edge names a node that was never added; E1004, nothing follows START; E1005, a node
                cannot be reached.
        """
        commands = [
            Edge(node.name, target, "conditional")
            for node in self._nodes.values()
            for target in dict.fromkeys(node.targets or ())
        ]
        edges = tuple(dict.fromkeys([*self._edges, *commands]))
        self._check_names(edges)
        if START not in self._routers and not any(edge.source == START for edge in edges):
            raise GraphError("E1004", f"graph {name!r} has no edge from START")
        routers = {source: tuple(all_of) for source, all_of in self._routers.items()}
        plan = Plan(name, self._schema, self._nodes, edges, routers, self._context_schema)
        reached = plan.nest.reach(0)
        for node in self._nodes.values():
            if plan.number[node.name] not in reached:
                raise GraphError("E1005", f"no path leads from START to node {node.name!r}", where=node.where)
        return plan

    def _seen_by(self, function: Callable[..., Any], declared: object) -> Shape | None:
        """Give the class as which a function sees the state; None when it sees the plain state as it is."""
        declared = declared_input(function) if declared is None else declared
        if declared is None or declared is self._shape.declared:
            return None if self._shape.plain else self._shape
        shape = read_shape(declared)
        self._schema = self._schema.joined(shape)
        return shape

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


def _seeing(function: Callable[..., Any], shape: Shape, who: str) -> Callable[..., Any]:
    """Wrap a function so that it sees the state as a class; what it gives back, awaitable or not, stays the same."""
    place = place_of(function)

    def see(state: Mapping[str, Any], *rest: object) -> object:
        return function(shape.show(state, who, place), *rest)

    return see


def _name_and_function(
    node: str | Callable[..., Any], function: Callable[..., Any] | None
) -> tuple[str, Callable[..., Any]]:
    if isinstance(node, str):
        if function is None:
            raise GraphError("E1006", f"node {node!r} was added without a function")
        return node, function
    name = getattr(node, "__name__", None) or getattr(getattr(node, "func", None), "__name__", type(node).__name__)
    return str(name), node if function is None else function
