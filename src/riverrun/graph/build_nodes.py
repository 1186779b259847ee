"""Declaring the nodes of a graph, with LangGraph's names; its edges are declared in `riverrun.graph.build`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, Self

from msgspec.structs import replace

from riverrun.base.errors import GraphError
from riverrun.graph.node import END, START, Node, place_of, read_node, wants_of
from riverrun.graph.plan import Edge, Plan, Router
from riverrun.graph.policies import CachePolicy, Join, read_cache, read_retries, read_timeout
from riverrun.graph.shapes import Shape, declared_input, read_shape
from riverrun.graph.state import Schema


class Planned(Protocol):
    """A compiled graph, as far as a builder has to know it."""

    @property
    def plan(self) -> Plan:
        """The graph, checked and laid out."""
        ...


class NodeBuilder:
    """Collect nodes.

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
        self._defaults: dict[str, Any] = {}
        self._inner: dict[str, Plan] = {}
        self._shaped: set[str] = set()  # nodes that see the state as their class says

    def add_node(  # noqa: PLR0913  # one for each thing that a node may want
        self,
        node: str | Callable[..., Any] | Planned,
        action: Callable[..., Any] | Planned | None = None,
        *,
        agent: str | None = None,
        key: str | None = None,
        input_schema: object = None,
        retry_policy: object = None,
        timeout: object = None,
        error_handler: Callable[..., Any] | None = None,
        cache_policy: CachePolicy | None = None,
        join: Join | None = None,
        destinations: Mapping[str, str] | Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        defer: bool = False,
        **options: object,
    ) -> Self:
        """Add a node.

        Args:
            node: Its name; or its function, whose name it then takes.
            action: `(state)` or `(state, ctx)`, sync or async, or an (async) generator. It gives back an update (a
                mapping in which any value may be a stream), a `Command`, or None. Or a compiled graph: a sub graph.
            agent: Name to show to people.
            key: For a generator: key under which the fold of its yields is stored.
            input_schema: Class whose keys the node sees, and as which; None: what its first parameter is annotated
                with, if that is such a class, else the state's own. Keys that only this class has belong to the state.
            retry_policy: A `RetryPolicy`, or several of which the first that takes an exception decides.
            timeout: Seconds for one attempt, a timedelta, or a `TimeoutPolicy`.
            error_handler: `(state, error)`, called with the exception when no attempt is left; what it gives back
                counts as the node's.
            cache_policy: When an outcome is kept and given again for the same input.
            join: `first_success()`, `quorum(n)` or `collect()`: which branches that lead here must arrive; None: all
                that still can, and none may fail.
            destinations: Where a `Command` of it may lead, for a function that is not annotated with that.
            metadata: Whatever is to be kept with the node.
            defer: Without effect: a node waits by itself for all that can still reach it.
            **options: None in this version.

        Returns:
            The builder, so that calls can be chained.

        Raises:
            GraphError: E1001, the name is taken; E1002, it cannot be a name; E1003, there is no such key; E1006, the
                function cannot be a node; E1007 or E1008, `input_schema` cannot be used; E1011, there is no such
                option; E1012, a policy is none.
        """
        del defer
        name, made = name_and_function(node, action)
        if name in (START, END) or not name.strip() or not name.isprintable() or any(c in name for c in "/:~?"):
            raise GraphError("E1002", f"{name!r} cannot be the name of a node", where=place_of(made))
        if name in self._nodes:
            what = f"there is a node {name!r} already, from {self._nodes[name].where}"
            raise GraphError("E1001", what, where=place_of(made))
        if key is not None and self._schema.unknown([key]):
            what = f"node {name!r} stores under {key!r}, a key the state does not have"
            raise GraphError("E1003", what, where=place_of(made), mend="Add the key to the state, or correct its name.")
        for option in options:
            raise GraphError("E1011", f"node {name!r} was given the option {option!r}", where=place_of(made))
        if join is not None and not isinstance(join, Join):
            raise GraphError("E1012", f"node {name!r}: join is {join!r}", where=place_of(made))
        said: dict[str, Any] = {
            "retries": read_retries(name, retry_policy, place_of(made)),
            "timeout": read_timeout(name, timeout, place_of(made)),
            "handler": error_handler,
            "handler_wants": _wants_of_handler(error_handler, f"the error handler of node {name!r}"),
            "cache": read_cache(name, cache_policy, place_of(made)),
            "join": join,
            "metadata": metadata,
        }
        if destinations is not None:
            said["targets"] = tuple(destinations)
        # Last: what is refused must leave no trace, and this notes the node's classes and its inner graph.
        self._nodes[name] = replace(self._read(name, made, agent, key, input_schema), **said)
        return self

    def _read(self, name: str, made: Callable[..., Any], agent: str | None, key: str | None, schema: object) -> Node:
        inside = getattr(made, "plan", None)
        if isinstance(inside, Plan):
            self._inner[name] = inside
            return Node(name=name, function=made, manner="graph", agent=agent, key=key, where=f"graph {inside.name!r}")
        if isinstance(made, NodeBuilder):
            raise GraphError("E1006", f"node {name!r} is a graph that was not compiled", mend="Add graph.compile().")
        added = read_node(name, made, agent=agent, key=key)
        shape = self._seen_by(made, schema)
        if shape is None:
            return added
        self._shaped.add(name)
        return replace(added, function=seeing(made, shape, f"node {name!r}"))

    def set_node_defaults(
        self,
        *,
        retry_policy: object = None,
        timeout: object = None,
        error_handler: Callable[..., Any] | None = None,
        cache_policy: CachePolicy | None = None,
    ) -> Self:
        """Say what holds for every node that does not say otherwise, whenever it is added.

        Args:
            retry_policy: As in `add_node`, as are the next three.
            timeout: Seconds for one attempt.
            error_handler: Called when no attempt is left.
            cache_policy: When an outcome is kept.

        Returns:
            The builder.

        Raises:
            GraphError: E1006, the handler cannot be called; E1012, a policy is none.
        """
        where = "set_node_defaults"
        self._defaults = {
            "retries": read_retries("every", retry_policy, where),
            "timeout": read_timeout("every", timeout, where),
            "handler": error_handler,
            "handler_wants": _wants_of_handler(error_handler, "the default error handler"),
            "cache": read_cache("every", cache_policy, where),
        }
        return self

    def _finished(self, node: Node) -> Node:
        """Give a node with what can only be said once all are there."""
        hidden = self._schema.private
        if hidden and node.name not in self._shaped:
            node = replace(node, sees=frozenset(self._schema.keys) - hidden)
        lacking = {
            name: value
            for name, value in self._defaults.items()
            if value and not getattr(node, name) and (name != "handler_wants" or node.handler is None)
        }
        return replace(node, **lacking) if lacking else node

    def _seen_by(self, function: Callable[..., Any], declared: object) -> Shape | None:
        """Give the class as which a function sees the state; None when it sees the plain state as it is."""
        declared = declared_input(function) if declared is None else declared
        if declared is None or declared is self._shape.declared:
            return None if self._shape.plain else self._shape
        shape = read_shape(declared)
        self._schema = self._schema.joined(shape)
        return shape


