"""A world is the same each time; its users ask until they are heard, its readers come back until they have it all."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from msgspec.structs import replace

from riverrun.base.errors import NotFound
from riverrun.log.store import RunFilter, RunKey
from riverrun.runs.settings import RunSettings
from riverrun.testing.faults import Fault, NoFault, NthFault
from riverrun.testing.history import to_lines
from riverrun.testing.sketches import Part, Sketch
from riverrun.testing.virtual import Process, VirtualLoop, run_virtually
from riverrun.testing.world import Reader, World, make_world

SKETCH = Sketch((((Part("a", 3, 0.5),), (Part("b", 2, 0.3),)), ((Part("c", 1),),)))
SETTINGS = RunSettings(lease_seconds=6.0)


def live(act, plan=None, seed=1):
    """Let something happen in a world with one worker; give what it gives."""

    async def body():
        async with make_world(Random(seed), plan or NoFault(), lambda: 0.01, SETTINGS) as world:
            await world.add_worker(served(world))
            return await act(world)

    return run_virtually(body(), 3600)


def served(world):
    """What workers serve."""
    return {"g": SKETCH.plan("g", world.note)}


def test_a_world_is_the_same_each_time_and_another_seed_gives_another():
    async def run(world):
        await world.ended(await world.start("g"))
        return to_lines(world.history.entries)

    assert live(run) == live(run)
    assert live(run) != live(run, seed=2)


@pytest.mark.parametrize("kind", ["before", "after", "hang"])
def test_a_user_whose_start_fails_asks_again_and_has_one_run(kind):
    async def run(world):
        key = await world.start("g")
        await world.ended(key)
        return [key] == world.keys == list(world.store._runs)

    assert live(run, NthFault(1, Fault(kind, 20.0), "create"))


def test_a_user_asks_another_worker_when_one_does_not_answer():
    async def run(world):
        world.workers[0].freeze()
        starting = asyncio.create_task(world.start("g"))
        await asyncio.sleep(1)
        await world.add_worker(served(world))
        return await starting in world.store._runs

    assert live(run)


def test_a_stop_of_a_run_that_ended_before_is_refused():
    async def run(world):
        key = await world.start("g")
        first = await world.stop(key)
        await world.ended(key)
        return first, await world.stop(key)

    assert (True, False) == live(run)


def test_what_a_worker_says_of_a_run_that_is_not_there_comes_out():
    async def run(world):
        with pytest.raises(NotFound):
            await world.state(RunKey("acme", "f" * 32))
        return True

    assert live(run)


@pytest.mark.parametrize("pages", [None, 1, 2])
def test_a_reader_has_it_all_however_often_it_leaves(pages):
    async def run(world):
        key = await world.start("g")
        reader = Reader(world, "r", key, lambda: pages)
        await asyncio.gather(reader.read(), world.ended(key))
        log = (await world.store.read(key, 0, 1000)).records
        assert [(record.seq, record.data) for record in log] == reader.lines
        return reader.visits > 1, reader.view.ending is not None

    assert (pages is not None, True) == live(run)


def test_a_reader_that_comes_too_early_waits_for_the_run():
    async def run(world):
        keys: list[RunKey] = []
        key = RunKey("acme", "f" * 32)
        reader = Reader(world, "r", key, lambda: None)
        reading = asyncio.create_task(reader.read())
        await asyncio.sleep(5)
        keys.append(await world.start("g"))
        world.store._runs[key] = world.store._runs[keys[0]]
        await reading
        return len(reader.lines) > 5

    assert live(run)


def test_a_node_that_runs_again_though_it_was_complete_is_noticed():
    class Ctx:
        run = "r"
        exec = "a:1"

    async def run(world: World):
        key = await world.start("g")
        await world.ended(key)
        Ctx.run = key.run
        world.note(Ctx())  # type: ignore[arg-type]
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)

        async def again():
            world.note(Ctx())  # type: ignore[arg-type]

        await loop.spawn(Process("p"), again())
        world.set_clock(1.0)
        world.note(Ctx())  # type: ignore[arg-type]
        return [text.partition(" of run")[0] for text in world.broken], len(world.calls)

    assert (["nobody ran a:1", "nobody ran a:1"], 6) == live(run)


def test_a_node_that_begins_though_its_run_is_another_workers_is_noticed():
    async def run(world: World):
        key = await world.start("g")
        (row,) = await world.store.list(key.tenant, RunFilter(run=key.run))
        world.owned([replace(row, worker="another")])
        await world.ended(key)
        return world.broken

    assert [text for text in live(run) if "which another worker had taken" in text]


def test_nobody_is_left_when_a_world_ends():
    async def body():
        async with make_world(Random(1), NoFault(), lambda: 0.01, SETTINGS) as world:
            for _ in range(2):
                await world.add_worker(served(world))
            await world.start("g")
        await asyncio.sleep(0)
        return [worker.process.tasks | worker.lease_process.tasks for worker in world.workers], world.broken

    assert ([{}, {}], []) == run_virtually(body())


def test_tasks_that_do_not_end_are_told_of():
    async def body():
        async def stubborn():
            while True:
                try:
                    await asyncio.sleep(1000)
                except asyncio.CancelledError:
                    if done:
                        raise

        done: list[int] = []
        async with make_world(Random(1), NoFault(), lambda: 0.01, SETTINGS) as world:
            worker = await world.add_worker(served(world))
            stays = world.loop.spawn(worker.process, stubborn())
            await asyncio.sleep(1)
            assert not stays.done()
        done.append(1)
        return world.broken

    (problem,) = run_virtually(body())
    assert problem.startswith("tasks could not be cancelled")
