"""A plain function as an agent: a coroutine function, a generator function, async or not, or any other function.

It is given what a node is given: the state, which is the input of the run with whatever keys that has, and what else
its parameters ask for (`ctx`). What it yields or gives back that is no mapping is its output.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import wraps
from typing import Any

from msgspec.structs import replace

from riverrun.graph.node import END, START, Command, manner_of, read_node
from riverrun.graph.plan import Edge, Plan
from riverrun.graph.shapes import Shape
from riverrun.graph.state import Schema


def as_plan(function: Callable[..., Any], name: str | None, gives: str) -> Plan:
    """Make the graph that a function becomes: one node.

    Args:
        function: `(state)` or `(state, ctx)`.
        name: Name of the graph; None: the function's.
        gives: Key of the state for what it yields or gives back that is no mapping.

    Returns:
        The plan; its state takes any key.

    Raises:
        GraphError: E1006, it cannot be called that way.
    """
    called = str(name or getattr(function, "__name__", None) or type(function).__name__)
    node = read_node("agent", function, agent=called, key=gives)
    if manner_of(function) in ("sync", "async"):
        node = replace(node, function=_keyed(function, gives))
    return Plan(
        called,
        Schema(None, (Shape(declared=dict, keys=None),)),
        {"agent": replace(node, targets=())},
        (Edge(START, "agent", "plain"), Edge("agent", END, "plain")),
        {},
    )


def _keyed(function: Callable[..., Any], gives: str) -> Callable[..., Any]:
    """Let a value that a node may not give back be one: under the key for it."""
    if manner_of(function) == "async":

        @wraps(function)
        async def wait(*arguments: Any, **named: Any) -> Any:
            return _under(await function(*arguments, **named), gives)

        return wait

    @wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        given = function(*arguments, **named)
        return _later(given, gives) if hasattr(given, "__await__") else _under(given, gives)

    return call


async def _later(awaited: Any, gives: str) -> Any:
    return _under(await awaited, gives)


def _under(value: Any, gives: str) -> Any:
    ready = value is None or isinstance(value, Mapping | Command) or _streams(value)
    return value if ready or _commands(value) else {gives: value}


def _streams(value: Any) -> bool:
    return isinstance(value, AsyncIterator | Iterator) or hasattr(value, "__aiter__")


def _commands(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(each, Command) for each in value)
