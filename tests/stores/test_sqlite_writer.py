"""One thread, common commits: nobody waits without need, each request stands alone, the thread outlives the disk."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from contextlib import contextmanager

import apsw
import pytest

from riverrun.base.clock import ManualClock
from riverrun.base.errors import HeadMoved, StoreError
from riverrun.stores.sqlite_file import open_file, rows
from riverrun.stores.sqlite_wal import WalKeeper
from riverrun.stores.sqlite_writer import GROUP_REQUESTS, Done, Request, Writer
from riverrun.stores.tails import Tails
from tests.stores.material import PATIENCE, soon


class Rig:
    """A writer whose commits are counted."""

    def __init__(self, path):
        self.path = str(path)
        self.db = open_file(self.path)
        self.groups: list[int] = []
        self.tails = Tails()
        wal = WalKeeper(self.db, lambda _query: None)
        self.writer = Writer(self.db, self.path, ManualClock(), self.tails, self.bulk, wal)

    def bulk(self, _db, _now_ms, group):
        self.groups.append(len(group))
        return group

    @contextmanager
    def held(self):
        """Keep the writer in a commit while the body runs."""
        inside, go = threading.Event(), threading.Event()

        def work(_db, _now_ms):
            inside.set()
            assert go.wait(PATIENCE)
            return Done(None)

        request = Request(work)
        request.reply = concurrent.futures.Future()
        self.writer._put(request)
        assert inside.wait(PATIENCE)
        try:
            yield
        finally:
            go.set()


@pytest.fixture
def rig(tmp_path):
    rig = Rig(tmp_path / "a.db")
    yield rig
    rig.writer.close()


def put(number):
    def work(db, _now_ms):
        rows(db, "INSERT INTO batch (place, first_seq, epoch, body) VALUES (?, 1, 1, x'')", (number,))
        return Done(number)

    return Request(work)


def fail(error):
    def work(_db, _now_ms):
        raise error

    return Request(work)


def kept(rig):
    db = apsw.Connection(rig.path)
    try:
        return [number for (number,) in rows(db, "SELECT place FROM batch ORDER BY place")]
    finally:
        db.close()


async def test_the_first_request_after_silence_goes_alone_and_at_once(rig):
    assert 1 == await soon(rig.writer.write(put(1)))
    assert ([1], [1]) == (rig.groups, kept(rig))


async def test_what_comes_during_a_commit_makes_the_next_one(rig):
    with rig.held():
        tasks = [asyncio.create_task(rig.writer.write(put(number))) for number in range(1, 51)]
        await asyncio.sleep(0)
        assert [] == kept(rig)
    assert list(range(1, 51)) == await soon(asyncio.gather(*tasks))
    assert [1, 50] == rig.groups


async def test_a_group_is_bounded(rig):
    with rig.held():
        tasks = [asyncio.create_task(rig.writer.write(put(number))) for number in range(GROUP_REQUESTS + 5)]
        large = [asyncio.create_task(rig.writer.write(Request(put(-n).work, size_bytes=1 << 30))) for n in (1, 2)]
        await asyncio.sleep(0)
    await soon(asyncio.gather(*tasks, *large))
    assert [1, GROUP_REQUESTS, 6, 1] == rig.groups


async def test_each_request_of_a_group_stands_for_itself(rig):
    with rig.held():
        tasks = [
            asyncio.create_task(rig.writer.write(request))
            for request in (put(1), fail(HeadMoved("E4005", "moved")), put(2), put(1), fail(TypeError("odd")), put(3))
        ]
        await asyncio.sleep(0)
    outcomes = await soon(asyncio.gather(*tasks, return_exceptions=True))
    assert [1, "E4005", 2, "E4002", "E4002", 3] == [getattr(outcome, "code", outcome) for outcome in outcomes]
    assert [1, 2, 3] == kept(rig)


async def test_a_full_disk_fails_the_group_and_the_thread_goes_on(rig):
    await rig.writer.write(put(1))
    with rig.held():
        tasks = [
            asyncio.create_task(rig.writer.write(request))
            for request in (put(2), fail(apsw.FullError("database or disk is full")), put(3))
        ]
        await asyncio.sleep(0)
    outcomes = await soon(asyncio.gather(*tasks, return_exceptions=True))
    assert ["E4002"] * 3 == [outcome.code for outcome in outcomes]
    assert [1] == kept(rig)
    await rig.writer.write(put(4))
    assert [1, 4] == kept(rig)


async def test_who_stops_waiting_does_not_call_the_commit_off(rig):
    with rig.held():
        task = asyncio.create_task(rig.writer.write(put(1)))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait((task,))
    await rig.writer.write(put(2))
    assert [1, 2] == kept(rig)


async def test_a_thread_may_wait_for_its_answer(rig):
    assert 5 == await soon(asyncio.to_thread(rig.writer.call, put(5)))


async def test_a_thread_does_not_wait_for_ever(rig, monkeypatch):
    monkeypatch.setattr("riverrun.stores.sqlite_writer.CALL_SECONDS", 0.001)
    with rig.held(), pytest.raises(StoreError, match=r"E4002 no answer within"):
        rig.writer.call(put(1))


async def test_a_loop_that_is_gone_is_passed_over(rig):
    async def leave():
        rig.writer.write(put(1)).send(None)  # asks, and never comes back for the answer

    with rig.held():
        await asyncio.to_thread(asyncio.run, leave())
    assert 2 == await rig.writer.write(put(2))
    assert [1, 2] == kept(rig)


async def test_closing_carries_out_what_was_asked_and_takes_no_more(rig):
    with rig.held():
        task = asyncio.create_task(rig.writer.write(put(1)))
        await asyncio.sleep(0)
        closing = asyncio.create_task(asyncio.to_thread(rig.writer.close))
        await asyncio.sleep(0)
    await soon(closing)
    assert 1 == await soon(task)
    rig.writer.close()
    with pytest.raises(StoreError, match="E4002 the store is closed"):
        await rig.writer.write(put(2))
    assert [1] == kept(rig)


async def test_another_process_that_holds_the_file_too_long_is_an_error_and_not_the_end(rig, monkeypatch):
    rig.db.set_busy_timeout(1)
    other = apsw.Connection(rig.path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="E4002"):
        await soon(rig.writer.write(put(1)))
    other.execute("ROLLBACK")
    other.close()
    assert 1 == await soon(rig.writer.write(put(1)))
