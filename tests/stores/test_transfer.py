"""A run that leaves a store and comes into another is the same run, or a clear refusal."""

from __future__ import annotations

import pytest

from riverrun.base.clock import ManualClock
from riverrun.base.errors import CursorError, InputError, NotFound
from riverrun.events.codec import encode
from riverrun.log.store import RunFilter, RunKey
from riverrun.stores import transfer
from riverrun.stores.memory import MemoryStore
from riverrun.stores.sqlite import SqliteStore
from riverrun.stores.transfer import export_run, import_run
from riverrun.testing.store_model import make_events
from tests.stores.material import chunks, key_of, lines, owned, started


@pytest.fixture(params=["memory", "sqlite"])
async def store(request, tmp_path):
    store = MemoryStore(ManualClock()) if request.param == "memory" else SqliteStore(tmp_path / "a.db", ManualClock())
    yield store
    await store.close()


@pytest.fixture(params=["memory", "sqlite"])
async def other(request, tmp_path):
    store = MemoryStore(ManualClock()) if request.param == "memory" else SqliteStore(tmp_path / "b.db", ManualClock())
    yield store
    await store.close()


async def ended(store, number=1, count=5):
    key = await owned(store, number)
    await store.append(
        key, 1, 1, make_events(key.run, 2, ["odd", "asked", "called", *["chunk"] * count, "stopped"]), 30
    )
    return key


async def exported(store, key):
    return b"".join([part async for part in export_run(store, key)])


@pytest.mark.slow
async def test_a_run_is_the_same_in_another_store(store, other, monkeypatch):
    monkeypatch.setattr(transfer, "PAGE_EVENTS", 3)
    key = await ended(store, count=2500)
    whole = await exported(store, key)
    row, fresh = await import_run(other, "zoo", whole.splitlines(keepends=True))
    assert fresh
    assert ("ended", "stopped", 2505, "00000001") == (row.status, row.ending, row.head, row.log)
    assert await lines(store, key) == await lines(other, row.key)
    assert whole == await exported(other, row.key)
    assert not (await import_run(other, "zoo", whole.splitlines())).fresh


async def test_a_run_under_a_new_id_differs_in_that_alone(store):
    key = await ended(store)
    whole = await exported(store, key)
    row, fresh = await import_run(store, "acme", whole.splitlines(), run=key_of(2).run)
    assert fresh
    assert whole == (await exported(store, row.key)).replace(key_of(2).run.encode(), key.run.encode())
    assert [encode(record.event) for record in (await store.read(row.key, 0, 99)).records] == await lines(
        store, row.key
    )


async def test_a_compacted_run_is_exported_as_it_was(store):
    key = await ended(store, count=3000)
    whole = await exported(store, key)
    assert 1 == await store.compact(1 << 60)
    assert whole == await exported(store, key)


async def test_an_unfinished_run_is_taken_only_where_it_shall_go_on(store, other):
    key = await owned(store)
    await chunks(store, key, 1, 3)
    whole = (await exported(store, key)).splitlines()
    with pytest.raises(InputError, match=r"E4008.*not ended"):
        await import_run(other, "acme", whole)
    assert [] == await other.list("acme", RunFilter())
    row, _ = await import_run(other, "acme", whole, go_on=True)
    assert ("queued", 4) == (row.status, row.head)
    assert [key] == [row.key for row in await other.claim("w", graphs=frozenset("g"), limit=9, lease_seconds=9)]


async def test_a_parked_run_is_parked_there_too(store, other):
    key = await owned(store)
    await store.append(key, 1, 1, make_events(key.run, 2, ["interrupted"]), 30)
    row, _ = await import_run(other, "acme", (await exported(store, key)).splitlines(), go_on=True)
    assert "parked" == row.status


async def test_a_run_that_goes_on_needs_what_it_stands_on(store, other):
    await store.create("acme", started(2, base=1))
    whole = (await exported(store, key_of(2))).splitlines()
    with pytest.raises(InputError, match=rf"E4008.*{key_of(1).run}"):
        await import_run(other, "acme", whole, go_on=True)
    await ended(other, 1)
    assert key_of(1).run == (await import_run(other, "acme", whole, go_on=True)).row.base_run


async def test_another_log_under_the_same_id_is_refused(store, other):
    whole = (await exported(store, await ended(store))).splitlines()
    await other.create("acme", started(3, run=key_of(1).run))
    with pytest.raises(InputError, match="E2013"):
        await import_run(other, "acme", whole)


@pytest.mark.parametrize("run", ["", "../../etc/passwd", "a" * 31, "G" * 32, "%00"])
async def test_an_id_that_is_none_is_refused(store, run):
    whole = (await exported(store, await ended(store))).splitlines()
    with pytest.raises(InputError, match=r"E4008.*no id"):
        await import_run(store, "acme", whole, run=run)


async def test_what_is_not_there_cannot_be_exported(store):
    await ended(store)
    with pytest.raises(NotFound):
        await exported(store, RunKey("zoo", key_of(1).run))


async def test_a_log_without_its_beginning_cannot_be_exported():
    store = MemoryStore()
    key = await ended(store)
    store.trim(key, 2)
    with pytest.raises(CursorError, match="E4007"):
        await exported(store, key)
