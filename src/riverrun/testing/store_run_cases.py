"""Small direct cases of what befalls whole runs: parked and claimed again, forked, in threads, swept, compacted."""

from __future__ import annotations

import asyncio

from riverrun.base.clock import ManualClock
from riverrun.base.errors import Busy, Fenced, HeadMoved, InputError
from riverrun.events.kinds import Base, NodeChunk, RunStarted
from riverrun.log.store import Held, LogStore, RunFilter, RunKey, RunRow
from riverrun.testing.store_cases import Case, owned, refused
from riverrun.testing.store_model import make_events

ALL = frozenset({"g"})
ROUNDS = 10  # how often two that happen at once are tried


async def _parked(store: LogStore, number: int = 1) -> RunKey:
    key = await owned(store, number)
    await store.append(key, 1, 1, make_events(key.run, 2, ["asked", "interrupted"]), 30)
    return key


async def _row(store: LogStore, key: RunKey) -> RunRow:
    (row,) = await store.list(key.tenant, RunFilter(run=key.run))
    return row


async def _claimed(store: LogStore, worker: str = "w-2") -> list[RunRow]:
    return await store.claim(worker, graphs=ALL, limit=100, lease_seconds=30)


def _started(number: int, thread: str | None = None, base: int | None = None) -> RunStarted:
    on = None if base is None else Base(f"{base:032x}")
    return RunStarted(seq=1, ts=1, run=f"{number:032x}", graph="g", log=f"{number:08x}", thread=thread, base=on)


# --- parked (L12) ---


async def a_parked_run_outlives_its_lease(store: LogStore, clock: ManualClock) -> None:
    """Give a parked run to nobody, however long it waits."""
    key = await _parked(store)
    clock.advance(1e6)
    assert await _claimed(store) == []
    assert (await _row(store, key)).status == "parked"


async def a_parked_run_that_is_asked_can_be_claimed_by_anybody(store: LogStore, _clock: ManualClock) -> None:
    """Queue it with the request; whoever claims it hears the request, and nothing is said of it in the log."""
    for number, kind in ((1, "resume"), (2, "stop")):
        key = await _parked(store, number)
        asked = await store.control(key, kind, {"answers": {"q": True}}, "k")
        assert (await _row(store, key)).status == "queued"
        (row,) = await _claimed(store)
        assert (row.key, row.status, row.epoch, row.head, row.worker) == (key, "running", 2, 3, "w-2")
        renewal = await asyncio.to_thread(store.renew, "w-2", [Held(key, 2, 0)], 30)
        assert ([], {key: [asked]}) == (renewal.lost, renewal.controls)
        await refused(Fenced, store.append(key, 1, 3, make_events(key.run, 4, ["resumed"]), 30))
        await store.append(key, 2, 3, make_events(key.run, 4, ["resumed"]), 30)
        assert (await store.read(key, 0, 10)).head == 4


async def a_request_of_another_kind_leaves_a_run_parked(store: LogStore, _clock: ManualClock) -> None:
    """Keep what is put into the inbox without waking anybody."""
    key = await _parked(store)
    await store.control(key, "note", {})
    assert (await _row(store, key)).status == "parked"
    assert await _claimed(store) == []


async def a_request_that_is_repeated_wakes_once(store: LogStore, _clock: ManualClock) -> None:
    """Leave a run parked that was claimed, heard the request and parked again, when the request is sent once more."""
    key = await _parked(store)
    first = await store.control(key, "resume", {}, "k")
    await _claimed(store)
    await store.append(key, 2, 3, make_events(key.run, 4, ["resumed", "interrupted"]), 30, controls_seen=first.n)
    assert first == await store.control(key, "resume", {}, "k")
    assert (await _row(store, key)).status == "parked"


async def a_request_that_crosses_the_parking_is_not_lost(store: LogStore, _clock: ManualClock) -> None:
    """Let a run park and be asked at the same time: whichever comes first, it can be claimed afterwards."""
    for number in range(1, ROUNDS + 1):
        key = await owned(store, number)
        parking = store.append(key, 1, 1, make_events(key.run, 2, ["interrupted"]), 30, controls_seen=0)
        asking = store.control(key, "resume", {})
        await asyncio.gather(*((parking, asking) if number % 2 else (asking, parking)))
        assert [key] == [row.key for row in await _claimed(store)]


