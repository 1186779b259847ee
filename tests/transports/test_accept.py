"""Which form an Accept header asks for, with the headers that real clients send."""

from __future__ import annotations

import pytest

from riverrun.transports.accept import Form, form_of, names_stream

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
AXIOS = "application/json, text/plain, */*"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Form.STREAM),
        ("*/*", Form.STREAM),
        ("text/event-stream", Form.STREAM),
        ("Text/Event-Stream ; charset=utf-8", Form.STREAM),
        ("application/json", Form.PAGE),
        ("application/json;q=0.5", Form.PAGE),
        (AXIOS, Form.PAGE),
        (BROWSER, Form.STREAM),
        ("application/json, text/event-stream", Form.STREAM),
        ("application/json, text/event-stream;q=0.9", Form.PAGE),
        ("application/json;q=0.9, text/event-stream", Form.STREAM),
        ("text/*", Form.STREAM),
        ("application/*", Form.PAGE),
        ("text/event-stream;q=0, */*", Form.PAGE),
        ("application/json;q=0, */*", Form.STREAM),
        ("text/html", None),
        ("image/*", None),
        ("*/*;q=0", None),
        ("text/event-stream;q=nonsense", None),
        (",;,", None),
    ],
)
def test_the_form_is_the_one_that_is_asked_for(accept, form):
    assert form is form_of(accept)


@pytest.mark.parametrize(
    ("accept", "named"),
    [("", False), ("*/*", False), (AXIOS, False), ("text/*", False), ("text/event-stream", True)],
)
def test_start_and_attach_in_one_must_be_asked_for_by_name(accept, named):
    assert named is names_stream(accept)
