"""The write-ahead log stays short: the bulk beside the writer, the rest between two groups."""

from __future__ import annotations

from collections.abc import Callable

import apsw
import pytest

from riverrun.stores import sqlite_wal
from riverrun.stores.sqlite_file import open_file, open_reader
from riverrun.stores.sqlite_wal import WalKeeper


class Rig:
    def __init__(self, path):
        self.path = str(path)
        self.db, self.other = open_file(self.path), open_reader(self.path)
        self.asked: list[Callable[[apsw.Connection], None]] = []
        self.keeper = WalKeeper(self.db, self.asked.append)
        self.number = 0

    def write(self, size_bytes=40_000):
        self.number += 1
        self.db.execute(
            "INSERT INTO batch (place, first_seq, epoch, body) VALUES (?, 1, 1, zeroblob(?))", (self.number, size_bytes)
        )

    def beside(self):
        self.asked.pop()(self.other)

    def wal_bytes(self):
        with open(self.path + "-wal", "rb") as wal:  # noqa: PTH123 beside a database, not it
            return len(wal.read())


@pytest.fixture
def rig(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_wal, "BEGIN_PAGES", 20)
    monkeypatch.setattr(sqlite_wal, "FORCE_PAGES", 200)
    rig = Rig(tmp_path / "a.db")
    yield rig
    rig.other.close()
    rig.db.close()


def test_a_short_log_is_left_alone(rig):
    rig.write(10)
    rig.keeper.care()
    assert [] == rig.asked


def test_a_long_one_is_copied_beside_once_at_a_time(rig):
    for _ in range(5):
        rig.write()
        rig.keeper.care()
    assert 1 == len(rig.asked)


def test_under_a_steady_load_the_log_begins_anew(rig):
    largest = 0
    for _ in range(100):
        rig.write()
        rig.keeper.care()
        if rig.asked:
            rig.write()  # comes in between, so the copy beside cannot be the end of it
            rig.beside()
        largest = max(largest, rig.wal_bytes())
    assert largest < 100 * 4096 < 100 * 40_000


def test_when_nobody_helps_the_writer_does_it_alone(rig):
    for _ in range(60):
        rig.write()
        rig.keeper.care()
    assert rig.wal_bytes() < 300 * 4096


def test_a_checkpoint_that_fails_is_put_off(rig):
    class Refusing:
        def wal_checkpoint(self, **_):
            raise apsw.IOError("disk I/O error")

    rig.write()
    rig.write()
    rig.write()
    rig.keeper.care()
    rig.asked.pop()(Refusing())
    rig.keeper._db = Refusing()
    rig.keeper.care()
    rig.keeper.care()
    assert 1 == len(rig.asked)
