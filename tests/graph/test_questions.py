"""Open questions: who asked, what an answer is to, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import InputError
from riverrun.events.kinds import Question
from riverrun.graph.build import GraphBuilder
from riverrun.graph.course import Course, Step
from riverrun.graph.merge import Moment
from riverrun.graph.node import START
from riverrun.graph.questions import Questions, check_answers, match_answers, place_of, question_id
from riverrun.graph.schedule import Live

PLAN = GraphBuilder(dict).add_node("a", lambda state: None).add_edge(START, "a").plan("g")
COURSE = Course(PLAN)
EXECS = st.lists(
    st.builds("{}:{}".format, st.text("abc?-é ", min_size=1, max_size=4), st.integers(1, 99)), min_size=1, max_size=3
).map("/".join)


def step(exec_id):
    return Step(exec_id, COURSE, PLAN.nodes["a"], Live(1, ()), {}, Moment("", (), {}))


def asked(exec_id, place=1, kind="asked"):
    return Question(id=question_id(exec_id, place), node="a", exec=exec_id, kind=kind)


def refused(call, *said):
    with pytest.raises(InputError) as caught:
        call()
    assert "E2015" == caught.value.code
    for each in said:
        assert each in caught.value.message
    return caught.value


# --- their names ---


@given(EXECS, st.integers(0, 10**6), EXECS, st.integers(0, 10**6))
def test_a_question_is_named_by_its_execution_and_its_place_and_by_nothing_else(one, place, other, another):
    assert place == place_of(asked(one, place))
    same = question_id(one, place) == question_id(other, another)
    assert same is ((one, place) == (other, another))


# --- the open ones ---


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3), st.sampled_from(["ask", "take", "forget"]))))
def test_what_is_open_is_what_was_asked_and_neither_taken_nor_forgotten_in_the_order_of_asking(moves):
    steps = [step(f"a:{number}") for number in range(4)]
    open_ones: dict[str, tuple[Step, Question]] = {}
    questions = Questions()
    for number, place, what in moves:
        question = asked(f"a:{number}", place)
        if what == "ask":
            questions.ask(steps[number], question)
            open_ones[question.id] = (steps[number], question)
        elif what == "forget":
            questions.forget(steps[number])
            open_ones = {name: pair for name, pair in open_ones.items() if pair[0] is not steps[number]}
        elif question.id in open_ones:
            assert open_ones.pop(question.id) == questions.take(question.id)
        assert tuple(question for _, question in open_ones.values()) == questions.all
        assert len(open_ones) == len(questions)
        questions.check(dict.fromkeys(open_ones))
        for name in {asked(f"a:{number}", each).id for each in (1, 2, 3, 4)} - set(open_ones):
            refused(lambda name=name: questions.check({name: 1}), repr(name))


def test_answers_to_what_nobody_asks_are_refused_and_what_is_asked_is_named():
    open_ones = [asked("a:1"), asked("b:1", 2)]
    check_answers(open_ones, {})
    check_answers(open_ones, {"b:1?2": None})
    error = refused(lambda: check_answers(open_ones, {"a:1?1": 1, "c:1?1": 1}), "'c:1?1'", "a:1?1, b:1?2")
    assert "answer 'c:1?1'" == error.where
    refused(lambda: check_answers([], {"a:1?1": 1}), "open are: none")


# --- what an answer is to ---

ONE, TWO = asked("a:1"), asked("b:1")
HELD, LATER = asked("c:1", 0, "before"), asked("d:1", 0, "after")


@pytest.mark.parametrize("given", ["yes", 0, None, {}, [], {"a": 1}, {"a:1": 1}, {"a:1?1": 1, "note": 2}, {1: 2}])
def test_with_one_question_open_whatever_is_no_answer_by_id_is_the_answer_to_it(given):
    assert {"a:1?1": given} == match_answers((ONE,), given)


@pytest.mark.parametrize("given", [{"Go on?": "yes"}, {"really?1x": 1}, {"?1": 1}, {"a:1?1": 1, "Go on?": 2}])
def test_an_answer_whose_names_only_look_like_questions_is_an_answer(given):
    assert {"a:1?1": given} == match_answers((ONE,), given)


def test_answers_by_id_are_to_those_that_they_name():
    assert {"a:1?1": 1, "b:1?1": None} == match_answers((ONE, TWO), {"a:1?1": 1, "b:1?1": None})
    assert {"b:1?1": 2} == match_answers((ONE, TWO), {"b:1?1": 2})
    assert {"gone:1?1": 2} == match_answers((ONE,), {"gone:1?1": 2}), "which `check_answers` refuses"


@pytest.mark.parametrize("given", ["yes", None, {}, {"a": 1}])
def test_with_several_open_an_answer_that_names_none_is_refused(given):
    refused(lambda: match_answers((ONE, TWO), given), "a:1?1, b:1?1")


@pytest.mark.parametrize("given", [None, "go", 0, {}, {"a": 1}])
def test_what_is_only_held_is_let_go_by_any_answer(given):
    assert {"c:1?0": None, "d:1?0": None} == match_answers((HELD, LATER), given)


def test_what_is_held_goes_on_beside_what_is_asked():
    assert {"c:1?0": None, "a:1?1": "yes"} == match_answers((HELD, ONE), "yes")
    assert {"c:1?0": None, "a:1?1": "yes"} == match_answers((ONE, HELD), {"a:1?1": "yes"})
    assert {"c:1?0": None} == match_answers((ONE, HELD), None), "nothing was answered: what is asked stays open"
    assert {"c:1?0": 5} == match_answers((ONE, HELD, LATER), {"c:1?0": 5}), "a hold that was named goes alone"


@given(
    st.lists(st.sampled_from([ONE, TWO, HELD, LATER]), unique=True, max_size=4).map(tuple),
    st.none() | st.text() | st.dictionaries(st.sampled_from(["a:1?1", "b:1?1", "c:1?0", "d:1?0"]), st.integers()),
)
def test_whatever_is_matched_is_open(questions, given):
    known = {each.id for each in questions}
    try:
        matched: dict[str, Any] = match_answers(questions, given)
    except InputError:
        assert 2 == sum(each.kind == "asked" for each in questions)
        return
    named = set(given) if isinstance(given, dict) else set()
    assert set(matched) <= known | named
    if named <= known:
        check_answers(questions, matched)
