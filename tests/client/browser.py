"""A browser that nobody here wrote, and another site for it to open: one page, and what the page has to say."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import Any, Self

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
_FLAGS += ["--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0"]


class Site:
    """Another site: it serves one page, and takes what the page posts to `/result`. Use it with `async with`.

    Attributes:
        origin: Of the site.
    """

    def __init__(self) -> None:
        self.origin = ""
        self._page = ""
        self._result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._listener: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.origin = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listener is not None
        self._listener.close()
        await self._listener.wait_closed()

    async def shown(self, page: str, profile: Path) -> Any:
        """Open a page in a browser.

        Args:
            page: HTML.
            profile: A new directory, for what the browser keeps.

        Returns:
            What the page posts.
        """
        self._page = page
        browser = await asyncio.create_subprocess_exec(
            str(BROWSER),
            *_FLAGS,
            f"--user-data-dir={profile}",
            f"{self.origin}/",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return await asyncio.wait_for(asyncio.shield(self._result), 45)
        finally:
            browser.terminate()
            await browser.wait()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            size = re.search(r"content-length: (\d+)", head.lower())
            body = await reader.readexactly(int(size[1])) if size else b""
            if head.startswith("POST /result ") and not self._result.done():
                self._result.set_result(json.loads(body))
            page = self._page.encode() if head.startswith("GET / ") else b""
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n" + page)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # a browser opens connections that it does not use
        finally:
            writer.close()
