"""A picture in the terminal that is drawn anew ten times a second, in the event loop, without a thread.

It never grows over the terminal, which is what makes such pictures flicker. It does not know what is drawn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live

INTERVAL = 0.1
_LEAST_LINES = 12


class Screen:
    """Keep a picture up to date. Use it with `async with`; the last picture stays.

    Args:
        console: The terminal.
        draw: Gives the picture; it is told how many lines it may have.
    """

    def __init__(self, console: Console, draw: Callable[[int], RenderableType]) -> None:
        self._console = console
        self._draw = draw
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop", redirect_stdout=False)
        self._ticker: asyncio.Task[None] | None = None

    @property
    def lines(self) -> int:
        """How many lines the picture may have: one less than the terminal, where the cursor stands."""
        return max(_LEAST_LINES, self._console.height - 1)

    def refresh(self) -> None:
        """Draw it now."""
        self._live.update(self._draw(self.lines), refresh=True)

    async def __aenter__(self) -> Self:
        self._live.start()
        self._ticker = asyncio.create_task(self._tick(), name="riverrun-screen")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._ticker is not None
        self._ticker.cancel()
        with suppress(asyncio.CancelledError):
            await self._ticker
        self.refresh()
        self._live.stop()

    async def _tick(self) -> None:
        while True:
            self.refresh()
            await asyncio.sleep(INTERVAL)
