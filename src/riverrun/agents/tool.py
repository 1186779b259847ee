"""Tools that a model may call, made from plain typed functions: name, docstring and annotations tell it how.

What a tool is called with is checked against its annotations by pydantic before the function sees it. How one call is
run, bounded and answered for is `riverrun.agents.call`; no model is known here.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Annotated, Any, NotRequired, Protocol, get_type_hints, overload

from msgspec import Struct
from pydantic import (
    ConfigDict,
    Field,
    PydanticSchemaGenerationError,
    PydanticUserError,
    TypeAdapter,
    ValidationError,
    with_config,
)
from typing_extensions import TypedDict

from riverrun.base.errors import GraphError
from riverrun.graph.node import given_as, manner_of, place_of
from riverrun.models.model import ToolSpec
from riverrun.runs.context import Context
from riverrun.runs.pool import Pool

TIMEOUT = 60.0  # seconds that a call may take
MAX_BYTES = 64 * 1024  # of a result; a model reads about 16,000 words of that

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SECTION = re.compile(r"^\s*(?:Args|Arguments|Parameters|Returns|Yields|Raises|Examples?|Notes?):\s*$")
_GOOGLE = re.compile(r"^(\s+)\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)$")
_SPHINX = re.compile(r"^\s*:param\s+(?:[\w\[\], |]+\s)?(\w+):\s*(.*)$")
_FIELD = re.compile(r"^\s*:\w+[^:]*:")

Approval = bool | Callable[[Mapping[str, Any]], bool]


class Progress(Struct, frozen=True):
    """What a tool yields to tell how far it is: readers see it, the model does not.

    Attributes:
        value: Any JSON value.
    """

    value: Any


class Tool(Protocol):
    """Something that a model can have called.

    Attributes:
        timeout: Seconds that a call may take; None for no limit.
        max_bytes: How large a result may be.
        streams: Whether readers see text of the result as it comes.
    """

    timeout: float | None
    max_bytes: int
    streams: bool

    @property
    def spec(self) -> ToolSpec:
        """What the model is told."""
        ...

    def needs_approval(self, arguments: Mapping[str, Any]) -> bool:
        """Say whether somebody has to allow a call with these arguments."""
        ...

    def check(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give the arguments as the tool wants them.

        Raises:
            ValueError: They do not fit; its text is for the model.
        """
        ...

    def stream(self, arguments: Mapping[str, Any], ctx: Context, pool: Pool) -> AsyncGenerator[Any, None]:
        """Do the work with arguments that were checked; pieces of the result, and `Progress` between them."""
        ...


