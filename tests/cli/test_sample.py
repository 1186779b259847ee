"""What `riverrun dev` says to try can be taken by the graph that it names."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

import pytest

from riverrun import START, MessagesState, StateGraph
from riverrun.cli.sample import sample_input
from riverrun.server.inputs import input_schema


class Asked(TypedDict, total=False):
    question: str
    answer: str


class Counted(TypedDict):
    count: int


class Chosen(TypedDict):
    size: Literal["small", "large"]


class Listed(TypedDict):
    parts: Annotated[list[float], lambda old, new: new]


class Deep(TypedDict):
    given: dict[str, int]


class Free(TypedDict):
    given: Any


@pytest.mark.parametrize(
    ("state", "sample"),
    [
        (Asked, {"question": "so it goes"}),
        (Counted, {"count": 1}),
        (Chosen, {"size": "large"}),
        (Listed, {"parts": [1]}),
        (Deep, {"given": {}}),
        (Free, {"given": "so it goes"}),
        (MessagesState, {"messages": ["so it goes"]}),
        (dict, {"text": "so it goes"}),
    ],
)
async def test_the_first_key_gets_a_value_of_its_type(state, sample):
    graph = StateGraph(state).add_node("node", lambda state: None).add_edge(START, "node").compile()
    assert sample == sample_input(input_schema(graph.plan))
    assert set(sample) <= set(await graph.ainvoke(sample))


def test_a_graph_that_takes_nothing_is_tried_with_nothing():
    assert {} == sample_input({"type": "object", "properties": {}, "additionalProperties": False})
