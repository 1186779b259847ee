"""What is asked, by whom, and which answer is to which question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import InputError
from riverrun.events.kinds import Question
from riverrun.graph.build import GraphBuilder
from riverrun.graph.course import Course, Step
from riverrun.graph.merge import Moment
from riverrun.graph.node import START
from riverrun.graph.questions import Questions, match_answers, place_of, question_id
from riverrun.graph.schedule import Live

COURSE = Course(GraphBuilder(dict).add_node("a", lambda state: None).add_edge(START, "a").plan("g"))


def step(name):
    return Step(name, COURSE, COURSE.plan.nodes["a"], Live(1, ()), {}, Moment("", (), {}))


def ask(exec_id, place=1, kind="asked"):
    return Question(id=question_id(exec_id, place), node="a", exec=exec_id, kind=kind)


@given(st.sampled_from(["a:1", "b:2/a:12", "what?:1"]), st.integers(0, 1000))
def test_the_name_of_a_question_tells_its_place(exec_id, place):
    assert place == place_of(ask(exec_id, place))


def test_questions_are_kept_in_the_order_in_which_they_were_asked():
    questions = Questions()
    assert not questions
    one, other = step("a:1"), step("a:2")
    questions.ask(other, ask("a:2"))
    questions.ask(one, ask("a:1"))
    assert (2, ("a:2?1", "a:1?1")) == (len(questions), tuple(each.id for each in questions.all))
    assert (other, ask("a:2")) == questions.take("a:2?1")
    assert ("a:1?1",) == tuple(each.id for each in questions.all)


def test_what_a_step_asked_that_is_gone_is_forgotten_and_the_rest_is_not():
    questions = Questions()
    one, other = step("a:1"), step("a:2")
    questions.ask(one, ask("a:1"))
    questions.ask(other, ask("a:2"))
    questions.forget(one)
    questions.forget(step("a:2"))
    assert ("a:2?1",) == tuple(each.id for each in questions.all)


def test_answers_to_what_nobody_asks_are_refused_and_what_is_asked_is_named():
    questions = Questions()
    for count, known in ((0, "none"), (1, "a:0?1"), (2, "a:0?1, a:1?1")):
        with pytest.raises(InputError) as caught:
            questions.check({"b:1?1": 1})
        assert ("E2015", "answer 'b:1?1'") == (caught.value.code, caught.value.where)
        assert known in caught.value.message
        questions.ask(step(f"a:{count}"), ask(f"a:{count}"))
    questions.check({"a:0?1": 1, "a:2?1": 2})
    questions.check({})


# --- which answer is to which question ---

ONE, TWO, HOLD = ask("a:1"), ask("b:1"), ask("c:1", 0, "before")


@pytest.mark.parametrize(
    ("questions", "answer", "matched"),
    [
        ((ONE,), "yes", {"a:1?1": "yes"}),
        ((ONE,), None, {"a:1?1": None}),
        ((ONE,), {"x": 1}, {"a:1?1": {"x": 1}}),
        ((ONE,), {}, {"a:1?1": {}}),
        ((ONE,), {"a:1?1": 5}, {"a:1?1": 5}),
        ((ONE, TWO), {"a:1?1": 5}, {"a:1?1": 5}),
        ((ONE, TWO), {"a:1?1": 5, "b:1?1": 6}, {"a:1?1": 5, "b:1?1": 6}),
        # What only holds the run is let go by any answer.
        ((HOLD,), None, {"c:1?0": None}),
        ((HOLD,), "go on", {"c:1?0": None}),
        ((ONE, HOLD), "yes", {"c:1?0": None, "a:1?1": "yes"}),
        ((ONE, HOLD), {"a:1?1": 5}, {"c:1?0": None, "a:1?1": 5}),
        # It is no answer to what was asked.
        ((ONE, HOLD), None, {"c:1?0": None}),
    ],
    ids=map(str, range(12)),
)
def test_an_answer_finds_its_question(questions, answer, matched):
    assert matched == match_answers(questions, answer)


def test_one_answer_to_several_questions_must_say_to_which():
    for answer in ("yes", None, {"x": 1}, {}):
        with pytest.raises(InputError) as caught:
            match_answers((ONE, TWO), answer)
        assert "E2015" == caught.value.code
        assert "a:1?1, b:1?1" in caught.value.message
