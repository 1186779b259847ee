"""Text that is held back until there is some: PROTOCOL.md §13, each rule."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from riverrun.base.errors import CursorError, NotFound
from riverrun.events.kinds import Event, NodeChunk, NodeCompleted, NodeRetrying, RunCompleted
from riverrun.log.text import Asked
from riverrun.transports.place import attach
from riverrun.transports.serve import Readers
from riverrun.transports.text import PAGE_EVENTS, answer
from tests.transports.exchange import KEY, Exchange, begun, grow

NODE: dict[str, Any] = {"ts": 0, "run": KEY.run, "node": "n", "exec": "n:1"}


async def ask(store, *, after=0, wait=0.0, exchange=None, readers=None, **asked):
    exchange = exchange or Exchange()
    attached = await attach(store, KEY, str(after), PAGE_EVENTS)
    wanted = Asked(message="n:1/text", **asked)
    await answer(attached, wanted, readers or Readers(), exchange.receive, exchange.send, wait=wait)
    return json.loads(exchange.body) if exchange.body else None


async def say(store, *texts, start=0, attempt=1):
    head = (await store.read(KEY, 0, 100_000)).head
    events: list[Event] = []
    for text in texts:
        seq = head + len(events) + 1
        events.append(NodeChunk(seq=seq, message="n:1/text", value=text, start=start, **{**NODE, "attempt": attempt}))
        start += len(text)
    store.append_now(KEY, 1, head, events)


async def test_a_long_log_is_read_to_its_head_whether_or_not_anybody_waits():
    store = await begun()
    await grow(store, range(3 * PAGE_EVENTS))
    await say(store, "ab", "cd")
    told = await ask(store, offset=1)
    assert ("bcd", 1, 4, False) == (told["text"], told["offset"], told["next"], told["done"])
    assert 3 * PAGE_EVENTS + 3 == told["place"]


async def test_an_answer_is_held_back_until_there_is_text():
    store, exchange = await begun(), Exchange()
    await say(store, "ab")
    waiting = asyncio.create_task(ask(store, offset=2, wait=30, exchange=exchange))
    await exchange.watched.wait()
    await grow(store, ["other events are no text"])
    await say(store, "cd", start=2)
    assert ("cd", 2) == ((told := await waiting)["text"], told["offset"])


async def test_a_reader_hears_at_once_that_its_text_was_taken_back():
    store, exchange = await begun(), Exchange()
    await say(store, "ab")
    waiting = asyncio.create_task(ask(store, offset=2, attempt=1, after=2, wait=30, exchange=exchange))
    await exchange.watched.wait()
    store.append_now(KEY, 1, 2, [NodeRetrying(seq=3, voids=("n:1/text",), **{**NODE, "attempt": 2})])
    assert ("", 0, 2, True) == ((told := await waiting)["text"], told["offset"], told["attempt"], told["voided"])


async def test_a_text_whose_node_has_ended_is_done_whether_or_not_the_run_goes_on():
    store = await begun()
    await say(store, "ab")
    store.append_now(KEY, 1, 2, [NodeCompleted(seq=3, **NODE)])
    told = await ask(store, offset=2, wait=30)
    # Whoever asks once more hears it once more.
    for place in (2, told["place"]):
        again = await ask(store, offset=2, after=place, wait=30)
        assert (True, "") == (again["done"], again["text"])
    assert told["done"]


async def test_the_end_of_the_run_is_the_end_of_every_text():
    store = await begun()
    await say(store, "ab")
    store.append_now(KEY, 1, 2, [RunCompleted(seq=3, ts=0, run=KEY.run)])
    assert (await ask(store, offset=2, wait=30))["done"]
    assert (await ask(store, offset=2, after=3, wait=30))["done"]


async def test_an_answer_is_held_back_no_longer_than_asked_for_even_while_others_write():
    store, exchange = await begun(), Exchange()
    await say(store, "ab")
    waiting = asyncio.create_task(ask(store, offset=2, wait=0.05, exchange=exchange))
    while not waiting.done():
        await grow(store, ["more"])
        await asyncio.sleep(0.005)
    assert ("", False) == ((told := await waiting)["text"], told["done"])


async def test_an_offset_that_turns_out_to_be_beyond_the_text_is_refused_while_others_are_waited_for():
    store = await begun()
    await say(store, "ab")
    with pytest.raises(CursorError, match="E2025"):
        await ask(store, offset=3, wait=30)


async def test_a_message_that_never_comes_is_not_there():
    store = await begun()
    with pytest.raises(NotFound, match="E2026"):
        await ask(store, wait=0.01)


async def test_a_reader_that_leaves_is_not_answered():
    store, exchange = await begun(), Exchange()
    waiting = asyncio.create_task(ask(store, wait=30, exchange=exchange))
    await exchange.watched.wait()
    exchange.leave()
    assert await waiting is None
    assert 0 == exchange.status
