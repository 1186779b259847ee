"""The offline model: the same question, the same words, taken from what it was given; tools by name."""

from __future__ import annotations

from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.models.message import Draft
from riverrun.models.model import ToolSpec
from riverrun.models.offline import OfflineModel
from riverrun.models.pieces import Finish, Text, Usage

TEXT = "The Liffey rises in the Wicklow mountains. It runs through Dublin. Bees make honey.\n"
ADD = ToolSpec(name="add", parameters={"type": "object", "properties": {"a": {"type": "number"}}})
SEARCH = ToolSpec(name="search", parameters={"type": "object", "properties": {"query": {"type": "string"}}})


async def ask(messages, tools=(), **settings):
    async with aclosing(OfflineModel(**settings).stream(messages, tools)) as pieces:
        return [piece async for piece in pieces]


def folded(pieces):
    draft = Draft()
    for piece in pieces:
        draft.add(piece)
    return draft.message()


def question(text):
    return [{"role": "user", "content": text}]


async def test_it_quotes_what_shares_words_with_the_question_and_speaks_word_by_word():
    asked = [{"role": "system", "content": TEXT}, *question("Where does the Liffey rise in the mountains?")]
    pieces = await ask(asked, sentences=1)
    assert "The Liffey rises in the Wicklow mountains." == folded(pieces)["content"]
    assert ["The", " Liffey", " rises"] == [piece.text for piece in pieces[:3]]
    assert [Usage, Finish] == [type(piece) for piece in pieces[-2:]]


@given(st.text(max_size=200), st.text(max_size=50))
async def test_it_is_deterministic_ends_with_a_reason_and_invents_no_word(text, asked):
    messages = [{"role": "system", "content": text}, *question(asked)]
    first = await ask(messages)
    assert first == await ask(messages)
    assert Finish("stop") == first[-1]
    said = "".join(piece.text for piece in first if isinstance(piece, Text))
    source = f"{text}\n{asked}\nNothing was said that answers:"
    assert all(word in source for word in said.split())


@pytest.mark.parametrize(
    ("asked", "calls"),
    [
        ('Please add {"a": 1} and add {"a": 2}.', [("add", {"a": 1}), ("add", {"a": 2})]),
        ('search "rivers", then add', [("search", {"query": "rivers"}), ("add", {})]),
        ('search: "a b"', [("search", {"query": "a b"})]),
        ("add {broken", [("add", {})]),
    ],
)
async def test_it_calls_the_tools_that_the_question_names(asked, calls):
    message = folded(await ask(question(asked), [ADD, SEARCH]))
    assert calls == [(call["name"], call["arguments"]) for call in message["tool_calls"]]
    assert ("tool_calls", "") == (message["finish"], message["content"])


@pytest.mark.parametrize("asked", ["adder", "sum up", "pre-add", ""])
async def test_it_calls_nothing_that_is_not_named(asked):
    assert "tool_calls" not in folded(await ask(question(asked), [ADD, SEARCH]))


async def test_it_answers_with_what_the_tools_gave_back():
    results = [{"role": "tool", "tool_call_id": "1", "name": "add", "content": "3"}]
    message = folded(await ask([*question("add"), {"role": "assistant", "content": ""}, *results], [ADD]))
    assert "add says: 3" == message["content"]


async def test_it_says_when_there_is_nothing_to_say():
    assert "Nothing was said that answers: Why?" == folded(await ask(question("Why?")))["content"]


async def test_it_can_take_its_time():
    assert "Honey." == folded(await ask(question("Honey."), pace=0.001))["content"]
