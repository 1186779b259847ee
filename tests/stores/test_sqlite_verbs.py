"""The rarer writes look before they write, and write what the laws say."""

from __future__ import annotations

import msgspec
import pytest

from riverrun.base.errors import InputError, NodeError
from riverrun.log.store import Held
from riverrun.stores import sqlite_verbs as verbs
from riverrun.stores.sqlite_file import open_file, rows
from tests.stores.material import key_of, started


@pytest.fixture
def db(tmp_path):
    db = open_file(str(tmp_path / "a.db"))
    yield db
    db.close()


def test_input_is_compared_as_json(db):
    verbs.create("acme", started(1, value=(1, 2)), "k", None, 0)(db, 5)
    assert not verbs.create("acme", started(2, value=[1, 2]), "k", None, 0)(db, 5).answer.fresh
    with pytest.raises(InputError, match="E2013"):
        verbs.create("acme", started(2, value=[2, 1]), "k", None, 0)(db, 5)


def test_input_that_is_not_json_is_refused_where_it_is_asked():
    with pytest.raises(NodeError, match="E3008"):
        verbs.create("acme", started(1, value=object()), None, None, 0)


def test_a_run_nobody_owns_is_left_to_whoever_claims_it(db):
    assert () == verbs.create("acme", started(1), None, None, 0)(db, 5).changes
    assert 1 == len(verbs.create("acme", started(2), None, "w-1", 0)(db, 5).changes)


def test_a_run_id_may_be_used_by_two_tenants(db):
    for tenant in ("acme", "zoo"):
        assert verbs.create(tenant, started(1), "k", None, 0)(db, 5).answer.fresh


def test_a_first_claim_leaves_no_event_and_a_second_does(db):
    verbs.create("acme", started(1), None, None, 0)(db, 5)
    first = verbs.claim("w-1", frozenset({"g"}), 9, 10)(db, 5)
    assert (1, 1, []) == (first.answer[0].epoch, first.answer[0].head, first.changes[0].records)
    assert [] == verbs.claim("w-2", frozenset({"g"}), 9, 10)(db, 14).answer
    second = verbs.claim("w-2", frozenset({"g"}), 9, 10)(db, 15)
    (record,) = second.changes[0].records
    assert (2, 2, "run.taken_over", 15) == (second.answer[0].epoch, record.seq, record.event.type, record.event.ts)


def test_names_of_graphs_are_values(db):
    verbs.create("acme", started(1, graph="g'\"[]"), None, None, 0)(db, 5)
    assert [] == verbs.claim("w", frozenset({"g", "') OR 1=1 --"}), 9, 10)(db, 5).answer
    assert 1 == len(verbs.claim("w", frozenset({"g'\"[]"}), 9, 10)(db, 5).answer)


def test_renewing_tells_which_logs_are_in_other_hands(db):
    verbs.create("acme", started(1), None, "w-1", 10)(db, 5)
    done = verbs.renew([Held(key_of(1), 1, 0), Held(key_of(2), 1, 0)], 50)(db, 7)
    assert ([key_of(2)], [key_of(2)], {}) == (done.answer.lost, done.strange, done.answer.controls)
    assert [(57,)] == rows(db, "SELECT lease_until_ms FROM run")


def test_a_payload_that_is_not_json_is_refused(db):
    with pytest.raises(InputError, match="E2002"):
        verbs.control(key_of(1), "stop", {"reason": object()}, None)


def test_a_key_of_a_control_gives_the_first_even_after_the_end(db):
    verbs.create("acme", started(1), None, "w-1", 10)(db, 5)
    first = verbs.control(key_of(1), "stop", {"reason": "a"}, "k")(db, 5).answer
    rows(db, "UPDATE run SET status = 'ended'")
    assert first == verbs.control(key_of(1), "stop", {"reason": "b"}, "k")(db, 5).answer
    with pytest.raises(InputError, match="E2009"):
        verbs.control(key_of(1), "stop", {}, "k2")(db, 5)


def test_a_sweep_takes_a_portion_and_leaves_nothing_of_it(db, monkeypatch):
    monkeypatch.setattr(verbs, "SWEEP_RUNS", 2)
    for number in range(1, 6):
        verbs.create("acme", started(number), None, "w-1", 10)(db, 5)
        verbs.control(key_of(number), "stop", {}, None)(db, 5)
    rows(db, "UPDATE run SET status = 'ended' WHERE id < 4")
    assert [0, 2, 1, 0] == [verbs.sweep(before)(db, 9).answer for before in (5, 6, 6, 6)]
    left = [rows(db, f"SELECT count(*) FROM {table}")[0][0] for table in ("run", "batch", "control")]
    assert [2, 2, 2] == left


def test_what_was_swept_leaves_its_number_to_nobody(db):
    verbs.create("acme", started(1), None, "w-1", 10)(db, 5)
    rows(db, "UPDATE run SET status = 'ended'")
    verbs.sweep(6)(db, 9)
    verbs.create("acme", started(2), None, "w-1", 10)(db, 5)
    assert [(2,)] == rows(db, "SELECT id FROM run")


def test_controls_are_given_as_they_were_put(db):
    verbs.create("acme", started(1), None, "w-1", 10)(db, 5)
    payload = {"reason": "é\0\n", "deep": [{"a": None}]}
    put = [verbs.control(key_of(1), "stop", payload, None)(db, 5).answer for _ in range(3)]
    given = verbs.renew([Held(key_of(1), 1, 1)], 10)(db, 5).answer.controls[key_of(1)]
    assert put[1:] == given
    assert payload == msgspec.json.decode(msgspec.json.encode(given[0].payload))
