"""A store is looked at as a guest: nothing is made, nothing is claimed, and places that are not there are errors."""

from __future__ import annotations

import pytest

from riverrun.base.errors import CursorError, InputError, NotFound, StoreError
from riverrun.cli.source import open_source, whole_id
from riverrun.events.kinds import RunCompleted, RunStarted
from riverrun.log.store import RunKey
from riverrun.stores.open import open_store

RUNS = [f"{number:012x}{'0' * 20}" for number in (1, 2)]


@pytest.fixture
async def url(tmp_path):
    """A store with a run that has ended, and one that nobody owns."""
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    store = open_store(url)
    for run in RUNS:
        started = RunStarted(seq=1, ts=0, run=run, graph="review", log="1f0c9a2e")
        await store.create("default", started, worker="w-1", lease_seconds=0.001)
    await store.append(RunKey("default", RUNS[0]), 1, 1, [RunCompleted(seq=2, ts=1, run=RUNS[0])], 1.0)
    await store.close()
    return url


async def test_runs_are_listed_newest_first(url):
    async with open_source(None, url) as source:
        assert RUNS[::-1] == [info.run for info in await source.list(None, None, 10)]
        assert [RUNS[0]] == [info.run for info in await source.list("review", "ended", 10)]


async def test_a_run_is_read_after_a_place(url):
    async with open_source(None, url) as source:
        for after, seqs in {"": [1, 2], "1": [2], "1f0c9a2e.2": []}.items():
            assert seqs == [event.seq async for event in source.events(RUNS[0], after)]


@pytest.mark.parametrize(("after", "code"), [("9", "E2006"), ("x", "E2007"), ("00000000.1", "E2008")])
async def test_a_place_that_is_not_there_is_an_error(url, after, code):
    async with open_source(None, url) as source:
        with pytest.raises(CursorError, match=code):
            [event async for event in source.events(RUNS[0], after)]


async def test_a_stop_waits_in_the_store_and_leaves_what_has_ended(url):
    async with open_source(None, url) as source:
        assert "running" == (await source.stop(RUNS[1], "enough")).status
        assert "completed" == (await source.stop(RUNS[0], "enough")).ending


async def test_an_unknown_run_is_an_error(url):
    async with open_source(None, url) as source:
        for call in (source.info, lambda run: source.stop(run, "")):
            with pytest.raises(NotFound, match="E2005"):
                await call("f" * 32)


async def test_the_beginning_of_an_id_is_enough_where_it_is_clear(url):
    async with open_source(None, url) as source:
        assert RUNS[0] == await whole_id(source, "000000000001")
        assert "f" * 32 == await whole_id(source, "f" * 32)
        for unclear in ("", "0", "f"):
            with pytest.raises(NotFound, match="names no run"):
                await whole_id(source, unclear)


async def test_looking_does_not_make_a_store(tmp_path):
    missing = tmp_path / "gone.db"
    with pytest.raises(StoreError, match="E4001 there is no store"):
        async with open_source(None, f"sqlite:///{missing}"):
            pass
    assert not missing.exists()


async def test_a_name_that_is_no_store_and_an_address_that_is_none_are_errors():
    with pytest.raises(StoreError, match="E4006"):
        async with open_source(None, "post:it"):
            pass
    with pytest.raises(InputError, match="E6006"):
        async with open_source("nowhere", ""):
            pass
