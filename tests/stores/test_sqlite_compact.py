"""Compaction makes rows few and small, portion by portion from the end, and the log is whole at every moment."""

from __future__ import annotations

import pytest

from riverrun.base.errors import StoreError
from riverrun.events.kinds import NodeChunk
from riverrun.stores import sqlite_compact
from riverrun.stores.phrases import Books
from riverrun.stores.sqlite_append import Append, Appender
from riverrun.stores.sqlite_compact import ROW_EVENTS, compactable, next_portion, replace
from riverrun.stores.sqlite_file import open_file, rows
from riverrun.stores.sqlite_rows import read_page
from riverrun.stores.sqlite_sweep import sweep
from riverrun.stores.sqlite_verbs import Wanted, create
from riverrun.testing.store_model import make_events
from tests.stores.material import key_of, started

ALL = 1 << 30
KEY = key_of(1)


@pytest.fixture
def db(tmp_path):
    db = open_file(str(tmp_path / "a.db"))
    create(Wanted("acme", None, "w-1", 1000), started(1))(db, 5)
    yield db
    db.close()


class Log:
    """Writes batches of one run as its owner does."""

    def __init__(self, db):
        self.db, self.head, self.books, self.appender = db, 1, Books(), Appender(db)

    def write(self, *kinds, epoch=1):
        request = Append(KEY, epoch, self.head, make_events(KEY.run, self.head + 1, list(kinds)), 0, self.books)
        self.appender(self.db, 7, [request])
        self.head += len(kinds)
        assert request.error is None


def ended(db):
    (found,) = compactable(db, ALL, (-1, 0))
    return found


def lines(db):
    return [record.data for record in read_page(db, KEY, 0, 100_000).records]


def shape(db):
    """Give the first and last seq and the first byte of each row."""
    query = "SELECT first_seq, place & 4294967295, substr(body, 1, 1) FROM batch WHERE place < 2 << 32 ORDER BY place"
    return rows(db, query)


def step(db, below=ALL):
    portion = next_portion(db, ended(db), below)
    assert portion is not None
    assert replace(ended(db), portion)(db, 9).answer
    return portion.first_seq


def test_a_log_is_whole_after_every_step(db, monkeypatch):
    monkeypatch.setattr(sqlite_compact, "ROW_EVENTS", 10)
    log = Log(db)
    for size in (1, 1, 4, 7, 1, 25, 1, 1, 3):
        log.write(*["chunk"] * size)
    log.write("completed")
    before, below, steps = lines(db), ALL, 0
    while below > 1:
        below = step(db, below)
        steps += 1
        assert before == lines(db)
    assert steps >= 3
    assert next_portion(db, ended(db), below) is None
    assert replace(ended(db), None)(db, 9).answer
    assert [] == compactable(db, ALL, (-1, 0))
    assert all(last - first < 10 for first, last, _ in shape(db))
    assert [(0,)] == rows(db, "SELECT count(*) FROM batch WHERE crc IS NULL")


def test_a_run_that_was_left_halfway_is_gone_on_with(db, monkeypatch):
    monkeypatch.setattr(sqlite_compact, "ROW_EVENTS", 10)
    log = Log(db)
    for _ in range(30):
        log.write("chunk", "odd")
    log.write("completed")
    before = lines(db)
    step(db, step(db))
    halfway = [row for row in shape(db) if row[2] == b"\x02"]
    below = ALL
    while portion := next_portion(db, ended(db), below):
        assert replace(ended(db), portion)(db, 9).answer
        below = portion.first_seq
    assert set(halfway) <= set(shape(db))
    assert before == lines(db)
    assert len(shape(db)) < 10


def test_what_is_smaller_as_it_is_stays_plain(db):
    log = Log(db)
    log.write("stopped")
    before = lines(db)
    assert 1 == step(db)
    assert before == lines(db)
    assert len(shape(db)) == 1


def test_batches_of_two_owners_stay_apart(db):
    log = Log(db)
    log.write("chunk", "chunk")
    rows(db, "UPDATE run SET epoch = 2")
    log.write("chunk", "completed", epoch=2)
    before = lines(db)
    assert 4 == step(db)
    assert 1 == step(db, 4)
    assert [(3, 1), (5, 2)] == rows(db, "SELECT place & 4294967295, epoch FROM batch ORDER BY place")
    assert before == lines(db)


