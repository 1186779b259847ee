"""A stream that is closed whether it began or not, and how sources of every kind are closed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from riverrun.nodes.stream import Stream, close
from tests.nodes.sources import all_of


def made(events):
    async def begin():
        try:
            yield 1
            yield 2
        finally:
            events.append("ended")

    async def release():
        events.append("released")

    return Stream(begin, release)


async def test_it_gives_what_its_generator_gives():
    events: list[str] = []
    stream = made(events)
    assert issubclass(Stream, AsyncIterator)
    assert [1, 2] == await all_of(stream)
    await stream.aclose()
    assert ["ended"] == events


async def test_left_early_it_ends_its_generator_once():
    events: list[str] = []
    stream = made(events)
    assert 1 == await anext(stream)
    await stream.aclose()
    await stream.aclose()
    assert ["ended"] == events
    assert [] == await all_of(stream)


async def test_closed_before_it_began_it_releases_what_it_would_have_read_once():
    events: list[str] = []
    stream = made(events)
    await stream.aclose()
    await stream.aclose()
    assert [] == await all_of(stream)
    assert ["released"] == events


async def test_a_source_is_closed_by_whatever_it_has_for_that():
    told = []

    class Async:
        async def aclose(self):
            told.append("aclose")

        def close(self):
            told.append("the wrong one")

    class Response:
        async def close(self):
            told.append("async close")

    class File:
        def close(self):
            told.append("close")

    for source in (Async(), Response(), File(), [1], 3):
        await close(source)
    assert ["aclose", "async close", "close"] == told


async def test_what_a_source_raises_while_it_is_closed_is_told():
    class Broken:
        def close(self):
            raise OSError("stuck")

    with pytest.raises(OSError, match="stuck"):
        await close(Broken())
