"""Words are plain in a pipe and drawn in a terminal."""

from __future__ import annotations

import io
import sys

import pytest

from riverrun.cli import output


@pytest.fixture
def terminal(monkeypatch):
    """Make standard output look like a terminal of 80 columns."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")


def test_a_pipe_is_not_for_people(capsys):
    assert not output.for_people()


def test_a_terminal_is(terminal):
    assert output.for_people()


def test_a_dumb_terminal_gets_plain_text(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert not output.for_people()


def test_a_line_goes_out_as_it_is(capsys):
    output.say("[bold]kept[/] and long " + "x" * 200)
    assert "[bold]kept[/] and long " + "x" * 200 + "\n" == capsys.readouterr().out


def test_what_an_encoding_does_not_have_does_not_stop_a_run(monkeypatch):
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", narrow)
    output.say("naïve")
    narrow.seek(0)
    assert "na?ve\n" == narrow.read()


def test_json_is_one_line(capsys):
    output.say_json({"text": "a\nb"})
    assert '{"text":"a\\nb"}\n' == capsys.readouterr().out


def test_a_table_in_a_pipe_is_aligned(capsys):
    output.table(("run", "events"), [("abcdef", "7"), ("a", "1234567")])
    assert "run     events\nabcdef  7\na       1234567\n" == capsys.readouterr().out


def test_the_first_column_of_a_table_is_never_cut(capsys, terminal):
    output.table(("run", "text"), [("f" * 32, "word " * 40)])
    assert "f" * 32 in capsys.readouterr().out


def test_lines_of_a_run(capsys):
    output.say_of("a", "text", news=False)
    output.say_of("a", "done", news=True)
    output.say_of("", "run completed", news=True)
    assert "a: text\na: [done]\nrun completed\n" == capsys.readouterr().out


def test_lines_of_a_run_are_coloured_by_node(capsys, terminal):
    output.say_of("a", "[text]", news=False)
    said = capsys.readouterr().out
    assert "[text]" in said
    assert "\x1b[" in said
