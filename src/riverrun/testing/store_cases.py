"""Small direct cases of the store's laws: what random histories of single steps do not reach."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from riverrun.base.clock import ManualClock
from riverrun.base.errors import Fenced, HeadMoved, NodeError, NotFound, RiverrunError
from riverrun.events.codec import encode
from riverrun.events.kinds import Custom, RunStarted
from riverrun.log.log import settle
from riverrun.log.store import Held, LogStore, RunFilter, RunKey
from riverrun.testing.store_model import make_events

Case = Callable[[LogStore, ManualClock], Awaitable[None]]

PATIENCE = 10.0  # seconds until a hint that must come is taken for lost


async def owned(store: LogStore, number: int = 1) -> RunKey:
    """Make a run that `w-1` owns from the start, at epoch 1, for 30 s."""
    started = RunStarted(seq=1, ts=1, run=f"{number:032x}", graph="g", log=f"{number:08x}", input={})
    row, _ = await store.create("acme", started, worker="w-1", lease_seconds=30)
    assert (row.epoch, row.head, row.status) == (1, 1, "running")
    return row.key


async def a_waiting_reader_is_woken_by_an_append(store: LogStore, _clock: ManualClock) -> None:
    """Wake every reader when the log grows."""
    key = await owned(store)
    readers = [asyncio.create_task(store.wait(key, 1, 60)) for _ in range(3)]
    await asyncio.sleep(0)
    await store.append(key, 1, 1, make_events(key.run, 2, ["chunk"]), 30)
    await asyncio.wait_for(asyncio.gather(*readers), PATIENCE)
    page = await store.read(key, 1, 10)
    assert [record.seq for record in page.records] == [2]


async def a_waiting_reader_is_woken_by_a_takeover(store: LogStore, clock: ManualClock) -> None:
    """Wake the readers when another worker takes the run."""
    key = await owned(store)
    reader = asyncio.create_task(store.wait(key, 1, 60))
    await asyncio.sleep(0)
    clock.advance(31)
    await store.claim("w-2", graphs=frozenset({"g"}), limit=1, lease_seconds=30)
    await asyncio.wait_for(reader, PATIENCE)


async def waiting_for_what_is_there_returns_at_once(store: LogStore, _clock: ManualClock) -> None:
    """Let no reader sleep over what it could read."""
    key = await owned(store)
    await asyncio.wait_for(store.wait(key, 0, 60), PATIENCE)


async def a_wait_ends_at_its_time_out(store: LogStore, _clock: ManualClock) -> None:
    """Return without a hint when there is none."""
    key = await owned(store)
    await asyncio.wait_for(store.wait(key, 1, 0.001), PATIENCE)


async def a_reader_that_leaves_disturbs_nobody(store: LogStore, _clock: ManualClock) -> None:
    """Cancel one wait: it ends alone."""
    key = await owned(store)
    leaver, stayer = (asyncio.create_task(store.wait(key, 1, 60)) for _ in range(2))
    await asyncio.sleep(0)
    leaver.cancel()
    await asyncio.wait((leaver,))
    assert not stayer.done()
    await store.append(key, 1, 1, make_events(key.run, 2, ["chunk"]), 30)
    await asyncio.wait_for(stayer, PATIENCE)


async def an_unknown_outcome_is_settled_at_the_tail(store: LogStore, clock: ManualClock) -> None:
    """Tell from the tail whether an append is in the log, is not, or whether somebody else has the run (L7)."""
    key = await owned(store)
    events = make_events(key.run, 2, ["chunk", "chunk"])
    assert not settle(await store.read(key, 1, 1), 1, 1, len(events))
    await store.append(key, 1, 1, events, 30)
    assert settle(await store.read(key, 1, 1), 1, 1, len(events))
    clock.advance(31)
    await store.claim("w-2", graphs=frozenset({"g"}), limit=1, lease_seconds=30)
    await refused(Fenced, settle_now(store, key, 1, len(events)))


async def settle_now(store: LogStore, key: RunKey, expected_seq: int, count: int) -> bool:
    """Settle an append of epoch 1 from a fresh look at the tail."""
    return settle(await store.read(key, 0, 1), 1, expected_seq, count)


async def a_zombie_writes_nothing(store: LogStore, clock: ManualClock) -> None:
    """Fence the former owner after a claim, at whatever head it tries (L5)."""
    key = await owned(store)
    clock.advance(31)
    (row,) = await store.claim("w-2", graphs=frozenset({"g"}), limit=1, lease_seconds=30)
    assert (row.epoch, row.head, row.worker) == (2, 2, "w-2")
    for head in (1, 2):
        await refused(Fenced, store.append(key, 1, head, make_events(key.run, head + 1, ["chunk"]), 30))
    assert [key] == (await asyncio.to_thread(store.renew, "w-1", [Held(key, 1, 0)], 30)).lost
    assert await store.append(key, 2, 2, make_events(key.run, 3, ["completed"]), 30) == 3


async def a_claim_and_an_append_at_once_agree_on_one_order(store: LogStore, clock: ManualClock) -> None:
    """Give one event per seq and rising epochs, whichever comes first (L1, L4, L5)."""
    for number in range(1, 11):
        key = await owned(store, number)
        clock.advance(31)
        append = store.append(key, 1, 1, make_events(key.run, 2, ["chunk"]), 0)
        claim = store.claim("w-2", graphs=frozenset({"g"}), limit=1, lease_seconds=1e6)
        appended, claimed = await asyncio.gather(append, claim, return_exceptions=True)
        page = await store.read(key, 0, 10)
        types = [record.event.type for record in page.records]
        assert list(range(1, page.head + 1)) == [record.seq for record in page.records]
        assert (["run.started", "run.taken_over"] if isinstance(appended, Fenced) else
                ["run.started", "node.chunk", "run.taken_over"]) == types, (appended, claimed)  # fmt: skip


async def many_runs_at_once_stay_apart(store: LogStore, _clock: ManualClock) -> None:
    """Append to many runs at the same time: each event lands in its own log."""
    keys = [await owned(store, number) for number in range(1, 41)]

    async def write(key: RunKey) -> None:
        head = 1
        for _ in range(5):
            head = await store.append(key, 1, head, make_events(key.run, head + 1, ["chunk", "odd"]), 30)

    await asyncio.gather(*map(write, keys))
    for key in keys:
        page = await store.read(key, 0, 100)
        assert (page.head, len(page.records)) == (11, 11)
        assert {key.run} == {record.event.run for record in page.records}


async def renewing_needs_no_event_loop(store: LogStore, _clock: ManualClock) -> None:
    """Renew from a thread while the loop does something else, and bring what was asked."""
    key = await owned(store)
    asked = await store.control(key, "stop", {"reason": "enough"})
    renewal = await asyncio.to_thread(store.renew, "w-1", [Held(key, 1, 0)], 30)
    assert ([], {key: [asked]}) == (renewal.lost, renewal.controls)


async def one_key_makes_one_run_however_many_ask_at_once(store: LogStore, _clock: ManualClock) -> None:
    """Create with one key at the same time: one is fresh, all give the same run."""
    started = [
        RunStarted(seq=1, ts=1, run=f"{number:032x}", graph="g", log="0" * 8, input={}) for number in range(1, 6)
    ]
    made = await asyncio.gather(*(store.create("acme", event, idem_key="k") for event in started))
    assert sum(created.fresh for created in made) == 1
    assert len({created.row.key for created in made}) == 1


async def a_repeated_append_is_found_out(store: LogStore, _clock: ManualClock) -> None:
    """Send the same again after success: nothing changes (L7)."""
    key = await owned(store)
    events = make_events(key.run, 2, ["chunk"])
    await store.append(key, 1, 1, events, 30)
    await refused(HeadMoved, store.append(key, 1, 1, events, 30))
    assert (await store.read(key, 0, 10)).head == 2


async def events_are_read_as_they_were_appended(store: LogStore, _clock: ManualClock) -> None:
    """Give every event byte for byte as it was committed, however often it is read (L2, L3)."""
    key = await owned(store)
    events = make_events(key.run, 2, ["chunk", "chunk", "odd", "asked"])
    await store.append(key, 1, 1, events, 30)
    for after in (1, 2, 1):
        given = [record.data for record in (await store.read(key, after, 10)).records]
        assert [encode(event) for event in events[after - 1 :]] == given


async def an_append_is_all_or_nothing(store: LogStore, _clock: ManualClock) -> None:
    """Keep nothing of a batch whose second event does not follow the first."""
    key = await owned(store)
    first, _, third = make_events(key.run, 2, ["chunk", "chunk", "chunk"])
    await refused(HeadMoved, store.append(key, 1, 1, [first, third], 30))
    assert (await store.read(key, 0, 10)).head == 1


async def another_tenants_run_does_not_exist(store: LogStore, _clock: ManualClock) -> None:
    """Say of a run that is another tenant's what is said of one that there is not (L10)."""
    key = await owned(store)
    foreign = RunKey("zoo", key.run)
    await refused(NotFound, store.read(foreign, 0, 10))
    await refused(NotFound, store.append(foreign, 1, 1, make_events(key.run, 2, ["chunk"]), 30))
    await refused(NotFound, store.control(foreign, "stop", {}))
    assert await store.list("zoo", RunFilter()) == []


