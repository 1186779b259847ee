"""Tools of MCP servers, by the official SDK: a program on this machine (stdio), or an address (streamable HTTP).

Needs the extra `mcp`. What a server says is never trusted: its results are bounded, and its failures are error results
that the model reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

from riverrun.agents.tool import MAX_BYTES, TIMEOUT, Approval, Progress
from riverrun.base.errors import ConnectionFault, LoadError, NodeError, RiverrunError
from riverrun.models.model import ToolSpec
from riverrun.runs.context import Context
from riverrun.runs.pool import Pool

try:
    import httpx2
    from mcp import Client, MCPError, StdioServerParameters
    from mcp.client.streamable_http import streamable_http_client
except ModuleNotFoundError as error:
    mend = 'Run: pip install "riverrun[mcp]"'
    raise LoadError("E1013", "tools of MCP servers need the package mcp", where="riverrun.agents", mend=mend) from error

_PAGES = 100  # of a list of tools; a server whose list never ends is left
_SILENCE = httpx2.Timeout(30.0, read=300.0)  # seconds; a tool may be silent for as long as its own time-out


class McpServer:
    """An MCP server.

    With `async with` one connection is kept for all calls that are made in this event loop until it is left, in the
    task that opened it. Otherwise each call connects by itself, which for a program means to start it.

    Args:
        server: An address (`http://…/mcp`), or a program and its arguments.
        headers: Sent with every request to an address, such as `Authorization`.
        env: Variables of a program beside the few that it always gets.
        cwd: Where a program runs.
        timeout: Seconds that a call of a tool may take; None for no limit.
        max_bytes: How large a result may be.
        approval: Whether somebody has to allow a call, of any of its tools: always, never, or by the arguments.
        prefix: Put before the names of its tools, so that those of two servers are told apart.

    Raises:
        LoadError: E1013, the extra `mcp` is not installed (when this file is imported).
    """

    def __init__(  # what can be said of a server
        self,
        server: str | Sequence[str],
        *,
        headers: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        timeout: float | None = TIMEOUT,
        max_bytes: int = MAX_BYTES,
        approval: Approval = False,
        prefix: str = "",
    ) -> None:
        self.name = server if isinstance(server, str) else server[0]
        self.timeout = timeout
        self.max_bytes = max_bytes
        self.approval = approval
        self._prefix = prefix
        self._server = server
        self._headers = dict(headers or {})
        self._env = None if env is None else dict(env)
        self._cwd = cwd
        self._kept: tuple[asyncio.AbstractEventLoop, Client, AsyncExitStack] | None = None

    async def __aenter__(self) -> Self:
        stack = AsyncExitStack()
        try:
            client = await stack.enter_async_context(self._opened())
        except BaseException as error:
            raise _fault(self.name, error) from error
        self._kept = (asyncio.get_running_loop(), client, stack)
        return self

    async def __aexit__(self, *_: object) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            await kept[2].aclose()

    async def tools(self) -> list[McpTool]:
        """Ask the server for its tools.

        Returns:
            All of them, for `agent(model, tools)`.

        Raises:
            ConnectionFault: E3043, it cannot be reached, or its list makes no sense.
        """
        found: list[McpTool] = []
        try:
            async with self.connected() as client:
                cursor: str | None = None
                for _ in range(_PAGES):
                    page = await client.list_tools(cursor=cursor)
                    found += [McpTool(self, each.name, _spec(each, self._prefix)) for each in page.tools]
                    cursor = page.next_cursor
                    if not cursor:
                        break
        except Exception as error:
            raise _fault(self.name, error) from error
        return found

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Client]:
        """Give the connection that is kept in this loop, or one for the time of the `with`."""
        if self._kept is not None and self._kept[0] is asyncio.get_running_loop():
            yield self._kept[1]
            return
        async with self._opened() as client:
            yield client

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Client]:
        if not isinstance(self._server, str):
            command, *args = self._server
            program = StdioServerParameters(command=command, args=args, env=self._env, cwd=self._cwd)
            async with Client(program) as client:
                yield client
            return
        async with (
            httpx2.AsyncClient(headers=self._headers, timeout=_SILENCE) as http,
            Client(streamable_http_client(self._server, http_client=http)) as client,
        ):
            yield client


class McpTool:
    """A tool of an MCP server.

    Args:
        server: Whose.
        name: As the server calls it.
        spec: What the model is told.

    Attributes:
        spec: As given.
        timeout: As the server's.
        max_bytes: As the server's.
        streams: Never: a result comes in one piece.
    """

    streams = False

    def __init__(self, server: McpServer, name: str, spec: ToolSpec) -> None:
        self.spec = spec
        self._name = name
        self.timeout = server.timeout
        self.max_bytes = server.max_bytes
        self._server = server

    def needs_approval(self, arguments: Mapping[str, Any]) -> bool:
        """Say whether somebody has to allow a call with these arguments."""
        approval = self._server.approval
        return approval if isinstance(approval, bool) else bool(approval(arguments))

    def check(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give the arguments as they are: the server checks them, and says what is wrong."""
        return arguments

    async def stream(self, arguments: Mapping[str, Any], ctx: Context, pool: Pool) -> AsyncGenerator[Any, None]:
        """Have the server do the work; when this is left early, the server is told.

        Args:
            arguments: For the server.
            ctx: Not looked at.
            pool: Not needed.

        Yields:
            `Progress` as the server tells of it, then the text of the result.

        Raises:
            ConnectionFault: E3043, the server is not there, or broke off.
            NodeError: E3037, the tool failed, as the server says.
        """
        del ctx, pool
        said: asyncio.Queue[Progress | None] = asyncio.Queue()

        async def progress(done: float, total: float | None, message: str | None) -> None:
            value = {"progress": done, "total": total, "message": message}
            said.put_nowait(Progress({name: each for name, each in value.items() if each is not None}))

        call = asyncio.create_task(self._call(dict(arguments), progress))
        call.add_done_callback(lambda _: said.put_nowait(None))
        try:
            while (told := await said.get()) is not None:
                yield told
            yield call.result()
        finally:
            if not call.done():
                call.cancel()
                await asyncio.wait([call])

    async def _call(self, arguments: dict[str, Any], progress: Any) -> str:
        failed: RiverrunError | None = None
        text = ""
        try:
            async with self._server.connected() as client:
                try:
                    result = await client.call_tool(self._name, arguments, progress_callback=progress)
                except MCPError as error:  # raised through the connection it would come out as a group
                    failed = NodeError("E3043", f"the server says: {error}")
                else:
                    text = "\n".join(_text(block) for block in result.content)
                    failed = NodeError("E3037", text) if result.is_error else None
        except Exception as error:
            raise _fault(self._server.name, error) from error
        if failed is not None:
            raise failed
        return text


def _spec(told: Any, prefix: str) -> ToolSpec:
    return ToolSpec(name=prefix + told.name, description=told.description or "", parameters=dict(told.input_schema))


def _text(block: Any) -> str:
    """Give a block of a result as text; of what is none, what it is: a model cannot read it here."""
    if block.type == "text":
        return str(block.text)
    inner = getattr(block, "resource", block)
    if isinstance(text := getattr(inner, "text", None), str):
        return text
    return f"[{block.type} {getattr(inner, 'mime_type', None) or ''} {getattr(inner, 'uri', None) or ''}]"


def _fault(server: str, error: BaseException) -> BaseException:
    """Give what is raised for an error of a connection; what is no failure stays what it is."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, RiverrunError) or not isinstance(error, Exception):
        return error
    return ConnectionFault("E3043", f"the MCP server {server!r} failed: {type(error).__name__}: {error}")
