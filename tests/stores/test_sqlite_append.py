"""Appends of a group are done together, each by the rules, and leave one row per batch."""

from __future__ import annotations

import pytest

from riverrun.base.errors import NodeError
from riverrun.events.kinds import Custom, NodeChunk
from riverrun.stores.phrases import Books
from riverrun.stores.sqlite_append import Append, Appender
from riverrun.stores.sqlite_file import open_file, rows
from riverrun.stores.sqlite_rows import read_page, states
from riverrun.stores.sqlite_verbs import Wanted, create
from riverrun.stores.sqlite_writer import Done, Request
from riverrun.testing.store_model import make_events
from tests.stores.material import key_of, started


@pytest.fixture
def db(tmp_path):
    db = open_file(str(tmp_path / "a.db"))
    for number in (1, 2):
        create(Wanted("acme", None, "w-1", 1000), started(number))(db, 5)
    yield db
    db.close()


def append(number, head, kinds, epoch=1, books=None):
    key = key_of(number)
    return Append(key, epoch, head, make_events(key.run, head + 1, kinds), 1000, books or Books())


def outcome(request):
    return request.error.code if request.error else request.done.answer


def test_a_group_is_judged_one_by_one(db):
    other = Request(lambda _db, _now_ms: Done(None))
    group = [
        append(1, 1, ["chunk", "odd"]),
        append(2, 1, ["chunk"], epoch=2),
        other,
        append(1, 3, ["completed"]),
        append(1, 4, ["chunk"]),
        append(2, 1, ["interrupted"]),
        append(3, 1, ["chunk"]),
        append(2, 1, ["chunk"]),
    ]
    assert [other] == Appender(db)(db, 77, group)
    assert [3, "E4004", 4, "E2009", 2, "E2005", "E4005"] == [outcome(one) for one in group if one is not other]
    assert [(4, "ended", "completed", 1077, 77), (2, "parked", None, 1077, 77)] == rows(
        db, "SELECT head, status, ending, lease_until_ms, updated_ms FROM run ORDER BY id"
    )
    assert [(1, 1), (2, 3), (4, 4)] == rows(
        db, "SELECT first_seq, place & 4294967295 FROM batch WHERE place < 2 << 32 ORDER BY place"
    )
    page = read_page(db, key_of(1), 0, 10)
    assert ["run.started", "node.chunk", "custom", "run.completed"] == [record.event.type for record in page.records]


def test_what_is_published_is_what_is_stored(db):
    one = append(1, 1, ["chunk", "odd"])
    Appender(db)(db, 77, [one])
    (change,) = one.done.changes
    stored = read_page(db, key_of(1), 1, 10)
    assert [record.data for record in stored.records] == [record.data for record in change.records]
    assert (stored.head, stored.epoch, stored.status) == (change.head, change.epoch, change.status)
    assert change.records[0].event is one.events[0]


def test_a_group_without_appends_is_given_back(db):
    other = Request(lambda _db, _now_ms: Done(None))
    assert [other] == Appender(db)(db, 77, [other])


def test_a_group_of_which_nothing_is_left_writes_nothing(db):
    before = db.total_changes()
    Appender(db)(db, 77, [append(1, 9, ["chunk"])])
    assert before == db.total_changes()
    assert 1 == states(db, [key_of(1)])[key_of(1)].head


def test_an_empty_append_is_refused(db):
    one = append(1, 1, [])
    Appender(db)(db, 77, [one])
    assert "E4005" == one.error.code


def test_what_is_not_json_is_refused_where_it_is_asked():
    with pytest.raises(NodeError, match="E3008"):
        Append(key_of(1), 1, 1, [Custom(seq=2, ts=1, run="r", node="n", exec="n:1", value=object())], 1000, Books())


def bodies(db):
    return [
        body for (body,) in rows(db, "SELECT body FROM batch WHERE place < 2 << 32 AND first_seq > 1 ORDER BY place")
    ]


def test_phrases_are_written_once_and_then_named(db):
    books, appender = Books(), Appender(db)
    one, two, three = (append(1, head, ["chunk"], books=books) for head in (1, 2, 3))
    appender(db, 77, [one, two])
    appender(db, 77, [three])
    first, *others = bodies(db)
    assert b"node.chunk" in first
    assert all(b"node" not in body and len(body) < 30 for body in others)
    page = read_page(db, key_of(1), 2, 10)
    assert [line for later in (two, three) for line in later.packed.lines] == [record.data for record in page.records]


def test_what_was_rolled_back_is_never_named(db):
    books, appender = Books(), Appender(db)
    db.execute("BEGIN")
    appender(db, 77, [append(1, 1, ["chunk"], books=books)])
    db.execute("ROLLBACK")
    again = append(1, 1, ["chunk"], books=books)
    appender(db, 77, [again])
    assert b"node.chunk" in bodies(db)[0]
    assert again.packed.lines == [record.data for record in read_page(db, key_of(1), 1, 10).records]


def test_what_is_known_of_runs_is_bounded(db):
    books, appender = Books(), Appender(db, limit=1)
    appender(db, 77, [append(1, 1, ["chunk"], books=books), append(2, 1, ["chunk"], books=books)])
    appender(db, 77, [append(1, 2, ["chunk"], books=books)])
    assert all(b"node.chunk" in body for body in bodies(db))
    assert 3 == len(read_page(db, key_of(1), 0, 10).records)


@pytest.mark.slow
@pytest.mark.parametrize(("each", "limit"), [(100, 22), (10, 26), (1, 60)])
def test_a_chunk_of_four_characters_takes_few_bytes_of_the_file(db, each, limit):
    books, appender, key, count = Books(), Appender(db), key_of(1), 4000
    empty = db.pragma("page_count")
    for first in range(2, count + 2, each):
        events = [
            NodeChunk(
                seq=seq, ts=1_763_600_000_000 + seq // 7, run=key.run, node="write", exec="write:1",
                message="write:1.text", key="text", value="abcd", start=4 * seq,
            )
            for seq in range(first, first + each)
        ]  # fmt: skip
        appender(db, 77, [Append(key, 1, first - 1, list(events), 1000, books)])
    assert count + 1 == states(db, [key])[key].head
    assert limit > (db.pragma("page_count") - empty) * db.pragma("page_size") / count
