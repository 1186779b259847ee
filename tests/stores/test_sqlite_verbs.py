"""The rarer writes look before they write, and write what the laws say."""

from __future__ import annotations

import msgspec
import pytest

from riverrun.base.errors import InputError, NodeError, StoreError
from riverrun.log.store import Held
from riverrun.stores import sqlite_verbs as verbs
from riverrun.stores.sqlite_compact import compactable, next_portion, replace
from riverrun.stores.sqlite_file import open_file, rows
from riverrun.stores.sqlite_rows import read_page
from riverrun.testing.store_model import make_events
from tests.stores.material import key_of, started


@pytest.fixture
def db(tmp_path):
    db = open_file(str(tmp_path / "a.db"))
    yield db
    db.close()


def test_input_is_compared_as_json(db):
    verbs.create(verbs.Wanted("acme", "k", None, 0), started(1, value=(1, 2)))(db, 5)
    assert not verbs.create(verbs.Wanted("acme", "k", None, 0), started(2, value=[1, 2]))(db, 5).answer.fresh
    with pytest.raises(InputError, match="E2013"):
        verbs.create(verbs.Wanted("acme", "k", None, 0), started(2, value=[2, 1]))(db, 5)


def test_input_that_is_not_json_is_refused_where_it_is_asked():
    with pytest.raises(NodeError, match="E3008"):
        verbs.create(verbs.Wanted("acme", None, None, 0), started(1, value=object()))


def test_a_run_nobody_owns_is_left_to_whoever_claims_it(db):
    assert () == verbs.create(verbs.Wanted("acme", None, None, 0), started(1))(db, 5).changes
    assert 1 == len(verbs.create(verbs.Wanted("acme", None, "w-1", 0), started(2))(db, 5).changes)


def test_a_run_id_may_be_used_by_two_tenants(db):
    for tenant in ("acme", "zoo"):
        assert verbs.create(verbs.Wanted(tenant, "k", None, 0), started(1))(db, 5).answer.fresh


def test_a_first_claim_leaves_no_event_and_a_second_does(db):
    verbs.create(verbs.Wanted("acme", None, None, 0), started(1))(db, 5)
    first = verbs.claim("w-1", frozenset({"g"}), 9, 10)(db, 5)
    assert (1, 1, []) == (first.answer[0].epoch, first.answer[0].head, first.changes[0].records)
    assert [] == verbs.claim("w-2", frozenset({"g"}), 9, 10)(db, 14).answer
    second = verbs.claim("w-2", frozenset({"g"}), 9, 10)(db, 15)
    (record,) = second.changes[0].records
    assert (2, 2, "run.taken_over", 15) == (second.answer[0].epoch, record.seq, record.event.type, record.event.ts)


def test_names_of_graphs_are_values(db):
    verbs.create(verbs.Wanted("acme", None, None, 0), started(1, graph="g'\"[]"))(db, 5)
    assert [] == verbs.claim("w", frozenset({"g", "') OR 1=1 --"}), 9, 10)(db, 5).answer
    assert 1 == len(verbs.claim("w", frozenset({"g'\"[]"}), 9, 10)(db, 5).answer)


def test_renewing_tells_which_logs_are_in_other_hands(db):
    verbs.create(verbs.Wanted("acme", None, "w-1", 10), started(1))(db, 5)
    done = verbs.renew([Held(key_of(1), 1, 0), Held(key_of(2), 1, 0)], 50)(db, 7)
    assert ([key_of(2)], [key_of(2)], {}) == (done.answer.lost, done.strange, done.answer.controls)
    assert [(57,)] == rows(db, "SELECT lease_until_ms FROM run")


def test_a_payload_that_is_not_json_is_refused(db):
    with pytest.raises(InputError, match="E2002"):
        verbs.control(key_of(1), "stop", {"reason": object()}, None)


def test_a_key_of_a_control_gives_the_first_even_after_the_end(db):
    verbs.create(verbs.Wanted("acme", None, "w-1", 10), started(1))(db, 5)
    first = verbs.control(key_of(1), "stop", {"reason": "a"}, "k")(db, 5).answer
    rows(db, "UPDATE run SET status = 'ended'")
    assert first == verbs.control(key_of(1), "stop", {"reason": "b"}, "k")(db, 5).answer
    with pytest.raises(InputError, match="E2009"):
        verbs.control(key_of(1), "stop", {}, "k2")(db, 5)


def test_controls_are_given_as_they_were_put(db):
    verbs.create(verbs.Wanted("acme", None, "w-1", 10), started(1))(db, 5)
    payload = {"reason": "é\0\n", "deep": [{"a": None}]}
    put = [verbs.control(key_of(1), "stop", payload, None)(db, 5).answer for _ in range(3)]
    given = verbs.renew([Held(key_of(1), 1, 1)], 10)(db, 5).answer.controls[key_of(1)]
    assert put[1:] == given
    assert payload == msgspec.json.decode(msgspec.json.encode(given[0].payload))


def put_damage(db, key, change):
    verbs.control(key, "stop", {"reason": "a"}, "k")(db, 5)
    verbs.control(key, "resume", {"answers": {}}, None)(db, 5)
    rows(db, f"UPDATE control SET {change} WHERE n = 1")
    return verbs.renew([Held(key, 1, 0)], 10)(db, 5).answer.controls[key]


