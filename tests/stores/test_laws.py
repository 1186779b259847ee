"""Every store is given the same suite: its laws, in random histories and in direct cases."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import Phase, settings

from riverrun.base.errors import RiverrunError
from riverrun.log.log import check_append
from riverrun.stores.memory import MemoryStore
from riverrun.stores.sqlite import SqliteStore
from riverrun.testing.stores import check_store

QUICK = settings(max_examples=60, deadline=None, derandomize=True, database=None, phases=[Phase.generate])


@pytest.mark.slow
def test_the_memory_store_obeys_the_laws():
    check_store(MemoryStore)


@pytest.mark.slow
def test_the_sqlite_store_obeys_the_laws(tmp_path):
    numbers = count()

    def reopen(store, clock):
        return SqliteStore(store.path, clock)

    check_store(lambda clock: SqliteStore(tmp_path / f"{next(numbers)}.db", clock), reopen)


@pytest.mark.parametrize("rule", ["epoch", "head"])
@pytest.mark.slow
def test_the_sqlite_store_without_a_rule_is_found_out(tmp_path, monkeypatch, rule):
    numbers = count()

    def check(stored_epoch, stored_head, status, epoch, expected_seq, events):
        if rule == "epoch":
            epoch = stored_epoch
        else:
            expected_seq = stored_head
        check_append(stored_epoch, stored_head, status, epoch, expected_seq, events)

    monkeypatch.setattr("riverrun.stores.sqlite_append.check_append", check)
    with pytest.raises((AssertionError, RiverrunError, ExceptionGroup)):
        check_store(lambda clock: SqliteStore(tmp_path / f"{next(numbers)}.db", clock), histories=QUICK)
