"""Several streams as one: merged, side by side, one after another, in turn, or one in batches.

What these functions give is a stream like any other, so a node may give it back under a key. Five rules hold for all:

* A source is any async or sync iterable; what is sync and not in memory already is pulled in a thread.
* A source is asked for a value only while somebody waits for one, and is at most one value ahead.
* No value is lost while the stream is read, but for the last row of `zip`.
* An error is raised once, behind the values that came before it; it ends the stream.
* When the stream ends, however it ends, and even if it never began, every source is closed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any, TypeVar

from riverrun.base.errors import InputError
from riverrun.nodes.feed import Feed, Feeds
from riverrun.nodes.stream import Source, Stream

Value = TypeVar("Value")
Given = TypeVar("Given")


def merge(*sources: Source[Value]) -> Stream[Value]:
    """Give the values of all sources as they come.

    Args:
        *sources: What is read.

    Returns:
        The values in the order in which they arrive; those of one source in its order. Ends when all have ended.

    Raises:
        InputError: E6006, a source cannot be iterated.
    """
    return _stream(_merged, Feeds(sources))


def zip(*sources: Source[Any]) -> Stream[tuple[Any, ...]]:  # noqa: A001  # the name that everybody looks for
    """Give rows of one value of each source; all are asked at once.

    Args:
        *sources: What is read.

    Returns:
        The rows. Ends when one source has; what others gave for the row that it did not complete is dropped.

    Raises:
        InputError: E6006, a source cannot be iterated.
    """
    return _stream(_zipped, Feeds(sources))


def concat(*sources: Source[Value]) -> Stream[Value]:
    """Give the values of one source after another; a source is begun when the one before it has ended.

    Args:
        *sources: What is read.

    Returns:
        The values. Ends with the last source.

    Raises:
        InputError: E6006, a source cannot be iterated.
    """
    return _stream(_chained, Feeds(sources))


def latest(*sources: Source[Any]) -> Stream[tuple[Any, ...]]:
    """Give a row of the newest value of each source whenever one of them gives another.

    Until each has given one, none is asked for a second; so every value is in some row.

    Args:
        *sources: What is read.

    Returns:
        The rows. Ends when all sources have, or one without a value.

    Raises:
        InputError: E6006, a source cannot be iterated.
    """
    return _stream(_newest, Feeds(sources))


def round_robin(*sources: Source[Value]) -> Stream[Value]:
    """Give one value of each source in turn, waiting for each; one that has ended is left out.

    Args:
        *sources: What is read.

    Returns:
        The values, in an order that does not depend on which source is faster; an error comes in its turn as well.

    Raises:
        InputError: E6006, a source cannot be iterated.
    """
    return _stream(_in_turn, Feeds(sources))


def buffer(source: Source[Value], count: int, interval: float | None = None) -> Stream[list[Value]]:
    """Give the values of a source in batches.

    Args:
        source: What is read.
        count: How many values make a batch.
        interval: Seconds after the first value of a batch after which it is given as it is; None: when it is full.

    Returns:
        The batches; none is empty. What was gathered before the end, or before an error, comes as a last one.

    Raises:
        InputError: E6006, `count` is less than 1, `interval` is negative, or the source cannot be iterated.
    """
    if count < 1:
        raise InputError("E6006", f"count is {count}, not a number from 1")
    if interval is not None and interval < 0:
        raise InputError("E6006", f"interval is {interval} seconds, and no time is shorter than none")
    return _stream(partial(_batched, count, interval), Feeds([source]))


def _stream(begin: Callable[[Feeds[Value]], AsyncGenerator[Given, None]], feeds: Feeds[Value]) -> Stream[Given]:
    return Stream(partial(begin, feeds), feeds.release)


async def _merged(feeds: Feeds[Value]) -> AsyncGenerator[Value, None]:
    async with feeds:
        feeds.ask()
        while (feed := await feeds.first()) is not None:
            for value in feed.take():
                yield value
                feed.ask()


async def _zipped(feeds: Feeds[Any]) -> AsyncGenerator[tuple[Any, ...], None]:
    async with feeds:
        while feeds.every:
            feeds.ask()
            row: dict[Feed[Any], Any] = {}
            while len(row) < len(feeds.every):
                feed = await feeds.first()
                if feed is None or not (taken := feed.take()):
                    return
                row[feed] = taken[0]
            yield tuple([row[feed] for feed in feeds.every])


async def _chained(feeds: Feeds[Value]) -> AsyncGenerator[Value, None]:
    async with feeds:
        for feed in feeds.every:
            feed.ask()
            while taken := await feeds.of(feed):
                yield taken[0]
                feed.ask()


async def _newest(feeds: Feeds[Any]) -> AsyncGenerator[tuple[Any, ...], None]:
    row: dict[Feed[Any], Any] = {}
    async with feeds:
        feeds.ask()
        while (feed := await feeds.first()) is not None:
            for value in feed.take():
                row[feed] = value
            if feed not in row:
                return  # it has ended without a value: no row will ever be whole
            if len(row) == len(feeds.every) and not feed.over:
                yield tuple([row[each] for each in feeds.every])
                feeds.ask()


async def _in_turn(feeds: Feeds[Value]) -> AsyncGenerator[Value, None]:
    async with feeds:
        feeds.ask()
        turn = deque(feeds.every)
        while turn:
            feed = turn.popleft()
            if taken := await feeds.of(feed):
                yield taken[0]
                feed.ask()
                turn.append(feed)


async def _batched(count: int, interval: float | None, feeds: Feeds[Value]) -> AsyncGenerator[list[Value], None]:
    (feed,) = feeds.every
    loop = asyncio.get_running_loop()
    batch: list[Value] = []
    until: float | None = None
    async with feeds:
        while not feed.over:
            feed.ask()
            try:
                arrived = await feeds.first(until)
                taken = () if arrived is None else feed.take()
            except Exception:
                if batch:
                    yield batch
                raise
            batch.extend(taken)
            if interval is not None and len(batch) == 1 and taken:
                until = loop.time() + interval
            if batch and (len(batch) == count or not taken):  # full, or its time is over, or the source is
                yield batch
                batch, until = [], None
