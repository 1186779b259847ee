"""The states that many programs share. Each program has its own where the state is what it is about."""

import operator
from typing import Annotated, Any, TypedDict


class Trace(TypedDict, total=False):
    """Who was here: a list to which every node appends."""

    trace: Annotated[list[str], operator.add]


class Number(TypedDict):
    """A number that inner and outer graphs share."""

    n: int


class Seen(TypedDict, total=False):
    """Who was here, in no order: for branches whose lists the engines merge in different orders."""

    seen: Annotated[set[str], operator.or_]


class Count(TypedDict, total=False):
    """A number without a reducer, and who was here."""

    n: int
    trace: Annotated[list[str], operator.add]


class Pair(TypedDict, total=False):
    """Two keys without reducers."""

    x: int
    y: int


class Items(TypedDict, total=False):
    """Work to be handed out, and what came of it."""

    items: list[Any]
    item: Any
    done: Annotated[list[Any], operator.add]
    total: int


def leaves(name):
    """Make a node that only leaves its name in `trace`."""

    def node(state):
        return {"trace": [name]}

    return node


def is_seen(name):
    """Make a node that only leaves its name in `seen`."""

    def node(state):
        return {"seen": {name}}

    return node


def steps():
    """Make a node that counts one further."""

    def node(state):
        return {"n": state["n"] + 1}

    return node


def joined(lg, state, nodes, edges):
    """Make a builder from its nodes and edges.

    Nodes are a mapping of names to functions, or the names of such as only leave that. An edge is written "a b", where
    `^` stands for START and `$` for END.
    """
    builder = lg.StateGraph(state)
    if isinstance(nodes, str):
        nodes = {name: (is_seen if state is Seen else leaves)(name) for name in nodes.split()}
    for name, function in nodes.items():
        builder.add_node(name, function)
    ends = {"^": lg.START, "$": lg.END}
    for edge in edges:
        source, target = edge.split()
        builder.add_edge(ends.get(source, source), ends.get(target, target))
    return builder


def around(lg, inner, **options):
    """Make an outer graph of `a`, the inner graph as node `sub`, and `z`."""
    return joined(lg, Number, {"a": steps(), "sub": inner, "z": steps()}, ["^ a", "a sub", "sub z"]).compile(**options)
