"""What a node is, and what it may give back: read off the function once, when it is added.

It does not call functions (the driver does) and does not know how streams are pumped.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

from msgspec import Struct

from riverrun.base.errors import GraphError

START = "__start__"
END = "__end__"

Target = TypeVar("Target")
Manner = Literal["sync", "async", "generator", "async generator"]


class Command(Struct, Generic[Target], frozen=True, kw_only=True):
    """What a node gives back to write to the state and choose where to go in one step.

    A node annotated `-> Command[Literal["a", "b"]]` declares where it may go; one annotated `-> Command` may go
    anywhere.

    Attributes:
        update: As if it had been returned alone.
        goto: Name of a node, or several; they are triggered beside the node's plain edges.
    """

    update: dict[str, Any] | None = None
    goto: str | tuple[str, ...] | list[str] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        """The names in `goto`, always as a tuple."""
        return (self.goto,) if isinstance(self.goto, str) else tuple(self.goto)


class Node(Struct, frozen=True, kw_only=True):
    """One node of a plan.

    Attributes:
        name: Unique in its graph.
        function: What the user wrote.
        manner: How it has to be run.
        takes_context: Whether it wants a second argument, the context.
        agent: Name to show to people; None: the node's own.
        key: Key of the state under which the fold of a generator's yields is stored; None: they are only streamed.
        where: `file:line` of the function.
        targets: What a returned `Command` may name, as far as declared; None when it may name anything.
    """

    name: str
    function: Callable[..., Any]
    manner: Manner
    takes_context: bool
    agent: str | None
    key: str | None
    where: str
    targets: tuple[str, ...] | None


def read_node(name: str, function: Callable[..., Any], *, agent: str | None, key: str | None) -> Node:
    """Read off a function what is needed to run it as a node.

    Args:
        name: Name of the node.
        function: `(state)` or `(state, ctx)`; sync, async, or an (async) generator function.
        agent: Name to show.
        key: Where to store the fold of its yields.

    Returns:
        The node.

    Raises:
        GraphError: E1006, it cannot be called that way.
    """
    place = place_of(function)
    if not callable(function):
        raise GraphError("E1006", f"node {name!r} is {type(function).__name__}, not a function", where=place)
    return Node(
        name=name,
        function=function,
        manner=manner_of(function),
        takes_context=_takes_context(name, function, place),
        agent=agent,
        key=key,
        where=place,
        targets=_command_targets(function),
    )


def place_of(function: object) -> str:
    """Say where a function was written: `file:line`, or its name where there is no source."""
    inner = _inner(function)
    code = getattr(inner, "__code__", None)
    if code is None:
        return str(getattr(inner, "__qualname__", type(inner).__name__))
    return f"{code.co_filename}:{code.co_firstlineno}"


def manner_of(function: object) -> Manner:
    """Say how a function has to be run. A decorated one is what its outermost wrapper is, whatever is inside."""
    while isinstance(function, partial):
        function = function.func
    if not (inspect.isroutine(function) or inspect.isclass(function)):
        function = getattr(function, "__call__", function)  # noqa: B004  # an object with __call__ is run by it
    if inspect.isasyncgenfunction(function):
        return "async generator"
    if inspect.isgeneratorfunction(function):
        return "generator"
    return "async" if inspect.iscoroutinefunction(function) else "sync"


def literal_targets(function: object) -> tuple[str, ...] | None:
    """Read the targets of a router off its return annotation `Literal["a", "b"]`, if it has one."""
    returns = _return_hint(function)
    return tuple(get_args(returns)) if get_origin(returns) is Literal else None


def _inner(function: object) -> object:
    while isinstance(function, partial):
        function = function.func
    if inspect.isroutine(function) or inspect.isclass(function):
        return inspect.unwrap(function)
    call = getattr(function, "__call__", None)  # noqa: B004  # an object with __call__ is run by it
    return function if call is None else inspect.unwrap(call)


def _takes_context(name: str, function: Callable[..., Any], place: str) -> bool:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return False  # a builtin without a signature: called with the state alone
    required = [p for p in signature.parameters.values() if p.default is p.empty and p.kind not in _VARIADIC]
    keyword_only = [p.name for p in required if p.kind is p.KEYWORD_ONLY]
    positional = [p for p in signature.parameters.values() if p.kind in _POSITIONAL]
    two = any(p.name == "ctx" for p in positional[1:2]) or len(required) == _STATE_AND_CONTEXT
    if keyword_only or len(required) > _STATE_AND_CONTEXT or not (positional or _has_varargs(signature)):
        raise GraphError("E1006", f"node {name!r} has the parameters {signature}", where=place)
    return two


_STATE_AND_CONTEXT = 2
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _has_varargs(signature: inspect.Signature) -> bool:
    return any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values())


def _return_hint(function: object) -> object:
    try:
        return get_type_hints(_inner(function)).get("return")
    except (NameError, TypeError, AttributeError):
        return None  # a hint that cannot be evaluated declares nothing


def _command_targets(function: object) -> tuple[str, ...] | None:
    """Give () for a node that returns no Command, its declared targets, or None when it may go anywhere."""
    returns = _return_hint(function)
    parts = (returns, *get_args(returns))
    if Command in parts:
        return None
    declared = [get_args(part)[0] for part in parts if get_origin(part) is Command]
    if any(get_origin(target) is not Literal for target in declared):
        return None
    return tuple(str(name) for target in declared for name in get_args(target))
