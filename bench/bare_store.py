"""What no store can beat: SQLite, the disk and Python alone, for the figures of `bench.product_store`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import apsw
import msgspec

from bench.measure import Sample, Samplers
from bench.results import percentile
from bench.scale import Scale
from riverrun.events.codec import decode, encode
from riverrun.events.kinds import NodeChunk

_BATCH = 100
_WORD = b"word"


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


def _line(seq: int) -> bytes:
    chunk = NodeChunk(
        seq=seq,
        ts=1_763_600_000_000 + seq,
        run="0" * 32,
        node="writer",
        exec="writer:1",
        message="writer:1/text",
        key="text",
        start=seq * len(_WORD),
        value=_WORD.decode(),
    )
    return encode(chunk)


def _log(folder: str, events: int) -> Path:
    file = Path(folder, "log.jsonl")
    file.write_bytes(b"\n".join(map(_line, range(events))))
    return file


def _lines(file: Path) -> list[bytes]:
    return file.read_bytes().split(b"\n")


@asynccontextmanager
async def append_runs(scale: Scale) -> Samplers:
    """Write one row for each append, one commit for those of all runs; the lines are made before."""
    body = b"\n".join(map(_line, range(_BATCH)))
    with _file() as db:

        async def sample() -> Sample:
            began = perf_counter()
            for _ in range(scale.turns_of_writers):
                db.execute("BEGIN IMMEDIATE")
                for _ in range(scale.writers):
                    db.execute("INSERT INTO batch (body) VALUES (?)", (body,))
                db.execute("COMMIT")
            return {"chunks": scale.writers * scale.turns_of_writers * _BATCH / (perf_counter() - began)}

        yield sample


@asynccontextmanager
async def visible(scale: Scale) -> Samplers:
    """Read a row back on another connection, right after its commit."""
    with _file() as db:
        reader = apsw.Connection(db.filename)

        async def sample() -> Sample:
            waits = []
            for place in range(scale.words):
                db.execute("INSERT INTO batch (body) VALUES (?)", (b"%d" % place,))
                began = perf_counter()
                assert reader.execute("SELECT body FROM batch ORDER BY place DESC LIMIT 1").get == b"%d" % place
                waits.append((perf_counter() - began) * 1e3)
            return {"idle": percentile(waits, 99)}

        try:
            yield sample
        finally:
            reader.close()


@asynccontextmanager
async def replay(scale: Scale) -> Samplers:
    """Read the lines of the same log from a plain file, and split them."""
    with TemporaryDirectory() as folder:
        file = _log(folder, scale.replayed)

        async def sample() -> Sample:
            began = perf_counter()
            lines = _lines(file)
            took = perf_counter() - began
            assert len(lines) == scale.replayed
            return {"replay": took * 1e3}

        yield sample


@asynccontextmanager
async def weight(scale: Scale) -> Samplers:
    """Weigh the text itself, and the JSON of its events."""

    async def sample() -> Sample:
        lines = sum(len(_line(seq)) + 1 for seq in range(scale.replayed))
        return {"live": lines / scale.replayed, "compacted": float(len(_WORD))}

    yield sample


@asynccontextmanager
async def recovery(scale: Scale) -> Samplers:
    """Read and decode as many lines as the log has: what a recovery without checkpoints does first."""
    with TemporaryDirectory() as folder:
        file = _log(folder, scale.recovered)

        async def sample() -> Sample:
            began = perf_counter()
            events = [decode(line) for line in _lines(file)]
            took = (perf_counter() - began) * 1e3
            assert len(events) == scale.recovered
            return {"chunks": took}

        yield sample


@asynccontextmanager
async def parked(scale: Scale) -> Samplers:
    """Weigh the questions alone, as JSON."""

    async def sample() -> Sample:
        question = msgspec.json.encode({"id": "asks:1?1", "node": "asks", "exec": "asks:1", "value": "go on?"})
        return {"run": len(question) * scale.parked / scale.parked / 1024}

    yield sample
