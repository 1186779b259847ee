"""A gate where runs wait once they are in their first node: so starting can be measured apart from running."""

from __future__ import annotations

import asyncio


class Gate:
    """Count who has arrived, and let all go on together.

    Args:
        expected: How many come.
    """

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self.close()

    def close(self) -> None:
        """Make ready for the next ones; nobody may be waiting."""
        self.full = asyncio.Event()  # set when all have arrived
        self.open = asyncio.Event()
        self._left = self._expected

    async def enter(self) -> None:
        """Arrive, and wait until the gate is opened."""
        self._left -= 1
        if not self._left:
            self.full.set()
        await self.open.wait()
