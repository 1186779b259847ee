"""What the tests of faults count: nothing may be lost, repeated or reordered. `tests/conftest.py` prints the sums."""

from __future__ import annotations

import pytest

from riverrun.testing.verdict import Tally


@pytest.fixture
def tally(request):
    """What this test did, in numbers; added up over all tests."""
    counted = Tally()
    yield counted
    numbers = {
        "tests": 1,
        "faults injected": counted.faults,
        "runs": counted.runs,
        "events acknowledged": counted.acknowledged,
        "events lost": counted.lost,
        "events repeated": counted.repeated,
        "events reordered": counted.reordered,
    }
    request.node.user_properties.append(("counted: faults", numbers))
