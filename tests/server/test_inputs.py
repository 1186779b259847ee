"""The schema of an input names exactly the keys that a start takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

import msgspec
import pytest

from riverrun.base.errors import InputError
from riverrun.face.state_graph import StateGraph
from riverrun.graph.node import START
from riverrun.graph.reducers import append
from riverrun.server.inputs import input_schema


class Author(msgspec.Struct):
    name: str
    books: list[str] = []


class State(TypedDict, total=False):
    text: str
    count: int
    said: Annotated[list[str], append]
    author: Author
    other: Author
    anything: Any
    maybe: int | None


class Given(TypedDict):
    text: str


@dataclass
class Fields:
    text: str
    seen: list[str] = field(default_factory=list)


class Strange:
    """A class that JSON knows nothing of."""


class WithStrange(TypedDict):
    strange: Strange


def plan(*states, **more):
    graph = StateGraph(*states, **more).add_node("node", lambda state: {}).add_edge(START, "node")
    return graph.compile().plan


def test_keys_have_the_type_of_their_class():
    schema = input_schema(plan(State))
    assert "object" == schema["type"]
    assert {
        "text": {"type": "string"},
        "count": {"type": "integer"},
        "said": {"type": "array"},
        "author": {"$ref": "#/$defs/Author"},
        "other": {"$ref": "#/$defs/Author"},
        "anything": {},
        "maybe": {},
    } == schema["properties"]
    assert {"name", "books"} == set(schema["$defs"]["Author"]["properties"])


def test_a_state_of_any_key_takes_any_key():
    schema = input_schema(plan(dict))
    assert ({}, True) == (schema["properties"], schema["additionalProperties"])


def test_an_input_that_is_limited_says_so():
    schema = input_schema(plan(State, input_schema=Given))
    assert {"text"} == set(schema["properties"])
    assert not schema["additionalProperties"]


@pytest.mark.parametrize("made", [plan(State), plan(State, input_schema=Given), plan(Fields), plan(dict)])
def test_what_the_schema_admits_is_what_a_start_admits(made):
    schema = input_schema(made)
    for name in ("text", "count", "said", "seen", "nothing"):
        admitted = name in schema["properties"] or schema["additionalProperties"]
        try:
            made.schema.check_input({name: None})
        except InputError:
            assert not admitted
        else:
            assert admitted


def test_a_class_that_json_does_not_know_takes_anything():
    assert {"strange": {}} == input_schema(plan(WithStrange))["properties"]
