"""What is read from the tables is what was written, by the index, and damage has a code."""

from __future__ import annotations

import re

import pytest

from riverrun.base.errors import CursorError, NotFound, StoreError
from riverrun.log.store import RunFilter, RunKey
from riverrun.stores.batch import pack
from riverrun.stores.phrases import Books
from riverrun.stores.sqlite_append import Append, Appender
from riverrun.stores.sqlite_file import open_file, place, rows
from riverrun.stores.sqlite_rows import _PAGE, _STATES, is_whole, list_rows, read_page, states
from riverrun.stores.sqlite_verbs import Wanted, claim, create
from riverrun.testing.store_model import make_events
from tests.stores.material import key_of, started

KEY = key_of(1)


@pytest.fixture
def db(tmp_path):
    db = open_file(str(tmp_path / "a.db"))
    create(Wanted("acme", None, "w-1", 1000), started(1))(db, 5)
    create(Wanted("zoo", None, None, 0), started(2))(db, 6)
    yield db
    db.close()


def put(db, first, last, *, head=None, known_at=None):
    packed = pack(KEY, make_events(KEY.run, first, ["chunk"] * (last - first + 1)), Books())
    rows(
        db,
        "INSERT INTO batch (place, first_seq, epoch, body) VALUES (?, ?, 1, ?)",
        (place(1, last), first, packed.body(known_at)),
    )
    rows(db, "UPDATE run SET head = ? WHERE id = 1", (head or last,))


def test_states_of_those_that_exist(db):
    found = states(db, [key_of(7), KEY, key_of(2, "zoo"), key_of(2), RunKey('a"\\', "😀")])
    assert {KEY, key_of(2, "zoo")} == set(found)
    assert (1, 1, 1, "running", "00000001", 0, 0) == found[KEY]
    assert {} == states(db, [])


@pytest.mark.parametrize(("query", "values"), [(_STATES, ("[]",)), (_PAGE, ("acme", KEY.run, 0))])
def test_runs_and_batches_are_found_by_key(db, query, values):
    plan = " ".join(str(step[3]) for step in rows(db, "EXPLAIN QUERY PLAN " + query, values))
    assert "SEARCH r USING INDEX sqlite_autoindex_run_1 (tenant=? AND run=?)" in plan
    assert "SCAN r" not in plan
    assert "TEMP B-TREE" not in plan
    assert "batch" not in query or "SEARCH b USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)" in plan


def test_a_page_may_begin_and_end_inside_of_batches(db):
    put(db, 2, 4)
    put(db, 5, 5, known_at=4)
    put(db, 6, 9, known_at=4)
    for after in range(10):
        for limit in range(11):
            page = read_page(db, KEY, after, limit)
            assert list(range(after + 1, 10))[:limit] == [record.seq for record in page.records]
            assert page.records == [] or page.records[0].event.seq == after + 1
            assert (9, 1, "running", "00000001", 0) == page[1:]


def test_places_that_are_not_there(db):
    put(db, 2, 4)
    rows(db, "UPDATE run SET floor = 2 WHERE id = 1")
    for after, code in [(5, "E2006"), (1, "E4007"), (-1, "E2007")]:
        with pytest.raises(CursorError, match=code):
            read_page(db, KEY, after, 10)
    with pytest.raises(NotFound, match="E2005"):
        read_page(db, key_of(2), 0, 10)


@pytest.mark.parametrize(
    ("first", "last", "head", "damage"),
    [
        (3, 4, 4, ""),
        (2, 4, 6, ""),
        (2, 4, 4, "UPDATE batch SET body = x'7b7d' WHERE first_seq = 2"),
        (2, 4, 4, "UPDATE batch SET first_seq = 3 WHERE first_seq = 2"),
        (2, 4, 4, "DELETE FROM batch WHERE first_seq = 1 AND place < 2 << 32"),
    ],
)
def test_a_hole_is_damage_and_never_silence(db, first, last, head, damage):
    put(db, first, last, head=head)
    if damage:
        rows(db, damage)

    def replay():
        place = 0
        while place < head:
            place = read_page(db, KEY, place, 10).records[-1].seq

    with pytest.raises(StoreError, match="E4003"):
        replay()
    assert 1 == len(read_page(db, key_of(2, "zoo"), 0, 10).records)


