"""What a store must obey (L1 to L15 of `riverrun.log.store`), as one call that any store can be given.

def test_my_store():
    check_store(lambda clock: MyStore(clock))
"""

from __future__ import annotations

import asyncio

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from riverrun.base.clock import ManualClock
from riverrun.testing.store_cases import CASES, DURABLE_CASES, Case
from riverrun.testing.store_checkpoint_cases import CHECKPOINT_CASES
from riverrun.testing.store_machine import store_machine
from riverrun.testing.store_run_cases import RUN_CASES
from riverrun.testing.store_writing import MakeStore, Reopen

__all__ = ["check_store"]


def check_store(make_store: MakeStore, reopen: Reopen | None = None, histories: settings | None = None) -> None:
    """Try a store against the laws: small direct cases, then random histories beside a model.

    Call it from a plain test function, not from a coroutine.

    Args:
        make_store: Gives a new, empty store that lives by the given clock.
        reopen: Opens anew what a closed store held; None for a store that keeps nothing.
        histories: How many random histories, and how long; by default what Hypothesis' profile says.

    Raises:
        AssertionError: A law is broken; the message and the printed steps say which.
        RiverrunError: The store raised where it may not.
        TimeoutError: A hint that must come did not.
    """
    for case in (*CASES, *RUN_CASES, *CHECKPOINT_CASES, *(DURABLE_CASES if reopen else ())):
        asyncio.run(_try(case, make_store))
    run_state_machine_as_test(store_machine(make_store, reopen), settings=histories)


async def _try(case: Case, make_store: MakeStore) -> None:
    clock = ManualClock()
    store = make_store(clock)
    try:
        await case(store, clock)
    finally:
        await store.close()
