"""What only Anthropic's messages have; the rest is in `test_provider_faults.py`."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from riverrun.base.errors import ConnectionFault, ProtocolFault
from riverrun.models.message import Draft
from tests.models.dialects import Messages
from tests.models.provider import Reply, providing

DIALECT = Messages()
ASKED = [{"role": "user", "content": "?"}]


async def read(provider, messages=ASKED, **options):
    model = DIALECT.model(provider)
    draft = Draft()
    try:
        async with aclosing(model.stream(messages, **options)) as pieces:
            async for piece in pieces:
                draft.add(piece)
    finally:
        await model.aclose()
    return draft.message()


WHOLE = Reply(frames=[*DIALECT.begin(), DIALECT.text("3"), *DIALECT.end()])


async def test_thoughts_come_with_what_the_provider_wants_back_and_go_back_as_they_were():
    redacted = DIALECT._event("content_block_start", index=4, content_block={"type": "redacted_thinking", "data": "zz"})
    frames = [*DIALECT.begin(), DIALECT.thought("So "), DIALECT.thought("so."), DIALECT.signature("sig"), redacted]
    async with providing(Reply(frames=[*frames, DIALECT.text("3"), *DIALECT.end()]), WHOLE) as provider:
        message = await read(provider)
        await read(provider, [*ASKED, message, {"role": "user", "content": "And?"}])
        sent = provider.requests[1].body["messages"][1]["content"]
    assert [{"text": "So so.", "signature": "sig"}, {"text": "", "redacted": "zz", "index": 4}] == message["reasoning"]
    assert [
        {"type": "thinking", "thinking": "So so.", "signature": "sig"},
        {"type": "redacted_thinking", "data": "zz"},
        {"type": "text", "text": "3"},
    ] == sent


async def test_thoughts_go_back_where_they_stood_and_never_last():
    def block(index, kind, **fields):
        return DIALECT._event("content_block_start", index=index, content_block={"type": kind, **fields})

    frames = [
        *DIALECT.begin(),
        block(0, "thinking", thinking="", signature="whole"),  # nothing of it is shown
        DIALECT.text("3"),
        block(2, "thinking", thinking="Then"),
        DIALECT._event("content_block_delta", index=2, delta={"type": "signature_delta", "signature": "sig"}),
        *DIALECT.call(1, "t1", "add", "{}"),
        block(4, "redacted_thinking", data="zz"),
    ]
    async with providing(Reply(frames=[*frames, *DIALECT.end(tools=True)]), WHOLE) as provider:
        message = await read(provider)
        await read(provider, [*ASKED, message, {"role": "tool", "tool_call_id": "t1", "content": "3"}])
        sent = provider.requests[1].body["messages"][1]["content"]
    assert ["thinking", "text", "thinking", "redacted_thinking", "tool_use"] == [each["type"] for each in sent]
    assert ["whole", "sig"] == [each["signature"] for each in sent if each["type"] == "thinking"]


async def test_an_answer_of_thoughts_alone_and_thoughts_of_others_do_not_go_back():
    alone = {"role": "assistant", "content": "", "reasoning": [{"text": "So", "signature": "sig"}]}
    foreign = {"role": "assistant", "content": "3", "reasoning": [{"text": "So", "encrypted": "gAAA", "id": "rs_1"}]}
    async with providing(WHOLE) as provider:
        await read(provider, [*ASKED, alone, *ASKED, foreign])
        sent = provider.requests[0].body["messages"]
    assert [{"type": "text", "text": "3"}] == sent[1]["content"]
    assert ["user", "assistant"] == [turn["role"] for turn in sent]


async def test_a_reason_without_the_stop_of_the_message_is_not_whole():
    async with providing(Reply(frames=[*DIALECT.begin(), *DIALECT.end()[:-1]])) as provider:
        with pytest.raises(ConnectionFault, match="E3031"):
            await read(provider)


async def test_users_and_the_assistant_speak_by_turns_and_the_system_apart():
    calls = [{"id": "1", "name": "f", "arguments": '{"bro'}, {"id": "2", "name": "f", "arguments": {"a": 1}}]
    messages = [
        {"role": "system", "content": "Be short."},
        {"role": "developer", "content": "And kind."},
        {"role": "user", "content": "a"},
        {"role": "user", "content": [{"type": "text", "text": "b"}]},
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "1", "content": "no", "error": "E3036"},
        {"role": "tool", "tool_call_id": "2", "content": "yes"},
        {"role": "user", "content": "c"},
    ]
    async with providing(WHOLE) as provider:
        await read(provider, messages)
        body = provider.requests[0].body
    assert "Be short.\n\nAnd kind." == body["system"]
    assert ["user", "assistant", "user"] == [turn["role"] for turn in body["messages"]]
    assert [2, 2, 3] == [len(turn["content"]) for turn in body["messages"]]
    assert [{"text": '{"bro'}, {"a": 1}] == [block["input"] for block in body["messages"][1]["content"]]
    assert [True, None] == [block.get("is_error") for block in body["messages"][2]["content"][:2]]


@pytest.mark.parametrize(("options", "most"), [({}, 4096), ({"max_tokens": 9}, 9)])
async def test_a_request_always_says_how_long_the_answer_may_be(options, most):
    async with providing(WHOLE) as provider:
        await read(provider, **options)
        assert most == provider.requests[0].body["max_tokens"]


@pytest.mark.parametrize("cloud", [True, False])
async def test_a_cloud_that_frames_events_in_its_own_way_is_read_by_its_sdk(cloud):
    # An event that only the SDK lets through tells who has read it.
    odd = DIALECT._event("content_block_delta", index=None, delta={"type": "text_delta", "text": "4"})
    headers = {"content-type": "application/vnd.amazon.eventstream"} if cloud else {}
    frames = [*DIALECT.begin(), DIALECT.text("3"), odd, *DIALECT.end()]
    async with providing(Reply(frames=frames, headers=headers)) as provider:
        if cloud:
            assert "34" == (await read(provider))["content"]
        else:
            with pytest.raises(ProtocolFault, match="E3035"):
                await read(provider)
