"""A server in a process of its own, started, killed and ended by its id: what the demo kills is a real one.

It waits for the one line that `riverrun dev --json` puts out when it listens; if that does not come, it says why in
the server's own words.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from riverrun.base.codes import CODES
from riverrun.base.errors import ConnectionFault, RiverrunError

START_SECONDS = 30.0
_END_SECONDS = 10.0
_WORDS = 600  # of what the server said, when it said nothing that we understand


class Listening(msgspec.Struct, frozen=True):
    """What a server says when it is ready: where, and who it is."""

    event: str
    url: str
    pid: int


class Child:
    """One server process. Whoever starts it ends it, with `end` or `kill`.

    Args:
        arguments: Of `riverrun`.
        log: A file that takes what it says on standard error.

    Attributes:
        listening: What it said when it was ready.
    """

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        self._arguments = arguments
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self.listening = Listening("", "", 0)

    async def start(self) -> Listening:
        """Start it and wait until it listens.

        Returns:
            Where it listens and its id.

        Raises:
            RiverrunError: With the code that the server ended with, or E5001 when it only was not ready in time.
        """
        with self._log.open("ab") as said:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "riverrun.cli", *self._arguments, stdout=asyncio.subprocess.PIPE, stderr=said
            )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(START_SECONDS):
                line = await self._process.stdout.readline()
            self.listening = msgspec.json.decode(line, type=Listening)
        except (TimeoutError, msgspec.DecodeError):
            await self.end()
            raise self._why() from None
        except BaseException:
            await self.kill()
            raise
        return self.listening

    async def kill(self) -> int:
        """End it at once with SIGKILL, as a crash does. Idempotent.

        Returns:
            Its id; 0 if it had never been started.
        """
        return await self._end(signal.SIGKILL)

    async def end(self) -> None:
        """Ask it to end, and kill it if it does not within 10 s. Idempotent."""
        await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> int:
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(how)
            try:
                async with asyncio.timeout(_END_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        return process.pid

    def _why(self) -> RiverrunError:
        said = self._log.read_text(encoding="utf-8", errors="replace").strip()
        last = said.splitlines()[-1] if said else ""
        where = "the demo's own server"
        try:
            told = msgspec.json.decode(last, type=dict[str, str])
            if told["code"] in CODES:
                return RiverrunError(told["code"], told["message"], where=told["where"] or where, mend=told["mend"])
        except (msgspec.DecodeError, KeyError):
            pass
        what = f"it did not listen within {START_SECONDS:g} s" + (f"; it said: {said[-_WORDS:]}" if said else "")
        return ConnectionFault("E5001", what, where=where, mend="Try `riverrun dev` to see what the server says.")
