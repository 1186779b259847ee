"""A Chromium that opens one page, driven over its own protocol: all that the examples need of a browser."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

_LOOK_AGAIN = 0.05
_SECONDS = 60.0


def chromium() -> str | None:
    """Find a Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


class Tab:
    """One page.

    Args:
        socket: To the page's own end of the protocol.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0

    async def ask(self, script: str) -> Any:
        """Evaluate a script in the page.

        Args:
            script: An expression.

        Returns:
            What it gave, as JSON would have it.
        """
        self._number += 1
        params = {"expression": script, "returnByValue": True, "awaitPromise": True}
        await self._socket.send(json.dumps({"id": self._number, "method": "Runtime.evaluate", "params": params}))
        while True:
            told = json.loads(await self._socket.recv())
            if told.get("id") == self._number:
                return told["result"]["result"].get("value")

    async def until(self, script: str) -> Any:
        """Wait until an expression is true in the page, and give it."""
        async with asyncio.timeout(_SECONDS):
            while not (found := await self.ask(script)):  # noqa: ASYNC110  # the page is another process
                await asyncio.sleep(_LOOK_AGAIN)
        return found


@asynccontextmanager
async def opened(program: str, url: str, profile: Path) -> AsyncIterator[Tab]:
    """Open a page.

    Args:
        program: The Chromium.
        url: Of the page.
        profile: A folder for what it keeps.

    Yields:
        The page; the browser ends with it.
    """
    flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0")
    browser = await asyncio.create_subprocess_exec(
        program,
        *flags,
        f"--user-data-dir={profile}",
        url,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        told = profile / "DevToolsActivePort"
        async with asyncio.timeout(_SECONDS):
            while not (told.exists() and told.read_text().count("\n")):  # noqa: ASYNC110  # a file tells
                await asyncio.sleep(_LOOK_AGAIN)
            port = told.read_text().split()[0]
            page = await _page(int(port), url)
        async with connect(page, max_size=None, proxy=None) as socket:
            yield Tab(socket)
    finally:
        with suppress(ProcessLookupError):
            browser.terminate()
        await browser.wait()


async def _page(port: int, url: str) -> str:
    """Find the page's end of the protocol, once the page is there."""
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            with suppress(httpx.TransportError):
                for target in (await client.get(f"http://127.0.0.1:{port}/json/list")).json():
                    if target["type"] == "page" and target["url"].startswith(url):
                        return str(target["webSocketDebuggerUrl"])
            await asyncio.sleep(_LOOK_AGAIN)
