"""Answers are read as a person means them, and reach the question they name; in a terminal each is asked for."""

from __future__ import annotations

import io
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from riverrun.base.errors import InputError
from riverrun.cli.ask import ask, read_answer, read_answers
from riverrun.events.kinds import Question


def question(name, kind="asked", **more):
    node = name.partition(":")[0]
    return Question(id=name, node=node, exec=f"{node}:1", kind=kind, **more)


ONE, TWO = question("a:1?1", value="one?"), question("b:1?1", value="two?")
HELD = question("c:1?0", kind="before")
TEXT = question("a:1?1", schema={"type": "string"})


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("yes", "yes"),
        ("7", 7),
        ("true", True),
        ("null", None),
        ('"7"', "7"),
        ('{"a": [1]}', {"a": [1]}),
        ("{half", "{half"),
        ("", ""),
        ("  7 ", 7),
    ],
)
def test_an_answer_is_json_where_it_can_be_and_text_else(text, answer):
    assert answer == read_answer(text)
    assert text == read_answer(text, TEXT)


def test_the_one_question_needs_no_name():
    assert {"a:1?1": 7} == read_answers(["7"], [ONE])
    assert {"a:1?1": "x=1", "c:1?0": None} == read_answers(["x=1"], [HELD, ONE])
    assert {"a:1?1": "7"} == read_answers(["7"], [TEXT])


def test_answers_name_their_questions():
    assert {"a:1?1": "x", "b:1?1": [1]} == read_answers(["b:1?1=[1]", "a:1?1=x"], [ONE, TWO])
    assert {"b:1?1": "=a=b"} == read_answers(["b:1?1==a=b"], [ONE, TWO])


def test_what_is_only_held_needs_no_answer():
    assert {"c:1?0": None} == read_answers([], [HELD])
    assert {} == read_answers([], [])


@pytest.mark.parametrize(
    ("given", "questions"),
    [
        (["x"], [ONE, TWO]),
        (["x", "y"], [ONE]),
        (["z:1?1=x"], [ONE]),
        (["a:2?1=x"], [ONE]),
        (["x"], [HELD]),
        (["x"], []),
        ([], [ONE]),
        ([], [HELD, ONE, TWO]),
    ],
)
def test_an_answer_that_reaches_no_question_is_refused_and_says_what_is_open(given, questions):
    with pytest.raises(InputError, match="E2015") as caught:
        read_answers(given, questions)
    for each in questions:
        assert each.kind != "asked" or each.id in caught.value.mend


@given(name=st.from_regex(r"[a-zé=?:]{1,6}:[1-9]\?[1-9]", fullmatch=True), text=st.text(max_size=10))
def test_any_id_is_found_before_its_answer(name, text):
    wanted = question(name, schema={"type": "string"})
    assert {name: text, "b:1?1": None} == read_answers([f"{name}={text}", "b:1?1=null"], [wanted, TWO])


@pytest.fixture
def terminal(monkeypatch):
    """A terminal as standard input; gives what types into it."""
    master, slave = os.openpty()
    with os.fdopen(slave, "r") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield lambda data: os.write(master, data)
    os.close(master)


async def test_each_question_is_asked_in_the_terminal(terminal):
    screen = Console(file=io.StringIO(), width=80)
    terminal(b"yes\n7\n\n")
    questions = [ONE, question("b:1?1", value={"n": 1}, schema={"type": "integer"}, problem="not a number"), HELD]
    assert {"a:1?1": "yes", "b:1?1": 7, "c:1?0": None} == await ask(screen, questions)
    assert isinstance(screen.file, io.StringIO)
    shown = screen.file.getvalue()
    for words in ("? a one?", '? b {"n":1} (not a number)', '{"type":"integer"}', "held before c", "Enter lets it go"):
        assert words in shown


async def test_who_leaves_answers_nothing(terminal):
    terminal(b"yes\n\x04")
    assert None is await ask(Console(file=io.StringIO()), [ONE, TWO])


async def test_where_nobody_is_nothing_is_asked(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    assert None is await ask(Console(file=io.StringIO()), [ONE])
