"""JSON pages, with and without waiting: PROTOCOL.md §6, each rule."""

from __future__ import annotations

import asyncio
import json

import pytest

from riverrun.base.errors import CursorError
from riverrun.transports.longpoll import answer
from riverrun.transports.place import attach
from riverrun.transports.serve import Pace, Readers
from tests.transports.exchange import KEY, LOG, Exchange, begun, grow, log_of


async def ask(store, after=0, *, limit=1000, wait=0.0, pace=None, readers=None, exchange=None):
    exchange = exchange or Exchange()
    attached = await attach(store, KEY, str(after), limit)
    await answer(
        attached, pace or Pace(), readers or Readers(), exchange.receive, exchange.send, limit=limit, wait=wait
    )
    return exchange


def page(exchange):
    return json.loads(exchange.body)


async def test_a_page_is_one_json_document_that_no_cache_keeps():
    exchange = await ask(await log_of(["a"]))
    assert (200, True) == (exchange.status, exchange.complete)
    assert {
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(exchange.body),
        b"cache-control": b"no-store",
        b"x-content-type-options": b"nosniff",
    } == exchange.headers


async def test_the_last_page_says_that_the_run_has_ended():
    given = page(await ask(await log_of(["a"])))
    assert (3, 0, LOG, True) == (given["head"], given["floor"], given["log"], given["ended"])


async def test_pages_give_the_log_in_bounded_portions():
    store, place, seen = await log_of(range(10)), 0, list[int]()
    while True:
        given = page(await ask(store, place, limit=5))
        seen += [event["seq"] for event in given["events"]]
        place = seen[-1]
        assert len(given["events"]) <= 5
        if given["ended"]:
            break
    assert list(range(1, 13)) == seen


async def test_a_page_is_bounded_in_bytes_too():
    given = page(await ask(await log_of(["x" * 100] * 30), pace=Pace(page_bytes=1000)))
    assert 1 <= len(given["events"]) < 10
    assert not given["ended"]


async def test_without_waiting_a_quiet_log_gives_an_empty_page():
    given = page(await ask(await begun(), 1))
    assert ([], 1, False) == (given["events"], given["head"], given["ended"])


async def test_a_reader_that_has_all_of_an_ended_run_is_not_held_back():
    given = page(await ask(await log_of([]), 2, wait=60.0))
    assert ([], True) == (given["events"], given["ended"])


async def test_an_answer_is_held_back_until_there_is_something():
    store, readers, exchange = await begun(), Readers(), Exchange()
    task = asyncio.create_task(ask(store, 1, wait=60.0, readers=readers, exchange=exchange))
    async with asyncio.timeout(5):
        await exchange.watched.wait()
        assert 1 == readers.statistics()["readers"]
        await grow(store, ["a"])
        given = page(await task)
    assert [2] == [event["seq"] for event in given["events"]]
    assert 0 == readers.statistics()["readers"]


async def test_an_answer_is_held_back_no_longer_than_asked_for():
    given = page(await ask(await begun(), 1, wait=0.01))
    assert ([], False) == (given["events"], given["ended"])


async def test_a_shutdown_answers_those_that_wait():
    readers = Readers()
    readers.leave()
    given = page(await ask(await begun(), 1, wait=60.0, readers=readers))
    assert ([], False) == (given["events"], given["ended"])


async def test_a_reader_that_leaves_is_not_answered():
    exchange = Exchange()
    exchange.leave()
    await ask(await begun(), 1, wait=60.0, exchange=exchange)
    assert 0 == exchange.status


async def test_what_breaks_while_it_waits_breaks_before_the_answer_begins():
    store, exchange = await begun(), Exchange()
    task = asyncio.create_task(ask(store, 1, wait=60.0, exchange=exchange))
    async with asyncio.timeout(5):
        await exchange.watched.wait()
        await grow(store, range(5))
        store.trim(KEY, 4)
        with pytest.raises(CursorError, match="E4007"):
            await task
    assert 0 == exchange.status
