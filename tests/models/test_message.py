"""Pieces fold to one message however they were cut, and a conversation has a result for every call."""

from __future__ import annotations

import json
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun import add_messages
from riverrun.models.message import CUT_OFF, Draft, arguments_of, as_messages, mended, with_thoughts
from riverrun.models.pieces import Finish, Reasoning, Text, ToolCall, Usage
from tests.naming import steady

texts = st.text(max_size=8)
json_values = st.recursive(st.none() | st.integers(-9, 9) | texts, lambda inner: st.lists(inner, max_size=2))
arguments = st.dictionaries(texts, json_values, max_size=3)


def cut(text, places):
    """Cut a text at these places."""
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[a:b] for a, b in pairwise(edges)]


@st.composite
def answers(draw):
    """Give the pieces of an answer in any legal order, and the message that they must fold to."""
    lanes: list[list[Any]] = []
    message: dict[str, Any] = {"role": "assistant", "content": draw(texts)}
    lanes.append([Text(each) for each in cut(message["content"], draw(st.lists(st.integers(0, 99), max_size=3)))])
    calls = draw(st.lists(st.tuples(texts.filter(bool), arguments), max_size=3))
    for index, (name, given_arguments) in enumerate(calls):
        pieces = cut(json.dumps(given_arguments), draw(st.lists(st.integers(0, 99), max_size=3)))
        lanes.append([ToolCall(index, f"id{index}", name), *(ToolCall(index, arguments=each) for each in pieces)])
        call = {"id": f"id{index}", "name": name, "arguments": given_arguments}
        message.setdefault("tool_calls", []).append(call)
    for index, text in enumerate(draw(st.lists(texts.filter(bool), max_size=2))):
        lanes.append([Reasoning(each, index) for each in cut(text, [1])])
        message.setdefault("reasoning", []).append({"text": text})
    order = draw(st.permutations([number for number, lane in enumerate(lanes) for _ in lane]))
    waiting = [iter(lane) for lane in lanes]
    return [next(waiting[number]) for number in order], message


@given(answers())
def test_however_an_answer_is_cut_and_its_lanes_come_by_turns_it_folds_to_the_same_message(answer):
    pieces, message = answer
    draft = Draft()
    for piece in pieces:
        draft.add(piece)
    assert message == draft.message()
    assert message["content"] == draft.text


def test_the_last_word_on_usage_counts_and_the_end_is_kept():
    draft = Draft()
    for piece in (Usage(1, 1), Finish("length", "max"), Usage(5, 6, cached=2)):
        draft.add(piece)
    made = draft.message(model="m", identity="i")
    assert ("i", "m", "length", {"input": 5, "output": 6, "cached": 2}) == tuple(
        made[name] for name in ("id", "model", "finish", "usage")
    )


def test_what_a_provider_wants_back_with_its_thoughts_is_kept():
    draft = Draft()
    pieces = (Reasoning("a", 0), Reasoning(index=0, signature="s"), Reasoning(index=1, redacted="r"),
              Reasoning("b", 3), Reasoning(index=3, encrypted="e", id="i"), Reasoning("c", 4))  # fmt: skip
    for piece in pieces:
        draft.add(piece)
    assert [
        {"text": "a", "signature": "s"},
        {"text": "", "redacted": "r", "index": 1},
        {"text": "b", "encrypted": "e", "id": "i", "index": 3},
        {"text": "c"},
    ] == draft.message()["reasoning"]


@given(st.lists(st.tuples(st.none() | st.integers(0, 9), st.booleans()), max_size=6), st.integers(0, 4))
def test_thoughts_go_back_in_their_order_at_their_places_and_never_last_or_alone(thoughts, count):
    places = sorted((-1 if index is None else index, wanted) for index, wanted in thoughts)
    blocks: list[dict[str, Any]] = [
        {"text": str(number), "wanted": wanted, **({} if index < 0 else {"index": index})}
        for number, (index, wanted) in enumerate(places)
    ]
    said = [{"said": number} for number in range(count)]
    sent = with_thoughts({"reasoning": blocks}, said, lambda block: block if block["wanted"] else None)
    assert said == [each for each in sent if "said" in each]
    back = [each for each in blocks if each["wanted"]] if said else []
    assert back == [each for each in sent if "text" in each]
    assert not sent or sent[-1] == said[-1]
    indices = [each.get("index", 0) for each in back]
    if len({*indices}) == len(places) == len(back):  # as an answer of a provider has them
        assert [min(i, count - 1 + n) for n, i in enumerate(indices)] == [sent.index(each) for each in back]


