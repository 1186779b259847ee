"""The law of checkpoints (L8), as direct cases; a store that keeps none is not asked.

A checkpoint may always be gone. What must never be is one that stands where the log does not.
"""

from __future__ import annotations

from typing import Protocol, cast

from riverrun.base.clock import ManualClock
from riverrun.log.store import KeepsCheckpoints, LogStore, RunKey
from riverrun.testing.store_cases import Case, owned
from riverrun.testing.store_model import make_events


class _Keeping(LogStore, KeepsCheckpoints, Protocol):
    """A store that keeps checkpoints."""


def _keeping(store: LogStore) -> _Keeping | None:
    return cast("_Keeping", store) if hasattr(store, "keep") else None


async def a_checkpoint_is_given_back_as_it_is(store: LogStore, _clock: ManualClock) -> None:
    """Give the bytes of the latest one, and say behind which event it stands."""
    keeping, key = _keeping(store), await owned(store)
    if keeping is None:
        return
    await store.append(key, 1, 1, make_events(key.run, 2, ["chunk"] * 4), 30)
    assert await keeping.kept(key) is None
    every_byte = bytes(range(256)) * 40
    assert await keeping.keep(key, 1, 3, b"")
    assert await keeping.keep(key, 1, 4, every_byte)
    log = (await store.read(key, 0, 1)).log
    assert await keeping.kept(key) == (4, log, every_byte)
    assert not await keeping.keep(key, 1, 3, b"an older one")
    assert not await keeping.keep(key, 1, 4, b"the same place once more")
    assert await keeping.kept(key) == (4, log, every_byte)


async def a_checkpoint_waits_for_its_events(store: LogStore, _clock: ManualClock) -> None:
    """Keep none that stands beyond the head: what is not committed may still be lost."""
    keeping, key = _keeping(store), await owned(store)
    if keeping is None:
        return
    assert not await keeping.keep(key, 1, 2, b"too early")
    assert await keeping.kept(key) is None
    await store.append(key, 1, 1, make_events(key.run, 2, ["chunk"]), 30)
    assert await keeping.keep(key, 1, 2, b"in time")


async def a_zombie_keeps_no_checkpoint(store: LogStore, clock: ManualClock) -> None:
    """Keep none of a former owner: its events beyond the head were never committed, and others stand there now."""
    keeping, key = _keeping(store), await owned(store)
    if keeping is None:
        return
    assert await keeping.keep(key, 1, 1, b"of the first owner")
    clock.advance(31)
    (taken,) = await store.claim("w-2", graphs=frozenset({"g"}), limit=1, lease_seconds=30)
    assert not await keeping.keep(key, 1, 2, b"of a zombie")
    assert not await keeping.keep(key, taken.epoch + 1, 2, b"of nobody yet")
    assert (await keeping.kept(key) or (0,))[0] == 1
    assert await keeping.keep(key, taken.epoch, taken.head, b"of the second owner")


async def a_checkpoint_ends_with_its_run(store: LogStore, clock: ManualClock) -> None:
    """Drop it when the run ends, keep what is left of the ended one, and forget that when the run is removed."""
    keeping, key = _keeping(store), await owned(store)
    if keeping is None:
        return
    assert await keeping.keep(key, 1, 1, b"under way")
    await store.append(key, 1, 1, make_events(key.run, 2, ["completed"]), 30)
    assert await keeping.kept(key) is None
    assert await keeping.keep(key, 1, 2, b"what it left")
    assert (await keeping.kept(key) or (0,))[0] == 2
    clock.advance(1)
    assert await store.compact(clock.now_ms()) == 1
    assert (await keeping.kept(key) or (0,))[0] == 2
    assert await store.sweep(clock.now_ms()) == 1
    assert await keeping.kept(key) is None


async def a_checkpoint_has_one_tenant(store: LogStore, _clock: ManualClock) -> None:
    """Neither give nor take one for a run of another tenant, nor for one that there is not."""
    keeping, key = _keeping(store), await owned(store)
    if keeping is None:
        return
    assert await keeping.keep(key, 1, 1, b"mine")
    for other in (RunKey("zoo", key.run), RunKey(key.tenant, "f" * 32)):
        assert await keeping.kept(other) is None
        assert not await keeping.keep(other, 1, 1, b"theirs")
    mine = await keeping.kept(key)
    assert mine is not None
    assert mine.body == b"mine"


CHECKPOINT_CASES: tuple[Case, ...] = (
    a_checkpoint_is_given_back_as_it_is,
    a_checkpoint_waits_for_its_events,
    a_zombie_keeps_no_checkpoint,
    a_checkpoint_ends_with_its_run,
    a_checkpoint_has_one_tenant,
)