async def a_request_that_the_owner_has_seen_wakes_nobody(store: LogStore, _clock: ManualClock) -> None:
    """Park a run whose owner took all that was asked, or does not say what it took."""
    for number, seen in ((1, 1), (2, None)):
        key = await owned(store, number)
        await store.control(key, "resume", {})
        await store.append(key, 1, 1, make_events(key.run, 2, ["interrupted"]), 30, controls_seen=seen)
        assert (await _row(store, key)).status == "parked"
        assert await _claimed(store) == []


async def one_worker_gets_a_run_that_was_asked(store: LogStore, _clock: ManualClock) -> None:
    """Claim it from many sides at once: one gets it."""
    key = await _parked(store)
    await store.control(key, "resume", {})
    claims = await asyncio.gather(*(_claimed(store, f"w-{number}") for number in range(5)))
    assert [key] == [row.key for rows in claims for row in rows]


async def a_parked_run_that_goes_on_elsewhere_wakes_its_readers(store: LogStore, _clock: ManualClock) -> None:
    """Wake a reader that waits behind the parking when another owner writes on."""
    key = await _parked(store)
    reader = asyncio.create_task(store.wait(key, 3, 60))
    await asyncio.sleep(0)
    await store.control(key, "resume", {})
    await _claimed(store)
    await store.append(key, 2, 3, make_events(key.run, 4, ["resumed"]), 30)
    await asyncio.wait_for(reader, 10)
    assert [record.seq for record in (await store.read(key, 3, 10)).records] == [4]


# --- made from events (forks, holds) ---


async def a_run_made_with_a_log_is_there_with_all_of_it(store: LogStore, _clock: ManualClock) -> None:
    """Show a fork whole or not at all, and let it be claimed."""
    key = RunKey("acme", f"{1:032x}")
    prefix = make_events(key.run, 2, [*["chunk", "odd", "called"] * 1000, "forked"])
    making = asyncio.ensure_future(store.create("acme", _started(1), prefix=prefix))
    heads = set()
    while not making.done():
        heads |= {row.head for row in await store.list("acme", RunFilter())}
        await asyncio.sleep(0)
    assert (await making).row.head == 3002
    assert heads <= {3002}
    page = await store.read(key, 0, 10_000)
    assert list(range(1, 3003)) == [record.seq for record in page.records]
    assert (page.records[-1].event, page.status) == (prefix[-1], "queued")
    (row,) = await _claimed(store)
    assert (row.epoch, row.head) == (1, 3002)
    assert await store.append(key, 1, 3002, make_events(key.run, 3003, ["completed"]), 30) == 3003


async def a_held_run_waits_until_it_is_asked(store: LogStore, _clock: ManualClock) -> None:
    """Make a run that is parked from the start; asked, it is claimed for the first time."""
    held, stopped = (RunKey("acme", f"{number:032x}") for number in (1, 2))
    for number, key in enumerate((held, stopped), 1):
        row, _ = await store.create("acme", _started(number), prefix=make_events(key.run, 2, ["interrupted"]))
        assert (row.status, row.head, row.epoch) == ("parked", 2, 0)
    assert await _claimed(store) == []
    await store.control(held, "resume", {})
    (row,) = await _claimed(store)
    assert (row.key, row.epoch, row.head) == (held, 1, 2)


async def a_log_that_has_its_end_makes_a_run_that_has_ended(store: LogStore, _clock: ManualClock) -> None:
    """Take in a finished run: it asks for nothing and takes nothing more."""
    key = RunKey("acme", f"{1:032x}")
    row, _ = await store.create("acme", _started(1), prefix=make_events(key.run, 2, ["chunk", "stopped"]))
    assert (row.status, row.ending, row.head) == ("ended", "stopped", 3)
    assert await _claimed(store) == []
    await refused(InputError, store.control(key, "resume", {}))
    await refused(InputError, store.append(key, 0, 3, make_events(key.run, 4, ["chunk"]), 30))


async def a_log_with_a_hole_makes_no_run(store: LogStore, _clock: ManualClock) -> None:
    """Refuse events that do not follow each other, and leave the id free."""
    await refused(HeadMoved, store.create("acme", _started(1), prefix=make_events(f"{1:032x}", 3, ["chunk"])))
    assert (await store.create("acme", _started(1))).fresh


