"""A store on a small file system of its own: it fills up, is made read-only, and its runs go on when it is mended."""

from __future__ import annotations

import asyncio
import os
import subprocess

import pytest

from riverrun.base.errors import StoreError
from riverrun.graph.node import END, START
from riverrun.log.log import settle
from riverrun.runs.reader import follow
from riverrun.runs.service import RunService
from riverrun.runs.settings import RunSettings
from riverrun.stores.sqlite import SqliteStore
from riverrun.testing.store_model import make_events
from tests.graph.laws import check_log
from tests.runs.plans import plan
from tests.stores.material import chunks, lines, owned, soon, started

SIZE_BYTES = 2 * 1024 * 1024


def mount(*arguments):
    return subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def disk(tmp_path):
    """A small file system, empty."""
    if os.geteuid():
        pytest.skip("allowed: only root may mount a file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    done = mount("-t", "tmpfs", "-o", f"size={SIZE_BYTES}", "none", str(folder))
    if done.returncode:
        pytest.skip(f"allowed: this machine lets nobody mount a file system: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
async def store(disk):
    made = SqliteStore(disk / "a.db")
    yield made
    await made.close()


def fill(disk):
    """Write until nothing more fits."""
    with (disk / "filler").open("wb", buffering=0) as file:
        for size in (65_536, 512, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                pass


async def test_a_full_disk_loses_nothing_that_was_acknowledged(store, disk):
    keys = [await owned(store, number) for number in range(1, 4)]
    for key in keys:
        await chunks(store, key, 1, 50)
    before = {key: await lines(store, key) for key in keys}
    fill(disk)
    codes: set[str] = set()
    while not codes:  # what is left in the log that is written ahead may still take some
        for key in keys:
            head = (await store.read(key, 0, 0)).head
            try:
                await store.append(key, 1, head, make_events(key.run, head + 1, ["chunk"] * 200), 30)
            except StoreError as error:
                codes.add(error.code)
                assert not settle(await store.read(key, head, 200), 1, head, 200)
    assert {"E4002"} == codes
    store._tails.release()  # from now on it is read from the file
    for key, those in before.items():
        assert those == (await lines(store, key))[: len(those)]
    (disk / "filler").unlink()
    for key in keys:
        head = (await store.read(key, 0, 0)).head
        assert head + 200 == await store.append(key, 1, head, make_events(key.run, head + 1, ["chunk"] * 200), 30)
        assert head + 200 == len(await lines(store, key))


@pytest.mark.slow
async def test_a_run_waits_on_a_full_disk_and_goes_on_when_there_is_space(store, disk):
    speaking = asyncio.Event()

    async def say(_):
        async def words():
            for number in range(3_000):
                if number == 20:
                    speaking.set()
                yield f"{number} " * 40
                await asyncio.sleep(0)

        return {"text": words()}

    service = RunService(store, {"g": plan((START, "a"), ("a", END), a=say)}, settings=RunSettings(poll_interval=0.05))
    await service.open()
    key = (await service.start("t", "g", {})).row.key
    await soon(speaking.wait())
    fill(disk)

    async def stands():
        head = -1
        while head != (head := (await store.read(key, 0, 0)).head):
            await store.wait(key, head, 0.3)
        return head

    head = await soon(stands())
    assert "running" == (await store.read(key, 0, 0)).status
    (disk / "filler").unlink()
    (disk / "filler").write_bytes(b"")
    log = []
    assert 0 == mount("-o", f"remount,size={16 * SIZE_BYTES}", str(disk)).returncode
    async with asyncio.timeout(30):
        async for page in follow(store, key, 0):
            log += [record.event for record in page.records] if page is not None else []
    check_log(log)
    assert "run.completed" == log[-1].type
    assert head < len(log)
    assert "".join(f"{number} " * 40 for number in range(3_000)) == (await service.state(key))["text"]
    await service.close()


async def test_a_disk_that_becomes_read_only_is_told_and_read_on(store, disk):
    key = await owned(store)
    await chunks(store, key, 1, 5)
    written = await lines(store, key)
    store._writer._db.pragma("wal_checkpoint", "TRUNCATE")
    busy = mount("-o", "remount,ro", str(disk))
    if busy.returncode:  # tmpfs refuses while files are open for writing
        await store.close()
        assert 0 == mount("-o", "remount,ro", str(disk)).returncode
        with pytest.raises(StoreError, match=r"E400[12]"):
            SqliteStore(disk / "a.db")
        with pytest.raises(StoreError, match="E4001"):
            SqliteStore(disk / "b.db")
        assert 0 == mount("-o", "remount,rw", str(disk)).returncode
        again = SqliteStore(disk / "a.db")
        assert written == await lines(again, key)
        assert 7 == await chunks(again, key, 6)
        await again.close()
        return
    with pytest.raises(StoreError, match="E4002"):
        await chunks(store, key, 6)
    assert written == await lines(store, key)
    with pytest.raises(StoreError, match="E4001"):
        SqliteStore(disk / "b.db")
    assert 0 == mount("-o", "remount,rw", str(disk)).returncode
    assert 7 == await chunks(store, key, 6)


async def test_a_store_cannot_be_made_on_a_full_disk(disk):
    fill(disk)
    with pytest.raises(StoreError, match=r"E400[12]") as caught:
        SqliteStore(disk / "b.db")
    assert str(disk) in caught.value.where
    (disk / "filler").unlink()
    store = SqliteStore(disk / "b.db")
    assert (await store.create("acme", started())).fresh
    await store.close()
