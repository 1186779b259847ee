"""Tools of plain functions: what the model is told of them, what it may call them with, and what it cannot call."""

from __future__ import annotations

import contextvars
import inspect
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from riverrun import Context
from riverrun.agents.tool import FunctionTool, Progress, read_docstring, tool
from riverrun.base.errors import GraphError
from riverrun.runs.pool import Pool

colour: contextvars.ContextVar[str] = contextvars.ContextVar("tool-colour", default="none")


class Place(BaseModel):
    """Where."""

    city: str
    zip: int = 0


@dataclass
class Span:
    """How long."""

    days: int


def forecast(place: Place, span: Span, unit: Literal["C", "F"] = "C", *, schema: bool | None = None) -> str:
    """Tell the weather.

    A second paragraph.

    Args:
        place: Where, with
            its zip.
        span: How long.
        unit (str): Of the temperature: one letter.
        schema: A name that pydantic's classes have already.

    Returns:
        What nobody has to know.
    """
    return f"{place.city} {span.days} {unit} {schema}"


@pytest.fixture
def pool():
    """Two threads."""
    made = Pool(2)
    yield made
    made.close()


async def outputs(made, arguments, pool, ctx: Any = None):
    async with aclosing(made.stream(made.check(arguments), ctx, pool)) as pieces:
        return [piece async for piece in pieces]


def test_the_model_is_told_the_name_the_docstring_and_a_schema():
    spec = FunctionTool(forecast).spec
    assert ("forecast", "Tell the weather.\n\nA second paragraph.") == (spec.name, spec.description)
    properties = spec.parameters["properties"]
    assert {"place", "span", "unit", "schema"} == properties.keys()
    assert ["place", "span"] == spec.parameters["required"]
    assert "Where, with its zip." == properties["place"]["description"]
    assert {"enum": ["C", "F"], "default": "C", "description": "Of the temperature: one letter."}.items() <= (
        properties["unit"].items()
    )
    assert spec.parameters["additionalProperties"] is False


async def test_arguments_come_as_the_annotations_want_them(pool):
    arguments = {"place": {"city": "Cork", "zip": "7"}, "span": {"days": 2}}
    checked = FunctionTool(forecast).check(arguments)
    assert (Place(city="Cork", zip=7), Span(2)) == (checked["place"], checked["span"])
    assert ["Cork 2 C None"] == await outputs(FunctionTool(forecast), arguments, pool)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "place"),
        ({"place": {"city": 3}, "span": {"days": 1}}, "place.city"),
        ({"place": {"city": "x"}, "span": {"days": 1}, "unit": "K"}, "unit"),
        ({"place": {"city": "x"}, "span": {"days": 1}, "extra": 1}, "extra"),
    ],
)
def test_what_does_not_fit_is_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        FunctionTool(forecast).check(arguments)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from(["place", "span", "unit", "schema", "x"]), json_values))
def test_whatever_a_model_writes_either_fits_or_is_refused(arguments):
    try:
        checked = FunctionTool(forecast).check(arguments)
    except ValueError as error:
        assert str(error)  # noqa: PT017  # either is right; what must not happen is anything else
    else:
        assert isinstance(checked["place"], Place)
        assert isinstance(checked["span"], Span)


async def test_the_context_is_given_and_not_shown(pool):
    async def where(ctx: Context, there: Annotated[int, Field(ge=3)] = 4) -> str:
        return f"{ctx} {there}"

    made = FunctionTool(where)
    assert ["there"] == list(made.spec.parameters["properties"])
    assert ["me 4"] == await outputs(made, {}, pool, "me")
    with pytest.raises(ValueError, match="there"):
        made.check({"there": 2})


def plain(n: int) -> int:
    return n


async def coroutine(n: int) -> int:
    return n


def generator(n: int):
    yield from (n, Progress(0.5), n + 1)


async def asynchronous(n: int):
    for each in (n, Progress(0.5), n + 1):
        yield each


class Owner:
    def method(self, n: int) -> int:
        return n

    def __call__(self, n: int) -> int:
        return n


def scaled(factor: int, n: int) -> int:
    return factor * n


@pytest.mark.parametrize(
    "function",
    [plain, coroutine, Owner().method, Owner(), partial(scaled, 1)],
    ids=["function", "coroutine", "method", "object", "partial"],
)
async def test_what_a_function_returns_is_its_one_piece(function, pool):
    made = FunctionTool(function, name="made")
    assert ([3], False) == (await outputs(made, {"n": 3}, pool), made.streams)


@pytest.mark.parametrize("function", [generator, asynchronous])
async def test_what_a_generator_yields_are_its_pieces(function, pool):
    made = FunctionTool(function)
    assert ([3, Progress(0.5), 4], True) == (await outputs(made, {"n": 3}, pool), made.streams)


async def test_a_generator_that_is_left_early_is_closed(pool):
    closed: list[str] = []

    async def words(n: int):
        try:
            while True:
                yield "word"
        finally:
            closed.append("async")

    async with aclosing(FunctionTool(words).stream({"n": 1}, None, pool)) as pieces:  # type: ignore[arg-type]
        await anext(pieces)
    assert ["async"] == closed


async def test_a_sync_tool_has_the_variables_of_its_caller(pool):
    def look() -> str:
        return colour.get()

    colour.set("red")
    assert ["red"] == await outputs(FunctionTool(look), {}, pool)


def test_a_decorator_may_be_used_bare_or_with_settings():
    @tool
    def bare() -> None:
        """Nothing."""

    @tool(name="other", description="Else.", timeout=3, max_bytes=9, approval=bool)
    def said(n: int = 0) -> None:
        """Nothing."""

    assert ("bare", "Nothing.", 60.0, 65536) == (bare.spec.name, bare.spec.description, bare.timeout, bare.max_bytes)
    assert ("other", "Else.", 3, 9) == (said.spec.name, said.spec.description, said.timeout, said.max_bytes)
    assert [False, True, False] == [said.needs_approval({}), said.needs_approval({"n": 1}), bare.needs_approval({})]


def several(*args: int) -> None: ...
def named(**rest: int) -> None: ...
def bare(n) -> None: ...
def by_place(n: int, /) -> None: ...
def unknown(n: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def no_json(n: inspect.Signature) -> None: ...


@pytest.mark.parametrize(
    "wrong", [several, named, bare, by_place, unknown, no_json, lambda: None, 3, len], ids=lambda wrong: str(wrong)[:20]
)
def test_what_no_model_could_call_is_refused(wrong):
    with pytest.raises(GraphError) as caught:
        FunctionTool(wrong)
    assert "E1014" == caught.value.code


def test_docstrings_of_the_other_school_are_read_too():
    text = "Do it.\n\n:param a: The first\n    of two.\n:param int b: The second.\n:returns: Nothing."
    assert ("Do it.", "The first of two.") == (read_docstring(text)[0], read_docstring(text)[1]["a"])
    assert "The second." == read_docstring(text)[1]["b"]


@given(st.text(alphabet="ab:*( \nArgs", max_size=60))
def test_any_docstring_can_be_read(text):
    lead, told = read_docstring(text)
    assert all(line in text for line in lead.splitlines())
    assert all(isinstance(each, str) for each in told.values())
