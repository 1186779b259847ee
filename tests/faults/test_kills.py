"""Real workers on one file, killed at every fault point and at any instant: the logs are whole, no reader is misled."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from riverrun.base.clock import SystemClock
from riverrun.base.ids import new_log_id, new_run_id
from riverrun.events.codec import decode
from riverrun.events.kinds import RunStarted
from riverrun.graph.replay import replay
from riverrun.log.store import RunKey
from riverrun.runs.points import POINTS
from riverrun.runs.reader import follow
from riverrun.runs.service import RunService
from riverrun.stores.sqlite import SqliteStore
from riverrun.testing.history import History, RecordingStore, from_lines
from riverrun.testing.laws import check_history
from riverrun.testing.verdict import Tally
from tests.faults.nursery import GRAPH, SETTINGS, final_state, plan
from tests.graph.laws import check_log

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TENANT = "t"
NURSERIES = 3
KILLS = 216
UNDER_WAY = 6  # so many runs at least, until the last kill
LIMIT_SECONDS = 140


class Killing:
    """The kills that are to come, and what became of those that were."""

    def __init__(self, kills):
        dice = random.Random(7)
        points = cycle(f"{point}:{nth}" for nth in (1, 2, 3, 5, 8) for point in POINTS)
        # Half of them where the code says, half wherever it is at that moment.
        self.left = [(next(points), 1.0) if at % 2 else ("-", dice.uniform(0.02, 0.25)) for at in range(kills)]
        self.counts: Counter[str] = Counter()
        self.points = set()

    async def go_on(self, store, folder):
        """Kill one worker after another until none is to be killed any more."""
        arguments = ("-m", "tests.faults.nursery", store, folder)
        pipe = asyncio.subprocess.PIPE
        nursery = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT, stdin=pipe, stdout=pipe)
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        try:
            while self.left:
                point, seconds = self.left.pop()
                nursery.stdin.write(f"{point} {seconds}\n".encode())
                how = (await nursery.stdout.readline()).decode().strip()
                assert how in ("point", "instant"), how
                self.counts[how] += 1
                if how == "point":
                    self.points.add(point.partition(":")[0])
        finally:
            nursery.stdin.close()
            await nursery.wait()


class Reader:
    """A reader of one run that goes on after its place."""

    def __init__(self, store, key):
        self.key = key
        self.lines = []
        self._store = store

    async def read(self):
        async for page in follow(self._store, self.key, 0):
            self.lines += [(record.seq, record.data) for record in page.records] if page is not None else []


@asynccontextmanager
async def healthy_worker(path, history):
    """A worker that lives."""
    store = SqliteStore(path)
    service = RunService(RecordingStore(store, history, "healthy"), {GRAPH: plan()}, settings=SETTINGS)
    await service.open()
    try:
        yield service
    finally:
        await service.close()
        await store.close()


async def start(store):
    """Make a run that any worker may take."""
    now, run = SystemClock().now_ms(), new_run_id(SystemClock().now_ms())
    started = RunStarted(seq=1, ts=now, run=run, graph=GRAPH, log=new_log_id(), input={}, limit=100)
    return (await store.create(TENANT, started)).row.key


async def live_through(path, folder, history):
    """Keep runs under way while workers are killed; give the killing and the readers, who have read to the end."""
    inner = SqliteStore(path)
    store = RecordingStore(inner, history, "reader")
    killing, readers = Killing(KILLS), []
    try:
        async with asyncio.TaskGroup() as group:
            killers = [group.create_task(killing.go_on(str(path), str(folder))) for _ in range(NURSERIES)]
            reading: set[asyncio.Task[Any]] = set()
            while not all(killer.done() for killer in killers):
                while len(reading) < UNDER_WAY:
                    readers.append(Reader(store, await start(store)))
                    reading.add(group.create_task(readers[-1].read()))
                done, reading = await asyncio.wait([*reading, *killers], return_when=asyncio.FIRST_COMPLETED)
                reading -= set(killers)
                assert all(one.exception() is None for one in done)
            async with healthy_worker(path, history):
                if reading:
                    await asyncio.wait(reading)
        logs = {one.key: (await store.read(one.key, 0, 100_000)).records for one in readers}
    finally:
        await inner.close()
    return killing, readers, logs


def judged(readers, logs, entries):
    """Count what was lost, repeated or reordered."""
    found = Tally(runs=len(readers))
    for reader in readers:
        log = {record.seq: record.data for record in logs[reader.key]}
        last = 0
        for seq, line in reader.lines:
            found.repeated += seq == last
            found.reordered += seq < last
            found.lost += log.get(seq) != line
            last = max(last, seq)
        found.lost += len(log) - len({seq for seq, _ in reader.lines})
    asked = {entry.call: entry for entry in entries if entry.phase == "asked" and entry.verb == "append"}
    for entry in entries:
        if entry.phase == "given" and entry.call in asked:
            sent = asked[entry.call]
            log = {record.seq: record.data for record in logs[sent.key]}
            found.acknowledged += len(sent.lines)
            found.lost += sum(log.get(seq) != bytes(line) for seq, line in enumerate(sent.lines, sent.after + 1))
    return found


@pytest.mark.timeout(LIMIT_SECONDS + 20)
async def test_two_hundred_kills_lose_repeat_and_reorder_nothing(tmp_path, tally):
    path, folder = tmp_path / "runs.db", tmp_path / "said"
    folder.mkdir()
    history = History(asyncio.get_running_loop().time)
    async with asyncio.timeout(LIMIT_SECONDS):
        killing, readers, logs = await live_through(path, folder, history)
    files = [from_lines(file.read_bytes()) for file in sorted(folder.iterdir())]
    entries = sorted((one for some in (history.entries, *files) for one in some), key=lambda entry: entry.at)
    found = judged(readers, logs, entries)
    found.faults = killing.counts.total()
    tally.add(found)
    assert [] == check_history(entries)
    assert (0, 0, 0) == (found.lost, found.repeated, found.reordered), found
    graph = plan()
    for key, records in logs.items():
        log = [decode(record.data) for record in records]
        check_log(log)
        assert "run.completed" == log[-1].type
        assert final_state() == replay(graph, key.run, log).values()
    assert KILLS == killing.counts.total() >= 200
    assert set(POINTS) == killing.points, "every point was died at"
    assert {RunKey(TENANT, reader.key.run) for reader in readers} == set(logs)
