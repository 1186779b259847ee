"""A file of every older version becomes what a new one is, and what it held is there."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from riverrun.base.clock import ManualClock
from riverrun.base.errors import StoreError
from riverrun.log.store import Held, RunFilter, RunKey
from riverrun.stores.sqlite import SqliteStore
from riverrun.stores.sqlite_file import open_file, rows
from riverrun.stores.sqlite_schema import MIGRATIONS, SCHEMA_VERSION
from tests.stores.material import key_of, lines


def old_file(path, version):
    db = apsw.Connection(str(path))
    db.execute(Path(__file__).with_name(f"schema_{version}.sql").read_text())
    db.pragma("journal_mode", "wal")
    db.close()
    return path


def shape(db):
    """Give the tables with their columns, and the indexes, however they came about."""
    columns = {
        table: {column[1:] for column in rows(db, f"PRAGMA table_info({table})")}
        for table in ("run", "batch", "control", "checkpoint")
    }
    made = "SELECT name, sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql NOT NULL"
    return columns, set(rows(db, made))


@pytest.mark.parametrize("version", MIGRATIONS)
def test_an_old_file_becomes_what_a_new_one_is(tmp_path, version):
    old, new = open_file(str(old_file(tmp_path / "old.db", version))), open_file(str(tmp_path / "new.db"))
    assert SCHEMA_VERSION == old.pragma("user_version")
    assert shape(new) == shape(old)
    old.close()
    new.close()
    open_file(str(tmp_path / "old.db")).close()  # once more: nothing is left to do


def test_there_is_a_way_from_every_version():
    assert list(range(1, SCHEMA_VERSION)) == list(MIGRATIONS)


async def test_a_store_of_schema_1_goes_on(tmp_path):
    clock = ManualClock()
    store = SqliteStore(old_file(tmp_path / "a.db", 1), clock)
    ended, asked, queued = await store.list("acme", RunFilter(run=key_of(1).run)), key_of(2), key_of(3, "zoo")
    assert [("ended", "t", 15)] == [(row.status, row.thread, row.head) for row in ended]
    there = await lines(store, key_of(1))
    assert 15 == len(there)
    assert b'"value":"w2 "' in there[1]
    assert there[11].endswith(b'"value":"w12 ","key":"k","start":36}')
    (row,) = await store.list("acme", RunFilter(thread="t", status="queued"))
    assert (asked, ended[0].key.run) == (row.key, row.base_run)
    assert [asked, queued] == [
        row.key for row in await store.claim("w", graphs=frozenset("g"), limit=9, lease_seconds=9)
    ]
    (control,) = store.renew("w", [Held(asked, 2, 0)], 9).controls[asked]
    assert ("stop", {"reason": "enough"}) == (control.kind, control.payload)
    clock.advance(1)
    assert 0 == await store.sweep(clock.now_ms())  # the other one of the thread stands on it
    await store.close()


async def test_a_store_of_schema_2_goes_on(tmp_path):
    clock = ManualClock()
    store = SqliteStore(old_file(tmp_path / "a.db", 2), clock)
    there = await lines(store, key_of(1))
    assert 15 == len(there)
    assert there[11].endswith(b'"value":"w12 ","key":"k","start":32}')
    taken = await store.claim("w", graphs=frozenset("g"), limit=9, lease_seconds=9)
    assert [key_of(2), key_of(3, "zoo")] == [row.key for row in taken]
    running = key_of(4)
    assert None is await store.kept(running)
    assert await store.keep(running, 1, 6, b"where it stands")
    assert (6, "00000004", b"where it stands") == await store.kept(running)
    await store.close()


def test_an_older_process_that_ends_or_removes_a_run_drops_its_checkpoint(tmp_path):
    older = apsw.Connection(str(old_file(tmp_path / "a.db", 2)))
    db = open_file(str(tmp_path / "a.db"))
    for run in (2, 3):
        db.execute("INSERT INTO checkpoint VALUES (?, 1, x'00', 1)", (run,))
    older.execute("UPDATE run SET status = 'ended' WHERE id = 2; DELETE FROM run WHERE id = 3")
    assert [] == rows(db, "SELECT run FROM checkpoint")
    older.close()
    db.close()


def test_a_process_of_the_older_version_can_go_on_writing(tmp_path):
    older = apsw.Connection(str(old_file(tmp_path / "a.db", 1)))
    db = open_file(str(tmp_path / "a.db"))
    older.execute("INSERT INTO batch (place, first_seq, epoch, body) VALUES (99, 1, 1, x'7b7d')")
    older.execute("INSERT INTO control (run, n, kind, payload, idem_key) VALUES (9, 1, 'stop', x'7b7d', NULL)")
    assert [(None, None)] == rows(
        db, "SELECT b.crc, c.crc FROM batch AS b, control AS c WHERE place = 99 AND c.run = 9"
    )
    older.close()
    db.close()


def test_a_version_that_never_was_is_refused(tmp_path):
    path = old_file(tmp_path / "a.db", 1)
    db = apsw.Connection(str(path))
    db.pragma("user_version", -1)
    db.close()
    with pytest.raises(StoreError, match=r"E4003.*schema -1"):
        open_file(str(path))


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = old_file(tmp_path / "a.db", 1)
    monkeypatch.setitem(MIGRATIONS, 1, MIGRATIONS[1] + "\nINSERT INTO nowhere VALUES (1);")
    with pytest.raises(StoreError, match="E4003"):
        open_file(str(path))
    db = apsw.Connection(str(path))
    assert 1 == db.pragma("user_version")
    assert "crc" not in {column[1] for column in rows(db, "PRAGMA table_info(batch)")}
    db.close()


async def test_a_damaged_first_event_does_not_stop_a_migration(tmp_path):
    path = old_file(tmp_path / "a.db", 1)
    db = apsw.Connection(str(path))
    db.execute("UPDATE batch SET body = x'80ff7b' WHERE place = 8589934593")
    db.close()
    store = SqliteStore(path)
    assert [None, None] == [row.base_run for row in await store.list("acme", RunFilter())]
    with pytest.raises(StoreError, match=rf"E4003.*{key_of(2).run}.*1\.\.1"):
        await store.read(RunKey("acme", key_of(2).run), 0, 10)
    await store.close()
