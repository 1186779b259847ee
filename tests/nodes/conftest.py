"""Threads of pools end with their pool; a test that made some waits for the collector to find the pool."""

from __future__ import annotations

import gc
import threading

import pytest


@pytest.fixture(autouse=True)
def pools_end_with_their_graphs():
    """Collect graphs that a traceback or a closure still holds in a circle."""
    yield
    if any(thread.name.startswith("riverrun-node") for thread in threading.enumerate()):
        gc.collect()
