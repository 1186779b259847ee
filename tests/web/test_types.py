"""The types and tables of the TypeScript client are what the Python source says."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from riverrun.events import kinds
from riverrun.events.ending import Close, Ending
from tests.web.typescript import _shape, _type, tables, types

SOURCE = Path(__file__).parents[2] / "web" / "client" / "src"


@pytest.mark.parametrize(("name", "write"), [("types.ts", types), ("tables.ts", tables)])
def test_what_is_generated_is_current(name, write):
    path = SOURCE / name
    if os.environ.get("RIVERRUN_WRITE_DOCS"):
        path.write_text(write(), encoding="utf-8")
    assert write() == path.read_text(encoding="utf-8"), f"{name} is old: run RIVERRUN_WRITE_DOCS=1 make fast"


def test_every_event_and_every_field_has_its_type():
    text = types()
    for kind in kinds.KINDS:
        assert f"export interface {kind.__name__} extends" in text
        assert f'readonly type: "{kind.__struct_config__.tag}";' in text
        for name in kind.__struct_encode_fields__:
            assert name.startswith("$") or f"readonly {name}" in text


def test_every_ending_has_its_duty():
    text = tables()
    for end in (*Ending, *Close):
        assert f'{end.value}: "{end.duty.value}"' in text


@pytest.mark.parametrize("write", [_type, _shape])
def test_a_type_that_cannot_be_written_is_reported(write):
    with pytest.raises(TypeError, match="no "):
        write(msgspec.inspect.type_info(bytes))
