"""What only responses have; the rest is in `test_provider_faults.py`."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated, Any, TypedDict

import pytest

from riverrun import END, START, InMemorySaver, StateGraph, add_messages
from riverrun.base.errors import Busy, NodeError
from riverrun.events.kinds import Custom
from riverrun.models.chat import chat_node
from riverrun.models.message import Draft
from tests.models.dialects import Responses
from tests.models.provider import Reply, frame, providing

DIALECT = Responses()
ASKED = [{"role": "user", "content": "?"}]


class State(TypedDict, total=False):
    """A conversation."""

    messages: Annotated[list[Any], add_messages]


async def read(provider, **options):
    model = DIALECT.model(provider, **options)
    try:
        async with aclosing(model.stream(ASKED)) as pieces:
            return [piece async for piece in pieces]
    finally:
        await model.aclose()


@pytest.mark.parametrize(("kind", "error"), [("server_error", Busy), ("invalid_prompt", NodeError)])
async def test_a_response_that_failed_is_raised(kind, error):
    async with providing(Reply(frames=[*DIALECT.begin(), DIALECT.failed(kind, "it broke")])) as provider:
        with pytest.raises(error, match="it broke"):
            await read(provider)


@pytest.mark.parametrize(("options", "stored"), [({}, False), ({"options": {"store": True}}, True)])
async def test_the_provider_keeps_nothing_unless_it_is_told_to(options, stored):
    async with providing(Reply(frames=[*DIALECT.begin(), *DIALECT.end()])) as provider:
        await read(provider, **options)
        assert stored is provider.requests[0].body["store"]


async def test_events_that_are_not_known_are_passed_over():
    frames = [*DIALECT.begin(), DIALECT._event("response.something.new", x=1), DIALECT.text("a"), *DIALECT.end()]
    async with providing(Reply(frames=frames)) as provider:
        assert ["text", "usage", "finish"] == [piece.__struct_config__.tag for piece in await read(provider)]


# --- thoughts that only the provider can read ---


def thinking(index, identity, *parts, encrypted="gAAA"):
    """Give the frames of one item of reasoning."""
    item = {"type": "reasoning", "id": identity, "summary": []}
    frames = [DIALECT._event("response.output_item.added", output_index=index, item={**item, "encrypted_content": "g"})]
    for number, part in enumerate(parts):
        where = {"item_id": identity, "output_index": index, "summary_index": number}
        opened = {"type": "summary_text", "text": ""}
        frames.append(DIALECT._event("response.reasoning_summary_part.added", part=opened, **where))
        frames.append(DIALECT._event("response.reasoning_summary_text.delta", delta=part, **where))
    return [*frames, DIALECT.thinking(index, identity, encrypted, *parts)]


async def answer(provider, messages=ASKED, **options):
    """Ask, and fold the answer to a message of this model."""
    model = DIALECT.model(provider, **options)
    draft = Draft()
    try:
        async with aclosing(model.stream(messages)) as pieces:
            async for piece in pieces:
                draft.add(piece)
    finally:
        await model.aclose()
    return draft.message(model=model.name)


WHOLE = Reply(frames=[*DIALECT.begin(), DIALECT.text("3"), *DIALECT.end()])


async def test_encrypted_thoughts_are_kept_and_go_back_where_they_stood_in_the_next_turn():
    frames = [
        *DIALECT.begin(),
        *thinking(0, "rs_1", "Let me see.", "Well."),
        DIALECT.text("3"),
        *thinking(2, "rs_2", encrypted="gBBB"),
        *DIALECT.call(1, "t1", "add", "{}"),
    ]
    async with providing(Reply(frames=[*frames, *DIALECT.end(tools=True)]), WHOLE) as provider:
        message = await answer(provider)
        await answer(provider, [*ASKED, message, {"role": "tool", "tool_call_id": "t1", "content": "3"}])
        sent = provider.requests[1].body["input"]
    assert [
        {"text": "Let me see.\n\nWell.", "encrypted": "gAAA", "id": "rs_1"},
        {"text": "", "encrypted": "gBBB", "id": "rs_2", "index": 2},
    ] == message["reasoning"]
    assert [None, "reasoning", None, "reasoning", "function_call", "function_call_output"] == [
        each.get("type") for each in sent
    ]
    summary = [{"type": "summary_text", "text": "Let me see.\n\nWell."}]
    assert {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "gAAA"} == sent[1]
    assert {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gBBB"} == sent[3]


async def test_thoughts_that_this_model_cannot_read_or_that_led_to_nothing_do_not_go_back():
    mine = {"text": "So", "encrypted": "gAAA", "id": "rs_1"}
    theirs: list[Any] = [
        {"role": "assistant", "content": "1", "model": "other", "reasoning": [mine]},
        {"role": "assistant", "content": "2", "reasoning": [{"text": "So", "signature": "sig"}, {"text": "Hm"}]},
        {"role": "assistant", "content": "", "model": "gpt-test", "reasoning": [mine]},
    ]
    async with providing(WHOLE) as provider:
        await answer(provider, [*ASKED, *theirs, *ASKED])
        sent = provider.requests[0].body["input"]
    assert ["?", "1", "2", "?"] == [each["content"] for each in sent]


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ({}, None),
        ({"reasoning": {"effort": "low"}}, ["reasoning.encrypted_content"]),
        ({"reasoning": {"effort": "low"}, "store": True}, None),
        ({"reasoning": {"effort": "low"}, "include": []}, []),
        ({"include": ["reasoning.encrypted_content"]}, ["reasoning.encrypted_content"]),
    ],
)
async def test_encrypted_thoughts_are_asked_for_where_the_model_thinks_and_the_provider_keeps_nothing(options, asked):
    async with providing(WHOLE) as provider:
        await answer(provider, options=options)
        assert asked == provider.requests[0].body.get("include")


async def test_a_run_tells_the_thoughts_but_not_their_encrypted_form_and_sends_that_back_in_the_next_turn():
    frames = [*DIALECT.begin(), *thinking(0, "rs_1", "So."), DIALECT.text("3"), *DIALECT.end()]
    async with providing(Reply(frames=frames), WHOLE) as provider:
        model = DIALECT.model(provider)
        made = StateGraph(State).add_node("chat", chat_node(model)).add_edge(START, "chat").add_edge("chat", END)
        graph = made.compile(checkpointer=InMemorySaver())
        thread = {"configurable": {"thread_id": "1"}}
        events = [event async for event in graph.astream({"messages": ["?"]}, thread)]
        await graph.ainvoke({"messages": ["And?"]}, thread)
        await model.aclose()
        sent = provider.requests[1].body["input"]
    told = [event.value for event in events if isinstance(event, Custom) and event.name == "riverrun.reasoning"]
    assert [{"text": "So."}] == told
    assert "gAAA" == sent[1]["encrypted_content"]


async def test_an_error_that_does_not_say_so_is_one():
    frames = [*DIALECT.begin(), frame({"error": {"message": "no credit", "code": "insufficient"}})]
    async with providing(Reply(frames=frames)) as provider:
        with pytest.raises(NodeError, match="no credit"):
            await read(provider)
