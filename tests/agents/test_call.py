"""One call of a tool: whatever goes wrong in it is an error result that the model reads."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

import pytest

from riverrun.agents.call import Approved, answer_call
from riverrun.agents.loop import tools_by_name
from riverrun.agents.tool import Progress, tool
from riverrun.base.errors import NodeError
from riverrun.runs.pool import Pool


class Ctx(SimpleNamespace):
    """What a call asks of its node."""

    def __init__(self, *answers):
        super().__init__(run="r", exec="tool:1", said=[], asked=[], answers=list(answers))

    def emit(self, name, value):
        self.said.append((name, value["state"], value.get("value")))

    async def room(self):
        pass

    def interrupt(self, value, *, type):  # noqa: A002  # as the real one
        self.asked.append(value)
        return self.answers.pop(0)


@pytest.fixture
def pool():
    """Two threads."""
    made = Pool(2)
    yield made
    made.close()


async def call(made, arguments: Any, pool, *answers, name=None):
    tools = tools_by_name([made])
    asked = {"id": "c1", "name": name or next(iter(tools)), "arguments": arguments}
    ctx: Any = Ctx(*answers)
    async with aclosing(answer_call(tools, asked, ctx, pool)) as outputs:
        said = [output async for output in outputs]
    return said, ctx


async def result(made, arguments: Any, pool, *answers, name=None):
    said, _ = await call(made, arguments, pool, *answers, name=name)
    return said[-1]["content"], said[-1].get("error")


def give(value: Any = None):
    async def given() -> Any:
        if isinstance(value, Exception):
            raise value
        return value

    return tool(given, max_bytes=1000, timeout=5)


async def test_a_result_names_its_call():
    said, ctx = await call(give("fine"), {}, Pool(1))
    assert [{"role": "tool", "tool_call_id": "c1", "name": "given", "content": "fine", "id": "r.tool:1"}] == said
    assert [("riverrun.tool", "started", None), ("riverrun.tool", "ended", None)] == ctx.said


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("text", "text"),
        ("", ""),
        (None, "null"),
        ({"a": [1, 2.5, None]}, '{"a":[1,2.5,null]}'),
        (float("nan"), '"NaN"'),
        (b"ab", '"ab"'),
        (SimpleNamespace(a=1), '"namespace(a=1)"'),
    ],
    ids=repr,
)
async def test_any_value_becomes_text(value, content, pool):
    assert (content, None) == await result(give(value), {}, pool)


@pytest.mark.parametrize(
    ("error", "code"), [(ValueError("no such city"), "E3037"), (NodeError("E3043", "gone"), "E3043"),
                        (TimeoutError("theirs"), "E3037"), (StopAsyncIteration(), "E3037")], ids=repr
)  # fmt: skip
async def test_a_tool_that_raises_is_an_error_result(error, code, pool):
    content, found = await result(give(error), {}, pool)
    assert code == found
    assert content.startswith(code)
    assert str(getattr(error, "message", error)) in content


@pytest.mark.parametrize(
    "value", ["x" * 1001, "ü" * 501, {"a": "x" * 1000}, ["x"] * 1000], ids=lambda value: str(value)[:5]
)
async def test_a_result_that_is_too_large_is_an_error_result_with_its_beginning(value, pool):
    content, error = await result(give(value), {}, pool)
    assert "E3039" == error
    assert "1000 bytes" in content
    assert 3000 > len(content)


async def test_megabytes_that_stream_are_cut_off_while_they_come_and_the_source_is_closed(pool):
    seen: list[str] = []

    async def flood():
        try:
            while True:
                yield "x" * 100
        finally:
            seen.append("closed")

    said, _ = await call(tool(flood, max_bytes=1000), {}, pool)
    assert (10, "E3039", ["closed"]) == (len(said) - 1, said[-1]["error"], seen)


@pytest.mark.parametrize("arguments", ["{broken", "[1]", "text"])
async def test_arguments_that_are_no_object_are_an_error_result(arguments, pool):
    content, error = await result(give(), arguments, pool)
    assert "E3036" == error
    assert arguments in content


async def test_arguments_that_do_not_fit_are_an_error_result(pool):
    def add(a: int) -> int:
        return a

    assert ("E3036 The arguments do not fit: a: Field required", "E3036") == await result(add, {}, pool)


async def test_a_tool_that_does_not_exist_is_an_error_result_with_those_that_do(pool):
    content, error = await result(give(), {}, pool, name="gone")
    assert ("E3040", True) == (error, "given" in content)


async def test_a_tool_that_hangs_is_cut_off(pool):
    ended: list[str] = []

    async def hang():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("told")

    content, error = await result(tool(hang, timeout=0.01), {}, pool)
    assert ("E3038", ["told"]) == (error, ended)
    assert "0.01 s" in content


async def test_a_sync_tool_that_hangs_is_left_to_itself_and_counted(pool):
    gate, began = threading.Event(), threading.Event()

    def hang() -> bool:
        began.set()
        return gate.wait(20)

    try:
        assert "E3038" == (await result(tool(hang, timeout=0.1), {}, pool))[1]
        assert began.is_set() == bool(pool.orphans)  # on a slow machine it may not have begun: then it never will
    finally:
        gate.set()


async def test_the_time_that_a_reader_takes_is_not_the_tools(pool):
    async def words():
        yield "a"
        yield "b"

    made = tools_by_name([tool(words, timeout=0.2)])
    ctx: Any = Ctx()
    asked = {"id": "c", "name": "words", "arguments": {}}
    async with aclosing(answer_call(made, asked, ctx, pool)) as outputs:
        assert "a" == await anext(outputs)
        await asyncio.sleep(0)  # wherever the reader is now, no time-out of the tool can reach it
        assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]  # a test is a task
        assert ["b", "ab"] == [each if isinstance(each, str) else each["content"] async for each in outputs]


async def test_pieces_stream_and_progress_is_told_beside_them(pool):
    def search(query: str):
        yield "one "
        yield Progress({"done": 1})
        yield Progress(0.5)
        yield "two"

    said, ctx = await call(search, {"query": "x"}, pool)
    assert (["one ", "two"], "one two") == (said[:-1], said[-1]["content"])
    assert ['{"done":1}', 0.5] == [value for _, state, value in ctx.said if state == "progress"]


async def test_pieces_that_are_not_text_are_a_list(pool):
    def rows():
        yield {"a": 1}
        yield "x"

    said, _ = await call(rows, {}, pool)
    assert '[{"a":1},"x"]' == said[-1]["content"]


# --- approval ---


def careful(seen):
    def remove(path: str) -> str:
        """Remove a file."""
        seen.append(path)
        return "removed"

    return tool(remove, approval=lambda arguments: arguments["path"] != "/tmp/x")


async def test_only_what_needs_it_is_asked_about(pool):
    said, ctx = await call(careful([]), {"path": "/tmp/x"}, pool)
    assert ("removed", []) == (said[-1]["content"], ctx.asked)


async def test_who_is_asked_sees_the_call_and_may_allow_it(pool):
    seen: list[str] = []
    said, ctx = await call(careful(seen), {"path": "/etc"}, pool, True)
    assert (["/etc"], "removed") == (seen, said[-1]["content"])
    assert [{"kind": "tool_call", "call": {"id": "c1", "name": "remove", "arguments": {"path": "/etc"}}}] == ctx.asked


async def test_what_is_not_allowed_is_not_done_and_the_model_is_told_why(pool):
    seen: list[str] = []
    assert ("E3041 The call was not allowed.", "E3041") == await result(careful(seen), {"path": "/"}, pool, False)
    refused = Approved(approve=False, reason="it is all we have")
    content, error = await result(careful(seen), {"path": "/"}, pool, refused)
    assert ("E3041", True, []) == (error, "it is all we have" in content, seen)


async def test_arguments_may_be_changed_by_who_allows_the_call_and_are_checked_again(pool):
    seen: list[str] = []
    better = Approved(approve=True, arguments={"path": "/var"})
    assert ("removed", None) == await result(careful(seen), {"path": "/"}, pool, better)
    worse = Approved(approve=True, arguments={"road": "/var"})
    assert "E3036" == (await result(careful(seen), {"path": "/"}, pool, worse))[1]
    assert ["/var"] == seen


async def test_a_rule_that_fails_asks(pool):
    def look(path: str) -> str:
        return path

    _, ctx = await call(tool(look, approval=lambda arguments: arguments["nothing"]), {"path": "/"}, pool, True)
    assert 1 == len(ctx.asked)
