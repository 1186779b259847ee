"""Every model behind an SDK asks in one way, closes what it reads, and takes no end of a stream for an answer's."""

from __future__ import annotations

import pytest

from riverrun.base.errors import ConnectionFault
from riverrun.models.clients import Clients
from riverrun.models.pieces import Finish, Piece, Text
from riverrun.models.sdk import SdkModel


class Events:
    """What an SDK hands out."""

    def __init__(self, *events):
        self._events = iter(events)
        self.closed = 0

    async def __anext__(self):
        for event in self._events:
            return event
        raise StopAsyncIteration

    async def close(self):
        self.closed += 1


class Words:
    """An answer of words; a full stop finishes it."""

    finished = False

    def take(self, event):
        self.finished = event == "."
        return [Finish("stop", event)] if self.finished else [Text(event)]


class Parrot(SdkModel[list[str]]):
    """A model that says what it was made with."""

    def __init__(self, events, **options):
        super().__init__("nobody", "parrot", Clients(list), options)
        self.events, self.asked = events, []

    def _request(self, messages, tools):
        return {"model": self.name, "messages": messages}

    async def _ask(self, client, arguments):
        self.asked.append((client, arguments))
        return self.events

    def _answer(self, reading):
        return Words()


async def test_what_the_caller_says_goes_beside_the_request():
    model = Parrot(Events("."), warmth=1, colour="red")
    assert [Finish("stop", ".")] == [piece async for piece in model.stream([], warmth=2)]
    ((client, arguments),) = model.asked
    assert (client, "parrot", []) == (await model._clients.here(), arguments["model"], arguments["messages"])
    assert {"warmth": 2, "colour": "red"} == arguments["extra_body"]
    await model.aclose()


async def test_an_answer_that_only_ends_is_broken_off_and_closed():
    model = Parrot(Events("one ", "two"))
    said: list[Piece] = []
    with pytest.raises(ConnectionFault) as caught:
        await _heard(model.stream([]), said)
    assert ("E3031", [Text("one "), Text("two")]) == (caught.value.code, said)
    assert 1 == model.events.closed
    await model.aclose()


async def test_a_reader_that_leaves_closes_what_the_provider_sends():
    model = Parrot(Events("one ", "two", "."))
    stream = model.stream([])
    assert Text("one ") == await anext(stream)
    await stream.aclose()
    assert 1 == model.events.closed
    await model.aclose()


async def _heard(stream, said):
    async for piece in stream:
        said.append(piece)
