"""The events of an answer come off its bytes in order, however these are cut: as many at once as lie in one piece."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import ProtocolFault
from riverrun.models.failures import Reading
from riverrun.models.frames import read_frames

DONE = b"data: [DONE]\n\n"


class Number(msgspec.Struct):
    """An event."""

    n: int


class Body:
    """A body that notes what became of it."""

    def __init__(self, *pieces, then=None):
        self.pieces, self.then = pieces, then
        self.read = self.closed = 0

    async def bytes(self):
        try:
            for piece in self.pieces:
                self.read += 1
                yield piece
            if isinstance(self.then, Exception):
                raise self.then
            if self.then is not None:
                await self.then.wait()
        finally:
            self.closed += 1


def frame(number):
    return b'event: n\ndata: {"n": %d, "more": [1]}\n\n: beat\n' % number


def frames(body):
    return read_frames(body.bytes(), msgspec.json.Decoder(Number), Reading("nobody"))


async def numbers(body):
    return [[each.n for each in several] async for several in frames(body)]


@given(st.integers(0, 6), st.lists(st.integers(0, 400), max_size=8), st.booleans())
def test_every_event_comes_once_and_in_order_with_the_piece_that_ends_it(count, places, done):
    whole = b"".join(frame(number) for number in range(count)) + DONE * done
    edges = [0, *sorted(place % (len(whole) + 1) for place in places), len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(edges)]
    body = Body(*pieces)
    found = asyncio.run(numbers(body))
    ends = [sum(map(len, pieces[: place + 1])) for place in range(len(pieces))]
    upto = [
        sum(len(b"".join(map(frame, range(n + 1)))) - len(b": beat\n") <= end for n in range(count)) for end in ends
    ]
    assert [list(range(a, b)) for a, b in pairwise([0, *upto]) if a < b] == found
    assert (len(pieces), 1) == (body.read, body.closed)


async def test_what_stands_behind_the_last_event_is_read_but_not_looked_at():
    body = Body(frame(1) + DONE + b"data: nonsense\n\n", b"data: more nonsense\n\n")
    assert [[1]] == await numbers(body)
    assert (2, 1) == (body.read, body.closed)


@pytest.mark.parametrize("then", [OSError("reset"), asyncio.Event()], ids=["reset", "silence"])
async def test_what_goes_wrong_behind_the_last_event_is_no_news(then):
    body = Body(frame(1) + DONE, then=then)
    assert [[1]] == await numbers(body)
    assert 1 == body.closed


async def test_what_the_body_raises_is_raised_behind_the_events_before_it():
    body = Body(frame(1), then=OSError("reset"))
    events = frames(body)
    assert [Number(1)] == await anext(events)
    with pytest.raises(OSError, match="reset"):
        await anext(events)
    assert 1 == body.closed


@pytest.mark.parametrize("wrong", [b"{nonsense", b'{"n": "one"}', b"[]"])
async def test_what_is_no_event_is_not_understood(wrong):
    body = Body(b"data: " + wrong + b"\n\n")
    with pytest.raises(ProtocolFault, match="nobody sent what makes no sense") as caught:
        await numbers(body)
    assert ("E3035", 1) == (caught.value.code, body.closed)


async def test_a_reader_that_leaves_closes_the_body():
    body = Body(frame(1) + frame(2), frame(3))
    events = frames(body)
    assert [Number(1), Number(2)] == await anext(events)
    await events.aclose()
    assert (1, 1) == (body.read, body.closed)
