"""What the tests of the console count by is itself right: the text of a log, with what was taken back taken out."""

from __future__ import annotations

from tests.web.consoles import said


def chunk(message, value, **more):
    return {"type": "node.chunk", "message": message, "value": value, "node": "n", **more}


def test_what_was_said_is_joined_by_agent_and_without_what_was_taken_back():
    events = [
        chunk("a", "one ", agent="A"),
        chunk("b", "two"),
        chunk("a", {"no": "text"}, agent="A"),
        {"type": "node.retrying", "voids": ["b"]},
        chunk("b", "three"),
        chunk("c", "four", agent="A"),
    ]
    assert {"A": "one four", "n": "three"} == said(events)
