"""asyncio alone: the same work as in `bench.product` with no runtime around it, the limit that nobody can beat."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median
from time import perf_counter

from bench.flat import flatness
from bench.gate import Gate
from bench.measure import Sample, Samplers
from bench.rounds import seconds_each
from bench.scale import CHAINS, LOOPS, Scale
from bench.source import tokens
from bench.weight import traced


class Belt:
    """The fastest way from one task to another: a deque and one future."""

    def __init__(self) -> None:
        self._pieces: deque[str] = deque()
        self._arrival: asyncio.Future[None] | None = None
        self._ended = False

    async def fill(self, length: int) -> None:
        """Put in `length` pieces."""
        async for piece in tokens(length):
            self._pieces.append(piece)
            self._wake()
        self._ended = True
        self._wake()

    async def pieces(self) -> AsyncIterator[str]:
        """Give what was put in.

        Yields:
            The pieces, in order.
        """
        while True:
            while self._pieces:
                yield self._pieces.popleft()
            if self._ended:
                return
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)


async def _count(state: dict[str, int]) -> dict[str, int]:
    return {"n": state["n"] + 1}


async def _follow(nodes: int) -> None:
    state = {"n": 0}
    for _ in range(nodes):
        state = {**state, **(await asyncio.create_task(_count(state)))}
    assert state["n"] == nodes


@asynccontextmanager
async def chain(scale: Scale) -> Samplers:
    """Give each node a task, one after another."""

    async def run() -> None:
        await _follow(scale.nodes)

    async def sample() -> Sample:
        return {"node": await seconds_each(scale.rounds, run) / scale.nodes * 1e6}

    yield sample


@asynccontextmanager
async def loop(scale: Scale) -> Samplers:
    """Give each turn a task, one after another."""

    async def sample() -> Sample:
        began = perf_counter()
        await _follow(scale.turns)
        return {"node": (perf_counter() - began) / scale.turns * 1e6}

    yield sample


@asynccontextmanager
async def flat_chain(scale: Scale) -> Samplers:
    """Give each node a task, at several lengths."""

    async def sample() -> Sample:
        return await flatness(CHAINS, scale.chains, scale.flat_nodes, _follow)

    yield sample


@asynccontextmanager
async def flat_loop(scale: Scale) -> Samplers:
    """Give each turn a task, at several lengths."""

    async def sample() -> Sample:
        return await flatness(LOOPS, scale.loops, scale.flat_nodes, _follow)

    yield sample


@asynccontextmanager
async def fan(scale: Scale) -> Samplers:
    """Many tasks at once."""

    async def run() -> None:
        made = await asyncio.gather(*(_count({"n": 0}) for _ in range(scale.branches)))
        assert len(made) == scale.branches

    async def sample() -> Sample:
        return {"round": await seconds_each(scale.rounds, run) * 1e3}

    yield sample


@asynccontextmanager
async def chunks(scale: Scale) -> Samplers:
    """From a task to another."""

    async def sample() -> Sample:
        began = perf_counter()
        belt = Belt()
        task = asyncio.create_task(belt.fill(scale.chunks))
        received = 0
        async for _ in belt.pieces():
            received += 1
        took = perf_counter() - began
        await task
        assert received == scale.chunks
        return {"chunk": took / received * 1e6}

    yield sample


@asynccontextmanager
async def first(scale: Scale) -> Samplers:
    """From making the task to the first piece."""

    async def sample() -> Sample:
        waits = []
        for _ in range(scale.firsts):
            began = perf_counter()
            belt = Belt()
            task = asyncio.create_task(belt.fill(3))
            took = None
            async for _ in belt.pieces():
                if took is None:
                    took = perf_counter() - began
            await task
            assert took is not None
            waits.append(took)
        return {"first chunk": median(waits) * 1e6}

    yield sample


async def _park(gate: Gate) -> None:
    await asyncio.create_task(gate.enter())


@asynccontextmanager
async def starts(scale: Scale) -> Samplers:
    """Two tasks per run: one that works, one that waits for it."""
    gate = Gate(scale.runs)

    async def sample() -> Sample:
        gate.close()
        began = perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(scale.runs):
                group.create_task(_park(gate))
            await gate.full.wait()
            took = perf_counter() - began
            gate.open.set()
        return {"runs": scale.runs / took}

    yield sample


@asynccontextmanager
async def idle(scale: Scale) -> Samplers:
    """Weigh two tasks per run."""
    gate = Gate(scale.runs)

    async def sample() -> Sample:
        gate.close()
        with traced() as weight:
            async with asyncio.TaskGroup() as group:
                for _ in range(scale.runs):
                    group.create_task(_park(gate))
                await gate.full.wait()
                held = weight()
                gate.open.set()
        return {"run": held / scale.runs / 1024}

    yield sample
