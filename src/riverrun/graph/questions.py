"""What a run waits to be told: its open questions, each with the step that asked.

The id of a question is made of its execution and of its place among the questions of that: the same after a restart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from riverrun.base.errors import InputError
from riverrun.events.kinds import Json, Question
from riverrun.graph.course import Step


class Questions:
    """The open questions of one run, in the order in which they were asked.

    Attributes:
        open: By id: each question, and who asked it.
    """

    __slots__ = ("open",)

    def __init__(self) -> None:
        self.open: dict[str, tuple[Step, Question]] = {}

    def __len__(self) -> int:
        return len(self.open)

    @property
    def all(self) -> tuple[Question, ...]:
        """The questions."""
        return tuple(question for _, question in self.open.values())

    def ask(self, step: Step, question: Question) -> None:
        """Note a question; its step waits."""
        self.open[question.id] = (step, question)

    def check(self, answers: Mapping[str, Json]) -> None:
        """Refuse answers to what is not asked.

        Raises:
            InputError: E2015, nobody asks a question of one of the ids.
        """
        check_answers(self.all, answers)

    def take(self, name: str) -> tuple[Step, Question]:
        """Give a question that is answered, and who asked it."""
        return self.open.pop(name)

    def forget(self, step: Step) -> None:
        """Drop what a step asked that waits no more."""
        for name in [name for name, (asker, _) in self.open.items() if asker is step]:
            del self.open[name]


def check_answers(questions: Sequence[Question], answers: Mapping[str, Json]) -> None:
    """Refuse answers to what is not asked.

    Args:
        questions: Those that are open.
        answers: By id.

    Raises:
        InputError: E2015, nobody asks a question of one of the ids.
    """
    names = [each.id for each in questions]
    for name in answers:
        if name not in names:
            known = ", ".join(names) or "none"
            raise InputError("E2015", f"no question {name!r} is open; open are: {known}", where=f"answer {name!r}")


def question_id(exec_id: str, place: int) -> str:
    """Name the question that an execution asks at this place, from 1."""
    return f"{exec_id}?{place}"


def place_of(question: Question) -> int:
    """Give the place of a question among those of its execution."""
    return int(question.id.rpartition("?")[2])


def is_question_id(name: object) -> bool:
    """Say whether a name can only be that of a question: an execution and a place, as in `ask:1?1`."""
    if not isinstance(name, str):
        return False
    exec_id, _, place = name.rpartition("?")
    return ":" in exec_id and place.isdecimal()


def match_answers(questions: tuple[Question, ...], given: object) -> dict[str, Any]:
    """Say which question each answer is to.

    What only holds a run (`before`, `after` a node) is let go by any answer at all.

    Args:
        questions: Those that are open.
        given: A mapping by question id, the one answer to the one question, or None where only holds are open.

    Returns:
        Answers by question id.

    Raises:
        InputError: E2015, several questions are open and the answer names none.
    """
    asked = [each.id for each in questions if each.kind == "asked"]
    held: dict[str, Any] = {each.id: None for each in questions if each.kind != "asked"}
    if isinstance(given, Mapping) and given and all(is_question_id(name) for name in given):
        return {**held, **given} if set(given) & set(asked) or not asked else dict(given)
    if not asked or (given is None and held):
        return held
    if len(asked) > 1:
        raise InputError("E2015", f"the answer names none of the questions that are open: {', '.join(asked)}")
    return {**held, asked[0]: given}
