"""The schema of an input names exactly the keys that a start takes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NotRequired, Required, TypedDict

import jsonschema_rs
import msgspec
import pydantic
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
    several: list[Strange]
    thing: object


class Place(pydantic.BaseModel):
    town: str = pydantic.Field(min_length=1, description="Where it is.")


class Journey(pydantic.BaseModel):
    """A state that is a class of pydantic."""

    places: list[Place] = []
    how: Literal["foot", "train"] = "foot"


class Detailed(TypedDict, total=False):
    stars: Required[Annotated[int, msgspec.Meta(ge=1, le=5)]]
    tags: NotRequired[dict[str, list[float]]]
    place: Place
    places: Annotated[list[Place], append]
    how: Literal["foot", "train"]
    when: dt.date
    fields: Fields


def _another_place():
    class Place(pydantic.BaseModel):
        number: int

    return Place


AnotherPlace: Any = _another_place()


class Both(TypedDict):
    one: list[Place]
    other: list[AnotherPlace]


def plan(*states, **more):
    graph = StateGraph(*states, **more).add_node("node", lambda state: {}).add_edge(START, "node")
    return graph.compile().plan


def test_keys_have_the_type_of_their_class():
    schema = input_schema(plan(State))
    assert "object" == schema["type"]
    assert {
        "text": {"type": "string"},
        "count": {"type": "integer"},
        "said": {"type": "array", "items": {"type": "string"}},
        "author": {"$ref": "#/$defs/Author"},
        "other": {"$ref": "#/$defs/Author"},
        "anything": {},
        "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
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
    assert {"strange": {}, "several": {}, "thing": {}} == input_schema(plan(WithStrange))["properties"]


def test_annotations_are_described_as_deep_as_they_go():
    schema = input_schema(plan(Detailed))
    told = schema["properties"]
    assert {"type": "integer", "minimum": 1, "maximum": 5} == told["stars"]
    assert {"type": "array", "items": {"type": "number"}} == told["tags"]["additionalProperties"]
    assert {"$ref": "#/$defs/Place"} == told["places"]["items"]
    assert schema["$defs"]["Place"] == told["place"]
    assert "Where it is." == schema["$defs"]["Place"]["properties"]["town"]["description"]
    assert ["foot", "train"] == told["how"]["enum"]
    assert "date" == told["when"]["format"]
    assert {"$ref": "#/$defs/Fields"} == told["fields"]
    assert {"text"} == set(schema["$defs"]["Fields"]["required"])


def test_a_state_of_pydantic_is_described_too():
    schema = input_schema(plan(Journey))
    assert {"$ref": "#/$defs/Place"} == schema["properties"]["places"]["items"]
    assert ["foot", "train"] == schema["properties"]["how"]["enum"]


def test_two_classes_of_one_name_are_not_taken_for_each_other():
    schema = input_schema(plan(Both))
    assert {"one": {"type": "array", "items": {"$ref": "#/$defs/Place"}}, "other": {}} == schema["properties"]
    assert {"town"} == set(schema["$defs"]["Place"]["properties"])


ADMITTED = [
    ({"stars": 3, "place": {"town": "Ulm"}, "places": [{"town": "Bonn"}], "how": "foot"}, True),
    ({"when": "2026-11-20", "tags": {"a": [1.5]}, "fields": {"text": "a"}}, True),
    ({"stars": 6}, False),
    ({"place": {"town": ""}}, False),
    ({"places": [1]}, False),
    ({"how": "plane"}, False),
    ({"nothing": 1}, False),
]


@pytest.mark.parametrize(("value", "good"), ADMITTED, ids=str)
def test_a_foreign_validator_takes_what_fits_and_nothing_else(value, good):
    assert good == jsonschema_rs.is_valid(input_schema(plan(Detailed)), value)