class FunctionTool:
    """A tool that is a function.

    Args:
        function: Sync, async, or an (async) generator whose yields are pieces of the result. A parameter `ctx` is given
            the context of the node, and the model does not see it.
        name: By which the model calls it; None: the function's own.
        description: What the model is told; None: the docstring without its sections.
        timeout: Seconds that a call may take; None for no limit.
        max_bytes: How large a result may be.
        approval: Whether somebody has to allow a call: always, never, or by the arguments.

    Attributes:
        spec: What the model is told.
        timeout: As given.
        max_bytes: As given.
        streams: Whether it is a generator.

    Raises:
        GraphError: E1014, no model could call this.
    """

    def __init__(  # what can be said of a tool
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float | None = TIMEOUT,
        max_bytes: int = MAX_BYTES,
        approval: Approval = False,
    ) -> None:
        if not callable(function):
            raise GraphError("E1014", f"{function!r} is no function")
        self.timeout = timeout
        self.max_bytes = max_bytes
        self._function = function
        self._manner = manner_of(function)
        self.streams = self._manner in {"generator", "async generator"}
        self._approval = approval
        name = name or str(getattr(function, "__name__", type(function).__name__))
        if not _NAME.fullmatch(name):
            mend = "Name it: tool(function, name=…), with letters, digits, '_' and '-'."
            raise GraphError("E1014", f"{name!r} cannot be the name of a tool", where=place_of(function), mend=mend)
        text, told = read_docstring(inspect.getdoc(function) or "")
        self._wants, self._adapter = _read(function, name, told)
        schema = self._adapter.json_schema()
        for titled in (schema, *schema["properties"].values()):
            titled.pop("title", None)  # the name again, which the model would have to read
        self.spec = ToolSpec(name=name, description=text if description is None else description, parameters=schema)

    def needs_approval(self, arguments: Mapping[str, Any]) -> bool:
        """Say whether somebody has to allow a call with these arguments."""
        return self._approval if isinstance(self._approval, bool) else bool(self._approval(arguments))

    def check(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give the arguments as the function's annotations want them.

        Raises:
            ValueError: They do not fit; its text is for the model.
        """
        try:
            checked: Mapping[str, Any] = self._adapter.validate_python(dict(arguments))
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False)]
            raise ValueError("; ".join(wrong)) from None
        return checked

    async def stream(self, arguments: Mapping[str, Any], ctx: Context, pool: Pool) -> AsyncGenerator[Any, None]:
        """Call the function.

        Args:
            arguments: Checked ones.
            ctx: For a function that asks for it.
            pool: Where a sync function runs.

        Yields:
            What it yields, or the one thing that it returns.

        Raises:
            Exception: What it raises.
        """
        named = {**arguments, **dict.fromkeys(self._wants, ctx)}
        if self._manner == "sync":
            result = await pool.run(self._function, **named)
            yield await result if hasattr(result, "__await__") else result
        elif self._manner == "async":
            yield await self._function(**named)
        else:
            values = self._function(**named)
            given: Any = pool.pull(values) if self._manner == "generator" else values
            async with aclosing(given) as pieces:
                async for piece in pieces:
                    yield piece


@overload
def tool(function: Callable[..., Any], **said: Any) -> FunctionTool: ...


@overload
def tool(function: None = None, **said: Any) -> Callable[[Callable[..., Any]], FunctionTool]: ...


def tool(
    function: Callable[..., Any] | None = None, **said: Any
) -> FunctionTool | Callable[[Callable[..., Any]], FunctionTool]:
    """Make a tool of a function, also as a decorator: `@tool` or `@tool(timeout=5, approval=True)`.

    Args:
        function: See `FunctionTool`.
        **said: As the keyword arguments of `FunctionTool`.

    Returns:
        The tool, or what makes it.

    Raises:
        GraphError: E1014, no model could call this.
    """
    return (lambda found: FunctionTool(found, **said)) if function is None else FunctionTool(function, **said)


def _read(function: Callable[..., Any], name: str, told: Mapping[str, str]) -> tuple[tuple[str, ...], TypeAdapter[Any]]:
    """Read off a function which parameters are given the context, and what checks the others."""
    place = place_of(function)
    try:
        parameters = inspect.signature(function).parameters.values()
        inner: Any = function
        while isinstance(inner, partial):
            inner = inner.func
        hints = get_type_hints(inner if inspect.isroutine(inner) else type(inner).__call__, include_extras=True)
    except (TypeError, ValueError, NameError) as error:
        raise GraphError("E1014", f"tool {name!r} cannot be read: {error}", where=place) from None
    wants = tuple(each.name for each in parameters if given_as(each) == "ctx")
    fields: dict[str, Any] = {}
    for each in parameters:
        if each.name in wants:
            continue
        if each.name not in hints or each.kind in _UNNAMED:
            what = f"tool {name!r}: the parameter {each} has no annotation, or no name that a model could use"
            raise GraphError("E1014", what, where=place)
        field = _field(each, told.get(each.name))
        annotation = _annotated[hints[each.name], field]
        fields[each.name] = annotation if each.default is each.empty else _not_required[annotation]
    # A TypedDict takes any name of a parameter; a model class has names of its own that a parameter may not have.
    shape = with_config(ConfigDict(extra="forbid"))(TypedDict(name, fields))  # type: ignore[operator]  # made at run time
    try:
        return wants, TypeAdapter(shape)
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        what = f"tool {name!r} takes what no JSON can be: {str(error).splitlines()[0]}"
        raise GraphError("E1014", what, where=place) from None


# Made at run time, which type checkers do not follow.
_annotated: Any = Annotated
_not_required: Any = NotRequired
_UNNAMED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _field(parameter: inspect.Parameter, told: str | None) -> Any:
    extra: dict[str, Any] = {}
    if isinstance(parameter.default, str | int | float | bool):  # the model is told what leaving it out means
        extra["default"] = parameter.default
    return Field(description=told, json_schema_extra=extra or None)


def read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Read a docstring, in Google's form or Sphinx's.

    Args:
        text: Without indentation.

    Returns:
        What it says before its first section, and what it says of each parameter.
    """
    lead: list[str] = []
    told: dict[str, list[str]] = {}
    section, last, depth = False, "", 0
    for line in text.splitlines():
        if sphinx := _SPHINX.match(line):
            section, last = True, sphinx[1]
            told[last] = [sphinx[2]]
        elif _SECTION.match(line) or _FIELD.match(line):
            section, last, depth = True, "", 0
        elif not section:
            lead.append(line)
        elif (google := _GOOGLE.match(line)) and len(google[1]) <= (depth or len(google[1])):
            depth, last = len(google[1]), google[2]
            told.setdefault(last, []).append(google[3])
        elif last:
            told[last].append(line.strip())
    return "\n".join(lead).strip(), {name: " ".join(lines).strip() for name, lines in told.items()}
