"""What the decoder says of a wrong field becomes one error that names it."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Struct

from riverrun.wire.fields import wrong_field


class Inner(Struct, forbid_unknown_fields=True):
    number: int


class Outer(Struct, forbid_unknown_fields=True):
    inner: Inner | None = None
    many: list[Inner] = []


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"inner": {"number": "x"}}, "inner.number"),
        ({"inner": {"number": 1, "more": 1}}, "inner.more"),
        ({"inner": {}}, "inner.number"),
        ({"many": [{"number": 1}, {"number": None}]}, "many[1].number"),
        ({"more": 1}, "more"),
        ([], "body"),
    ],
)
def test_the_field_that_is_to_blame_is_named(given, where):
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(given, Outer)
    error = wrong_field(str(caught.value), "body")
    assert ("E2002", where) == (error.code, error.where)
    assert "at `$" not in error.message