@pytest.mark.parametrize(
    "change", ["payload = x'7b7d'", "kind = 'resume'", "crc = 1", "crc = NULL, payload = x'80', idem_key = 'k'"]
)
def test_a_damaged_control_is_told_and_the_others_are_heard(db, change):
    verbs.create(verbs.Wanted("acme", None, "w-1", 10), started(1))(db, 5)
    given = put_damage(db, key_of(1), change)
    assert [(1, "damaged", {}), (2, "resume", {"answers": {}})] == [(one.n, one.kind, one.payload) for one in given]
    assert "damaged" == verbs.control(key_of(1), "stop", {"reason": "a"}, "k")(db, 5).answer.kind


@pytest.mark.parametrize("payload", [b"[1]", b'"text"', b"[" * 100_000, b"\x80\x04N.", b'{"a": 1e999}'])
def test_what_another_program_put_into_an_inbox_is_never_more_than_data(db, payload):
    verbs.create(verbs.Wanted("acme", None, "w-1", 10), started(1))(db, 5)
    verbs.control(key_of(1), "stop", {}, None)(db, 5)
    rows(db, "UPDATE control SET payload = ?, crc = NULL", (payload,))
    (given,) = verbs.renew([Held(key_of(1), 1, 0)], 10)(db, 5).answer.controls[key_of(1)]
    assert ("damaged", {}) == (given.kind, given.payload)


def test_only_runs_that_may_be_claimed_are_looked_at(db):
    plan = " ".join(str(step[3]) for step in rows(db, "EXPLAIN QUERY PLAN " + verbs._FREE, (5, '["g"]', 9, 0)))
    assert "SEARCH r USING INDEX run_to_claim (id>?)" in plan
    assert "SEARCH o USING INDEX run_in_thread (tenant=? AND thread=? AND id<?)" in plan
    plan = " ".join(str(step[3]) for step in rows(db, "EXPLAIN QUERY PLAN " + verbs._IN_THREAD, ("acme", "t")))
    assert "SEARCH run USING INDEX run_in_thread (tenant=? AND thread=?)" in plan
    assert "TEMP B-TREE" not in plan


def test_a_long_log_is_written_in_batches_that_a_page_can_bear(db, monkeypatch):
    monkeypatch.setattr(verbs, "PREFIX_EVENTS", 4)
    prefix = make_events(key_of(1).run, 2, [*["chunk"] * 8, "forked"])
    verbs.create(verbs.Wanted("acme"), started(1), prefix)(db, 5)
    assert [(1, 1), (2, 5), (6, 9), (10, 10)] == rows(
        db, "SELECT first_seq, place & 4294967295 FROM batch ORDER BY place"
    )
    page = read_page(db, key_of(1), 0, 100)
    assert [started(1), *prefix] == [record.event for record in page.records]


@pytest.mark.parametrize(
    ("kinds", "worker", "status"),
    [
        (["interrupted"], None, "parked"),
        (["interrupted"], "w-1", "running"),
        (["forked"], None, "queued"),
        (["forked"], "w-1", "running"),
        (["completed"], None, "ended"),
        (["completed"], "w-1", "ended"),
    ],
)
def test_the_last_event_says_what_a_new_run_is(db, kinds, worker, status):
    prefix = make_events(key_of(1).run, 2, kinds)
    row = verbs.create(verbs.Wanted("acme", worker=worker), started(1), prefix)(db, 5).answer.row
    assert (status, 2, int(worker is not None)) == (row.status, row.head, row.epoch)


def test_a_damaged_row_is_claimed_by_nobody_and_holds_nobody_up(db):
    for number in range(1, 5):
        verbs.create(verbs.Wanted("acme"), started(number))(db, 5)
    rows(db, "UPDATE run SET worker = CAST(x'ff80' AS TEXT) WHERE id IN (1, 3)")
    for number in (2, 4):
        (row,) = verbs.claim("w", frozenset({"g"}), 1, 10)(db, 5).answer
        assert key_of(number) == row.key
    assert [] == verbs.claim("w", frozenset({"g"}), 1, 10)(db, 5).answer


def test_a_repeat_is_compared_with_a_log_in_any_form(db):
    prefix = make_events(key_of(1).run, 2, ["chunk"] * 20 + ["completed"])
    verbs.create(verbs.Wanted("acme"), started(1, value="a"), prefix)(db, 5)
    (ended,) = compactable(db, 6, (-1, 0))
    replace(ended, next_portion(db, ended, 99))(db, 6)
    assert not verbs.create(verbs.Wanted("acme"), started(1, value="a"))(db, 5).answer.fresh
    with pytest.raises(InputError, match="E2013"):
        verbs.create(verbs.Wanted("acme"), started(1, value="b"))(db, 5)
    rows(db, "UPDATE batch SET body = x'00'")
    with pytest.raises(StoreError, match="E4003"):
        verbs.create(verbs.Wanted("acme"), started(1, value="a"))(db, 5)


def test_a_control_that_wakes_a_run_says_that_others_may_write_it(db):
    verbs.create(verbs.Wanted("acme"), started(1), make_events(key_of(1).run, 2, ["interrupted"]))(db, 5)
    assert () == verbs.control(key_of(1), "note", {}, None)(db, 6).strange
    assert [key_of(1)] == verbs.control(key_of(1), "resume", {}, None)(db, 7).strange
    assert () == verbs.control(key_of(1), "resume", {}, None)(db, 8).strange
    assert [("queued", 7)] == rows(db, "SELECT status, updated_ms FROM run")
