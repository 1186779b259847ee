"""A worker in a process of its own, to be killed: it takes over every run there is and appends until it cannot.

Each acknowledged append is told on standard output as `<run> <epoch> <head>`, after it was acknowledged. Its clock is
the machine's. Arguments: path of the store, lease in seconds, number of runs that it makes sure of, and how many times
each run is appended to before all wait for a line on standard input.
"""

from __future__ import annotations

import asyncio
import sys

from riverrun.base.errors import Fenced
from riverrun.stores.sqlite import SqliteStore
from riverrun.testing.store_model import make_events
from tests.stores.material import started


async def work(store, row, lease_seconds, times):
    head = (await store.read(row.key, 0, 1)).head
    for time in range(times):
        events = make_events(row.key.run, head + 1, ["chunk", "odd"] * (time % 20 + 1))
        try:
            head = await store.append(row.key, row.epoch, head, events, lease_seconds)
        except Fenced:
            say(row, "fenced")
            return
        say(row, head)


def say(row, what):
    sys.stdout.write(f"{row.key.run} {row.epoch} {what}\n")
    sys.stdout.flush()


async def main(path, lease_seconds, runs, times):
    store = SqliteStore(path)
    for number in range(1, runs + 1):
        await store.create("acme", started(number))
    rows = await store.claim("w-killed", graphs=frozenset({"g"}), limit=runs, lease_seconds=lease_seconds)
    for free in (times, 1_000_000):
        await asyncio.gather(*(work(store, row, lease_seconds, free) for row in rows))
        say(rows[0], "waits")
        sys.stdin.readline()
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