async def a_renewal_brings_only_what_is_new(store: LogStore, _clock: ManualClock) -> None:
    """Bring the controls behind the last one that the owner has seen, and no other (L9)."""
    key = await owned(store)
    asked = [await store.control(key, "note", {"n": number}) for number in range(3)]
    for seen in range(3):
        assert {key: asked[seen:]} == store.renew("w-1", [Held(key, 1, seen)], 30).controls
    assert store.renew("w-1", [Held(key, 1, 3)], 30).controls == {}


async def who_writes_or_renews_keeps_a_run(store: LogStore, clock: ManualClock) -> None:
    """Begin the time of a lease anew with every append and every renewal; leave a run to others when it is over."""
    key = await owned(store)

    async def claimed() -> list[RunKey]:
        return [row.key for row in await store.claim("w-2", graphs=frozenset({"g"}), limit=1, lease_seconds=30)]

    clock.advance(20)
    await store.append(key, 1, 1, make_events(key.run, 2, ["chunk"]), 30)
    clock.advance(20)
    assert await claimed() == []
    assert store.renew("w-1", [Held(key, 1, 0)], 30).lost == []
    clock.advance(20)
    assert await claimed() == []
    clock.advance(11)
    assert [key] == await claimed()


async def what_is_not_json_is_refused_and_leaves_nothing(store: LogStore, _clock: ManualClock) -> None:
    """Refuse with E3008 before anything is written; the run goes on."""
    key = await owned(store)
    good = make_events(key.run, 2, ["chunk"])
    bad = Custom(seq=3, ts=1, run=key.run, node="n", exec="n:1", value=object())
    await refused(NodeError, store.append(key, 1, 1, [*good, bad], 30))
    assert (await store.read(key, 0, 10)).head == 1
    assert await store.append(key, 1, 1, good, 30) == 2


async def refused(kind: type[RiverrunError], verb: Awaitable[object]) -> None:
    """Expect an error of that kind and of no other."""
    try:
        given = await verb
    except kind:
        return
    raise AssertionError(f"expected {kind.__name__}, got {given!r}")


CASES: tuple[Case, ...] = (
    a_waiting_reader_is_woken_by_an_append,
    a_waiting_reader_is_woken_by_a_takeover,
    waiting_for_what_is_there_returns_at_once,
    a_wait_ends_at_its_time_out,
    a_reader_that_leaves_disturbs_nobody,
    an_unknown_outcome_is_settled_at_the_tail,
    a_zombie_writes_nothing,
    a_claim_and_an_append_at_once_agree_on_one_order,
    many_runs_at_once_stay_apart,
    renewing_needs_no_event_loop,
    one_key_makes_one_run_however_many_ask_at_once,
    a_repeated_append_is_found_out,
    events_are_read_as_they_were_appended,
    an_append_is_all_or_nothing,
    another_tenants_run_does_not_exist,
    a_renewal_brings_only_what_is_new,
    who_writes_or_renews_keeps_a_run,
)
DURABLE_CASES: tuple[Case, ...] = (what_is_not_json_is_refused_and_leaves_nothing,)