def test_a_call_without_an_id_is_given_one_so_that_its_result_can_name_it():
    draft = Draft()
    draft.add(ToolCall(3, name="add"))
    assert [{"id": "call_3", "name": "add", "arguments": {}}] == draft.message()["tool_calls"]


@pytest.mark.parametrize("text", ['{"a": 1', "[1]", "null", "words", '"x"', "[" * 100_000], ids=lambda text: text[:9])
def test_arguments_that_are_no_json_object_stay_what_the_model_wrote(text):
    assert text == arguments_of(text)


@pytest.mark.parametrize("text", ["", "  \n", "{}"])
def test_no_arguments_are_an_empty_object(text):
    assert {} == arguments_of(text)


# --- a conversation ---


def test_messages_of_other_libraries_are_understood():
    human = SimpleNamespace(type="human", content="hi", id="1")
    calls = [{"name": "add", "args": {"a": 1}, "id": "t"}]
    answer = SimpleNamespace(type="ai", content="", tool_calls=calls)
    of_openai = {"id": "u", "type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}
    raw = {"role": "assistant", "content": None, "tool_calls": [of_openai]}
    found = as_messages(["hello", ("ai", "ho"), human, answer, raw], "Be short.")
    assert ["system", "user", "assistant", "user", "assistant", "assistant"] == [one["role"] for one in found]
    assert ["Be short.", "hello", "ho", "hi", "", ""] == [one["content"] for one in found]
    assert [{"id": "t", "name": "add", "arguments": {"a": 1}}] == found[4]["tool_calls"]
    assert [{"id": "u", "name": "add", "arguments": {"a": 2}}] == found[5]["tool_calls"]


def test_a_text_alone_is_what_a_user_says():
    assert [{"role": "user", "content": "hi"}] == as_messages("hi")


@pytest.mark.parametrize("wrong", [3, {}, {"content": "x"}, object(), [None]], ids=steady)
def test_what_is_no_message_is_refused(wrong):
    with pytest.raises(TypeError, match="is no message"):
        as_messages(wrong)


def call(identity):
    return {"id": identity, "name": "add", "arguments": {}}


def result(identity, content="3"):
    return {"role": "tool", "tool_call_id": identity, "name": "add", "content": content}


def test_a_call_that_nothing_came_of_is_answered_as_cut_off_at_its_place():
    asked = {"role": "assistant", "content": "", "tool_calls": [call("a"), call("b")]}
    later = {"role": "user", "content": "Go on."}
    found = mended([asked, result("b"), later])
    assert [asked, result("b"), later] == [found[0], found[2], found[3]]
    assert ("tool", "a", "E3042", CUT_OFF) == tuple(
        found[1][name] for name in ("role", "tool_call_id", "error", "content")
    )


conversations = st.lists(
    st.one_of(
        st.just({"role": "user", "content": "u"}),
        st.lists(st.sampled_from("abc"), unique=True, max_size=3).map(
            lambda ids: {"role": "assistant", "content": "x", "tool_calls": [call(each) for each in ids]}
        ),
        st.sampled_from("abc").map(result),
    ),
    max_size=12,
)


@given(conversations)
def test_whatever_is_missing_every_call_is_followed_by_its_one_result_and_nothing_else_is_lost(messages):
    found = mended(messages)
    assert [one for one in messages if one["role"] != "tool"] == [one for one in found if one["role"] != "tool"]
    owed: list[str] = []
    for one in found:
        if one["role"] == "tool":
            assert owed.pop(0) == one["tool_call_id"]
        else:
            assert [] == owed
            owed = [each["id"] for each in one.get("tool_calls", ())]
    assert [] == owed
    assert found == mended(found)


def test_ids_that_a_server_counts_anew_in_each_answer_do_not_mix_up_results():
    first = {"role": "assistant", "content": "", "tool_calls": [call("call_0")]}
    found = mended([first, {"role": "user", "content": "again"}, first, result("call_0", "second")])
    assert [CUT_OFF, "second"] == [one["content"] for one in found if one["role"] == "tool"]


def test_a_message_fits_the_reducer_of_messages():
    draft = Draft()
    draft.add(Text("a"))
    once = add_messages([], [draft.message(identity="1")])
    draft.add(Text("b"))
    assert ["ab"] == [one["content"] for one in add_messages(once, [draft.message(identity="1")])]
