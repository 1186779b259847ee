"""Several real processes on one file: killed, stopped and woken too late, none of them makes the log lie."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from riverrun.events.kinds import RunTakenOver
from riverrun.log.store import RunFilter, RunRow
from riverrun.stores.sqlite import SqliteStore
from riverrun.testing.store_model import make_events
from tests.stores.material import chunks, key_of, soon

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def start(path, lease_seconds, runs=4, times=1_000_000):
    arguments = [str(path), str(lease_seconds), str(runs), str(times)]
    command = [sys.executable, "-m", "tests.stores.appender", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def end(worker, sign=signal.SIGKILL):
    """Kill a worker; give the rest of what it said."""
    worker.send_signal(sign)
    rest = worker.stdout.readlines()
    worker.wait()
    worker.stdout.close()
    with suppress(BrokenPipeError):
        worker.stdin.close()
    return rest


def acknowledged(said):
    """Read what a worker said: the last head per run, with its epoch. A line that the kill cut was not said."""
    heads: dict[str, tuple[int, int]] = {}
    for line in said:
        run, epoch, what = line.rstrip("\n").split(" ") if line.endswith("\n") else ("", "", "")
        if what.isdigit():
            heads[run] = (int(epoch), int(what))
    return heads


def check(page, run):
    """Check that a log is whole: no hole, nothing twice, and each event in its place under rising epochs."""
    assert list(range(1, page.head + 1)) == [record.seq for record in page.records]
    epoch = 1
    for record in page.records[1:]:
        event = record.event
        if isinstance(event, RunTakenOver):
            assert epoch + 1 == event.epoch
            epoch = event.epoch
        else:
            kind = "chunk" if event.type == "node.chunk" else "odd"
            assert make_events(run, record.seq, [kind]) == [event]
    assert page.epoch == epoch


async def test_what_was_acknowledged_survives_every_kill(tmp_path):
    path, total = tmp_path / "a.db", 0
    for kill in range(8):
        worker = start(path, lease_seconds=0)
        said = [worker.stdout.readline() for _ in range(1 + 37 * kill)] + end(worker)
        assert -signal.SIGKILL == worker.returncode
        store = SqliteStore(path)
        for run, (epoch, head) in acknowledged(said).items():
            page = await store.read(key_of(int(run, 16)), 0, 10_000_000)
            assert head <= page.head
            assert epoch == page.epoch
            check(page, run)
            total += 1
        await store.close()
    assert total > 8


async def test_a_zombie_process_that_wakes_too_late_is_fenced(tmp_path):
    path = tmp_path / "a.db"
    # It is stopped between two appends: stopped inside of a commit it would hold the lock of the whole file.
    zombie = start(path, lease_seconds=0.1, runs=2, times=3)
    said = [zombie.stdout.readline() for _ in range(2 * 3 + 1)]
    assert said[-1].endswith("waits\n")
    zombie.send_signal(signal.SIGSTOP)
    store = SqliteStore(path)
    taken: list[RunRow] = []
    while len(taken) < 2:  # it holds the lease until it is over, by the store's clock
        taken += await store.claim("w-2", graphs=frozenset({"g"}), limit=2, lease_seconds=30)
    heads = [await chunks(store, row.key, row.head, epoch=2) for row in taken]
    zombie.stdin.write("\n\n")
    zombie.stdin.flush()
    said += end(zombie, signal.SIGCONT)
    assert 0 == zombie.returncode
    assert 2 == sum(line.endswith("fenced\n") for line in said)
    for row, head in zip(taken, heads, strict=True):
        page = await store.read(row.key, 0, 1_000_000)
        assert (head, 2) == (page.head, page.epoch)
        check(page, row.key.run)
        assert acknowledged(said)[row.key.run][1] < page.head
    await store.close()


async def test_a_reader_in_another_process_is_woken_for_what_a_worker_writes(tmp_path):
    path = tmp_path / "a.db"
    store = SqliteStore(path)
    reader = asyncio.create_task(store.wait(key_of(1), 1, 60))
    await asyncio.sleep(0)
    worker = start(path, lease_seconds=30, runs=1)
    await soon(reader)
    place = 0
    while place < 200:
        await soon(store.wait(key_of(1), place, 60))
        page = await store.read(key_of(1), place, 50)
        assert list(range(place + 1, place + 1 + len(page.records))) == [record.seq for record in page.records]
        place += len(page.records)
    end(worker)
    (row,) = await store.list("acme", RunFilter())
    assert ("running", 1) == (row.status, row.epoch)
    await store.close()


async def test_two_workers_write_side_by_side(tmp_path):
    path = tmp_path / "a.db"
    workers, said = [], []
    for runs in (3, 6):  # the second claims what the first has not
        workers.append(start(path, lease_seconds=30, runs=runs))
        said.append([workers[-1].stdout.readline()])
    for _ in range(60):
        for worker, some in zip(workers, said, strict=True):
            some.append(worker.stdout.readline())
    first, second = (acknowledged(some + end(worker)) for worker, some in zip(workers, said, strict=True))
    assert (3, 3, set()) == (len(first), len(second), first.keys() & second.keys())
    store = SqliteStore(path)
    for run, (_, head) in {**first, **second}.items():
        page = await store.read(key_of(int(run, 16)), 0, 1_000_000)
        assert head <= page.head
        check(page, run)
    await store.close()
