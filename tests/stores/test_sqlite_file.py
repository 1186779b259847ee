"""A file is ours, or it is refused and left as it was; whatever goes wrong has a code."""

from __future__ import annotations

import os
import sqlite3
import threading

import apsw
import pytest

from riverrun.base.errors import StoreError
from riverrun.stores.sqlite_file import open_file, open_reader, rows, store_error
from riverrun.stores.sqlite_schema import APPLICATION_ID, SCHEMA_VERSION


def made(path):
    db = open_file(str(path))
    db.execute("INSERT INTO batch (place, first_seq, epoch, body) VALUES (1, 1, 1, zeroblob(100000))")
    db.close()
    return path


def refused(path, code):
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError) as caught:
        open_file(str(path))
    assert caught.value.code == code, caught.value
    assert str(path) == caught.value.where
    assert before == (path.read_bytes() if path.is_file() else None)
    return caught.value


def test_a_new_file_says_whose_it_is_and_loses_nothing_in_a_power_cut(tmp_path):
    db = open_file(str(tmp_path / "a.db"))
    pragmas = [db.pragma(name) for name in ("application_id", "user_version", "journal_mode", "synchronous")]
    db.close()
    assert [APPLICATION_ID, SCHEMA_VERSION, "wal", 2] == pragmas
    # In the file itself, not only in the write-ahead log: who looks at it without SQLite's help sees it too.
    header = (tmp_path / "a.db").read_bytes()[:100]
    assert APPLICATION_ID.to_bytes(4, "big") == header[68:72]


def test_an_existing_store_and_an_empty_file_are_taken(tmp_path):
    path = made(tmp_path / "a.db")
    db = open_file(str(path))
    assert [(1,)] == rows(db, "SELECT count(*) FROM batch")
    db.close()
    (tmp_path / "empty.db").touch()
    open_file(str(tmp_path / "empty.db")).close()


def test_a_newer_version_is_refused(tmp_path):
    path = made(tmp_path / "a.db")
    with apsw.Connection(str(path)) as db:
        db.pragma("user_version", SCHEMA_VERSION + 1)
    db.close()
    error = refused(path, "E4003")
    assert "newer version" in error.mend
    assert f"schema {SCHEMA_VERSION + 1}" in error.message


def test_another_programs_database_is_refused(tmp_path):
    path = tmp_path / "other.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE notes (x)")
    db.commit()
    db.close()
    assert "another program" in refused(path, "E4003").message


def test_another_programs_database_without_tables_is_refused(tmp_path):
    path = tmp_path / "other.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 7")
    db.commit()
    db.close()
    refused(path, "E4003")


def test_what_is_no_database_is_refused(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("This is not a database. " * 100)
    refused(path, "E4003")


@pytest.mark.parametrize("left", [10, 99, 4096, 5000, 40_000])
def test_a_file_that_was_cut_is_refused(tmp_path, left):
    path = made(tmp_path / "a.db")
    path.write_bytes(path.read_bytes()[:left])
    refused(path, "E4003")


def test_a_store_whose_tables_are_gone_is_refused(tmp_path):
    path = made(tmp_path / "a.db")
    db = apsw.Connection(str(path))
    db.execute("DROP TABLE control")
    db.close()
    refused(path, "E4003")


def test_a_damaged_header_is_refused(tmp_path):
    path = made(tmp_path / "a.db")
    data = bytearray(path.read_bytes())
    data[0:16] = b"SQLite format 9\0"
    path.write_bytes(data)
    refused(path, "E4003")


def test_places_where_no_file_can_be_are_refused(tmp_path):
    (tmp_path / "file").write_text("x" * 1000)
    assert "directory" in refused(tmp_path, "E4001").message
    refused(tmp_path / "nowhere" / "a.db", "E4001")
    refused(tmp_path / "file" / "a.db", "E4001")
    with pytest.raises(StoreError, match="E400"):
        open_file(str(tmp_path / ("x" * 300)))


@pytest.mark.skipif(os.geteuid() == 0, reason="allowed: root may write to everything")
def test_places_that_may_not_be_written_are_refused(tmp_path):
    path = made(tmp_path / "a.db")
    path.chmod(0o400)
    refused(path, "E4001")
    tmp_path.chmod(0o500)
    try:
        refused(tmp_path / "b.db", "E4001")
    finally:
        tmp_path.chmod(0o700)


def test_many_that_make_one_file_at_once_all_get_it(tmp_path):
    path, failed = str(tmp_path / "a.db"), []
    ready = threading.Barrier(8)

    def make():
        ready.wait()
        try:
            open_file(path).close()
        except StoreError as error:
            failed.append(error)

    threads = [threading.Thread(target=make, name="maker") for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_a_reader_cannot_write_and_needs_the_file(tmp_path):
    db = open_reader(str(made(tmp_path / "a.db")))
    with pytest.raises(apsw.ReadOnlyError):
        db.execute("DELETE FROM batch")
    db.close()
    with pytest.raises(StoreError, match="E4001"):
        open_reader(str(tmp_path / "b.db"))


@pytest.mark.parametrize(
    ("error", "opening", "code"),
    [
        (apsw.NotADBError("x"), False, "E4003"),
        (apsw.CorruptError("x"), True, "E4003"),
        (apsw.SQLError("no such table"), True, "E4003"),
        (apsw.SQLError("no such table"), False, "E4002"),
        (apsw.CantOpenError("x"), True, "E4001"),
        (apsw.CantOpenError("x"), False, "E4002"),
        (apsw.FullError("x"), True, "E4002"),
        (apsw.BusyError(), False, "E4002"),
        (OSError("x"), True, "E4002"),
    ],
)
def test_what_sqlite_says_has_a_code(error, opening, code):
    assert code == store_error(error, "a.db", opening=opening).code
