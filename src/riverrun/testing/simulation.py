"""One seed, one world: workers, users and readers on a store while everything goes wrong that may, in virtual time.

A seed decides all: the graphs, who starts and stops what and when, which calls fail, who is killed, stands still or has
a wrong clock. The same seed gives the same history, so a seed that fails is a test. Troubles cease after a while; from
then on every run must come to its end, and what its readers have must be what the log holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any

from msgspec import Struct

from riverrun.base.errors import InputError
from riverrun.events.kinds import Event
from riverrun.graph.plan import Plan
from riverrun.log.store import RunKey
from riverrun.runs.settings import RunSettings
from riverrun.testing.faults import Fault, Kind
from riverrun.testing.layer import Call
from riverrun.testing.sketches import ANSWER, Sketch, draw
from riverrun.testing.verdict import Outcome, judge
from riverrun.testing.virtual import run_virtually
from riverrun.testing.workers import Worker
from riverrun.testing.world import Reader, World, make_world

_TROUBLE_SECONDS = 40.0
_LIMIT_SECONDS = 3_600.0
_HANGS = (0.2, 3.0, 25.0)
_AGAIN = 0.3  # of all answers come twice
_KINDS: tuple[Kind, ...] = ("before", "after", "after", "hang", "twice")


class Chaos:
    """Let calls of the store fail at random, now and then all of them for a while.

    Args:
        random: Where chance comes from.
        loop: Whose time it is.
        share: How many of all calls fail.
    """

    def __init__(self, random: Random, loop: asyncio.AbstractEventLoop, share: float) -> None:
        self._random = random
        self._loop = loop
        self._share = share
        self._out_until = 0.0
        self._over = False

    def fault_for(self, call: Call) -> Fault | None:
        """Draw whether this call goes wrong, and how."""
        if self._over:
            return None
        if self._loop.time() < self._out_until:
            return None if call.verb == "wait" else Fault("before")
        if self._random.random() >= self._share:
            return None
        return Fault(self._random.choice(_KINDS), self._random.choice(_HANGS))

    def go_out(self, seconds: float) -> None:
        """Let every call fail for a while."""
        self._out_until = self._loop.time() + seconds

    def cease(self) -> None:
        """Let everything pass from now on."""
        self._over = True

    @property
    def ceased(self) -> bool:
        """Whether everything passes."""
        return self._over


class _Wish(Struct):
    """One run as its user wanted it."""

    sketch: Sketch
    graph: str
    delay: float
    timeout: float | None
    stop_after: float | None
    forks: bool
    key: RunKey | None = None
    fork: RunKey | None = None


def simulate(seed: int) -> Outcome:
    """Live through the world of one seed.

    Args:
        seed: Any number.

    Returns:
        What came of it. What is broken stands in its `problems`.
    """
    return run_virtually(_live(Random(seed)), _LIMIT_SECONDS)  # noqa: S311  # a world that can be had again


async def _live(random: Random) -> Outcome:
    loop = asyncio.get_running_loop()
    chaos = Chaos(random, loop, random.choice((0.0, 0.02, 0.1, 0.3)))
    slowest = random.choice((0.0, 0.002, 0.05, 0.4))
    settings = RunSettings(
        lease_seconds=random.choice((3.0, 10.0)),
        max_running=random.choice((1, 100)),
        checkpoint_events=random.choice((0, 3, 8)),
        checkpoint_interval=0.5,
    )
    async with make_world(random, chaos, lambda: random.random() * slowest, settings) as world:
        slowest_renewal = random.choice((slowest, slowest, 1.2 * settings.lease_seconds))
        world.renewal_lag = lambda: random.random() * (slowest if chaos.ceased else slowest_renewal)
        wishes = [_wish(random, number) for number in range(random.randint(1, 2))]
        plans = {wish.graph: wish.sketch.plan(wish.graph, world.note) for wish in wishes}
        life = _Life(world, chaos, plans)
        readers = await life.run(wishes)
        outcome = await judge(world, readers, plans)
        outcome.tally.faults += life.faults
        outcome.checkpoints = sum(worker.checkpoints_begun for worker in world.workers)
        for wish in wishes:
            for key in (wish.key, wish.fork):
                if key is not None:
                    last = (await world.log(key))[-1]
                    _judge_wish(wish, last, outcome.states[world.keys.index(key)], outcome)
        return outcome


def _wish(random: Random, number: int) -> _Wish:
    timeout = random.choice((None, None, None, 1.0, 8.0))
    stop_after = random.choice((None, None, None, 0.1, 3.0, 12.0))
    forks = random.random() < 0.2
    return _Wish(draw(random), f"g{number}", random.random() * 4 * number, timeout, stop_after, forks)


class _Life:
    """What happens in a world, beside what its plan does to the store."""

    def __init__(self, world: World, chaos: Chaos, plans: dict[str, Plan]) -> None:
        self.faults = 0
        self._world = world
        self._random = world.random
        self._chaos = chaos
        self._plans = plans
        self._readers: list[Reader] = []
        self._out: set[Worker] = set()
        # Of its own, so that all else in a world that was lived through before is drawn as it was.
        self._second = Random()  # noqa: S311  # a world that can be had again
        self._second.setstate(self._random.getstate())

    async def run(self, wishes: list[_Wish]) -> list[Reader]:
        """Let everything happen, to the end of all runs and readers."""
        for _ in range(self._random.randint(1, 3)):
            await self._world.add_worker(self._plans)
        async with asyncio.TaskGroup() as group:
            trouble = group.create_task(self._trouble())
            group.create_task(self._cease(trouble))
            for wish in wishes:
                group.create_task(self._user(wish, group))
        return self._readers

    async def _user(self, wish: _Wish, group: asyncio.TaskGroup) -> None:
        await asyncio.sleep(wish.delay)
        wish.key = key = await self._world.start(wish.graph, timeout=wish.timeout)
        self._read(wish.graph, key, group)
        if wish.sketch.asks:
            group.create_task(self._answer(key))
        if wish.stop_after is not None:
            await asyncio.sleep(wish.stop_after)
            await self._world.stop(key)
        await self._world.ended(key)
        if wish.forks:
            head = len(await self._world.log(key))
            wish.fork = await self._world.fork(key, self._random.choice((None, self._random.randint(1, head))))
            self._read(f"{wish.graph}-fork", wish.fork, group)
            if wish.sketch.asks:
                group.create_task(self._answer(wish.fork))
            await self._world.ended(wish.fork)

    def _read(self, name: str, key: RunKey, group: asyncio.TaskGroup) -> None:
        for number in range(self._random.randint(1, 2)):
            reader = Reader(self._world, f"{name}-reader{number}", key, self._patience)
            self._readers.append(reader)
            group.create_task(reader.read())

    async def _answer(self, key: RunKey) -> None:
        """Answer whatever a run asks, some of it at a time, whoever is alive then; a request may get lost.

        Now and then an answer is in the inbox once more, as one is that crosses another: it may wake the run for
        nothing, when that is parked by then and asks something else.
        """
        while (questions := await self._world.asked(key)) is not None:
            await asyncio.sleep(self._random.choice((0.1, 2.0, 9.0)))
            some = self._random.sample(questions, self._random.randint(1, len(questions))) if questions else ()
            await self._world.resume(key, dict.fromkeys(some, ANSWER))
            if self._second.random() < _AGAIN:
                await asyncio.sleep(self._second.choice((0.0, 1.0, 5.0)))
                with suppress(InputError):  # it has ended meanwhile
                    await self._world.store.control(key, "resume", {"answers": dict.fromkeys(some, ANSWER)})

    def _patience(self) -> int | None:
        return self._random.choice((None, 1, 2, 5))

    async def _trouble(self) -> None:
        """Do to workers what happens to workers."""
        hows = (Worker.freeze, Worker.freeze, Worker.block, Worker.starve)
        troubles: list[Callable[[], Coroutine[Any, Any, None]]] = [partial(self._stand_still, how) for how in hows]
        troubles += [self._kill, self._kill, self._outage, self._set_clock]
        async with asyncio.TaskGroup() as group:
            for _ in range(self._random.randint(0, 6)):
                await asyncio.sleep(self._random.expovariate(0.5))
                self.faults += 1
                group.create_task(self._random.choice(troubles)())

    async def _cease(self, trouble: asyncio.Task[None]) -> None:
        """End all troubles: the store answers, who stood still goes on, and there is a worker."""
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(trouble), _TROUBLE_SECONDS)
        self._chaos.cease()
        await trouble
        if not any(worker.process.alive for worker in self._world.workers):
            await self._world.add_worker(self._plans)

    def _anybody(self) -> Worker | None:
        able = [one for one in self._world.workers if one.process.alive and one not in self._out]
        return self._random.choice(able) if able else None

    async def _kill(self) -> None:
        worker = self._anybody()
        if worker is not None:
            worker.kill()
        await asyncio.sleep(self._random.random() * 5)
        await self._world.add_worker(self._plans)

    async def _stand_still(self, how: Callable[[Worker], None]) -> None:
        worker = self._anybody()
        if worker is None:
            return
        self._out.add(worker)
        how(worker)
        await asyncio.sleep(self._random.choice((0.5, 5.0, 15.0, 15.0)))
        worker.go_on()
        self._out.discard(worker)

    async def _outage(self) -> None:
        self._chaos.go_out(self._random.choice((0.5, 6.0, 20.0)))

    async def _set_clock(self) -> None:
        worker = self._anybody()
        if worker is not None and self._random.random() < 0.7:
            worker.wall.jump(self._random.choice((-3600.0, -1.0, 1.0, 3600.0)))
        else:
            self._world.set_clock(self._random.choice((-15.0, 1.0, 15.0)))


def _judge_wish(wish: _Wish, last: Event, state: dict[str, Any], outcome: Outcome) -> None:
    """Compare how a run ended with what it was known to come to, and with what its user wanted."""
    ending = last.type
    allowed = {"run.failed"} if wish.sketch.fails else {"run.completed"}
    if wish.stop_after is not None:  # a user whose request got lost may find that it was heard
        allowed.add("run.stopped")
    if wish.timeout is not None:
        allowed.add("run.timed_out")
    if ending not in allowed:
        outcome.problems.append(f"run {last.run} ended as {ending}, not as one of {sorted(allowed)}: {last}")
    if ending == "run.completed" and state != wish.sketch.state():
        outcome.problems.append(f"run {last.run} came to {state}, not to {wish.sketch.state()}")
