"""An MCP server of the official SDK, for the tests: over stdio when it is run, else wherever a test serves it."""

from __future__ import annotations

import asyncio

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("rivers", log_level="ERROR")


@server.tool()
def length(river: str) -> int:
    """Tell how long a river is, in kilometres."""
    if river == "Styx":
        raise ToolError("nobody came back to say")
    return len(river) * 100


@server.tool()
async def sail(river: str, ctx: Context) -> str:
    """Sail down a river."""
    for done in (1.0, 2.0):
        await ctx.report_progress(done, 2.0)
    return f"at the mouth of the {river}"


@server.tool()
def flood() -> str:
    """Give far too much."""
    return "water " * 200_000


@server.tool()
async def hang() -> str:
    """Never come back."""
    await asyncio.Event().wait()
    return ""


if __name__ == "__main__":
    server.run("stdio")
