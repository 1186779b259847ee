"""What is known of an error code: one entry of the catalogue (`riverrun.base.codes`)."""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """One entry of the catalogue."""

    title: str
    why: str
    mend: str
