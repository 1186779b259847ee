"""Errors as `application/problem+json` (RFC 9457) and back: one table says which code has which status and class.

Server and client share this file, so an error that a caller far away catches has the class, code, place and advice of
the one that was raised. A stack trace never travels. It does not know HTTP libraries, routes or stores.
"""

from __future__ import annotations

from math import ceil, isfinite
from typing import NamedTuple

import msgspec
from msgspec import Struct

from riverrun.base.codes import CODES
from riverrun.base.errors import (
    Busy,
    ConnectionFault,
    CursorError,
    Fault,
    InputError,
    NodeError,
    NotFound,
    ProtocolFault,
    RiverrunError,
    StoreError,
)

CONTENT_TYPE = "application/problem+json"


class Answer(NamedTuple):
    """How an error of one code is answered, and what it is again at the client."""

    status: int
    kind: type[RiverrunError]


# PROTOCOL.md §7. A code that is not here is answered with 500 and keeps its name.
ANSWERS: dict[str, Answer] = {
    "E2001": Answer(400, InputError),
    "E2007": Answer(400, CursorError),
    "E2039": Answer(400, InputError),
    "E2019": Answer(400, InputError),
    "E2017": Answer(401, InputError),
    "E2014": Answer(403, InputError),
    "E2018": Answer(403, InputError),
    "E2036": Answer(403, InputError),
    "E2004": Answer(404, NotFound),
    "E2005": Answer(404, NotFound),
    "E2011": Answer(404, NotFound),  # 405 where the path exists, but not for this method
    "E2031": Answer(404, NotFound),
    "E2026": Answer(404, NotFound),
    "E2012": Answer(406, InputError),
    "E2009": Answer(409, InputError),
    "E2013": Answer(409, InputError),
    "E2015": Answer(409, InputError),
    "E2016": Answer(409, InputError),
    "E2020": Answer(409, InputError),
    "E3009": Answer(409, NodeError),
    "E3014": Answer(409, NodeError),
    "E3018": Answer(409, Busy),
    "E2033": Answer(409, InputError),
    "E2034": Answer(409, InputError),
    "E2035": Answer(409, InputError),
    "E2037": Answer(409, InputError),
    "E2038": Answer(409, InputError),
    "E2006": Answer(410, CursorError),
    "E2008": Answer(410, CursorError),
    "E2032": Answer(410, NotFound),
    "E2025": Answer(410, CursorError),
    "E4007": Answer(410, CursorError),
    "E2003": Answer(413, InputError),
    "E2002": Answer(422, InputError),
    "E2010": Answer(422, InputError),
    "E2021": Answer(429, Busy),
    "E3010": Answer(429, Busy),
    "E4001": Answer(503, StoreError),
    "E4002": Answer(503, StoreError),
    "E6007": Answer(500, Fault),
}
_DEFECT = Answer(500, Fault)

# What stands behind a status that came without a problem document: from a proxy, or from no Riverrun server at all.
_BARE: dict[int, str] = {429: "E3010", 502: "E5001", 503: "E5001", 504: "E5001"}


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One error as it travels.

    Attributes:
        type: `urn:riverrun:error:<code>`.
        title: What the catalogue calls it.
        status: Of HTTP.
        detail: What happened.
        code: Of the catalogue (`riverrun explain CODE`).
        where: The place.
        mend: What to do about it.
        head: For places: seq of the last committed event.
        floor: For places: seq before the first event that is left.
        retry_after: For limits: seconds after which a new try makes sense.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    where: str = ""
    mend: str = ""
    head: int | None = None
    floor: int | None = None
    retry_after: float | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that belong to it: its content type, and `Retry-After` (whole seconds) for limits."""
        headers = {"content-type": CONTENT_TYPE}
        if self.retry_after is not None:
            headers["retry-after"] = str(max(1, ceil(self.retry_after)))
        return headers

    def error(self) -> RiverrunError:
        """Make the exception again, of the class that was raised at the other side."""
        mend = self.mend or (CODES[self.code].mend if self.code in CODES else "See the server's log.")
        kind = _kind(self)
        if kind is Busy:
            after = 1.0 if self.retry_after is None else self.retry_after
            return Busy(self.code, self.detail, where=self.where, mend=mend, retry_after=after)
        if kind is CursorError:
            return CursorError(self.code, self.detail, where=self.where, mend=mend, head=self.head, floor=self.floor)
        return kind(self.code, self.detail, where=self.where, mend=mend)


def problem_of(error: RiverrunError, status: int | None = None) -> Problem:
    """Describe an error for the other side.

    Args:
        error: Any of ours.
        status: Where it is not that of the table: 405 for E2011.

    Returns:
        The problem; `encode` makes it bytes.
    """
    status = status or ANSWERS.get(error.code, _DEFECT).status
    place = error if isinstance(error, CursorError) else None
    return Problem(
        type=f"urn:riverrun:error:{error.code}",
        title=CODES[error.code].title if error.code in CODES else error.code,
        status=status,
        detail=error.message,
        code=error.code,
        where=error.where,
        mend=error.mend,
        head=place.head if place else None,
        floor=place.floor if place else None,
        # A store that cannot be written does not know when it can: one second is as good as any.
        retry_after=getattr(error, "retry_after", 1.0) if status in {429, 503} else None,
    )


def encode(told: Problem) -> bytes:
    """Write a problem as JSON."""
    return msgspec.json.encode(told)


def decode(status: int, body: bytes, retry_after: str | None = None) -> Problem:
    """Read the answer to a request that was not granted.

    Args:
        status: Of the response; it wins over what the body says.
        body: A problem document, or whatever a proxy made.
        retry_after: The header of that name, if there is one; only its form in seconds is understood.

    Returns:
        The problem; where the body is none, one that says so.
    """
    try:
        told = msgspec.json.decode(body, type=Problem)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        told = _bare(status)
    seconds = told.retry_after if told.retry_after is not None else _seconds(retry_after)
    if seconds is not None and not (isfinite(seconds) and seconds >= 0):
        seconds = None
    return msgspec.structs.replace(told, status=status, retry_after=seconds)


def _kind(told: Problem) -> type[RiverrunError]:
    known = ANSWERS.get(told.code)
    if known is not None:
        return known.kind
    if told.code == "E5001":
        return ConnectionFault
    if told.code == "E5003":
        return ProtocolFault
    return Fault if told.status >= 500 else InputError


def _bare(status: int) -> Problem:
    code = _BARE.get(status, "E5003")
    return Problem(
        type=f"urn:riverrun:error:{code}",
        title=CODES[code].title,
        status=status,
        detail=f"the answer was {status}, without a description that Riverrun understands",
        code=code,
    )


def _seconds(text: str | None) -> float | None:
    # Nine digits are 31 years; a longer number is noise, and a date is as well: its clock is not ours.
    return float(text) if text and text.isascii() and text.isdigit() and len(text) <= 9 else None