def test_filters_are_values_and_never_part_of_the_query(db):
    assert [KEY] == [row.key for row in list_rows(db, "acme", RunFilter(graph="g", status="running", run=KEY.run))]
    for name in ("' OR 1=1 --", '" OR ""="', "g%", "%", "\\"):
        assert [] == list_rows(db, "acme", RunFilter(graph=name))
        assert [] == list_rows(db, name, RunFilter())


@pytest.mark.parametrize("known_at", [0, 1, 3, 6, 2**40 + 4])
def test_phrases_that_are_not_where_a_batch_says_are_damage(db, known_at):
    put(db, 2, 4)
    put(db, 5, 6, known_at=known_at)
    assert 4 == len(read_page(db, KEY, 0, 4).records)
    with pytest.raises(StoreError, match="E4003"):
        read_page(db, KEY, 4, 10)


# --- damage and rows of other programs ---


CHANGED = "CAST(substr(body, 1, 20) || x'00' || substr(body, 22) AS BLOB)"


def written(db):
    """Give a log in three rows, with checksums: seqs 1, 2 to 4, 5 to 6; the last one names the phrases of the other."""
    books, appender = Books(), Appender(db)
    for first, last in ((2, 4), (5, 6)):
        appender(
            db, 7, [Append(KEY, 1, first - 1, make_events(KEY.run, first, ["chunk"] * (last - first + 1)), 0, books)]
        )


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (f"UPDATE batch SET body = {CHANGED} WHERE first_seq = 2", "2..4"),
        ("UPDATE batch SET body = x'' WHERE first_seq = 2", "2..4"),
        ("UPDATE batch SET epoch = 2 WHERE first_seq = 2", "2..4"),
        ("UPDATE batch SET first_seq = 1 WHERE first_seq = 2", "1..4"),
        ("UPDATE batch SET place = place - 1 WHERE first_seq = 2", "2..3"),
        ("UPDATE batch SET crc = crc + 1 WHERE first_seq = 2", "2..4"),
        ("UPDATE batch SET body = (SELECT body FROM batch WHERE first_seq = 5) WHERE first_seq = 2", "2..4"),
        ("DELETE FROM batch WHERE first_seq = 2", "after 1"),
    ],
)
def test_damage_names_the_run_and_where_and_the_rest_can_be_read(db, damage, named):
    written(db)
    assert 6 == len(read_page(db, KEY, 0, 10).records)
    rows(db, damage)
    assert 1 == len(read_page(db, KEY, 0, 1).records)
    with pytest.raises(StoreError, match=rf"E4003.*{KEY.run}.*{re.escape(named)}"):
        read_page(db, KEY, 1, 10)
    assert 1 == len(read_page(db, key_of(2, "zoo"), 0, 10).records)


def test_damaged_phrases_damage_what_names_them(db):
    written(db)
    rows(db, "UPDATE batch SET body = CAST(substr(body, 1, 20) || 'x' || substr(body, 22) AS BLOB) WHERE first_seq = 2")
    with pytest.raises(StoreError, match=rf"E4003.*{KEY.run}.*5\.\.6"):
        read_page(db, KEY, 4, 10)


@pytest.mark.parametrize(
    "body", [b"\x80\x04\x95cos\nsystem\n", b"\x02", b"\x02\x78\x9c", b"\x01\xc1", b"[" * 100_000, b"{" * 9, b"\x03{}"]
)
def test_what_another_program_wrote_is_damage_and_nothing_else(db, body):
    written(db)
    rows(db, "UPDATE batch SET body = ?, crc = NULL WHERE first_seq = 2", (body,))
    with pytest.raises(StoreError, match=rf"E4003.*{KEY.run}"):
        read_page(db, KEY, 1, 10)


