"""SQLite alone, from one thread: what the disk and the library allow, with the settings of the product's store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import apsw

from bench.measure import Sample, Samplers
from bench.results import percentile
from bench.scale import Scale

_LINE = b"x" * 200


@asynccontextmanager
async def append(scale: Scale) -> Samplers:
    """One row and one commit for each batch of events."""
    body = b"\n".join([_LINE] * scale.batch)
    with _file() as db:

        async def sample() -> Sample:
            took = sum(_commit(db, body) for _ in range(scale.batches))
            return {"events": scale.batches * scale.batch / took}

        yield sample


@asynccontextmanager
async def post(scale: Scale) -> Samplers:
    """One commit of one row: a start over HTTP waits for one of these."""
    with _file() as db:

        async def sample() -> Sample:
            waits = [_commit(db, _LINE) * 1e3 for _ in range(scale.posts)]
            return {"p50": percentile(waits, 50), "p99": percentile(waits, 99)}

        yield sample


@contextmanager
def _file() -> Iterator[apsw.Connection]:
    with TemporaryDirectory() as folder:
        db = apsw.Connection(str(Path(folder, "bare.db")))
        db.pragma("journal_mode", "wal")
        db.pragma("synchronous", "full")
        db.execute("CREATE TABLE batch (place INTEGER PRIMARY KEY, body BLOB)")
        try:
            yield db
        finally:
            db.close()


def _commit(db: apsw.Connection, body: bytes) -> float:
    began = perf_counter()
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO batch (body) VALUES (?)", (body,))
    db.execute("COMMIT")
    return perf_counter() - began
