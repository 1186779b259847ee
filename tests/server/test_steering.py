"""Stopping and resuming mean the same whichever transport asks, and asking twice is harmless."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from msgspec import UNSET

from riverrun.base.errors import InputError, NotFound
from riverrun.log.store import RunKey
from riverrun.runs.reader import follow
from riverrun.runs.service import RunService
from riverrun.server import steering
from riverrun.stores.memory import MemoryStore
from tests.server.served import GRAPHS, UNKNOWN


@asynccontextmanager
async def running(graph):
    service = RunService(MemoryStore(), {name: each.plan for name, each in GRAPHS.items()})
    await service.open()
    try:
        row, _ = await service.start("acme", graph, {})
        yield service, row.key
    finally:
        await service.close()


async def reach(service, key, kind):
    """Wait for an event of a run."""
    async for page in follow(service.store, key, 0):
        for record in page.records if page else ():
            if record.event.type == kind:
                return record.event
    raise AssertionError(kind)


async def test_a_stop_that_sets_something_going_is_202_and_one_that_does_not_is_200():
    async with running("wait") as (service, key):
        assert (key, 202) == ((told := await steering.stop(service, key, "enough")).row.key, told.status)
        assert "enough" == (await reach(service, key, "run.stopped")).reason
        again = await steering.stop(service, key, "again")
        assert ("ended", 200) == (again.row.status, again.status)


async def test_an_answer_is_taken_once_and_may_be_sent_twice():
    async with running("ask") as (service, key):
        (question,) = (await reach(service, key, "run.interrupted")).questions
        with pytest.raises(InputError, match="E2015"):
            await steering.resume(service, key, {"ask:9?7": 1})
        assert 202 == (await steering.resume(service, key, {question.id: "yes"})).status
        await reach(service, key, "run.completed")
        assert 200 == (await steering.resume(service, key, {question.id: "yes"})).status
        with pytest.raises(InputError, match="E2009"):
            await steering.resume(service, key, UNSET, "no")


async def test_a_run_that_is_not_there_is_not_there():
    async with running("wait") as (service, key):
        nowhere = RunKey("acme", UNKNOWN)
        with pytest.raises(NotFound, match="E2005"):
            await steering.stop(service, nowhere, "")
        with pytest.raises(NotFound, match="E2005"):
            await steering.resume(service, nowhere, UNSET, 1)
        await steering.stop(service, key, "")
        await reach(service, key, "run.stopped")
