"""A sweep takes portions, leaves nothing of what it takes, and nothing that somebody stands on."""

from __future__ import annotations

import pytest

from riverrun.stores import sqlite_sweep
from riverrun.stores.sqlite_file import open_file, rows
from riverrun.stores.sqlite_sweep import sweep, sweepable
from riverrun.stores.sqlite_verbs import Wanted, control, create
from tests.stores.material import key_of, started


@pytest.fixture
def db(tmp_path):
    db = open_file(str(tmp_path / "a.db"))
    yield db
    db.close()


def make(db, number, *, base=None, tenant="acme", ended_ms=5):
    create(Wanted(tenant, None, "w-1", 10), started(number, base=base))(db, 5)
    control(key_of(number, tenant), "stop", {}, None)(db, 5)
    if ended_ms is not None:
        rows(db, "UPDATE run SET status = 'ended', updated_ms = ? WHERE id = (SELECT max(id) FROM run)", (ended_ms,))


def ids(db):
    return [run_id for (run_id,) in rows(db, "SELECT id FROM run ORDER BY id")]


def find(db, before_ms, after=(-1, 0)):
    return [run_id for _, run_id in sweepable(db, before_ms, after)]


def test_a_portion_is_bounded_and_leaves_nothing_of_what_it_takes(db, monkeypatch):
    monkeypatch.setattr(sqlite_sweep, "SWEEP_RUNS", 2)
    for number in range(1, 6):
        make(db, number, ended_ms=5 if number < 4 else None)
    assert [] == find(db, 5)
    assert [1, 2, 3] == find(db, 6)
    done = sweep(6, [1, 2, 3, 4])(db, 9)  # the fourth has not ended
    assert (2, [1]) == done.answer
    assert [key_of(3), key_of(2)] == list(done.strange)
    assert (1, []) == sweep(6, [1])(db, 9).answer
    left = [rows(db, f"SELECT count(*) FROM {table}")[0][0] for table in ("run", "batch", "control")]
    assert [2, 2, 2] == left


def test_what_was_found_is_looked_at_once_more(db):
    make(db, 1)
    assert [1] == find(db, 6)
    make(db, 2, base=1, ended_ms=None)
    assert (0, []) == sweep(6, [1, 77])(db, 9).answer
    assert [1, 2] == ids(db)


def test_a_long_thread_goes_in_one_go(db, monkeypatch):
    for number in range(1, 31):
        make(db, number, base=number - 1 or None)
    assert [30] == find(db, 6)
    assert (30, []) == sweep(6, [30])(db, 9).answer
    monkeypatch.setattr(sqlite_sweep, "SWEEP_RUNS", 3)
    for number in range(31, 36):
        make(db, number, base=number - 1 if number > 31 else None)
    assert (3, [32]) == sweep(6, find(db, 6))(db, 9).answer
    assert (2, []) == sweep(6, [32])(db, 9).answer
    assert [] == ids(db)


def test_a_run_that_two_stand_on_goes_with_the_second(db):
    make(db, 1)
    make(db, 2, base=1)
    make(db, 3, base=1, ended_ms=50)
    make(db, 1, tenant="zoo")
    assert [2, 4] == find(db, 6)
    assert (2, []) == sweep(6, [2, 4])(db, 9).answer
    assert [] == find(db, 6)
    assert (2, []) == sweep(60, find(db, 60))(db, 9).answer


def test_a_search_goes_on_where_it_stopped(db):
    for number, ended_ms in ((1, 7), (2, 5), (3, 5), (4, 6)):
        make(db, number, ended_ms=ended_ms)
    assert [2, 3, 4, 1] == find(db, 9)
    assert [4, 1] == find(db, 9, (5, 3))
    assert [] == find(db, 9, (7, 1))


def test_only_old_runs_are_looked_at(db):
    for query, values in ((sqlite_sweep._OLD, (9, 5, 1)), (sqlite_sweep._REMOVABLE, (1, 9))):
        plan = " ".join(str(step[3]) for step in rows(db, "EXPLAIN QUERY PLAN " + query, values))
        assert "SEARCH c USING COVERING INDEX run_by_base (tenant=? AND base_run=?)" in plan
        assert "SEARCH r USING" in plan
        assert "SCAN" not in plan


def test_what_was_swept_leaves_its_number_to_nobody(db):
    make(db, 1)
    sweep(6, [1])(db, 9)
    make(db, 2)
    assert [2] == ids(db)
