"""What a reader has: the same from any delivery that follows the rule of reading."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import ProtocolFault
from riverrun.events.ending import Ending
from riverrun.events.kinds import (
    Custom,
    ErrorInfo,
    NodeCancelled,
    NodeChunk,
    NodeCompleted,
    NodeFailed,
    NodeInterrupted,
    NodeRetrying,
    NodeStarted,
    Question,
    RunCompleted,
    RunFailed,
    RunInterrupted,
    RunResumed,
    RunStarted,
    RunStopped,
    RunTakenOver,
    text_length,
)
from riverrun.log.tail import Verdict
from riverrun.log.view import View

RUN = "a" * 32
BASE: dict[str, Any] = {"ts": 1, "run": RUN}
NODE: dict[str, Any] = {**BASE, "node": "n", "exec": "n:1"}


def chunk(seq, value, start, message="m", key="k"):
    return NodeChunk(seq=seq, message=message, value=value, start=start, key=key, **NODE)


def begin():
    return RunStarted(seq=1, graph="g", log="abcdabcd", **BASE)


def ask(name):
    return Question(id=name, node="n", exec=name.partition("?")[0], value="well?")


@st.composite
def logs(draw):
    """Draw a whole log: chunks of two messages, a takeover with voided text now and then, an ending or none."""
    events, lengths = [begin()], {"a": 0, "b": 0}
    kinds = ["a", "b", "b", "over", "custom", "started", "completed", "failed", "cancelled", "asked", "answered"]
    steps = st.lists(st.sampled_from(kinds), max_size=14)
    for step in draw(steps):
        seq = len(events) + 1
        if step in lengths:
            value = draw(st.text(alphabet="xé😀 ", max_size=3))
            events.append(chunk(seq, value, lengths[step], step, step))
            lengths[step] += text_length(value)
        elif step == "over":
            events.append(RunTakenOver(seq=seq, epoch=2, **BASE))
            events.append(NodeRetrying(seq=seq + 1, voids=("a", "unheard"), **NODE))
            lengths["a"] = 0
        elif step == "custom":
            events.append(Custom(seq=seq, name="c", **NODE))
        elif step == "failed":
            events.append(NodeFailed(seq=seq, error=ErrorInfo(code="E3001", message="x"), voids=("b",), **NODE))
            lengths["b"] = 0
        elif step == "cancelled":
            events.append(NodeCancelled(seq=seq, voids=("a", "b"), **NODE))
            lengths = {"a": 0, "b": 0}
        elif step == "asked":
            events.append(NodeInterrupted(seq=seq, question=ask(draw(st.sampled_from(["n:1?1", "n:1?2"]))), **NODE))
        elif step == "answered":
            events.append(RunResumed(seq=seq, answers={"n:1?1": "yes"}, **BASE))
        else:
            events.append((NodeStarted if step == "started" else NodeCompleted)(seq=seq, **NODE))
    if draw(st.booleans()):
        events.append(RunCompleted(seq=len(events) + 1, **BASE))
    return events


def told(view):
    texts = {name: (message.text, message.length, message.key) for name, message in view.messages.items()}
    counts = (view.voided, view.takeovers, view.chunks)
    return (view.place, view.log, view.graph, texts, view.nodes, view.questions, counts, view.ending)


def fold(events):
    view = View()
    for event in events:
        assert view.apply(event) is Verdict.APPLY
    return view


@given(log=logs(), data=st.data())
def test_any_delivery_that_follows_the_rule_gives_the_same_view(log, data):
    view = View()
    while view.place < len(log):
        # A connection: it begins somewhere, may be cut, may repeat and shuffle; then the reader reads after its place.
        start = data.draw(st.integers(0, view.place))
        delivery = log[start : data.draw(st.integers(view.place + 1, len(log)))]
        if data.draw(st.booleans()):
            delivery = data.draw(st.permutations(delivery + delivery[:3]))
        for event in delivery:
            view.apply(event)
        if view.place < len(log):
            assert view.apply(log[view.place]) is Verdict.APPLY
    assert told(fold(log)) == told(view)


@given(log=logs())
def test_applying_everything_twice_changes_nothing(log):
    view = fold(log)
    once = told(view)
    assert {Verdict.KNOWN} == {view.apply(event) for event in log}
    assert once == told(view)


def test_text_is_joined_per_key_and_counted_in_utf_16():
    view = fold([begin(), chunk(2, "a😀", 0, "m1"), chunk(3, "é", 3, "m1"), chunk(4, "z", 0, "m2")])
    assert "a😀éz" == view.text("k")
    assert "" == view.text("elsewhere")
    assert [4, 1] == [message.length for message in view.messages.values()]
    assert 3 == view.chunks


def test_what_is_not_text_is_kept_beside_it():
    view = fold([begin(), chunk(2, {"part": 1}, None), chunk(3, "x", 0)])
    assert ([{"part": 1}, "x"], "x") == (view.messages["m"].chunks, view.messages["m"].text)


def test_text_that_does_not_continue_its_message_is_a_fault_and_changes_nothing():
    view = fold([begin(), chunk(2, "abc", 0)])
    before = told(view)
    for message in ("m", "a message of which nothing was heard"):
        with pytest.raises(ProtocolFault, match="E5004"):
            view.apply(chunk(3, "x", 2, message))
        assert before == told(view)


def test_text_taken_back_is_counted_and_begins_anew():
    view = fold([begin(), chunk(2, "abc", 0), NodeRetrying(seq=3, voids=("m",), **NODE), chunk(4, "x", 0)])
    assert ("x", 3, "retrying") == (view.text("k"), view.voided, view.nodes["n:1"])


def test_the_end_says_how_and_why():
    why = ErrorInfo(code="E3001", message="node n failed")
    view = fold([begin(), RunFailed(seq=2, error=why, **BASE)])
    assert (Ending.FAILED, why, "g", "abcdabcd") == (view.ending, view.error, view.graph, view.log)


def test_an_event_after_a_gap_is_not_applied():
    view = fold([begin()])
    assert view.apply(chunk(3, "x", 0)) is Verdict.GAP
    assert 1 == view.place


# --- what is taken back, and what is asked ---


def test_what_a_cancelled_or_failed_node_said_counts_no_more():
    one = [begin(), chunk(2, "ab", 0, "m"), chunk(3, "cd", 0, "other")]
    for last in (
        NodeCancelled(seq=4, voids=("m", "unheard"), **NODE),
        NodeFailed(seq=4, voids=("m",), tolerated=True, error=ErrorInfo(code="E3001", message="x"), **NODE),
    ):
        view = fold([*one, last])
        texts = {name: message.text for name, message in view.messages.items()}
        assert ({"m": "", "other": "cd"}, 2, 2) == (texts, view.voided, view.chunks)


def test_a_message_that_was_taken_back_begins_anew():
    view = fold([begin(), chunk(2, "ab", 0, "m"), NodeCancelled(seq=3, voids=("m",), **NODE), chunk(4, "c", 0, "m")])
    assert "c" == view.messages["m"].text


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (NodeStarted(seq=2, **NODE), "started"),
        (NodeCompleted(seq=2, **NODE), "completed"),
        (NodeRetrying(seq=2, **NODE), "retrying"),
        (NodeInterrupted(seq=2, question=ask("n:1?1"), **NODE), "interrupted"),
        (NodeCancelled(seq=2, **NODE), "cancelled"),
        (NodeFailed(seq=2, error=ErrorInfo(code="E3001", message="x"), **NODE), "failed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_where_a_node_is_follows_from_its_last_event(event, state):
    assert {"n:1": state} == fold([begin(), event]).nodes
    assert {"n:1": state} == fold([begin(), event, Custom(seq=3, name="c", **NODE)]).nodes


def test_a_question_is_open_until_it_is_answered_and_stands_once_when_it_is_asked_again():
    other = {**NODE, "exec": "m:1"}
    log = [
        begin(),
        NodeInterrupted(seq=2, question=ask("n:1?1"), **NODE),
        NodeInterrupted(seq=3, question=ask("m:1?1"), **other),
        RunInterrupted(seq=4, questions=(ask("n:1?1"), ask("m:1?1")), **BASE),
    ]
    assert ["n:1?1", "m:1?1"] == list(fold(log).questions)
    log.append(RunResumed(seq=5, answers={"n:1?1": 7}, **BASE))
    assert ["m:1?1"] == list(fold(log).questions)
    again = Question(id="n:1?1", node="n", exec="n:1", problem="7 is no text")
    log.append(NodeInterrupted(seq=6, question=again, **NODE))
    assert {"m:1?1": ask("m:1?1"), "n:1?1": again} == fold(log).questions


@pytest.mark.parametrize(
    ("last", "left"),
    [
        (NodeCancelled(seq=4, **NODE), ["m:1?1"]),
        (NodeFailed(seq=4, error=ErrorInfo(code="E3021", message="x"), **NODE), ["m:1?1"]),
        (RunStopped(seq=4, reason="enough", **BASE), []),
    ],
    ids=["cancelled", "failed", "stopped"],
)
def test_nobody_waits_for_an_answer_to_what_is_gone(last, left):
    other = {**NODE, "exec": "m:1"}
    log = [
        begin(),
        NodeInterrupted(seq=2, question=ask("n:1?1"), **NODE),
        NodeInterrupted(seq=3, question=ask("m:1?1"), **other),
    ]
    assert left == list(fold([*log, last]).questions)
