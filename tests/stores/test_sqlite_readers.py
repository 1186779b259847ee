"""Reading threads: a connection each, errors with codes, and an end."""

from __future__ import annotations

import asyncio
import threading

import apsw
import pytest

from riverrun.base.errors import NotFound, StoreError
from riverrun.stores.sqlite_file import open_file
from riverrun.stores.sqlite_readers import Readers
from tests.stores.material import PATIENCE, soon


@pytest.fixture
def readers(tmp_path):
    path = str(tmp_path / "a.db")
    open_file(path).close()
    readers = Readers(path, threads=2)
    yield readers
    readers.close()


def one(db, value):
    return db.execute("SELECT ?", (value,)).get


async def test_a_query_runs_in_a_thread_of_ours(readers):
    name = await readers.run(lambda db: (threading.current_thread().name, one(db, 5)))
    assert name[0].startswith("riverrun-store-reader")
    assert 5 == name[1]
    assert 6 == await readers.run(one, value=6)


async def test_threads_read_side_by_side_on_connections_of_their_own(readers):
    meet = threading.Barrier(2, timeout=PATIENCE)

    def query(db):
        meet.wait()
        return db

    first, second = await soon(asyncio.gather(readers.run(query), readers.run(query)))
    assert first is not second


async def test_errors_have_codes(readers):
    def refuse(_db, error):
        raise error

    for error, code in [
        (apsw.IOError("x"), "E4002"),
        (apsw.CorruptError("x"), "E4003"),
        (NotFound("E2005", "x"), "E2005"),
    ]:
        with pytest.raises((StoreError, NotFound), match=code):
            await readers.run(refuse, error)


async def test_after_the_end_nothing_is_read(readers):
    await readers.run(one, 1)
    readers.close()
    readers.close()
    with pytest.raises(StoreError, match="E4002 the store is closed"):
        await readers.run(one, 1)
    readers.beside(lambda _db: None)


async def test_what_runs_beside_is_run(readers):
    done = threading.Event()
    readers.beside(lambda _db: done.set())
    assert await asyncio.to_thread(done.wait, PATIENCE)
