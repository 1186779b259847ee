"""A run is shown again as it was: the same lines, the same panes, its pauses, and nothing runs."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from riverrun.cli.replay import drawn_from, paced
from riverrun.wire.pages import GraphEdge
from tests.cli.conftest import STORE
from tests.cli.happenings import Story


def made(cli):
    said = cli("run", "planted:graph", "--store", STORE, "--input", '{"text": "so it goes"}')
    return cli("runs", "list", "--json").json()[0]["run"], said.out.splitlines()


def test_the_lines_are_those_that_were_seen(cli, folder):
    run, seen = made(cli)
    assert seen[:-1] == cli("runs", "replay", run, "--speed", "0").out.splitlines()
    head = cli("runs", "list", "--json").json()[0]["head"]
    part = cli("runs", "replay", run[:14], "--speed", "0", "--at", "2").out.splitlines()
    assert seen[:2] == part
    assert seen[:-1] == cli("runs", "replay", run, "--speed", "0", "--at", str(head + 9)).out.splitlines()
    assert [run] == [row["run"] for row in cli("runs", "list", "--json").json()]


def test_the_panes_are_those_of_its_nodes(cli, folder, monkeypatch):
    run, _ = made(cli)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    said = cli("runs", "replay", run, "--speed", "1000")
    assert (0, "") == (said.status, said.err)
    assert "╭" in said.out
    assert "speak" in said.out


def test_a_run_that_is_not_there_is_an_error(cli, folder):
    made(cli)
    assert cli("runs", "replay", "f" * 32).err.startswith("error E2005: ")


def test_its_nodes_and_ways_are_read_from_its_log():
    story = Story()
    events = [story.begin(), story.start("a"), story.complete("a")]
    events += [replace(story.start("b"), after=("a:1",)), replace(story.start("c"), after=("a:1", "gone:1"))]
    assert (["a", "b", "c"], [GraphEdge(source="a", target="b"), GraphEdge(source="a", target="c")]) == drawn_from(
        events
    )


@given(gaps=st.lists(st.integers(-1000, 10**9), max_size=8), speed=st.sampled_from([0.0, 1.0, 8.0]))
def test_pauses_are_those_that_were_and_never_long(gaps, speed):
    story, times, at = Story(), [], 0
    for gap in gaps:
        at += gap
        times.append(at)
    events = [replace(story.start("a"), ts=time) for time in times]
    slept: list[float] = []

    async def sleep(seconds):
        slept.append(seconds)

    async def collect():
        before, asyncio.sleep = asyncio.sleep, sleep  # type: ignore[assignment]
        try:
            return [event async for event in paced(events, speed)]
        finally:
            asyncio.sleep = before

    assert events == asyncio.run(collect())
    expected = [min(2.0, gap / 1000 / speed) for gap in gaps[1:] if gap > 0] if speed else []
    assert expected == slept
