"""One suite on all adapters: real SDK clients against a server that streams, stalls, breaks and refuses."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from riverrun.base.errors import Busy, ConnectionFault, NodeError, ProtocolFault
from riverrun.models.message import Draft
from riverrun.models.model import ToolSpec
from riverrun.models.pieces import Finish, Reasoning, Text, ToolCall, Usage
from tests.models.dialects import DIALECTS
from tests.models.provider import RESET, Reply, providing, refusal
from tests.runs.plans import until

ASKED = [{"role": "user", "content": "Where does the river run?"}]
ADD = ToolSpec(name="add", description="Add.", parameters={"type": "object", "properties": {"a": {"type": "number"}}})


@pytest.fixture(params=DIALECTS, ids=[each.name for each in DIALECTS])
def dialect(request):
    """One of the protocols."""
    return request.param


async def read(model, messages=ASKED, tools=()):
    try:
        async with aclosing(model.stream(messages, tools)) as pieces:
            return [piece async for piece in pieces]
    finally:
        await model.aclose()


def folded(pieces):
    draft = Draft()
    for piece in pieces:
        draft.add(piece)
    return draft.message()


async def test_an_answer_comes_as_typed_pieces_and_folds_to_one_message(dialect):
    frames = [*dialect.begin(), dialect.thought("Let me "), dialect.thought("see."), dialect.text("To the "),
              dialect.text("sea 🌊."), *dialect.end()]  # fmt: skip
    async with providing(Reply(frames=frames)) as provider:
        pieces = await read(dialect.model(provider))
    assert [Reasoning, Reasoning, Text, Text] == [type(piece) for piece in pieces[:4]]
    assert {Usage, Finish} == {type(piece) for piece in pieces[4:]}
    message = folded(pieces)
    assert ("assistant", "To the sea 🌊.", "stop") == (message["role"], message["content"], message["finish"])
    assert [{"text": "Let me see."}] == message["reasoning"]
    reasoning = {} if dialect.name == "messages" else {"reasoning": 1}
    assert {"input": 7, "output": 3, "cached": 2, **reasoning} == message["usage"]


async def test_calls_of_tools_come_in_fragments_and_fold_to_whole_calls(dialect):
    frames = [*dialect.begin(), *dialect.call(0, "id-0", "add", '{"a"', ": 1", "}"), *dialect.call(1, "id-1", "add"),
              *dialect.call(2, "id-2", "add", '{"a": tru'), *dialect.end(tools=True)]  # fmt: skip
    async with providing(Reply(frames=frames)) as provider:
        pieces = await read(dialect.model(provider), tools=[ADD])
        sent = provider.requests[0].body["tools"]
    assert "add" in str(sent)
    assert 3 <= len([piece for piece in pieces if isinstance(piece, ToolCall) and piece.index == 0])
    message = folded(pieces)
    assert "tool_calls" == message["finish"]
    assert [
        {"id": "id-0", "name": "add", "arguments": {"a": 1}},
        {"id": "id-1", "name": "add", "arguments": {}},
        {"id": "id-2", "name": "add", "arguments": '{"a": tru'},
    ] == message["tool_calls"]


async def test_an_answer_that_reached_its_limit_says_so(dialect):
    frames = [*dialect.begin(), dialect.text("To"), *dialect.end(cut=True)]
    async with providing(Reply(frames=frames)) as provider:
        assert "length" == folded(await read(dialect.model(provider)))["finish"]


async def test_each_piece_is_there_before_the_next_is_sent(dialect):
    gates = [asyncio.Event() for _ in range(5)]
    frames = [*dialect.begin()]
    for number, gate in enumerate(gates):
        frames += [dialect.text(f"{number} "), gate]
    async with providing(Reply(frames=[*frames, *dialect.end()])) as provider:
        model = dialect.model(provider)
        async with aclosing(model.stream(ASKED)) as pieces:
            for number, gate in enumerate(gates):
                assert Text(f"{number} ") == await anext(pieces)  # the server waits: nothing else can have been sent
                gate.set()
            assert "stop" == folded([piece async for piece in pieces])["finish"]
        await model.aclose()


@pytest.mark.parametrize("after", [0, 1, 2], ids=["at once", "one chunk", "two chunks"])
async def test_a_clean_end_without_a_finish_reason_is_no_success(dialect, after):
    frames = [*dialect.begin(), dialect.text("To "), dialect.text("the ")][: len(dialect.begin()) + after]
    async with providing(Reply(frames=frames)) as provider:
        with pytest.raises(ConnectionFault) as caught:
            await read(dialect.model(provider))
    assert ("E3031", True) == (caught.value.code, caught.value.temporary)


async def test_a_reset_in_the_middle_is_a_failure_of_the_network(dialect):
    async with providing(Reply(frames=[*dialect.begin(), dialect.text("To "), RESET])) as provider:
        with pytest.raises(ConnectionFault) as caught:
            await read(dialect.model(provider))
    assert "E3031" == caught.value.code


async def test_a_provider_that_is_not_there_was_not_reached(dialect):
    async with providing(Reply()) as provider:
        model = dialect.model(provider)
    with pytest.raises(ConnectionFault) as caught:
        await read(model)
    assert ("E3030", True) == (caught.value.code, caught.value.temporary)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
async def test_a_busy_provider_is_asked_once_and_says_how_long_to_wait(dialect, status):
    async with providing(refusal(status, "too much", retry_after="17")) as provider:
        with pytest.raises(Busy) as caught:
            await read(dialect.model(provider))
        assert 1 == len(provider.requests)
    assert ("E3032", 17.0, True) == (caught.value.code, caught.value.retry_after, caught.value.temporary)
    assert "too much" in caught.value.message


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
async def test_a_request_that_is_refused_is_not_worth_another_try(dialect, status):
    async with providing(refusal(status, "no such model")) as provider:
        with pytest.raises(NodeError) as caught:
            await read(dialect.model(provider))
    assert ("E3033", False) == (caught.value.code, caught.value.temporary)
    assert "no such model" in caught.value.message
    assert str(status) in caught.value.message


@pytest.mark.parametrize(
    ("kind", "code"),
    [("overloaded_error", "E3032"), ("server_error", "E3032"), ("rate_limit_exceeded", "E3032"), ("bad", "E3034")],
)
async def test_an_error_in_the_stream_is_raised(dialect, kind, code):
    frames = [*dialect.begin(), dialect.text("To "), dialect.error(kind, "it broke")]
    async with providing(Reply(frames=frames)) as provider:
        with pytest.raises((Busy, NodeError)) as caught:
            await read(dialect.model(provider))
    assert code == caught.value.code
    assert "it broke" in caught.value.message


async def test_what_is_not_json_is_not_understood(dialect):
    kind = {"messages": b"event: message_start\n"}.get(dialect.name, b"")
    async with providing(Reply(frames=[kind + b"data: {nonsense\n\n"])) as provider:
        with pytest.raises(ProtocolFault) as caught:
            await read(dialect.model(provider))
    assert "E3035" == caught.value.code


async def test_closing_early_closes_the_connection_to_the_provider(dialect):
    async with providing(Reply(frames=[*dialect.begin(), dialect.text("To ")], hold=True)) as provider:
        model = dialect.model(provider)
        async with aclosing(model.stream(ASKED)) as pieces:
            await anext(pieces)
        await (await provider.asked()).left.wait()
        await model.aclose()


@pytest.mark.parametrize("silent", [False, True], ids=["after a chunk", "before the headers"])
async def test_a_cancelled_reader_closes_the_connection_to_the_provider(dialect, silent):
    gate = asyncio.Event()
    frames = [gate] if silent else [*dialect.begin(), dialect.text("To ")]
    async with providing(Reply(frames=frames, hold=True)) as provider:
        model = dialect.model(provider)
        reading = asyncio.create_task(read(model))
        request = await provider.asked()
        await until(lambda: silent or request.sent == len(frames))
        reading.cancel()
        await asyncio.wait([reading])
        assert reading.cancelled()
        await request.left.wait()


async def test_a_conversation_with_tools_is_taken_by_the_provider(dialect):
    messages = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "1 + 2?"},
        {"role": "assistant", "content": "", "tool_calls": [{"id": "t1", "name": "add", "arguments": {"a": 1}}]},
        {"role": "tool", "tool_call_id": "t1", "name": "add", "content": "3"},
    ]
    async with providing(Reply(frames=[*dialect.begin(), dialect.text("3"), *dialect.end()])) as provider:
        await read(dialect.model(provider, options={"temperature": 0.5}), messages)
        body = provider.requests[0].body
    assert (0.5, True) == (body["temperature"], body["stream"])
    assert all(word in str(body) for word in ("Be short.", "1 + 2?", "t1", "add"))


class Watched:
    """What somebody who counts events puts around what an SDK hands out."""

    def __init__(self, stream):
        self.stream, self.seen = stream, 0

    async def __anext__(self):
        event = await anext(self.stream)
        self.seen += 1
        return event

    async def close(self):
        await self.stream.close()


ASKING: dict[str, Any] = {
    "chat": lambda client: client.chat.completions,
    "responses": lambda client: client.responses,
    "messages": lambda client: client.messages,
}


@pytest.mark.parametrize("ending", ["end", "cut", "error", "nothing"])
async def test_whoever_stands_between_the_sdk_and_us_sees_its_events_and_they_mean_the_same(dialect, ending):
    last = [dialect.error("server_error", "it broke")] if ending == "error" else dialect.end(cut=ending == "cut")
    said = [dialect.thought("Hm. "), dialect.text("To "), *dialect.call(0, "1", "add", '{"a"', ": 1}")]
    if dialect.name == "responses":
        said.append(dialect.thinking(0, "rs_1", "gAAA"))
    if dialect.name == "messages":
        said.append(dialect.signature("sig"))
    frames = [*dialect.begin(), *said, *(last if ending != "nothing" else [])]
    found: list[list[Any]] = []
    watched: list[Watched] = []
    async with providing(Reply(frames=frames)) as provider:
        model = dialect.model(provider)
        asking = ASKING[dialect.name](await model._clients.here())
        create = asking.create

        async def watch(**arguments):
            watched.append(Watched(await create(**arguments)))
            return watched[-1]

        for ask in (create, watch):
            asking.create = ask
            pieces: list[Any] = []
            try:
                async with aclosing(model.stream(ASKED)) as stream:
                    async for piece in stream:
                        pieces.append(piece)  # noqa: PERF401  # what was read before an error counts
            except (Busy, ConnectionFault) as error:
                pieces.append(error.message)
            found.append(pieces)
        await model.aclose()
    assert found[0] == found[1]
    assert len(found[0]) > 4
    assert watched[0].seen > 4
