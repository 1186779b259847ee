"""What is read off a function: how it must be called, whether it wants the context, where it may lead, where it is."""

from __future__ import annotations

import functools
import itertools
from typing import Literal, Optional

import pytest

from riverrun.base.errors import GraphError
from riverrun.graph.node import Command, literal_targets, manner_of, place_of, read_node


def numbered():
    """Number cases whose functions have no names worth telling."""
    return map(str, itertools.count())


def sync(state):
    return {}


async def later(state):
    return {}


def words(state):
    yield "a"


async def later_words(state):
    yield "a"


class Things:
    def method(self, state):
        return {}

    async def later(self, state, ctx):
        return {}

    @staticmethod
    def static(state):
        return {}

    @classmethod
    def of_class(cls, state):
        return {}


class Called:
    def __call__(self, state, ctx):
        return {}


class CalledLater:
    async def __call__(self, state):
        return {}


class Yields:
    def __call__(self, state):
        yield "a"


def passed_through(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


def made_async(function):
    @functools.wraps(function)
    async def inner(state):
        return function(state)

    return inner


def two_texts(kind, state):
    return {}


def read(function):
    return read_node("n", function, agent=None, key=None)


@pytest.mark.parametrize(
    ("function", "manner"),
    [
        (sync, "sync"),
        (later, "async"),
        (words, "generator"),
        (later_words, "async generator"),
        (lambda state: {}, "sync"),
        (Things().method, "sync"),
        (Things().later, "async"),
        (Things.static, "sync"),
        (Things.of_class, "sync"),
        (Called(), "sync"),
        (CalledLater(), "async"),
        (Yields(), "generator"),
        (functools.partial(two_texts, "x"), "sync"),
        (functools.partial(later), "async"),
        (functools.partial(functools.partial(later_words)), "async generator"),
        (dict, "sync"),
        (len, "sync"),
        # What a decorator made is run as what it is, not as what is inside.
        (made_async(sync), "async"),
        (passed_through(later), "sync"),
    ],
    ids=numbered(),
)
def test_a_function_is_run_as_what_it_is(function, manner):
    assert manner == manner_of(function) == read(function).manner


class Runtime:
    """Stands for a class of another library that goes by this name."""


def by_annotation(state, one: Runtime, two: StreamWriter):  # type: ignore[name-defined]  # noqa: F821  # by name
    return {}


@pytest.mark.parametrize(
    ("function", "wants", "by_name"),
    [
        (lambda state: {}, (), ()),
        (lambda state, ctx: {}, ("ctx",), ()),
        (lambda state, anything: {}, ("ctx",), ()),
        (lambda state, config: {}, ("config",), ()),
        (lambda state, ctx=None: {}, ("ctx",), ()),
        (lambda state, config, runtime, writer, store: {}, ("config", "runtime", "writer", "store"), ()),
        (lambda state, writer, other=None: {}, ("writer",), ()),
        (lambda state, other=None: {}, (), ()),
        (lambda *args: None, (), ()),
        (lambda state, *args, **kwargs: {}, (), ()),
        (lambda state, *, option=1: {}, (), ()),
        (lambda state, *, runtime: {}, (), (("runtime", "runtime"),)),
        (lambda state, ctx, *, store=None: {}, ("ctx",), (("store", "store"),)),
        (by_annotation, ("runtime", "writer"), ()),
        (Called(), ("ctx",), ()),
        (Things().later, ("ctx",), ()),
        (Things().method, (), ()),
        (functools.partial(two_texts, "x"), (), ()),
        (passed_through(lambda state, ctx: {}), ("ctx",), ()),
        (dict, (), ()),
        (print, (), ()),
    ],
    ids=numbered(),
)
def test_a_function_is_given_what_it_asks_for(function, wants, by_name):
    made = read(function)
    assert (wants, by_name) == (made.wants, made.wants_named)


@pytest.mark.parametrize(
    "function",
    [lambda: None, lambda a, b, c: {}, lambda state, *, needed: {}, lambda *, state: {}, lambda **kwargs: None],
    ids=numbered(),
)
def test_what_cannot_be_called_with_a_state_is_refused_with_its_parameters_and_place(function):
    with pytest.raises(GraphError) as caught:
        read(function)
    assert "E1006" == caught.value.code
    assert "'n'" in caught.value.message
    assert f"{__file__}:" in caught.value.where


@pytest.mark.parametrize(
    "function", [sync, later, words, passed_through(sync), functools.partial(sync)], ids=numbered()
)
def test_the_place_is_that_of_what_the_user_wrote(function):
    inner = function
    while not hasattr(inner, "__code__") or hasattr(inner, "__wrapped__"):
        inner = getattr(inner, "__wrapped__", None) or inner.func
    assert f"{__file__}:{inner.__code__.co_firstlineno}" == place_of(function)


def test_the_place_of_an_object_is_that_of_its_call():
    assert f"{__file__}:{Called.__call__.__code__.co_firstlineno}" == place_of(Called())


def test_what_has_no_source_is_named():
    assert "len" == place_of(len)
    assert "dict" == place_of(dict)


# --- where it may lead ---


def no_command(state) -> dict[str, int]:
    return {}


def no_hint(state):
    return {}


def any_command(state) -> Command:  # type: ignore[type-arg]
    return Command()


def some_command(state) -> Command[Literal["a", "b"]]:
    return Command()


def maybe_command(state) -> Optional[Command[Literal["a"]]]:  # noqa: UP045  # both spellings must be read
    return None


def dict_or_command(state) -> dict[str, int] | Command[Literal["b"]]:
    return {}


def dict_or_any_command(state) -> dict[str, int] | Command:  # type: ignore[type-arg]
    return {}


def command_of_text(state) -> Command[str]:
    return Command()


async def later_command(state) -> Command[Literal["a"]]:
    return Command()


def broken_hint(state) -> Gone:  # type: ignore[name-defined]  # noqa: F821  # an annotation that nobody can evaluate
    return {}


@pytest.mark.parametrize(
    ("function", "targets"),
    [
        (no_command, ()),
        (no_hint, ()),
        (any_command, None),
        (some_command, ("a", "b")),
        (maybe_command, ("a",)),
        (dict_or_command, ("b",)),
        (dict_or_any_command, None),
        (command_of_text, None),
        (later_command, ("a",)),
        (broken_hint, ()),
        (passed_through(some_command), ("a", "b")),
        (functools.partial(some_command), ("a", "b")),
    ],
    ids=numbered(),
)
def test_a_command_declares_its_targets_by_annotation(function, targets):
    assert targets == read(function).targets


def literal(state) -> Literal["a", "b"]:
    return "a"


def text(state) -> str:
    return "a"


@pytest.mark.parametrize(
    ("function", "targets"), [(literal, ("a", "b")), (text, None), (no_hint, None), (broken_hint, None)]
)
def test_a_router_declares_its_targets_by_annotation(function, targets):
    assert targets == literal_targets(function)


@pytest.mark.parametrize(("goto", "targets"), [("a", ("a",)), (["a", "b"], ("a", "b")), (("a",), ("a",)), ((), ())])
def test_the_targets_of_a_command_are_always_a_tuple(goto, targets):
    assert targets == Command(goto=goto).targets
