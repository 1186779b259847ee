"""From the name of a store to the store."""

from __future__ import annotations

from urllib.parse import unquote

from riverrun.base.clock import Clock, SystemClock
from riverrun.base.errors import StoreError
from riverrun.log.store import LogStore
from riverrun.stores.memory import MemoryStore

_SQLITE = "sqlite:///"


def open_store(url: str, clock: Clock | None = None) -> LogStore:
    """Open a store, or make it.

    Args:
        url: `memory:`, `sqlite:///relative.db` or `sqlite:////absolute.db`.
        clock: Tells when leases end; the system's by default.

    Returns:
        The store; afterwards `close` it.

    Raises:
        StoreError: E4006, no store is named like that; E4001, E4002 or E4003, it cannot be opened.
    """
    if url in ("memory:", "memory://"):
        return MemoryStore(clock or SystemClock())
    path = unquote(url.removeprefix(_SQLITE))
    if not url.startswith(_SQLITE) or not path or path.startswith(":") or path.endswith("/") or "\0" in path:
        raise StoreError("E4006", f"{url!r} names no store", mend="Write memory: or sqlite:///path/to/file.db.")
    # Here, so that who imports riverrun without a file does not load SQLite.
    from riverrun.stores.sqlite import SqliteStore  # noqa: PLC0415

    return SqliteStore(path, clock or SystemClock())
