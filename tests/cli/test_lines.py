"""A run as lines: whole, readable, with what was taken back said."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from riverrun.cli.lines import Line, Lines
from riverrun.events import kinds
from tests.cli.happenings import RUN, Story


def told(lines, *events):
    return [line for event in events for line in lines.take(event)]


def test_chunks_of_branches_are_gathered_to_lines_of_their_own():
    story = Story()
    assert [Line("a", "one two", news=False), Line("b", "three", news=False)] == told(
        Lines(),
        story.chunk("a", "one "),
        story.chunk("b", "thr"),
        story.chunk("a", "two\n\nfo"),
        story.chunk("b", "ee\n"),
    )


def test_a_line_is_whole_at_its_end():
    story, lines = Story(), Lines()
    assert [] == lines.take(story.chunk("a", "one "))
    assert [Line("a", "one two", news=False)] == lines.take(story.chunk("a", "two\nthr"))
    assert [Line("a", "three", news=False), Line("a", "done", news=True)] == told(
        lines, story.chunk("a", "ee"), story.complete("a")
    )


def test_a_long_line_is_cut_at_a_space():
    story = Story()
    cut = told(Lines(width=10), story.chunk("a", "alpha beta gamma delta"), story.chunk("b", "x" * 25))
    assert ["alpha beta", "gamma", "x" * 10, "x" * 10] == [line.text for line in cut]


def test_other_values_are_json():
    story = Story()
    assert [Line("a", '{"n":1}', news=False)] == Lines().take(story.chunk("a", {"n": 1}))


def test_what_is_taken_back_is_counted_and_forgotten():
    story, lines = Story(), Lines()
    assert [
        Line("", "run taken over by worker w-2, epoch 2", news=True),
        Line("a", "its worker is gone; attempt 2, 5 characters taken back", news=True),
        Line("a", "new", news=False),
        Line("a", "done", news=True),
    ] == told(
        lines,
        story.chunk("a", "old😀"),
        story.take_over(),
        story.retry("a"),
        story.chunk("a", "new"),
        story.complete("a"),
    )


def test_the_run_itself_is_told_of():
    story, lines = Story(), Lines()
    assert [f"run {RUN} of graph review started"] == [line.text for line in lines.take(story.begin())]
    assert ["started"] == [line.text for line in lines.take(story.start("a"))]
    assert ["failed: it burst"] == [line.text for line in lines.take(story.fail("a"))]
    assert ["run completed in 1 step"] == [line.text for line in lines.take(story.end())]


def test_every_ending_has_its_words_and_brings_out_what_was_left():
    error = kinds.ErrorInfo(code="E3001", message="it burst")
    given: dict[str, Any] = {"seq": 9, "ts": 0, "run": RUN}
    endings = [
        (kinds.RunFailed(**given, error=error), "run failed: E3001 it burst"),
        (kinds.RunStopped(**given), "run stopped"),
        (kinds.RunStopped(**given, reason="enough"), "run stopped: enough"),
        (kinds.RunTimedOut(**given, limit=1.5), "run timed out after 1.5 s"),
        (kinds.RunLost(**given, reason="nobody"), "run lost: nobody"),
    ]
    for event, words in endings:
        lines = Lines()
        lines.take(Story().chunk("a", "half a "))
        assert [Line("a", "half a", news=False), Line("", words, news=True)] == lines.take(event)


def test_questions_and_answers_are_told():
    story, lines = Story(), Lines()
    one, two = story.ask("a", problem="not a number"), story.ask("b", {"n": 1})
    assert [
        "asks: well? (not a number)",
        'asks: {"n":1}',
        "run waits for 2 answers",
        "  a:1?1  well? (not a number)",
        '  b:1?1  {"n":1}',
        "run goes on with 1 answer",
        "it was answered; attempt 2",
    ] == [
        line.text
        for line in told(
            lines, one, two, story.park(one, two), story.resume(a=1), replace(story.retry("a"), reason="resumed")
        )
    ]


def test_what_only_holds_is_told():
    story = Story()
    held = story.ask("a", None, kind="before")
    assert ["asks: held before a", "run waits for 1 answer", "  a:1?1  held before a"] == [
        line.text for line in told(Lines(), held, story.park(held))
    ]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("decided", "not needed any more: enough others had arrived"),
        ("left", "ended, because its sub graph was left"),
        ("failed", "ended, because its sub graph failed"),
        ("newer", "newer"),
    ],
)
def test_a_node_that_is_cancelled_takes_its_text_back(reason, words):
    story, lines = Story(), Lines()
    lines.take(story.chunk("a", "half a "))
    assert [f"{words}; 7 characters taken back"] == [line.text for line in lines.take(story.cancel("a", reason))]
    assert [words] == [line.text for line in lines.take(story.cancel("b", reason))]
    assert ["run completed in 1 step"] == [line.text for line in lines.take(story.end())]


@pytest.mark.parametrize(
    ("reason", "words"), [("failed", "it failed"), ("handled", "its error handler takes its place"), ("newer", "newer")]
)
def test_a_new_attempt_says_why_and_when(reason, words):
    story = Story()
    again = replace(story.retry("a", voids=False), reason=reason, delay=1.5)
    assert [f"{words}; attempt 2 in 1.5 s"] == [line.text for line in Lines().take(again)]


def test_a_failure_that_is_tolerated_takes_its_text_back():
    story, lines = Story(), Lines()
    lines.take(story.chunk("a", "half a "))
    failed = replace(story.fail("a"), tolerated=True, voids=("a:1/said",))
    assert ["failed: it burst; the run goes on without it"] == [line.text for line in lines.take(failed)]


def test_where_a_run_comes_from_is_told():
    story, lines = Story(), Lines()
    started = replace(story.begin(), thread="talk")
    assert [f"run {RUN} of graph review started in thread talk", f"run forked from {'02' * 16} at event 3"] == [
        line.text for line in told(lines, started, story.fork())
    ]
    kept = replace(story.complete("a"), cached=True)
    assert ["done, as kept from before"] == [line.text for line in lines.take(kept)]


def test_custom_events_are_shown():
    event = kinds.Custom(seq=1, ts=0, run=RUN, node="a", exec="a:1", name="progress", value=0.5)
    assert [Line("a", "progress: 0.5", news=True)] == Lines().take(event)
