"""A checkpoint in a file is bytes that may be gone: a damaged or foreign one is none, and nothing else is lost."""

from __future__ import annotations

import apsw
import pytest

from riverrun.base.clock import ManualClock
from riverrun.events.kinds import RunCompleted
from riverrun.log.store import RunKey
from riverrun.stores.sqlite import SqliteStore
from riverrun.stores.sqlite_file import rows
from tests.stores.material import chunks, key_of, lines, owned


@pytest.fixture
async def store(tmp_path):
    made = SqliteStore(tmp_path / "a.db", ManualClock())
    yield made
    await made.close()


def written(store, statement, values=()):
    """Let another program write to the file."""
    db = apsw.Connection(store.path)
    found = rows(db, statement, values)
    db.close()
    return found


async def test_a_checkpoint_is_there_for_another_process(store):
    key = await owned(store)
    await chunks(store, key, 1, 5)
    assert await store.keep(key, 1, 4, b"bytes")
    other = SqliteStore(store.path)
    assert (4, "00000001", b"bytes") == await other.kept(key)
    await other.close()


@pytest.mark.parametrize(
    "damage",
    ["UPDATE checkpoint SET body = x'00'", "UPDATE checkpoint SET seq = 3", "UPDATE checkpoint SET crc = 1"],
)
async def test_a_damaged_one_is_none_and_the_log_is_whole(store, damage):
    key = await owned(store)
    await chunks(store, key, 1, 5)
    await store.keep(key, 1, 4, b"bytes")
    written(store, damage)
    assert None is await store.kept(key)
    assert 6 == len(await lines(store, key))
    assert await store.keep(key, 1, 5, b"another")
    assert (5, "00000001", b"another") == await store.kept(key)


async def test_one_that_stands_beyond_the_head_is_none(store):
    key = await owned(store)
    await chunks(store, key, 1, 5)
    await store.keep(key, 1, 6, b"bytes")
    written(store, "UPDATE run SET head = 3")
    assert None is await store.kept(key)


async def test_a_damaged_row_of_the_run_gives_none(store):
    key = await owned(store)
    await store.keep(key, 1, 1, b"bytes")
    written(store, "UPDATE run SET log = CAST(x'ff' AS TEXT)")
    assert None is await store.kept(key)


async def test_it_is_gone_with_its_run_and_with_its_end(store):
    one, two = await owned(store), await owned(store, 2)
    for key in (one, two):
        assert await store.keep(key, 1, 1, b"bytes")
        await store.append(key, 1, 1, [RunCompleted(seq=2, ts=1, run=key.run, steps=0)], 30)
        assert None is await store.kept(key)
    assert await store.keep(two, 1, 2, b"what it left")
    assert (2, "00000002", b"what it left") == await store.kept(two)
    assert 2 == await store.sweep(2**60)
    assert [] == written(store, "SELECT run FROM checkpoint")


@pytest.mark.parametrize("key", [key_of(9), RunKey("acme", "\0"), RunKey("\ud800", "x")], ids=repr)
async def test_of_a_run_that_cannot_be_there_is_none(store, key):
    assert not await store.keep(key, 1, 0, b"bytes")
    assert None is await store.kept(key)
