"""The defaults are the promises of the documentation."""

from __future__ import annotations

import pytest

from riverrun.runs.settings import RunSettings


def test_the_defaults_are_those_that_are_documented():
    settings = RunSettings()
    assert (1000, 10.0, 10_000, 16 * 1024 * 1024, True) == (
        settings.recursion_limit,
        settings.lease_seconds,
        settings.buffer.items,
        settings.buffer.size_bytes,
        settings.strict,
    )


def test_settings_do_not_change_under_a_worker():
    with pytest.raises(AttributeError):
        RunSettings().pool_size = 3  # type: ignore[misc]
