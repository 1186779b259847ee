"""One client per event loop, closed where it was made; a caller's own client is left alone."""

from __future__ import annotations

import asyncio
import gc
from contextlib import nullcontext

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from riverrun.models.clients import Clients, close_stream, with_options
from tests.runs.plans import until


class Client:
    def __init__(self):
        self.closed = 0

    async def close(self):
        self.closed += 1


async def test_a_loop_has_one_client_until_it_is_closed():
    clients = Clients(Client)
    one = await clients.here()
    assert one is await clients.here()
    await clients.aclose()
    await clients.aclose()
    assert 1 == one.closed
    assert one is not await clients.here()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_another_loop_has_another_client_and_each_is_closed_with_its_loop(run):
    clients, made = Clients(Client), []

    async def use():
        made.append(await clients.here())
        assert 0 == made[-1].closed

    run(use())
    run(use())
    assert made[0] is not made[1]
    assert [1, 1] == [each.closed for each in made]
    assert {} == clients._kept


def test_a_loop_that_ended_without_closing_anything_is_forgotten():
    clients, loop = Clients(Client), asyncio.new_event_loop()
    loop.run_until_complete(clients.here())
    loop.close()
    assert [loop] == list(clients._kept)

    async def use():
        await clients.here()
        return list(clients._kept)

    assert loop not in asyncio.run(use())


async def test_a_model_that_nobody_holds_any_more_closes_its_client():
    clients = Clients(Client)
    one = await clients.here()
    del clients
    gc.collect()
    await until(lambda: one.closed)


async def test_a_client_of_the_callers_is_used_everywhere_and_not_closed():
    own = Client()
    clients = Clients(Client, own)
    assert own is await clients.here()
    await clients.aclose()
    assert 0 == own.closed


class Answer:
    def __init__(self, log, error=None):
        self.log = log
        self.error = error
        self._iterator = self.read()

    async def read(self):
        try:
            yield 1
        finally:
            self.log.append("generator")
            if self.error:
                raise self.error

    async def close(self):
        self.log.append("answer")


@pytest.mark.parametrize("error", [None, ValueError("x")], ids=["well", "badly"])
async def test_an_answer_is_closed_from_the_inside_outwards_whatever_happens(error):
    log: list[str] = []
    answer = Answer(log, error)
    await anext(answer._iterator)
    with nullcontext() if error is None else pytest.raises(ValueError, match="x"):
        await close_stream(answer)
    assert ["generator", "answer"] == log


async def test_an_answer_without_a_generator_is_closed_too():
    client = Client()
    await close_stream(client)
    assert 1 == client.closed


names = st.sampled_from(["model", "stream", "temperature", "top_k", "timeout", "extra_headers"])


@given(st.dictionaries(names, st.integers()), st.dictionaries(names, st.integers()))
def test_an_option_of_the_call_counts_before_one_of_the_model_and_before_ours(of_model, of_call):
    made = with_options({"model": "m", "stream": True}, of_model, of_call)
    body = made.pop("extra_body", {})
    assert {"model": "m", "stream": True, **of_model, **of_call} == {**made, **body}
    assert not {"model", "stream", "timeout", "extra_headers"} & body.keys()


def test_a_body_of_the_callers_own_is_joined():
    made = with_options({"model": "m"}, {"extra_body": {"a": 1}}, {"b": 2})
    assert {"model": "m", "extra_body": {"a": 1, "b": 2}} == made
