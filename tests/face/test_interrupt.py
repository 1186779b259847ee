"""A question as a reader of LangGraph's shapes sees it."""

from __future__ import annotations

import pytest

from riverrun.face.interrupt import Interrupt


def test_an_interrupt_is_what_is_asked_and_the_name_of_the_question():
    asked = Interrupt("sure?", "ask:1?1")
    assert ("sure?", "ask:1?1") == (asked.value, asked.id)
    assert Interrupt(value="sure?", id="ask:1?1") == asked
    assert Interrupt(None, "") == Interrupt()


def test_an_interrupt_never_changes():
    with pytest.raises(AttributeError):
        Interrupt().value = 1  # type: ignore[misc]
