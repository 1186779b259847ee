"""What a run waits to be told, and answers to it: from the words of a request to the questions of a run.

A question is named by its id. Answers that the log has already are no error, so that a request whose answer was lost
can be sent again. It reads logs and calls the run service; it does not know routes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import UNSET, UnsetType, json

from riverrun.base.errors import InputError
from riverrun.events.kinds import Question, RunInterrupted, RunResumed
from riverrun.graph.questions import is_question_id
from riverrun.log.store import RunKey, RunRow
from riverrun.log.view import View
from riverrun.runs.history import read_log
from riverrun.runs.service import RunService

_TAKEN = frozenset({"E2009", "E2015"})


class Answered(NamedTuple):
    """The outcome of an answer: the run as it is now, and whether the log had it before."""

    row: RunRow
    before: bool


async def parked_questions(service: RunService, row: RunRow) -> tuple[Question, ...]:
    """Give the questions of a run that is parked.

    Args:
        service: Where it lives.
        row: The run.

    Returns:
        All that are open; none of a run that is not parked.

    Raises:
        NotFound: E2005, the run is gone.
        StoreError: E4002, the store cannot be read.
    """
    if row.status != "parked":
        return ()
    # A parked run is one whose last event is this.
    page = await service.store.read(row.key, row.head - 1, 1)
    last = page.records[0].event if page.records else None
    return last.questions if isinstance(last, RunInterrupted) else ()


async def answer(
    service: RunService,
    key: RunKey,
    answers: Mapping[str, Any] | UnsetType,
    only: Any = UNSET,
    idem_key: str | None = None,
) -> Answered:
    """Answer questions of a run.

    Args:
        service: Where it lives.
        key: Which run.
        answers: By id of the question; UNSET when `only` is given.
        only: The answer to the one question that is open.
        idem_key: The same key answers once.

    Returns:
        The run, and whether its log had all these answers already.

    Raises:
        NotFound: E2005, no such run; E3014, its graph is not served here.
        InputError: E2009, it has ended; E2015, an answer is to a question that nobody asks.
        StoreError: E4002, the store cannot be read or written.
    """
    named = await _for_the_only_one(service, key, only) if answers is UNSET else dict(answers)
    for name in named or ():
        # The service would take a mapping of other names for the answer itself.
        if not is_question_id(name):
            raise InputError("E2015", f"{name[:100]!r} is not the id of a question", where=f"answers.{name[:100]}")
    try:
        return Answered(await service.resume(key, named, idem_key), before=False)
    except InputError as error:
        if error.code not in _TAKEN or not named or not await _taken(service, key, named):
            raise
        return Answered(await service.row(key), before=True)


async def _for_the_only_one(service: RunService, key: RunKey, only: Any) -> dict[str, Any] | None:
    """Name the question that an answer without a name is to; None when nothing is asked and the run is only held."""
    row = await service.row(key)
    questions = await parked_questions(service, row)
    if row.status in {"queued", "running"}:
        view = View()
        for event in await read_log(service.store, key):
            view.apply(event)
        questions = tuple(view.questions.values())
        if not questions:
            raise InputError("E2015", f"run {key.run} asks nothing", where="answer")
    asked = [question.id for question in questions if question.kind == "asked"]
    if len(asked) > 1:
        raise InputError("E2015", f"several questions are open, name one: {', '.join(asked)}", where="answer")
    return {asked[0]: only} if asked else None


async def _taken(service: RunService, key: RunKey, answers: Mapping[str, Any]) -> bool:
    """Say whether the log has each of these answers."""
    known: dict[str, Any] = {}
    for event in await read_log(service.store, key):
        if isinstance(event, RunResumed):
            known.update(event.answers)
    return all(name in known and _same(known[name], value) for name, value in answers.items())


def _same(one: Any, other: Any) -> bool:
    # As JSON: to Python, true is 1.
    return json.encode(one, order="sorted") == json.encode(other, order="sorted")
