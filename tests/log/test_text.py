"""The text of a message from an offset on is what a reader of all events has beyond that offset."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.base.errors import CursorError
from riverrun.events.kinds import (
    ErrorInfo,
    Event,
    NodeCancelled,
    NodeChunk,
    NodeCompleted,
    NodeFailed,
    NodeRetrying,
    NodeStarted,
    RunCompleted,
    RunStarted,
    text_length,
)
from riverrun.events.record import Record
from riverrun.log.text import Asked, MessageText, after_units
from riverrun.log.view import View

RUN = "a" * 32
BASE: dict[str, Any] = {"ts": 1, "run": RUN}
WORDS = st.text(st.sampled_from('ab é🌊👩\u200d"\\\n'), min_size=1, max_size=5)


class Writing:
    """A log in the making: two messages of two executions, and what becomes of them."""

    def __init__(self) -> None:
        self.events: list[Event] = [RunStarted(seq=1, graph="g", log="abcdabcd", **BASE)]
        self.lengths = {"a:1": 0, "b:1": 0}
        self.attempts = {"a:1": 1, "b:1": 1}
        self.over: set[str] = set()

    def add(self, kind: type[Event], name: str = "", **fields: Any) -> None:
        node: dict[str, Any] = {"node": name[0], "exec": name, "attempt": self.attempts[name]} if name else {}
        self.events.append(kind(seq=len(self.events) + 1, **BASE, **node, **fields))

    def say(self, name: str, text: str) -> None:
        self.add(NodeChunk, name, message=f"{name}/text", value=text, start=self.lengths[name], key="text")
        self.lengths[name] += text_length(text)

    def begin_anew(self, name: str) -> None:
        self.attempts[name] += 1
        self.lengths[name] = 0
        self.add(NodeRetrying, name, voids=(f"{name}/text",), reason="failed")

    def end(self, name: str, kind: type[Event]) -> None:
        self.over.add(name)
        more: dict[str, Any] = {"error": ErrorInfo(code="E3001", message="")} if kind is NodeFailed else {}
        if kind is not NodeCompleted:
            self.lengths[name] = 0
            more["voids"] = (f"{name}/text",)
        self.add(kind, name, **more)

    def records(self) -> list[Record]:
        return [Record(event.seq, event) for event in self.events]


@st.composite
def writings(draw):
    writing = Writing()
    for name in writing.lengths:
        writing.add(NodeStarted, name)
    ends = [NodeCompleted, NodeFailed, NodeCancelled]
    for _ in range(draw(st.integers(0, 14))):
        name = draw(st.sampled_from(["a:1", "a:1", "b:1"]))
        step = draw(st.sampled_from(["say", "say", "say", "retry", "end"]))
        if name in writing.over:
            continue
        if step == "say":
            writing.say(name, draw(WORDS))
        elif step == "retry":
            writing.begin_anew(name)
        else:
            writing.end(name, draw(st.sampled_from(ends)))
    if draw(st.booleans()):
        writing.add(RunCompleted)
    return writing


def read(records, asked, *, place=0, ended=False):
    text = MessageText(asked, place)
    text.take([record for record in records if record.seq > place], ended=ended)
    return text


def ended(writing):
    return writing.events[-1].terminal


def seen(writing):
    view = View()
    for event in writing.events:
        view.apply(event)
    message = view.messages.get("a:1/text")
    return "" if message is None else message.text


def units(text):
    return text.encode("utf-16-le", "surrogatepass")


@given(writings(), st.data())
def test_what_is_told_is_what_a_reader_of_all_events_has_beyond_the_offset(writing, data):
    whole = seen(writing)
    offset = data.draw(st.integers(0, text_length(whole)))
    text = read(writing.records(), Asked(message="a:1/text", offset=offset), ended=ended(writing))
    start, rest, length = text.told()
    assert length == text_length(whole)
    assert start in ((0,) if text.voided else (offset, offset - 1))
    assert units(whole)[2 * start :] == units(rest)
    assert text.done == (ended(writing) or "a:1" in writing.over)
    assert len(writing.events) == text.looked >= text.place


@given(writings(), st.data())
def test_a_reader_that_keeps_text_has_the_whole_of_it_however_often_it_asks(writing, data):
    """It keeps text, attempt and place, and asks at random moments of the log."""
    records, has, attempt, place = writing.records(), "", None, 0
    stops = sorted(data.draw(st.sets(st.integers(1, len(records)), max_size=5)) | {len(records)})
    for stop in stops:
        asked = Asked(message="a:1/text", offset=text_length(has), attempt=attempt)
        after = place if data.draw(st.booleans()) and attempt is not None else 0
        text = read(records[:stop], asked, place=after, ended=ended(writing) and stop == len(records))
        start, rest, _ = text.told()
        has = (units(has)[: 2 * start] + units(rest)).decode("utf-16-le")
        if text.found:
            attempt, place = text.attempt, text.place
    assert seen(writing) == has
    assert (ended(writing) or "a:1" in writing.over) == text.done


@given(st.text(st.sampled_from("aé🌊")), st.integers(0, 12))
def test_a_cut_never_leaves_half_a_pair(text, cut):
    rest = after_units(text, cut)
    assert text.endswith(rest)
    assert text_length(text) - text_length(rest) in (min(cut, text_length(text)), cut - 1)


def test_an_offset_inside_a_pair_is_moved_back_before_it():
    writing = Writing()
    writing.say("a:1", "a🌊")
    assert (1, "🌊", 3) == read(writing.records(), Asked(message="a:1/text", offset=2)).told()


def test_an_offset_beyond_the_text_is_refused():
    writing = Writing()
    writing.say("a:1", "ab")
    with pytest.raises(CursorError, match="E2025"):
        read(writing.records(), Asked(message="a:1/text", offset=3)).told()


def test_text_that_was_taken_back_is_never_continued():
    writing = Writing()
    writing.say("a:1", "one two")
    writing.begin_anew("a:1")
    text = read(writing.records(), Asked(message="a:1/text", offset=4, attempt=1))
    assert (True, 2, (0, "", 0)) == (text.voided, text.attempt, text.told())
    writing.say("a:1", "other")
    text = read(writing.records(), Asked(message="a:1/text", offset=4, attempt=1))
    assert (True, (0, "other", 5)) == (text.voided, text.told())
    text = read(writing.records(), Asked(message="a:1/text", offset=2, attempt=2))
    assert (False, (2, "her", 5)) == (text.voided, text.told())


def test_pieces_that_are_no_text_are_passed_over():
    writing = Writing()
    writing.add(NodeChunk, "a:1", message="a:1/text", value={"a": 1})
    text = read(writing.records(), Asked(message="a:1/text"))
    assert (True, (0, "", 0)) == (text.found, text.told())


def test_a_message_that_nobody_wrote_is_not_found():
    writing = Writing()
    writing.say("b:1", "a:1/text")
    assert not read(writing.records(), Asked(message="a:1/text")).found


def test_a_message_ends_with_the_execution_around_its_own():
    writing = Writing()
    writing.end("b:1", NodeCompleted)
    assert read(writing.records(), Asked(message="b:1/inner:1/text")).done
    assert read(writing.records(), Asked(message="b:1")).done
    assert not read(writing.records(), Asked(message="b:11/text")).done
