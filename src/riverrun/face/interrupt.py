"""What a reader sees where a run waits: a question, as LangGraph shows it.

It knows neither events nor runs; whoever reads a log makes one of a question (`face/modes.py`).
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Interrupt(Struct, frozen=True):
    """One question that an interrupted run waits to be told the answer to.

    Attributes:
        value: What is asked, as the node gave it.
        id: Names the question: an answer may name it so.
    """

    value: Any = None
    id: str = ""
