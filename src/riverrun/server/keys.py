"""Static keys: the built-in way to know who asks. A list of `key:tenant:scopes`, in a setting or in a file.

Only digests of keys are kept, and each is compared in a time that says nothing of where it differs; no message repeats
a key. Whoever has many users, or keys that end, writes an `authenticate` of their own (`gate.py`).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from starlette.requests import HTTPConnection

from riverrun.base.errors import InputError
from riverrun.base.ids import is_tenant
from riverrun.server.gate import ALL_SCOPES, SCOPES, Principal

# What RFC 6750 lets stand behind `Bearer`; neither a colon nor a comma.
_KEY = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)
_BEARER = re.compile(r"bearer +(?P<key>[A-Za-z0-9._~+/-]+=*)", re.ASCII | re.IGNORECASE)
_MEND = "Write key:tenant or key:tenant:scopes, with scopes joined by +: k3y:acme:read+start. RIVERRUN_KEYS, or a file."


class _Entry(NamedTuple):
    digest: bytes
    principal: Principal


class StaticKeys:
    """Know connections by the key that they send as `Authorization: Bearer <key>`. An `authenticate` of `create_app`.

    Args:
        given: Entries `key:tenant:scopes` with commas between them; scopes are joined by `+`, and without them a key
            has all but `metrics`. Or `@file`: a file with an entry on each line, where `#` begins a comment.

    Raises:
        InputError: E6004, the file cannot be read; E6006, an entry cannot be taken, or there is none.
    """

    def __init__(self, given: str) -> None:
        self._entries = [_entry(text, where) for text, where in _texts(given)]
        if not self._entries:
            raise InputError("E6006", "there is no key, so nobody could ever be known", where="keys", mend=_MEND)
        digests = {entry.digest for entry in self._entries}
        if len(digests) < len(self._entries):
            raise InputError("E6006", "one key stands there twice", where="keys", mend="Leave out one of the entries.")

    async def __call__(self, connection: HTTPConnection) -> Principal | None:
        """Say who a connection comes from.

        Args:
            connection: Any.

        Returns:
            The principal of its key; None when it has none, several, or one that is not known.
        """
        headers = connection.headers.getlist("authorization")
        read = _BEARER.fullmatch(headers[0].strip()) if len(headers) == 1 else None
        if read is None:
            return None
        digest, found = _digest(read["key"]), None
        # All of them each time: how long it takes says neither whether a key is known nor which one it is.
        for entry in self._entries:
            if hmac.compare_digest(digest, entry.digest):
                found = entry.principal
        return found


def _texts(given: str) -> Iterator[tuple[str, str]]:
    """Give each entry with the place it stands at, which is all that a message may say of it."""
    if not given.startswith("@"):
        for number, text in enumerate(given.split(","), 1):
            if text.strip():
                yield text.strip(), f"keys, entry {number}"
        return
    path = given[1:]
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        what = getattr(error, "strerror", None) or "it is not text"
        raise InputError("E6004", f"the keys cannot be read: {what}", where=path) from None
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if text:
            yield text, f"{path}:{number}"


def _entry(text: str, where: str) -> _Entry:
    key, *rest = (part.strip() for part in text.split(":"))
    if not _KEY.fullmatch(key) or not 1 <= len(rest) <= 2:
        raise InputError("E6006", "the entry is not key:tenant:scopes", where=where, mend=_MEND)
    if not is_tenant(rest[0]):
        raise InputError("E6006", f"{rest[0][:64]!r} is no name of a tenant", where=where, mend=_MEND)
    scopes = SCOPES if len(rest) == 1 else frozenset(scope.strip() for scope in rest[1].split("+"))
    if not scopes <= ALL_SCOPES:
        unknown = ", ".join(repr(scope) for scope in sorted(scopes - ALL_SCOPES))
        what = f"there is no scope {unknown}; there are: {', '.join(sorted(ALL_SCOPES))}"
        raise InputError("E6006", what, where=where, mend=_MEND)
    return _Entry(_digest(key), Principal(rest[0], scopes))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
