"""Wall clocks that are set while runs go on, by an hour or a year: a run may change its owner, its log stays true."""

from __future__ import annotations

import asyncio
from time import monotonic, time

import pytest

from riverrun.runs.reader import follow
from riverrun.runs.service import RunService
from riverrun.runs.settings import RunSettings
from riverrun.stores.sqlite import SqliteStore
from riverrun.testing.verdict import Tally
from tests.graph.laws import check_log
from tests.runs.plans import plan

HOUR, YEAR = 3600.0, 400 * 86_400.0
SETTINGS = RunSettings(lease_seconds=2.0, poll_interval=0.05)
WORDS = 60


class SetClock:
    """The clock of this machine, which a test may set; time goes on as it does."""

    def __init__(self):
        self.ahead = 0.0

    def now_ms(self):
        return round((time() + self.ahead) * 1000)

    def monotonic(self):
        return monotonic()


@pytest.mark.parametrize("jumps", [(HOUR, -HOUR), (YEAR, -YEAR), (-YEAR, YEAR), (-HOUR, 2 * HOUR, -YEAR)])
@pytest.mark.parametrize("whose", ["the store's", "the worker's", "both"])
async def test_a_run_goes_on_when_a_clock_is_set(tmp_path, tally, jumps, whose):
    of_store, of_worker = SetClock(), SetClock()
    said = []
    often = asyncio.Event()

    async def speak(_):
        async def words():
            for number in range(WORDS):
                said.append(number)
                often.set()
                yield f"{number} "
                await asyncio.sleep(0.005)

        return {"text": words()}

    store = SqliteStore(tmp_path / "a.db", of_store)
    service = RunService(store, {"g": plan(a=speak)}, clock=of_worker, settings=SETTINGS)
    await service.open()
    key = (await service.start("t", "g", {})).row.key

    async def set_clocks():
        for jump in jumps:
            heard = len(said)
            while len(said) < heard + 10:
                often.clear()
                await often.wait()
            for clock in {"the store's": [of_store], "the worker's": [of_worker]}.get(whose, [of_store, of_worker]):
                clock.ahead += jump

    log = []
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(set_clocks())
        async for page in follow(store, key, 0):
            log += [record.event for record in page.records] if page is not None else []
    state = await service.state(key)
    await service.close()
    await store.close()
    check_log(log)
    assert "run.completed" == log[-1].type
    assert "".join(f"{number} " for number in range(WORDS)) == state["text"]
    assert sum(event.type == "run.taken_over" for event in log) <= len(jumps)
    tally.add(Tally(faults=len(jumps), runs=1, acknowledged=len(log)))
