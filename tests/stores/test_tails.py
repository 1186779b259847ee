"""The ends of logs in memory: only what was committed, bounded, and forgotten when another process may have written."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.events.record import Record
from riverrun.log.store import Page
from riverrun.stores.tails import RECORD_BYTES, TAIL_BYTES, Change, Tails
from riverrun.stores.waiting import wake
from tests.stores.material import key_of, soon

KEY = key_of(1)


def change(first, last, *, key=KEY, epoch=1, status="running", size=10):
    records = [Record(seq, None, b"x" * size) for seq in range(first, last + 1)]
    return Change(key, epoch, status, "abcdabcd", 0, last, records)


def seqs(page):
    return None if page is None else [record.seq for record in page.records]


@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=12), room=st.integers(1, 12), data=st.data())
def test_what_is_given_is_what_was_committed_or_nothing(sizes, room, data):
    tails = Tails(one_bytes=TAIL_BYTES + room * (RECORD_BYTES + 10))
    head = 0
    for size in sizes:
        tails.publish([change(head + 1, head + size)])
        head += size
        after, limit = data.draw(st.integers(0, head + 2)), data.draw(st.integers(0, 9))
        page = tails.page(KEY, after, limit)
        wanted = list(range(after + 1, head + 1))[:limit]
        assert page is None or (wanted, head) == (seqs(page), page.head)
        assert after <= head or page is None


def test_the_newest_records_are_kept_within_the_limit():
    tails = Tails(one_bytes=TAIL_BYTES + 20 * (RECORD_BYTES + 10))
    for seq in range(1, 101):
        tails.publish([change(seq, seq)])
        assert [seq] == seqs(tails.page(KEY, seq - 1, 10))
    assert tails.page(KEY, 100 - 20 - 1, 10) is None


def test_a_record_larger_than_the_limit_is_left_to_the_store():
    tails = Tails(one_bytes=TAIL_BYTES + RECORD_BYTES)
    tails.publish([change(1, 1, size=10_000)])
    assert tails.page(KEY, 0, 10) is None


def test_the_logs_written_longest_ago_go_first():
    tails = Tails(all_bytes=3 * (TAIL_BYTES + RECORD_BYTES + 10))
    for number in (1, 2, 3, 1, 4):
        head = 2 if tails.page(key_of(number), 0, 1) else 1
        tails.publish([change(head, head, key=key_of(number))])
    # The first was written again in between, so the second is the one that had to go.
    assert [True, False, False, True] == [tails.page(key_of(number), 0, 1) is not None for number in (1, 2, 3, 4)]


def test_a_log_that_went_on_elsewhere_in_between_begins_anew():
    tails = Tails()
    tails.publish([change(1, 3)])
    tails.publish([change(7, 8, epoch=3)])
    assert tails.page(KEY, 2, 10) is None
    assert [7, 8] == seqs(tails.page(KEY, 6, 10))


def test_a_claim_without_an_event_is_no_hole():
    tails = Tails()
    tails.publish([Change(KEY, 1, "running", "abcdabcd", 0, 1, [])])
    assert tails.page(KEY, 0, 10) is None
    tails.publish([change(2, 3)])
    assert [2, 3] == seqs(tails.page(KEY, 1, 10))


def page_of(head, epoch):
    return Page([], head, epoch, "running", "abcdabcd", 0)


@pytest.mark.parametrize(("head", "epoch", "kept"), [(3, 1, True), (2, 1, True), (4, 1, False), (4, 2, False)])
def test_a_store_that_knows_more_ends_the_tail(head, epoch, kept):
    tails = Tails()
    tails.publish([change(1, 3)])
    tails.compare(KEY, page_of(head, epoch))
    tails.compare(key_of(9), page_of(head, epoch))
    assert kept is (tails.page(KEY, 0, 10) is not None)


def test_the_end_of_an_ended_log_is_known_for_good(monkeypatch):
    tails = Tails()
    tails.publish([change(1, 2), change(1, 2, key=key_of(2), status="ended")])
    monkeypatch.setattr("riverrun.stores.tails.FRESH_SECONDS", -1)
    assert tails.page(KEY, 2, 10) is None
    assert [] == seqs(tails.page(key_of(2), 2, 10))


# --- waiting ---


async def waiter(tails, after=3, key=KEY):
    task = asyncio.create_task(tails.wait(key, after, 60))
    await asyncio.sleep(0)
    return task


async def test_a_commit_here_wakes_who_waits_here():
    tails = Tails()
    tails.publish([change(1, 3)])
    task = await waiter(tails)
    assert not tails.watched()
    wake(tails.publish([change(4, 4)]))
    await soon(task)


async def test_a_log_of_another_process_is_watched_while_somebody_waits():
    tails, calls = Tails(), []
    tails.call = lambda: calls.append("look")
    tasks = [await waiter(tails), await waiter(tails, 5), await waiter(tails, 3, key_of(2))]
    assert (True, ["look"]) == (tails.watched(), calls)
    assert {KEY, key_of(2)} == set(tails.watch_list(changed=False))
    assert [] == tails.watch_list(changed=False)
    assert {KEY, key_of(2)} == set(tails.watch_list(changed=True))
    wake(tails.seen([(KEY, 5)]))
    await soon(tasks[0])
    assert not tasks[1].done()
    wake(tails.seen([(KEY, 6), (key_of(2), 4)]))
    await soon(asyncio.gather(*tasks))
    assert not tails.watched()


async def test_who_waits_for_a_log_that_is_forgotten_waits_on_elsewhere():
    tails = Tails()
    tails.publish([change(1, 3)])
    task = await waiter(tails)
    tails.forget([KEY, key_of(9)])
    assert [KEY] == tails.watch_list(changed=False)
    wake(tails.seen([(KEY, 4)]))
    await soon(task)
    assert not tails.watched()


async def test_a_log_that_comes_here_wakes_who_watched_it_elsewhere():
    tails = Tails()
    task = await waiter(tails, 0)
    wake(tails.publish([change(1, 1)]))
    await soon(task)


async def test_the_end_of_a_store_lets_all_go():
    tails = Tails()
    tails.publish([change(1, 3)])
    tasks = [await waiter(tails), await waiter(tails, 3, key_of(2))]
    wake(tails.release())
    await soon(asyncio.gather(*tasks))
    assert tails.page(KEY, 0, 10) is None


async def test_a_run_that_nobody_runs_may_be_written_by_any_process():
    tails, calls = Tails(), []
    tails.call = lambda: calls.append(1)
    for head, status in ((2, "parked"), (3, "queued")):
        tails.publish([change(head, head, status=status)])
        assert [None, None] == [tails.page(KEY, after, 10) for after in (head - 1, head)]
        reader = asyncio.create_task(tails.wait(KEY, head, 60))
        await asyncio.sleep(0)
        assert tails.watched()
        assert [KEY] == tails.watch_list(changed=False)
        wake(tails.seen([(KEY, head + 1)]))
        await soon(reader)
    assert [1, 1] == calls


def test_a_run_that_went_on_elsewhere_and_is_claimed_here_begins_anew():
    tails = Tails()
    tails.publish([change(1, 5, status="parked")])
    tails.publish([change(10, 9, epoch=3)])  # claimed at 9, without an event
    for after in (3, 5, 8):
        assert tails.page(KEY, after, 10) is None
    tails.publish([change(10, 10, epoch=3)])
    assert [10] == seqs(tails.page(KEY, 9, 10))


def test_a_run_that_parked_here_and_is_claimed_here_keeps_its_tail():
    tails = Tails()
    tails.publish([change(1, 5, status="parked")])
    tails.publish([change(6, 5, epoch=2)])
    assert [4, 5] == seqs(tails.page(KEY, 3, 10))
