"""The machine refuses what is not refused, and binds to any store without touching another."""

from __future__ import annotations

import pytest

from riverrun.base.errors import NotFound
from riverrun.stores.memory import MemoryStore
from riverrun.testing.store_machine import StoreMachine, store_machine


@pytest.fixture
def machine():
    machine = store_machine(MemoryStore, None)()
    machine.begin()
    yield machine
    machine.teardown()


async def give(value):
    if isinstance(value, Exception):
        raise value
    return value


def test_an_expected_error_is_expected_by_its_code(machine):
    machine.refused("E2005", give(NotFound("E2005", "x")))
    with pytest.raises(AssertionError, match="expected E2006"):
        machine.refused("E2006", give(NotFound("E2005", "x")))
    with pytest.raises(AssertionError, match="expected E2005, got 7"):
        machine.refused("E2005", give(7))


def test_a_run_is_picked_from_those_that_exist(machine):
    machine.create("acme", "g", None, "w-1", 1)
    machine.create("acme", "g", None, None, 1)
    assert [machine.model[0], machine.model[1], machine.model[0]] == [machine.pick(index) for index in (0, 1, 2)]


def test_binding_one_store_leaves_the_others(machine):
    other = store_machine(MemoryStore, lambda store, _clock: store)
    assert other.reopen is not None
    assert type(machine).reopen is None is StoreMachine.reopen
