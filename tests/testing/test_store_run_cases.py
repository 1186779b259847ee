"""Each case of what befalls whole runs is a name that says the law, and can be run by itself."""

from __future__ import annotations

import pytest

from riverrun.base.clock import ManualClock
from riverrun.stores.memory import MemoryStore
from riverrun.stores.sqlite import SqliteStore
from riverrun.testing import store_run_cases
from riverrun.testing.store_run_cases import RUN_CASES


@pytest.mark.parametrize("case", [pytest.param(case, id=case.__name__) for case in RUN_CASES])
async def test_the_memory_store(case):
    clock = ManualClock()
    await case(MemoryStore(clock), clock)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.__name__) for case in RUN_CASES])
async def test_the_sqlite_store(case, tmp_path):
    clock = ManualClock()
    store = SqliteStore(tmp_path / "a.db", clock)
    try:
        await case(store, clock)
    finally:
        await store.close()


def test_no_case_is_left_out():
    written = {name for name, thing in vars(store_run_cases).items() if getattr(thing, "__doc__", None) and "_" in name}
    assert {case.__name__ for case in RUN_CASES} == {name for name in written if name[0] != "_" and name.count("_") > 2}
