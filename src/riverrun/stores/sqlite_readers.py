"""The threads that read a SQLite store, each with a connection of its own, so that the writer never blocks a reader."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock, local
from typing import Concatenate, ParamSpec, TypeVar

import apsw

from riverrun.base.errors import StoreError
from riverrun.stores.sqlite_file import open_reader, store_error

P = ParamSpec("P")
T = TypeVar("T")


class Readers:
    """A small pool of reading threads.

    Args:
        path: The file.
        threads: How many, at most.
    """

    def __init__(self, path: str, threads: int = 3) -> None:
        self._path = path
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="riverrun-store-reader")
        self._mine = local()
        self._open: list[apsw.Connection] = []
        self._lock = Lock()

    async def run(self, query: Callable[Concatenate[apsw.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query in a thread of the pool.

        Args:
            query: Given a connection, then the arguments.
            args: For it.
            kwargs: For it.

        Returns:
            What it gives back.

        Raises:
            RiverrunError: What it raised.
            StoreError: E4002, the store cannot be read, or is closed; E4003, the file is damaged.
        """
        loop = asyncio.get_running_loop()
        try:
            future = loop.run_in_executor(self._pool, lambda: self._run(lambda db: query(db, *args, **kwargs)))
        except RuntimeError:
            raise StoreError("E4002", "the store is closed", where=self._path) from None
        return await future

    def beside(self, query: Callable[[apsw.Connection], None]) -> None:
        """Run a query some time soon, from any thread; nobody is told what became of it.

        Args:
            query: Given a connection.
        """
        with suppress(RuntimeError):  # closed
            self._pool.submit(self._run, query)

    def close(self) -> None:
        """End the threads and close their connections; idempotent."""
        self._pool.shutdown(wait=True)
        with self._lock:
            while self._open:
                self._open.pop().close()

    def _run(self, query: Callable[[apsw.Connection], T]) -> T:
        try:
            return query(self._connection())
        except (apsw.Error, UnicodeError) as error:
            raise store_error(error, self._path) from None

    def _connection(self) -> apsw.Connection:
        db: apsw.Connection | None = getattr(self._mine, "db", None)
        if db is None:
            db = self._mine.db = open_reader(self._path)
            with self._lock:
                self._open.append(db)
        return db
