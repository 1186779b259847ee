"""What histories are written with: every kind of log a run can be born with, and every mistake an append can have."""

from __future__ import annotations

import pytest

from riverrun.base.errors import HeadMoved
from riverrun.log.log import check_order
from riverrun.log.store import RunKey
from riverrun.stores.memory import MemoryStore
from riverrun.testing.store_machine import store_machine
from riverrun.testing.store_model import make_events
from riverrun.testing.store_writing import PREFIXES, WRONG


@pytest.fixture
def machine():
    machine = store_machine(MemoryStore, None)()
    machine.begin()
    yield machine
    machine.teardown()


@pytest.mark.parametrize("kinds", PREFIXES)
def test_a_run_may_be_born_with_each_of_these(machine, kinds):
    check_order(1, make_events("r", 2, kinds))
    machine.create_from("acme", None, "t", None, kinds, None, alone=False)
    (run,) = machine.model
    assert 1 + len(kinds) == run.head


@pytest.mark.parametrize("wrong", WRONG)
def test_each_of_these_is_refused_at_any_place(machine, wrong):
    machine.create("acme", "g", None, "w-1", 1)
    machine.append(0, [["chunk", "odd"]], None, None, at_once=False)
    machine.append_wrongly(0, wrong, at_once=False)
    machine.append_wrongly(0, wrong, at_once=True)
    assert 3 == machine.model[0].head


def test_a_log_that_is_none_makes_no_run(machine):
    machine.create_wrongly("acme", 1, ["chunk"])
    machine.create_wrongly("acme", -1, ["chunk", "completed"])
    assert not machine.model
    with pytest.raises(HeadMoved):
        check_order(1, make_events("r", 2, ["completed", "chunk"]))


def test_a_second_run_of_a_thread_is_refused_by_the_model_too(machine):
    for _ in range(2):
        machine.create_from("acme", None, "t", None, [], None, alone=True)
    assert [RunKey("acme", f"{1:032x}")] == [run.key for run in machine.model]
