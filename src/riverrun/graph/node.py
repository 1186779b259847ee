"""What a node is, and what it may give back: read off the function once, when it is added.

It does not call functions (the driver does) and does not know how streams are pumped.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

from msgspec import Struct

from riverrun.base.errors import GraphError
from riverrun.events.kinds import Send
from riverrun.graph.policies import CachePolicy, Join, RetryPolicy, TimeoutPolicy

START = "__start__"
END = "__end__"

Target = TypeVar("Target")
Manner = Literal["sync", "async", "generator", "async generator", "graph"]


class Command(Struct, Generic[Target], frozen=True, kw_only=True):
    """What a node gives back to write to the state and choose where to go in one step.

    A node annotated `-> Command[Literal["a", "b"]]` declares where it may go; one annotated `-> Command` may go
    anywhere. As the input of a run it answers questions (`resume`), or writes and goes somewhere.

    Attributes:
        update: As if it had been returned alone.
        goto: Name of a node, a `Send`, or several of them; they are triggered beside the node's plain edges.
        resume: As an input: the answer to the one open question, or a mapping of answers by question id.
        graph: `Command.PARENT`: the node leaves its sub graph; `update` and `goto` are meant for the graph around it.
    """

    PARENT: ClassVar[str] = "__parent__"

    update: Any = None
    goto: str | Send | Sequence[str | Send] = ()
    resume: Any = None
    graph: str | None = None

    @property
    def targets(self) -> tuple[str | Send, ...]:
        """The targets in `goto`, always as a tuple."""
        return (self.goto,) if isinstance(self.goto, str | Send) else tuple(self.goto)

    @property
    def writes(self) -> tuple[Any, ...]:
        """What `update` says, in order: one mapping, or one for each of a list of pairs."""
        if self.update is None:
            return ()
        if isinstance(self.update, list | tuple) and all(isinstance(each, tuple) for each in self.update):
            return tuple({name: value} for name, value in self.update)
        return (dict(self.update) if isinstance(self.update, Mapping) else self.update,)

    @property
    def update_as_one(self) -> Any:
        """What `update` says as the input of a run: one mapping."""
        writes = self.writes
        return (
            {name: value for each in writes for name, value in each.items()}
            if len(writes) > 1
            else next(iter(writes), None)
        )


class Node(Struct, frozen=True, kw_only=True, dict=True):
    """One node of a plan.

    Attributes:
        name: Unique in its graph.
        function: What the user wrote.
        manner: How it has to be run; `graph`: it is a sub graph, and its plan runs in its place.
        wants: What it is given after the state, in order: `ctx`, `config`, `runtime`, `writer` or `store`.
        wants_named: The same for parameters that are only taken by name: pairs of that and what is given.
        agent: Name to show to people; None: the node's own.
        key: Key of the state under which the fold of a generator's yields is stored; None: they are only streamed.
        where: `file:line` of the function.
        targets: What a returned `Command` may name, as far as declared; None when it may name anything.
        retries: The first policy that takes an exception decides about another attempt.
        timeout: When an attempt is cut off.
        handler: Called with the state and the exception that no policy took; what it gives back counts as the node's.
        handler_wants: What the handler is given after the state, in order: the above, or `error`.
        cache: When an outcome is kept and given again.
        join: How many branches must arrive; None: it waits for all that still can, and none may fail.
        sees: The keys that it sees, where others are private to other nodes; None for all.
        metadata: Whatever its author wants to keep with it.
    """

    name: str
    function: Callable[..., Any]
    manner: Manner
    wants: tuple[str, ...] = ()
    wants_named: tuple[tuple[str, str], ...] = ()
    agent: str | None = None
    key: str | None = None
    where: str = ""
    targets: tuple[str, ...] | None = ()
    retries: tuple[RetryPolicy, ...] = ()
    timeout: TimeoutPolicy | None = None
    handler: Callable[..., Any] | None = None
    handler_wants: tuple[str, ...] = ()
    cache: CachePolicy | None = None
    join: Join | None = None
    sees: frozenset[str] | None = None
    metadata: Mapping[str, Any] | None = None

    @cached_property
    def plain(self) -> bool:
        """Whether nothing but its function decides what becomes of an attempt."""
        return self.timeout is None and self.cache is None and not self.retries and self.handler is None


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
    wants, named = wants_of(function, f"node {name!r}", place)
    return Node(
        name=name,
        function=function,
        manner=manner_of(function),
        wants=wants,
        wants_named=named,
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


def wants_of(
    function: Callable[..., Any], who: str, place: str, second: str = "ctx"
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Say what a function wants to be given after the state.

    Args:
        function: A node, or the handler of one.
        who: Whose function it is, for the message.
        place: `file:line`, for the message.
        second: What a second parameter means that neither its name nor its annotation explains.

    Returns:
        What is given by place; and pairs of a parameter and what is given to it by name.

    Raises:
        GraphError: E1006, it cannot be called that way.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return (), ()  # a builtin without a signature: called with the state alone
    parameters = list(signature.parameters.values())
    positional = [p for p in parameters if p.kind in _POSITIONAL]
    wanted: list[str] = []
    for p in positional[1:]:
        found = given_as(p) or (second if not wanted and p.default is p.empty else None)
        if found is None:
            break
        wanted.append(found)
    named = [(p, given_as(p)) for p in parameters if p.kind is p.KEYWORD_ONLY]
    lacking = [*positional[1 + len(wanted) :], *(p for p, found in named if found is None)]
    has_first = positional or any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if not has_first or any(p.default is p.empty for p in lacking):
        raise GraphError("E1006", f"{who} has the parameters {signature}", where=place)
    return tuple(wanted), tuple((p.name, found) for p, found in named if found is not None)


def given_as(parameter: inspect.Parameter) -> str | None:
    """Say which of the things that a node may ask for a parameter means: by its name, else by its annotation."""
    if parameter.name in GIVEN:
        return parameter.name
    annotation = parameter.annotation
    written = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return _BY_ANNOTATION.get(written.partition("[")[0].rpartition(".")[2])


GIVEN = ("ctx", "config", "runtime", "writer", "store", "error")
_BY_ANNOTATION = {
    "Context": "ctx",
    "RunnableConfig": "config",
    "Runtime": "runtime",
    "StreamWriter": "writer",
    "BaseStore": "store",
    "NodeError": "error",
}
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _return_hint(function: object) -> object:
    try:
        return get_type_hints(_inner(function)).get("return")
    except (NameError, TypeError, AttributeError):
        return None  # a hint that cannot be evaluated declares nothing


def _command_targets(function: object) -> tuple[str, ...] | None:
    """Give () for a node that returns no Command, its declared targets, or None when it may go anywhere."""
    returns = _return_hint(function)
    if returns is None:
        return None if _mentions_command(function) else ()
    parts = (returns, *get_args(returns))
    if Command in parts:
        return None
    declared = [get_args(part)[0] for part in parts if get_origin(part) is Command]
    if any(get_origin(target) is not Literal for target in declared):
        return None
    return tuple(str(name) for target in declared for name in get_args(target))


def _mentions_command(function: object) -> bool:
    """Say whether the code of a function names `Command`: then it may go anywhere, unless it is annotated."""
    code = getattr(_inner(function), "__code__", None)
    return code is not None and "Command" in (*code.co_names, *code.co_freevars)
