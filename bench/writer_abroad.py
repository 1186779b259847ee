"""The other process of the figure `abroad`: it appends chunks, and prints when each was acknowledged.

`python -m bench.writer_abroad <file> <run> <how many>`. Linux has one steady clock for all processes.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec

from bench.product_store import say
from riverrun.log.store import RunKey
from riverrun.stores.sqlite import SqliteStore

_PAUSE = 0.007  # not in step with whoever looks for it


async def main(path: str, run: str, count: int) -> None:
    """Append chunks with pauses, then the end."""
    store = SqliteStore(path)
    (row,) = await store.claim("abroad", graphs=frozenset({"bench"}), limit=1, lease_seconds=3600.0)
    assert (row.key.run, row.epoch) == (run, 1)
    acknowledged = await say(store, RunKey("bench", run), count, _PAUSE)
    await store.close()
    sys.stdout.buffer.write(msgspec.json.encode(acknowledged))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