def test_of_two_that_do_the_same_one_does_it(db):
    log = Log(db)
    log.write(*["chunk"] * 30)
    log.write("completed")
    portion = next_portion(db, ended(db), ALL)
    mine = ended(db)
    assert replace(mine, portion)(db, 9).answer
    assert not replace(mine, portion)(db, 9).answer
    assert [True, False] == [replace(mine, None)(db, 9).answer for _ in range(2)]


def test_a_run_that_is_swept_meanwhile_leaves_nothing_behind(db):
    Log(db).write(*["chunk"] * 30, "completed")
    mine, portion = ended(db), next_portion(db, ended(db), ALL)
    sweep(ALL, [1])(db, 9)
    assert not replace(mine, portion)(db, 9).answer
    assert not replace(mine, None)(db, 9).answer
    assert [(0,)] == rows(db, "SELECT count(*) FROM batch")


def test_what_is_damaged_stays_as_it_is_with_what_stands_before_it(db, monkeypatch):
    monkeypatch.setattr(sqlite_compact, "ROW_EVENTS", 4)
    log = Log(db)
    for _ in range(6):
        log.write("chunk", "odd")
    log.write("completed")
    rows(db, "UPDATE batch SET crc = crc + 1 WHERE first_seq = 6")
    below = step(db)
    before = rows(db, "SELECT * FROM batch WHERE (place & 4294967295) < ?", (below,))
    assert next_portion(db, ended(db), below) is None
    assert before == rows(db, "SELECT * FROM batch WHERE (place & 4294967295) < ?", (below,))
    assert 5 == len(read_page(db, KEY, 0, 5).records)
    with pytest.raises(StoreError, match="E4003"):
        read_page(db, KEY, 5, 5)
    assert log.head - below + 1 == len(read_page(db, KEY, below - 1, 100).records)


def test_rows_are_bounded_in_bytes(db, monkeypatch):
    monkeypatch.setattr(sqlite_compact, "ROW_BYTES", 500)
    log = Log(db)
    log.write(*["chunk"] * 20)
    log.write("completed")
    before, below = lines(db), ALL
    while portion := next_portion(db, ended(db), below):
        assert replace(ended(db), portion)(db, 9).answer
        below = portion.first_seq
    assert before == lines(db)
    assert len(shape(db)) > 6


def test_unfinished_and_young_runs_are_left_alone(db):
    log = Log(db)
    log.write("chunk", "interrupted")
    assert [] == compactable(db, ALL, (-1, 0))
    log.write("completed")
    assert [] == compactable(db, 7, (-1, 0))
    assert [(7, 1, KEY)] == compactable(db, 8, (-1, 0))
    assert [] == compactable(db, 8, (7, 1))


def test_ended_runs_are_found_by_index(db):
    plan = " ".join(str(step[3]) for step in rows(db, "EXPLAIN QUERY PLAN " + sqlite_compact._ENDED, (9, 5, 1)))
    assert "USING INDEX run_to_compact" in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.slow
@pytest.mark.parametrize("each", [1, 100])
@pytest.mark.parametrize("messages", [1, 3])
def test_a_chunk_of_four_characters_takes_at_most_six_bytes_of_the_file(db, each, messages):
    books, appender, count = Books(), Appender(db), 20_000
    empty = db.pragma("page_count")
    text = "the river runs on past Eve and Adam's, from swerve of shore to bend of bay; "
    events = [
        NodeChunk(
            seq=seq, ts=1_763_600_000_000 + 7 * seq + seq % 5, run=KEY.run, node="write", exec="write:1", key="text",
            message=f"write:1.{seq % messages}", value=text[seq * 13 % 70 :][:4], start=4 * (seq // messages),
        )
        for seq in range(2, count + 2)
    ]  # fmt: skip
    db.execute("BEGIN")
    for begin in range(0, count, each):
        appender(db, 77, [Append(KEY, 1, begin + 1, list(events[begin : begin + each]), 1000, books)])
    appender(db, 77, [Append(KEY, 1, count + 1, make_events(KEY.run, count + 2, ["completed"]), 0, books)])
    db.execute("COMMIT")
    before, below = lines(db), ALL
    while portion := next_portion(db, ended(db), below):
        replace(ended(db), portion)(db, 9)
        below = portion.first_seq
    assert before == lines(db)
    assert 2 + count // ROW_EVENTS >= len(shape(db))
    used = db.pragma("page_count") - db.pragma("freelist_count") - empty
    assert used * db.pragma("page_size") / count <= 6