@pytest.mark.parametrize(
    "damage",
    ["status = 'banana'", "ending = 'well'", "worker = CAST(x'ff80' AS TEXT)", "log = CAST(x'ff80' AS TEXT)"],
)
def test_a_damaged_row_is_left_out_of_a_list_and_told_when_it_is_asked_for(db, damage):
    create(Wanted("acme"), started(3))(db, 7)
    rows(db, f"UPDATE run SET {damage} WHERE id = 1")
    assert [key_of(3)] == [row.key for row in list_rows(db, "acme", RunFilter())]
    with pytest.raises(StoreError, match=rf"E4003.*{KEY.run}"):
        list_rows(db, "acme", RunFilter(run=KEY.run))


def test_a_row_that_is_not_text_is_told_and_holds_nobody_up(db):
    rows(db, "UPDATE run SET log = CAST(x'ff80' AS TEXT) WHERE id = 1")
    assert {key_of(2, "zoo")} == set(states(db, [KEY, key_of(2, "zoo")]))
    with pytest.raises(StoreError, match=rf"E4003.*{KEY.run}"):
        read_page(db, KEY, 0, 10)


# --- lists ---


def test_runs_of_a_thread_and_of_a_time_are_found_by_index(db):
    for choice, index in [
        (RunFilter(thread="t"), "run_by_thread (tenant=? AND thread=?)"),
        (RunFilter(thread="t", before="f"), "run_by_thread (tenant=? AND thread=? AND run<?)"),
        (RunFilter(created_after_ms=1, created_before_ms=9), "run_by_time (tenant=?)"),
        (RunFilter(status="ended"), "sqlite_autoindex_run_1 (tenant=?)"),
    ]:
        asked: list[tuple[str, dict[str, object]]] = []
        db.set_exec_trace(lambda _, query, values, asked=asked: asked.append((query, values)) or True)
        list_rows(db, "acme", choice)
        db.set_exec_trace(None)
        ((query, values),) = asked
        plan = " ".join(str(step[3]) for step in rows(db, "EXPLAIN QUERY PLAN " + query, values))
        assert index in plan
        assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize("number", [2**63, 2**70, -(2**70)])
def test_numbers_beyond_all_bounds_are_only_large(db, number):
    large = number > 0
    assert large == (len(list_rows(db, "acme", RunFilter(created_before_ms=number))) == 1)
    assert large != (len(list_rows(db, "acme", RunFilter(created_after_ms=number))) == 1)
    assert large == (len(list_rows(db, "acme", RunFilter(limit=number))) == 1)
    with pytest.raises(CursorError):
        read_page(db, KEY, number, 10)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("UPDATE run SET head = 3 WHERE id = 1", "ends at 3, and there is event 4"),
        ("UPDATE run SET head = 1 WHERE id = 1", "ends at 1, and there is event 4"),
        ("UPDATE run SET head = 9 WHERE id = 1", "hole after 4"),
        ("UPDATE run SET epoch = 0 WHERE id = 1", "epoch 0, and there are events of epoch 1"),
        ("UPDATE run SET status = 'runninG' WHERE id = 1", "runninG"),
    ],
)
def test_a_row_that_is_not_that_of_its_log_is_told_and_claimed_by_nobody(db, damage, named):
    put(db, 2, 4)
    rows(db, "UPDATE run SET status = 'queued'")
    rows(db, damage)

    def replay():
        for after in range(5):
            read_page(db, KEY, after, 10)

    with pytest.raises(StoreError, match=f"E4003.*{KEY.run}.*{named}"):
        replay()
    claimed = claim("w-2", frozenset("g"), 9, 1000)(db, 9).answer
    assert [key_of(2, "zoo")] == [row.key for row in claimed]
    assert 1 == len(read_page(db, key_of(2, "zoo"), 0, 10).records)


def test_a_row_and_its_log_that_agree_are_whole(db):
    put(db, 2, 4)
    assert is_whole(db, 1, 4, 1)
    assert is_whole(db, 1, 4, 7), "who claimed it and wrote nothing has an epoch too"
    assert not is_whole(db, 1, 4, 0)
    assert not is_whole(db, 1, 3, 1)
    assert not is_whole(db, 9, 1, 1)
