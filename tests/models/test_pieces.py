"""Pieces are plain values: told apart by a tag, and the same after a trip through JSON."""

from __future__ import annotations

import msgspec
import pytest

from riverrun.models.pieces import Finish, Piece, Reasoning, Text, ToolCall, Usage


@pytest.mark.parametrize(
    "piece",
    [
        Text("Fluß 🌊"),
        Reasoning("so", 1, "sig"),
        Reasoning(redacted="x"),
        Reasoning(index=1, encrypted="x", id="rs_1"),
        ToolCall(2, "id", "add", '{"a"'),
        ToolCall(0),
        Usage(1, 2, 3, 4),
        Finish("length", "max_tokens"),
    ],
    ids=repr,
)
def test_a_piece_survives_json(piece):
    assert piece == msgspec.json.decode(msgspec.json.encode(piece), type=Piece)


def test_a_piece_never_changes():
    with pytest.raises(AttributeError):
        Text("a").text = "b"  # type: ignore[misc]
