"""Pictures are taken once, at their moment, and need nothing from elsewhere."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from rich.text import Text

from riverrun.cli.capture import Capture
from riverrun.cli.stage import Stage
from tests.cli.happenings import RUN, Story


def test_the_frame_is_taken_once_just_after_the_takeover(tmp_path):
    now, story, capture = [0.0], Story(), Capture(tmp_path / "images")
    stage = Stage(lambda: now[0])
    stage.open(RUN, ["a"], [])
    picture = tmp_path / "images" / "demo.svg"
    for event in (story.start("a"), story.chunk("a", "old words"), story.take_over(), story.retry("a")):
        stage.take(event)
        capture.frame(stage)
    assert not picture.exists()
    now[0] = 1.0
    capture.frame(stage)
    taken = picture.read_text()
    assert "taken&#160;back" in taken
    assert "url(http" not in taken
    assert "@font-face" not in taken
    ET.fromstring(taken)
    picture.unlink()
    capture.frame(stage)
    assert not picture.exists()


def test_the_table_is_a_picture_of_its_own(tmp_path):
    Capture(tmp_path).table(Text("lost 0"))
    assert "lost&#160;0" in (tmp_path / "demo-table.svg").read_text()
