"""What happens in the tests of faults: small graphs with a script, in which every kind of event comes about.

To add one, write a function `async def name(stage)` with `@scenario(...)` above it: it starts runs, and does to them
what belongs to it. It is then put through every fault, its run is kept as a golden log, and the kinds of its events
count as covered. What a scenario's graph is must never change, or its golden log does not replay any more: write a new
one instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from riverrun.events.kinds import Event, NodeChunk, NodeStarted, RunInterrupted
from riverrun.graph.build import GraphBuilder
from riverrun.graph.node import END, START
from riverrun.graph.policies import RetryPolicy, first_success
from riverrun.log.store import RunKey
from riverrun.runs.settings import RunSettings
from riverrun.testing.faults import FaultPlan
from riverrun.testing.sketches import Part, Sketch, SketchState
from riverrun.testing.verdict import Outcome, judge
from riverrun.testing.virtual import run_virtually
from riverrun.testing.world import Reader, World, make_world

LAG = 0.001
LIMIT_SECONDS = 3_600.0


def _stays() -> int | None:
    return None


def _goes() -> int | None:
    return 1


@dataclass
class Stage:
    """Where a scenario is played."""

    world: World
    scenario: Scenario
    readers: list[Reader] = field(default_factory=list)
    reading: list[asyncio.Task[None]] = field(default_factory=list)

    async def worker(self):
        """Start a worker that serves the graph."""
        return await self.world.add_worker(self.plans)

    @property
    def plans(self):
        """The graph, by its name."""
        return {"g": self.scenario.plan(self.world.note)}

    async def start(self, given=None, **options) -> RunKey:
        """Start a run, and let it be read."""
        key = await self.world.start("g", given, **options)
        await self.read(key)
        return key

    async def begun(self, key: RunKey, node: str):
        """Wait until a node stands in the log as started."""
        await self._until(key, lambda one: isinstance(one, NodeStarted) and one.node == node)

    async def heard(self, key: RunKey, node: str):
        """Wait until a word of a node stands in the log."""
        await self._until(key, lambda one: isinstance(one, NodeChunk) and one.node == node)

    async def parked(self, key: RunKey):
        """Wait until a run waits for answers."""
        await self._until(key, lambda one: isinstance(one, RunInterrupted))

    async def read(self, key: RunKey):
        """Let two read a run: one stays, one comes and goes."""
        for patience in (_stays, _goes):
            reader = Reader(self.world, f"reader-{len(self.readers)}", key, patience)
            self.readers.append(reader)
            self.reading.append(asyncio.create_task(reader.read()))

    async def _until(self, key: RunKey, is_it: Callable[[Event], bool]):
        log = await self.world.log(key)
        while not any(map(is_it, log)) and not log[-1].terminal:
            await self.world.store.wait(key, len(log), 60)
            log = await self.world.log(key)


Script = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """A graph, a script, and what may come of it."""

    name: str
    plan: Callable[..., Any]
    script: Script
    endings: frozenset[str]
    state: dict[str, Any] | None
    settings: RunSettings

    def play(self, faults: FaultPlan) -> tuple[Outcome, World]:
        """Play it to the end of all its runs and readers, and judge what came of it."""
        return run_virtually(self._play(faults), LIMIT_SECONDS)

    async def _play(self, faults: FaultPlan) -> tuple[Outcome, World]:
        async with make_world(Random(self.name), faults, lambda: LAG, self.settings) as world:
            stage = Stage(world, self)
            await self.script(stage)
            await asyncio.gather(*stage.reading)
            outcome = await judge(world, stage.readers, stage.plans)
            outcome.problems += [f"a run ended as {one}" for one in outcome.endings if one not in self.endings]
            for ending, state in zip(outcome.endings, outcome.states, strict=True):
                if ending == "run.completed" and self.state not in (None, state):
                    outcome.problems.append(f"a run came to {state}, not to {self.state}")
            return outcome, world


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    graph: Sketch | Callable[..., Any],
    *endings: str,
    state: dict[str, Any] | None = None,
    settings: RunSettings | None = None,
):
    """Make a scenario of a script.

    `graph` is a sketch, or a function that is given what its nodes call when they begin (`heard(ctx)`) and gives the
    plan, named `g`. `endings` are the types of terminal event that its runs may have, whatever goes wrong; `state` is
    what those that complete come to (of a sketch it is known).
    """
    plan = (lambda heard: graph.plan("g", heard)) if isinstance(graph, Sketch) else graph
    known = graph.state() if isinstance(graph, Sketch) else state
    ways = frozenset(f"run.{one}" for one in endings or ("completed",))

    def register(script: Script) -> Scenario:
        name = script.__name__
        made = Scenario(name, plan, script, ways, known, settings or RunSettings(lease_seconds=6.0))
        assert name not in SCENARIOS
        SCENARIOS[name] = made
        return made

    return register


def row(*segments) -> Sketch:
    """A sketch: parts one after another; in place of a part, several branches side by side."""
    return Sketch(tuple(one if isinstance(one, tuple) else ((one,),) for one in segments))


# --- the scenarios ---


@scenario(row(Part("a", 2), Part("b", 2, 0.01), Part("c", 0)))
async def a_chain(stage):
    await stage.worker()
    await stage.start()


@scenario(row(Part("a"), ((Part("b", 2, 0.01), Part("c", 1)), (Part("d", 3),)), Part("e", 1)))
async def side_by_side(stage):
    await stage.worker()
    await stage.start()


@scenario(row(Part("a", 1, rounds=3), Part("b", 1)))
async def a_loop(stage):
    await stage.worker()
    await stage.start()


@scenario(row(Part("a", 1, emits=True)))
async def words_of_its_own(stage):
    await stage.worker()
    await stage.start()


@scenario(row(Part("a", 1), ((Part("b", 1, fails=True),), (Part("c", 2, 0.05),))), "failed")
async def a_failure(stage):
    await stage.worker()
    await stage.start()


@scenario(row(Part("a", 1), Part("b", 4, 0.5)), "stopped", "completed")
async def a_stop(stage):
    await stage.worker()
    key = await stage.start()
    await stage.heard(key, "b")
    await stage.world.stop(key)


@scenario(row(Part("a", 1), Part("b", 4, 0.5)), "timed_out")
async def out_of_time(stage):
    await stage.worker()
    await stage.start(timeout=1.0)


@scenario(row(Part("a", 1), Part("b", 4, 0.2), Part("c", 1)))
async def a_kill(stage):
    first = await stage.worker()
    key = await stage.start()
    await stage.heard(key, "b")
    first.kill()
    await stage.worker()


@scenario(row(Part("a", 1), Part("b", 4, 0.2), Part("c", 1)))
async def a_zombie(stage):
    """The first worker stands still past its lease, the second goes on, then both do."""
    first = await stage.worker()
    key = await stage.start()
    await stage.heard(key, "b")
    first.freeze()
    await stage.worker()
    await asyncio.sleep(7.5)
    first.go_on()


@scenario(row(Part("a", 1), Part("b", 4, 2.0), Part("c", 1)), "completed")
async def a_node_that_blocks(stage):
    """The loop stands still for two leases; nobody takes the run, for its lease thread goes on."""
    first = await stage.worker()
    await stage.worker()
    key = await stage.start()
    await stage.begun(key, "a")
    first.block()
    await asyncio.sleep(12.0)
    first.go_on()


@scenario(row(Part("a", 1), Part("b", 4, 0.2), Part("c", 1)), "stopped", "completed")
async def a_stop_that_nobody_hears(stage):
    """The worker is dead when the run is asked to stop; the next one honours it."""
    first = await stage.worker()
    second = await stage.worker()
    key = await stage.start()
    await stage.begun(key, "b")
    first.kill()
    await asyncio.sleep(1.0)
    await stage.world.stop(key)
    second.kill()
    await stage.worker()


@scenario(row(Part("a", 2, 0.3)), settings=RunSettings(lease_seconds=6.0, max_running=1))
async def more_runs_than_places(stage):
    await stage.worker()
    for _ in range(3):
        await stage.start()


@scenario(row(Part("a", 0, 5.6), Part("b", 1), Part("c", 1)))
async def a_gate_that_opens_too_late(stage):
    """A node that waits for the lease is let in just before the loop stands still: by then the lease is over again."""
    first = await stage.worker()
    key = await stage.start()
    await stage.begun(key, "a")
    first.lease_process.pause()
    await asyncio.sleep(5.65)
    first.process.pause()
    first.lease_process.go_on()
    await asyncio.sleep(0.1)
    first.lease_process.pause()
    await stage.worker()
    await asyncio.sleep(10.0)
    first.go_on()


# --- graphs that are no sketches ---


def asks(heard):
    """A node that says something, asks, and goes on with the answer."""

    async def ask(_state, ctx):
        heard(ctx)
        yield "how many? "
        yield {"log": [f"{ctx.interrupt('how many?')}"]}

    async def tell(state, ctx):
        heard(ctx)
        return {"log": [f"told {state['log'][-1]}"]}

    graph = GraphBuilder(SketchState).add_node("ask", ask, key="said").add_node("tell", tell)
    return graph.add_edge(START, "ask").add_edge("ask", "tell").add_edge("tell", END).plan("g")


ASKED = {"log": ["3", "told 3"], "said": "how many? "}


@scenario(asks, state=ASKED)
async def a_question(stage):
    await stage.worker()
    key = await stage.start()
    await stage.parked(key)
    await stage.world.resume(key, 3)


@scenario(asks, state=ASKED)
async def an_answer_while_nobody_is_there(stage):
    """The worker dies when the run is parked; another one hears the answer and goes on."""
    first = await stage.worker()
    second = await stage.worker()
    key = await stage.start()
    await stage.parked(key)
    first.kill()
    await stage.world.resume(key, 3)
    await asyncio.sleep(0.2)
    second.kill()
    await stage.worker()


@scenario(asks, "stopped")
async def a_stop_of_a_parked_run(stage):
    await stage.worker()
    key = await stage.start()
    await stage.parked(key)
    await stage.world.stop(key)


def fails_once(heard):
    """A node whose first attempt fails after a word."""

    async def speak(_state, ctx):
        heard(ctx)
        yield "word "
        if ctx.attempt == 1:
            raise ConnectionError("gone")
        yield {"log": ["spoken"]}

    policy = RetryPolicy(initial_interval=1.0, jitter=False)
    graph = GraphBuilder(SketchState).add_node("speak", speak, key="said", retry_policy=policy)
    return graph.add_edge(START, "speak").add_edge("speak", END).plan("g")


@scenario(fails_once, state={"log": ["spoken"], "said": "word "})
async def a_retry(stage):
    await stage.worker()
    await stage.start()


def a_race(heard):
    """Two branches of which the first is enough; the other one is cancelled."""

    async def quick(_state, ctx):
        heard(ctx)
        await asyncio.sleep(0.1)
        return {"log": ["quick"], "said": "done "}

    async def slow(_state, ctx):
        heard(ctx)
        yield "so "
        await asyncio.sleep(3600)

    async def done(_state, ctx):
        heard(ctx)
        return {"log": ["done"]}

    graph = GraphBuilder(SketchState).add_node("quick", quick).add_node("slow", slow, key="said")
    graph.add_node("done", done, join=first_success()).add_edge("done", END)
    return graph.add_edge(START, "quick").add_edge(START, "slow").add_edge(["quick", "slow"], "done").plan("g")


@scenario(a_race, state={"log": ["quick", "done"], "said": "done "})
async def the_first_is_enough(stage):
    await stage.worker()
    await stage.start()


@scenario(row(Part("a", 1), Part("b", 2, 0.1), Part("c", 1)))
async def a_fork(stage):
    await stage.worker()
    key = await stage.start()
    await stage.world.ended(key)
    await stage.read(await stage.world.fork(key, at=4))
