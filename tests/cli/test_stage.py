"""What the demo shows fits its place, and says the same in lines."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from riverrun.cli.stage import Stage
from riverrun.client.session import State
from riverrun.wire.pages import GraphEdge
from tests.cli.happenings import RUN, Story


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    """Seconds since the demo began."""
    return Hands()


@pytest.fixture
def told():
    """What was said in lines."""
    return []


@pytest.fixture
def stage(clock, told):
    """The stage of a graph of two nodes."""
    stage = Stage(clock, told.append)
    stage.open(RUN, ["a", "b"], [GraphEdge(source="a", target="b")])
    return stage


def printed(stage, width=80, height=23):
    buffer = io.StringIO()
    console = Console(file=buffer, width=width, height=height + 1, color_system=None)
    console.print(stage.drawn(height))
    return buffer.getvalue()


def test_it_begins_with_the_server(clock):
    assert "starting the server" in printed(Stage(clock))


@pytest.mark.parametrize(("width", "height"), [(80, 23), (60, 18), (120, 50)])
def test_it_fits_the_terminal(stage, width, height):
    for number in range(9):
        stage.happened(f"happening {number} " + "and so on " * 20)
    lines = printed(stage, width, height).splitlines()
    assert height >= len(lines)
    assert width >= max(map(len, lines))


def test_the_connection_is_shown_with_its_tries(stage, clock, told):
    stage.changed(State.LIVE, "")
    assert "● live" in printed(stage)
    clock.now = 1.5
    stage.changed(State.RECONNECTING, "network; trying again")
    stage.changed(State.RECONNECTING, "network; next try in 0.2 s")
    assert "● reconnecting 2" in printed(stage)
    stage.take(Story().begin())
    stage.changed(State.LIVE, "")
    assert [
        "   1.5 s  connection lost (network)",
        f"   1.5 s  run {RUN} of graph review started",
        "   1.5 s  connected again after 2 tries, continuing after event 1",
    ] == told


def test_a_takeover_says_what_it_took_back(stage, clock, told):
    story = Story()
    for event in (story.start("a"), story.chunk("a", "x" * 1234), story.take_over()):
        stage.take(event)
    assert not stage.voided_since(0.0)
    stage.take(story.retry("a"))
    assert "the new server goes on, epoch 2; 1,234 characters taken back" in printed(stage)
    assert "   0.0 s  a: its worker is gone; attempt 2, 1234 characters taken back" == told[-1]
    clock.now = 0.5
    assert stage.voided_since(0.5)
    assert not stage.voided_since(0.6)


def test_text_is_not_told_in_lines(stage, told):
    story = Story()
    for event in (story.start("a"), story.chunk("a", "secret\n"), story.complete("a")):
        stage.take(event)
    assert ["   0.0 s  a: started", "   0.0 s  a: done"] == told


def test_the_clock_stands_still_after_the_end(stage, clock):
    clock.now = 3.0
    stage.take(Story().end())
    clock.now = 9.0
    assert "3.0 s" in printed(stage)
    assert "9.0 s" not in printed(stage)
