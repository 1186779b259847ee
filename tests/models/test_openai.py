"""What only chat completions have; the rest is in `test_provider_faults.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import aclosing

import pytest
from openai import AsyncOpenAI

from riverrun.base.errors import Busy, NodeError, ProtocolFault
from riverrun.models.openai import OpenAIChat
from riverrun.models.pieces import Finish, Reasoning, Text, ToolCall
from tests.models.dialects import Chat
from tests.models.provider import Reply, frame, providing

CHAT = Chat()
ASKED = [{"role": "user", "content": "?"}]


async def pieces_of(*frames):
    async with providing(Reply(frames=frames)) as provider:
        model = CHAT.model(provider)
        async with aclosing(model.stream(ASKED)) as pieces:
            found = [piece async for piece in pieces]
        await model.aclose()
    return found


def choice(delta, reason=None, **more):
    return frame({**CHAT._envelope(), "choices": [{"index": 0, "delta": delta, "finish_reason": reason, **more}]})


async def test_a_refusal_is_text_and_its_reason_is_told():
    found = await pieces_of(choice({"refusal": "I cannot."}), choice({}, "content_filter"))
    assert [Text("I cannot."), Finish("refused", "content_filter")] == found


async def test_the_thoughts_of_compatible_servers_are_found_by_either_name():
    frames = [choice({"reasoning": "a"}), choice({"reasoning_content": "b"}), choice({}, "stop")]
    assert [Reasoning("a"), Reasoning("b")] == (await pieces_of(*frames))[:2]


async def test_servers_that_leave_things_out_or_invent_reasons_are_understood():
    found = await pieces_of(
        frame({"id": "x", "choices": []}),
        choice({"tool_calls": [{"index": None, "function": None}]}),
        choice({"content": "a"}, "eos"),
    )
    assert [ToolCall(0), Text("a"), Finish("stop", "eos")] == found


async def test_a_finish_reason_that_is_an_error_is_one():
    with pytest.raises(Busy, match="upstream died"):
        await pieces_of(choice({}, "error", error={"code": "server_error", "message": "upstream died"}))


async def test_a_client_of_the_callers_is_used():
    async with (
        providing(Reply(frames=[choice({}, "stop")])) as provider,
        AsyncOpenAI(base_url=provider.url, api_key="theirs", max_retries=0) as client,
    ):
        model = OpenAIChat("m", client=client)
        async with aclosing(model.stream(ASKED, (), seed=3)) as pieces:
            assert [Finish("stop", "stop")] == [piece async for piece in pieces]
        assert ("/chat/completions", 3) == (provider.requests[0].path, provider.requests[0].body["seed"])


async def test_an_error_that_does_not_say_so_is_one():
    with pytest.raises(NodeError, match="no credit"):
        await pieces_of(choice({"content": "a"}), frame({"error": {"message": "no credit", "code": 402}}))


async def test_an_event_of_another_shape_is_not_understood():
    with pytest.raises(ProtocolFault, match="E3035"):
        await pieces_of(choice({"content": [{"type": "text"}]}))


async def test_arguments_go_back_to_the_model_as_it_wrote_them():
    calls = [{"id": "1", "name": "f", "arguments": '{"broken'}, {"id": "2", "name": "f", "arguments": {"ü": 1}}]
    async with providing(Reply(frames=[choice({}, "stop")])) as provider:
        model = CHAT.model(provider)
        async with aclosing(model.stream([{"role": "assistant", "content": "", "tool_calls": calls}])) as pieces:
            await anext(pieces)
        await model.aclose()
        sent = provider.requests[0].body["messages"][0]["tool_calls"]
    assert ['{"broken', '{"ü": 1}'] == [each["function"]["arguments"] for each in sent]


@pytest.mark.parametrize(
    ("module", "extra"), [("openai", "openai"), ("responses", "openai"), ("anthropic", "anthropic")]
)
def test_without_the_extra_the_error_names_the_line_that_installs_it(module, extra, tmp_path):
    (tmp_path / f"{extra}.py").write_text(f"raise ModuleNotFoundError(name={extra!r})\n")
    code = f"import riverrun.models.{module}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        timeout=60,
        check=False,
    )
    assert 1 == done.returncode
    assert "E1013" in done.stderr
    assert f'pip install "riverrun[{extra}]"' in done.stderr
