"""Tools of real MCP servers of the official SDK, over stdio and HTTP, in an agent, and what goes wrong."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from riverrun import CompiledGraph
from riverrun.agents.loop import agent
from riverrun.agents.mcp import McpServer, _text
from riverrun.agents.tool import Progress
from riverrun.base.errors import ConnectionFault
from riverrun.events.kinds import NodeStarted
from riverrun.runs.pool import Pool
from tests.agents import mcp_server
from tests.agents.scripts import ScriptedModel, calls, results, says, told

PROGRAM = [sys.executable, "-m", "tests.agents.mcp_server"]
ROOT = str(Path(__file__).resolve().parents[2])
HELLO = {"messages": ["Hello."]}


@asynccontextmanager
async def over_http(seen=None):
    """Serve it on a free port, in this loop."""

    async def app(scope, receive, send):
        if seen is not None and scope["type"] == "http":
            seen.append(dict(scope["headers"]))
        await inner(scope, receive, send)

    inner = mcp_server.server.streamable_http_app()
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="on", timeout_graceful_shutdown=1)
    served = uvicorn.Server(config)
    served.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # the test runner's stay
    task = asyncio.create_task(served.serve())
    try:
        while not served.started:  # noqa: ASYNC110  # it has no event for that
            await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{served.servers[0].sockets[0].getsockname()[1]}/mcp"
    finally:
        served.should_exit = True
        await task


@asynccontextmanager
async def serving(kind, **said):
    """An MCP server, by either transport, its connection kept."""
    if kind == "stdio":
        async with McpServer(PROGRAM, cwd=ROOT, **said) as made:
            yield made
    else:
        async with over_http() as url, McpServer(url, **said) as made:
            yield made


async def call(tools, name, arguments=None):
    (found,) = [each for each in tools if each.spec.name == name]
    async with aclosing(found.stream(arguments or {}, None, Pool(1))) as outputs:
        return [output async for output in outputs]


async def in_agent(model, tools):
    started = await CompiledGraph(agent(model, tools)).start(HELLO)
    log = [event async for event in started.events()]
    return log, started.state()["messages"]


@pytest.mark.parametrize("kind", ["stdio", "http"])
async def test_an_agent_finds_and_calls_the_tools_of_a_server(kind):
    async with serving(kind) as server:
        tools = await server.tools()
        assert {"length", "sail", "flood", "hang"} == {each.spec.name for each in tools}
        spec = next(each.spec for each in tools if each.spec.name == "length")
        assert "Tell how long a river is, in kilometres." == spec.description
        assert ["river"] == spec.parameters["required"]
        model = ScriptedModel(
            calls(("length", {"river": "Liffey"}), ("sail", {"river": "Liffey"}), ("length", {"river": "Styx"})),
            calls(("length", {"lake": "Ree"}), ("length", "{nonsense")),
            says("ok"),
        )
        log, messages = await in_agent(model, tools)
    found = results(messages)
    assert [("600", None), ("at the mouth of the Liffey", None)] == found[:2]
    assert ["E3037", "E3037", "E3036"] == [error for _, error in found[2:]]
    assert "nobody came back to say" in found[2][0]
    progress = [value["value"] for value in told(log) if value["state"] == "progress"]
    assert ['{"progress":1.0,"total":2.0}', '{"progress":2.0,"total":2.0}'] == progress


async def test_without_a_kept_connection_each_call_connects_by_itself():
    seen: list[dict[bytes, bytes]] = []
    async with over_http(seen) as url:
        server = McpServer(url, headers={"authorization": "Bearer secret"})
        tools = await server.tools()
        assert ["700"] == await call(tools, "length", {"river": "Shannon"})
    assert seen
    assert all(b"Bearer secret" == headers[b"authorization"] for headers in seen)


@pytest.mark.parametrize("kind", ["stdio", "http"])
async def test_progress_comes_before_the_result(kind):
    async with serving(kind) as server:
        said = await call(await server.tools(), "sail", {"river": "Lee"})
    assert [Progress, Progress, str] == [type(each) for each in said]


@pytest.mark.parametrize(
    ("said", "name", "error"), [({"max_bytes": 1000}, "flood", "E3039"), ({"timeout": 0.3}, "hang", "E3038")]
)
async def test_what_is_too_large_or_too_slow_is_an_error_result_and_the_connection_lives_on(said, name, error):
    async with serving("stdio", **said) as server:
        tools = await server.tools()
        _, messages = await in_agent(ScriptedModel(calls((name, {})), says("ok")), tools)
        assert [error] == [found for _, found in results(messages)]
        assert ["300"] == await call(tools, "length", {"river": "Lee"})


async def test_tools_of_two_servers_are_told_apart_by_a_prefix():
    async with serving("stdio", prefix="a_") as one, serving("stdio", prefix="b_") as other:
        tools = [*await one.tools(), *await other.tools()]
        model = ScriptedModel(calls(("a_length", {"river": "Lee"}), ("b_length", {"river": "Liffey"})), says("ok"))
        _, messages = await in_agent(model, tools)
    assert [("300", None), ("600", None)] == results(messages)


async def test_calls_may_have_to_be_approved():
    async with serving("stdio", approval=lambda arguments: arguments["river"] == "Styx") as server:
        tools = await server.tools()
        started = await CompiledGraph(
            agent(ScriptedModel(calls(("length", {"river": "Styx"})), says("ok")), tools)
        ).start(HELLO)
        await started.settled()
        await started.resume({started.questions[0].id: False})
        assert [("E3041 The call was not allowed.", "E3041")] == results((await started.result())["messages"])


async def test_a_stop_ends_a_call_and_the_connection_lives_on():
    async with serving("stdio") as server:
        tools = await server.tools()
        started = await CompiledGraph(agent(ScriptedModel(calls(("hang", {}))), tools)).start(HELLO)
        async with aclosing(started.events()) as events:
            async for event in events:
                if isinstance(event, NodeStarted) and event.node == "tool":
                    break
        await started.stop()
        await started.settled()
        assert "run.stopped" == (await started.last()).type
        assert ["300"] == await call(tools, "length", {"river": "Lee"})


@pytest.mark.parametrize("where", [["/nowhere/at/all"], "http://127.0.0.1:9/mcp", [sys.executable, "-c", ""]], ids=str)
async def test_a_server_that_is_not_there_is_an_error_with_its_name(where):
    server = McpServer(where)
    with pytest.raises(ConnectionFault, match="E3043") as caught:
        await server.tools()
    assert server.name in caught.value.message
    with pytest.raises(ConnectionFault, match="E3043"):
        async with server:
            pass


async def test_a_server_that_dies_is_an_error_result():
    async with over_http() as url:
        tools = await McpServer(url).tools()
    _, messages = await in_agent(ScriptedModel(calls(("length", {"river": "Lee"})), says("ok")), tools)
    assert ["E3043"] == [error for _, error in results(messages)]


async def test_what_is_not_text_is_named():
    class Block:
        def __init__(self, **fields: Any) -> None:
            self.__dict__.update(fields)

    assert "[image image/png ]" == _text(Block(type="image", data="…", mime_type="image/png"))
    assert "inner" == _text(Block(type="resource", resource=Block(text="inner", uri="a:b")))
    assert "[resource_link  a:b]" == _text(Block(type="resource_link", uri="a:b"))


def test_without_the_extra_the_error_names_the_line_that_installs_it(tmp_path):
    (tmp_path / "mcp.py").write_text("raise ModuleNotFoundError(name='mcp')\n")
    done = subprocess.run(
        [sys.executable, "-c", "import riverrun.agents.mcp"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        timeout=60,
        check=False,
    )
    assert 1 == done.returncode
    assert "E1013" in done.stderr
    assert 'pip install "riverrun[mcp]"' in done.stderr
