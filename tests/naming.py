"""Names of cases that are the same in every process, which the workers of one test run must agree on."""

from __future__ import annotations

import re


def steady(value: object) -> str:
    """Give the `repr` of a value without the address where it happens to be."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