def _wants_of_handler(handler: Callable[..., Any] | None, who: str) -> tuple[str, ...]:
    if handler is None:
        return ()
    place = place_of(handler)
    if not callable(handler):
        raise GraphError("E1006", f"{who} is {type(handler).__name__}, not a function", where=place)
    return wants_of(handler, who, place, "error")[0]


def seeing(function: Callable[..., Any], shape: Shape, who: str) -> Callable[..., Any]:
    """Wrap a function so that it sees the state as a class; what it gives back, awaitable or not, stays the same."""
    place = place_of(function)

    def see(state: Mapping[str, Any], *rest: object) -> object:
        return function(shape.show(state, who, place), *rest)

    return see


def name_and_function(
    node: str | Callable[..., Any] | Planned, function: Callable[..., Any] | Planned | None
) -> tuple[str, Any]:
    """Give the name and the function of a node that is added by either, or by both.

    Raises:
        GraphError: E1006, there is a name and nothing that could be run.
    """
    if isinstance(node, str):
        if function is None:
            raise GraphError("E1006", f"node {node!r} was added without a function")
        return node, function
    if isinstance(inside := getattr(node, "plan", None), Plan):
        return inside.name, node
    name = getattr(node, "__name__", None) or getattr(getattr(node, "func", None), "__name__", type(node).__name__)
    return str(name), node if function is None else function
