"""Stopping and resuming a run, in one way for every transport: which call of the run service, and with what status.

What was done before is no error, so that a request whose answer was lost can be sent again. It knows neither routes
nor frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import UNSET, UnsetType

from riverrun.base.errors import CursorError, InputError
from riverrun.log.store import RunKey, RunRow
from riverrun.runs.service import RunService
from riverrun.server import questions
from riverrun.transports.place import told


class Steered(NamedTuple):
    """The run as it is now, and the status of HTTP: 202 where something was set going, 200 where it was before."""

    row: RunRow
    status: int


async def stop(service: RunService, key: RunKey, reason: str) -> Steered:
    """Stop a run; one that has ended stays as it ended.

    Args:
        service: Where it lives.
        key: Which run.
        reason: Why, for its readers.

    Returns:
        The run.

    Raises:
        NotFound: E2005.
        InputError: The service refuses for another reason than that the run has ended.
        StoreError: E4002, the store cannot be read or written.
    """
    try:
        return Steered(await service.stop(key, reason), 202)
    except InputError as error:
        if error.code != "E2009":
            raise
        return Steered(await service.row(key), 200)


async def resume(
    service: RunService,
    key: RunKey,
    answers: Mapping[str, Any] | UnsetType,
    only: Any = UNSET,
    idem_key: str | None = None,
) -> Steered:
    """Answer questions of a run; answers that it has already are taken for the same ones.

    Args:
        service: Where it lives.
        key: Which run.
        answers: By id of the question; UNSET when `only` is given.
        only: The answer to the one question that is open.
        idem_key: The same key answers once.

    Returns:
        The run.

    Raises:
        InputError: E2009 or E2015.
        NotFound: E2005 or E3014.
        CursorError: E4007.
        StoreError: E4002, the store cannot be read or written.
    """
    try:
        row, before = await questions.answer(service, key, answers, only, idem_key)
    except CursorError as error:
        raise await told(error, service.store, key) from None
    return Steered(row, 200 if before else 202)
