"""A SQLite file of ours: how it is known, how a connection to it is made, and what its errors mean here.

A file is known by its `application_id`, its schema by `user_version`; both are set in the transaction that makes the
schema, before the file is switched to WAL, so that they always stand in the file itself. A file of an older version is
brought up to date when it is opened. One of another program, of a newer version, or a damaged one is refused and left
as it is.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import apsw

from riverrun.base.errors import StoreError
from riverrun.stores.sqlite_schema import APPLICATION_ID, MIGRATIONS, SCHEMA, SCHEMA_VERSION

BUSY_MS = 5_000  # how long a connection waits for another process to finish its commit

# `place` orders the batches of a run by their last event in one integer key: no second index, no second look-up.
SEQ_BITS = 32
SEQ_MASK = (1 << SEQ_BITS) - 1

_DAMAGED = (apsw.NotADBError, apsw.CorruptError, apsw.FormatError)
_CLOSED_DOOR = (apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError, apsw.AuthError)


def place(run_id: int, seq: int) -> int:
    """Give the key of the batch of a run that ends at a seq."""
    return run_id << SEQ_BITS | seq


def rows(db: apsw.Connection, query: str, values: tuple[Any, ...] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
    """Run a statement to its end and give all it answers: one that is left halfway would hold up the next commit.

    Args:
        db: Any connection.
        query: One statement.
        values: For its question marks, or by name.

    Returns:
        The rows.
    """
    return db.execute(query, values).fetchall()


def store_error(error: Exception, path: str, *, opening: bool = False) -> StoreError:
    """Say in our words what SQLite said.

    Args:
        error: What was raised.
        path: The file.
        opening: Whether the file was being opened, not used.

    Returns:
        What to raise instead: E4001, E4002 or E4003.
    """
    said = str(error) or type(error).__name__
    if isinstance(error, _DAMAGED) or (opening and isinstance(error, apsw.SQLError)):  # SQLError: a table is missing
        return StoreError("E4003", f"the file cannot be read: {said}", where=path)
    if opening and isinstance(error, _CLOSED_DOOR):
        return StoreError("E4001", f"the file cannot be opened: {said}", where=path)
    busy = "Another process holds the file in the middle of a commit: let it go on, or end it."
    mend = busy if isinstance(error, (apsw.BusyError, apsw.LockedError)) else ""
    return StoreError("E4002", f"SQLite refused: {said}", where=path, mend=mend)


def open_file(path: str) -> apsw.Connection:
    """Open a store for writing; make it where there is none.

    Args:
        path: The file; its directory must exist.

    Returns:
        The connection of the writer.

    Raises:
        StoreError: E4001, it cannot be opened or made; E4003, it is not a store of ours that this version knows;
            E4002, the disk is full.
    """
    try:
        if Path(path).is_dir():
            raise StoreError("E4001", "this is a directory, not a file", where=path)
        if Path(path).exists() and Path(path).stat().st_size:
            _look(path)
        db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
        try:
            _set_up(db, path)
        except BaseException:
            db.close()
            raise
    except (apsw.Error, OSError, ValueError) as error:
        raise store_error(error, path, opening=True) from None
    return db


def open_reader(path: str) -> apsw.Connection:
    """Open one more connection to a store that is open already, for reading only.

    Args:
        path: The file.

    Returns:
        The connection.

    Raises:
        StoreError: E4001, it cannot be opened.
    """
    try:
        db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
        db.set_busy_timeout(BUSY_MS)
        db.pragma("query_only", 1)
    except apsw.Error as error:
        raise store_error(error, path, opening=True) from None
    return db


def _look(path: str) -> None:
    """Refuse a file that is not ours, through a connection that cannot change it."""
    db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    try:
        db.set_busy_timeout(BUSY_MS)
        db.execute("BEGIN")
        _is_ours(db, path)
        db.execute("COMMIT")
    finally:
        db.close()


def _is_ours(db: apsw.Connection, path: str) -> int:
    """Give the version of the schema, or 0 when the file is empty; anything else is refused.

    In a transaction, so that all is of one moment while another process makes the file.
    """
    application: int = db.pragma("application_id")
    version: int = db.pragma("user_version")
    if application == APPLICATION_ID:
        if version > SCHEMA_VERSION:
            what = f"the file has schema {version}, this version of Riverrun knows {SCHEMA_VERSION}"
            raise StoreError("E4003", what, where=path, mend="Use the newer version of Riverrun, or name another file.")
        if version not in {SCHEMA_VERSION, *MIGRATIONS}:
            raise StoreError("E4003", f"the file has schema {version}, which never was", where=path)
        db.execute("SELECT 1 FROM run, batch, control LIMIT 1").fetchall()  # damage in the schema shows here
        return version
    if application or version or db.execute("SELECT count(*) FROM sqlite_schema").get:
        raise StoreError("E4003", "the file was made by another program", where=path)
    return 0


def _set_up(db: apsw.Connection, path: str) -> None:
    if db.readonly("main"):
        raise StoreError("E4001", "the file may not be written to", where=path)
    db.set_busy_timeout(BUSY_MS)
    db.pragma("synchronous", 2)  # FULL: a commit that was acknowledged survives a power cut
    db.execute("BEGIN")
    version = _is_ours(db, path)
    db.execute("COMMIT")
    if version < SCHEMA_VERSION:
        _make(db, path)
    _use_wal(db, path)
    db.pragma("journal_size_limit", 64 * 1024 * 1024)


def _make(db: apsw.Connection, path: str) -> None:
    """Make the schema, or bring it up to date: all of it, or the file stays as it was."""
    db.execute("BEGIN EXCLUSIVE")
    try:
        version = _is_ours(db, path)  # another process may have been faster
        if not version:
            db.execute(SCHEMA)
            db.pragma("application_id", APPLICATION_ID)
        for older in range(version or SCHEMA_VERSION, SCHEMA_VERSION):
            db.execute(MIGRATIONS[older])
        db.pragma("user_version", SCHEMA_VERSION)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _use_wal(db: apsw.Connection, path: str) -> None:
    """Switch to WAL; while another process does the same, SQLite says busy without waiting."""
    give_up_at = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            if db.pragma("journal_mode", "wal") == "wal":
                return
            raise StoreError("E4001", "the file system cannot hold a write-ahead log", where=path)
        except apsw.BusyError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.01)