# --- threads (L13) ---


async def runs_of_a_thread_come_one_after_another(store: LogStore, _clock: ManualClock) -> None:
    """Claim a queued run only when what came before it in its thread has ended; other threads do not wait for it."""
    for number, tenant, thread in ((1, "acme", "t"), (2, "acme", "t"), (3, "zoo", "t"), (4, "acme", "u")):
        await store.create(tenant, _started(number, thread))
    assert [int(row.key.run, 16) for row in await _claimed(store)] == [1, 3, 4]
    first = RunKey("acme", f"{1:032x}")
    await store.append(first, 1, 1, make_events(first.run, 2, ["interrupted"]), 30)
    assert await _claimed(store) == []  # parked is not ended
    await store.append(first, 1, 2, make_events(first.run, 3, ["resumed", "completed"]), 30)
    assert [int(row.key.run, 16) for row in await _claimed(store)] == [2]


async def a_thread_takes_one_run_however_many_ask_at_once(store: LogStore, _clock: ManualClock) -> None:
    """Refuse a second run of a thread that must be alone in it, also when all come together."""
    asked = [store.create("acme", _started(number, "t"), one_per_thread=True) for number in range(1, 6)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(outcome, Busy) and outcome.code == "E3018" for outcome in outcomes) == 4, outcomes
    (row,) = await store.list("acme", RunFilter(thread="t"))
    assert not (await store.create("acme", _started(int(row.key.run, 16), "t"), one_per_thread=True)).fresh
    assert (await store.create("zoo", _started(7, "t"), one_per_thread=True)).fresh
    assert (await store.create("acme", _started(8), one_per_thread=True)).fresh
    assert (await store.create("acme", _started(9), one_per_thread=True)).fresh
    assert (await store.create("acme", _started(10, "t"))).fresh  # who does not ask to be alone is not refused


async def a_thread_is_free_when_its_run_has_ended(store: LogStore, _clock: ManualClock) -> None:
    """Take the next run of a thread as soon as the one before has its terminal event."""
    key = (await store.create("acme", _started(1, "t"), worker="w-1", lease_seconds=30)).row.key
    for head, kind in ((1, "chunk"), (2, "interrupted"), (3, "completed")):
        await refused(Busy, store.create("acme", _started(2, "t"), one_per_thread=True))
        await store.append(key, 1, head, make_events(key.run, head + 1, [kind]), 30)
    assert (await store.create("acme", _started(2, "t", base=1), one_per_thread=True)).row.base_run == key.run


# --- retention (L14) and compaction (L15) ---


async def what_a_run_stands_on_stays_as_long_as_it(store: LogStore, clock: ManualClock) -> None:
    """Keep the base of a run that stays, and its base; remove a whole thread once all of it is old."""
    for number in (1, 2, 3, 4):
        row, _ = await store.create("acme", _started(number, base=number - 1 or None), worker="w-1", lease_seconds=30)
        if number < 4:
            await store.append(row.key, 1, 1, make_events(row.key.run, 2, ["completed"]), 30)
    foreign, _ = await store.create("zoo", _started(3), prefix=make_events(f"{3:032x}", 2, ["completed"]))
    clock.advance(10)
    assert await store.sweep(clock.now_ms()) == 1  # only the other tenant's: nothing stands on that
    assert await store.list("zoo", RunFilter()) == []
    assert foreign.base_run is None
    last = RunKey("acme", f"{4:032x}")
    await store.append(last, 1, 1, make_events(last.run, 2, ["completed"]), 30)
    assert await store.sweep(clock.now_ms()) == 0  # the last one ended just now
    clock.advance(10)
    assert await store.sweep(clock.now_ms()) == 4
    assert await store.list("acme", RunFilter()) == []


