"""The review runs as a graph: agents stream at once, the first look waits for nobody slow, the editor joins all."""

from __future__ import annotations

import asyncio
import json
import math
import threading

import pytest

from examples.review import graph as graph_module
from examples.review.graph import PACE_LIMIT, paced, review
from examples.review.prose import words
from examples.review.summary import summarise
from riverrun import RiverrunError
from riverrun.events.kinds import NodeCompleted, NodeStarted
from tests.examples.texts import GUIDE, large_text

AGENTS = {"summary", "terms", "outline", "headline", "report"}


@pytest.fixture
def guide(tmp_path):
    """A file to review."""
    path = tmp_path / "guide.md"
    path.write_text(GUIDE, encoding="utf-8")
    return str(path)


async def events_of(given):
    return [event async for event in review.astream(given)]


def texts_of(events):
    texts: dict[str, str] = {}
    for event in events:
        if event.type == "node.chunk":
            texts[event.key] = texts.get(event.key, "") + event.value
    return texts


async def test_every_agent_streams_and_the_state_holds_what_was_streamed(guide):
    run = await review.start({"paths": [guide]})
    events = [event async for event in run.events()]
    state = await run.result()
    assert "run.completed" == events[-1].type
    assert AGENTS == texts_of(events).keys()
    assert texts_of(events) == {key: state[key] for key in AGENTS}


async def test_the_report_holds_what_all_agents_wrote(guide):
    state = await review.ainvoke({"paths": [guide]})
    assert state["report"].startswith("# Review of guide.md\n\n## What was read\n")
    for key in ("summary", "terms", "outline"):
        assert state[key].strip() in state["report"]
    assert all(line in state["report"] for line in state["headline"].split("\n"))


async def test_the_state_is_small_json_without_the_texts(guide):
    state = await review.ainvoke({"paths": [guide]})
    small = {key: value for key, value in state.items() if key not in AGENTS}
    assert state == json.loads(json.dumps(state))
    assert {"paths", "files", "top_terms"} == small.keys()


async def test_the_first_look_is_done_while_a_slow_agent_still_works(guide, monkeypatch):
    looked = threading.Event()

    def slow(documents):
        assert looked.wait(30), "the first look waited for the summary"
        return summarise(documents)

    monkeypatch.setattr(graph_module, "summarise", slow)
    async for event in review.astream({"paths": [guide]}):
        if isinstance(event, NodeCompleted) and event.node == "first_look":
            looked.set()
        if isinstance(event, NodeStarted) and event.node == "editor":
            assert looked.is_set()
    assert "run.completed" == event.type


async def test_agents_have_names_for_people(guide):
    started = {event.node: event.agent for event in await events_of({"paths": [guide]}) if event.type == "node.started"}
    assert {
        "read": "Reader",
        "summary": "Summariser",
        "terms": "Term finder",
        "outline": "Outliner",
        "first_look": "First reader",
        "editor": "Editor",
    } == started


async def test_two_runs_write_the_same(guide):
    first, second = [await review.ainvoke({"paths": [guide], "pace": 0}) for _ in range(2)]
    assert first | {"pace": 0} == second | {"pace": 0}


async def test_an_empty_file_gets_an_honest_report(tmp_path):
    (tmp_path / "empty.txt").write_bytes(b"")
    state = await review.ainvoke({"paths": [str(tmp_path / "empty.txt")]})
    assert "1 document without a word to read." in state["headline"]
    assert "Nothing to summarise" in state["report"]


async def test_a_missing_file_fails_the_run_and_is_named(tmp_path):
    events = await events_of({"paths": [str(tmp_path / "lost.md")]})
    assert "run.failed" == events[-1].type
    assert f"cannot read '{tmp_path / 'lost.md'}': there is no such file" in events[-1].error.message


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, '"paths" should be a list of at least one file name, not None'),
        ({"paths": []}, "at least one file name"),
        ({"paths": "a.md"}, "not 'a.md'"),
        ({"paths": [3]}, '"paths" holds 3, which is no file name'),
        ({"paths": ["a\0b"]}, "which is no file name"),
        ({"paths": ["a"], "pace": -1}, '"pace" should be seconds between two words, from 0 to 1, not -1'),
        ({"paths": ["a"], "pace": True}, "not True"),
        ({"paths": ["a"], "pace": "fast"}, "not 'fast'"),
        ({"paths": ["a"], "pace": math.inf}, "not inf"),
    ],
)
async def test_input_that_makes_no_sense_is_refused_in_plain_words(given, reason):
    with pytest.raises(RiverrunError) as caught:
        await review.ainvoke(given)
    assert reason in str(caught.value)


async def test_a_pace_waits_between_words_and_has_a_limit(monkeypatch):
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    assert ["one ", "two"] == [piece async for piece in paced(words("one two"), 0.5)]
    assert [0.5, 0.5] == waits
    waits.clear()
    assert 40 == len([piece async for piece in paced(words("word " * 40), 0)])
    assert [0, 0] == waits
    assert PACE_LIMIT == graph_module._pace({"pace": 99.0})


@pytest.mark.slow
async def test_ten_megabytes_give_a_bounded_report_and_log(tmp_path):
    (tmp_path / "large.md").write_text(large_text(10_000_000), encoding="utf-8")
    events = await events_of({"paths": [str(tmp_path / "large.md")]})
    assert "run.completed" == events[-1].type
    assert len(texts_of(events)["report"]) < 25_000
    assert len(events) < 10_000