async def compaction_changes_nothing_that_is_read(store: LogStore, clock: ManualClock) -> None:
    """Read the same before and after, from any place, in pages of any size."""
    key, head = await owned(store), 1
    for size in (1, 1, 1, 50, 3000, 7):
        head = await store.append(key, 1, head, make_events(key.run, head + 1, ["chunk"] * size), 30)
        head = await store.append(key, 1, head, make_events(key.run, head + 1, ["odd", "asked"]), 30)
    live = await owned(store, 2)
    head = await store.append(key, 1, head, make_events(key.run, head + 1, ["chunk", "completed"]), 30)
    before = [record.data for record in (await store.read(key, 0, 10_000)).records]
    assert await store.compact(clock.now_ms()) == 0
    clock.advance(1)
    assert await store.compact(clock.now_ms()) == 1
    assert await store.compact(clock.now_ms()) == 0
    for after, limit in ((0, 10_000), (0, 1), (1, 2), (50, 2500), (head - 1, 9), (head, 9), (100, 0)):
        page = await store.read(key, after, limit)
        assert before[after : after + limit] == [record.data for record in page.records]
        assert (page.head, page.status) == (head, "ended")
    assert (await store.read(live, 0, 9)).head == 1


async def compaction_keeps_the_text_of_several_messages(store: LogStore, clock: ManualClock) -> None:
    """Keep streams that ran beside each other, with text of all planes, odd stamps and values that are no text."""
    key = await owned(store)
    values = ["abcd", "", "😀é\n\r\0\u2028", '"\\', "x" * 300, 7, None, [1, {"a": "b"}], 2.5]
    events = [
        NodeChunk(
            seq=seq,
            ts=(1, 10**13, -5)[seq % 3],
            run=key.run,
            node="abc"[seq % 3],
            exec="e",
            message=f"m{seq % 5}",
            value=values[seq % len(values)],
            key=None if seq % 2 else "k",
            start=None if seq % 7 == 0 else seq,
            attempt=1 + seq % 2,
        )
        for seq in range(2, 400)
    ]
    await store.append(key, 1, 1, list(events), 30)
    await store.append(key, 1, 399, make_events(key.run, 400, ["completed"]), 30)
    before = [record.data for record in (await store.read(key, 0, 1000)).records]
    clock.advance(1)
    assert await store.compact(clock.now_ms()) == 1
    after = (await store.read(key, 0, 1000)).records
    assert before == [record.data for record in after]
    assert events == [record.event for record in after[1:-1]]


async def runs_are_listed_by_when_they_were_made(store: LogStore, clock: ManualClock) -> None:
    """Give the runs that were made at a time or later, and before another; newest first."""
    made = []
    for number in (1, 2, 3):
        made.append((clock.now_ms(), await owned(store, number)))
        clock.advance(1)
    (first_ms, first), (second_ms, second), (third_ms, third) = made
    for after_ms, before_ms, fitting in (
        (None, None, [third, second, first]),
        (second_ms, None, [third, second]),
        (None, second_ms, [first]),
        (first_ms, third_ms, [second, first]),
        (first_ms + 1, second_ms + 1, [second]),
        (third_ms + 1, None, []),
        (None, first_ms, []),
    ):
        rows = await store.list("acme", RunFilter(created_after_ms=after_ms, created_before_ms=before_ms))
        assert fitting == [row.key for row in rows], (after_ms, before_ms)


RUN_CASES: tuple[Case, ...] = (
    a_parked_run_outlives_its_lease,
    a_parked_run_that_is_asked_can_be_claimed_by_anybody,
    a_request_of_another_kind_leaves_a_run_parked,
    a_request_that_is_repeated_wakes_once,
    a_request_that_crosses_the_parking_is_not_lost,
    a_request_that_the_owner_has_seen_wakes_nobody,
    one_worker_gets_a_run_that_was_asked,
    a_parked_run_that_goes_on_elsewhere_wakes_its_readers,
    a_run_made_with_a_log_is_there_with_all_of_it,
    a_held_run_waits_until_it_is_asked,
    a_log_that_has_its_end_makes_a_run_that_has_ended,
    a_log_with_a_hole_makes_no_run,
    runs_of_a_thread_come_one_after_another,
    a_thread_takes_one_run_however_many_ask_at_once,
    a_thread_is_free_when_its_run_has_ended,
    what_a_run_stands_on_stays_as_long_as_it,
    compaction_changes_nothing_that_is_read,
    compaction_keeps_the_text_of_several_messages,
    runs_are_listed_by_when_they_were_made,
)
