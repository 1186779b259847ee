"""What the tests of faults count, and one table of it at the end of a test run: nothing lost, repeated or reordered.

The numbers travel with the report of a test, so they are summed whichever process ran it.
"""

from __future__ import annotations

from collections import Counter

import pytest

from riverrun.testing.verdict import Tally

COUNTED = "counted: "


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
    request.node.user_properties.append((f"{COUNTED}faults", numbers))


def pytest_terminal_summary(terminalreporter):
    """Print what tests counted: the sum of all properties `counted: <title>`, a table for each title."""
    sums: dict[str, Counter[str]] = {}
    for report in (one for reports in terminalreporter.stats.values() for one in reports):
        if getattr(report, "when", "") == "teardown":
            for name, numbers in report.user_properties:
                if name.startswith(COUNTED):
                    sums.setdefault(name.removeprefix(COUNTED), Counter()).update(numbers)
    for title, numbers in sums.items():
        terminalreporter.section(title)
        for name, number in numbers.items():
            terminalreporter.write_line(f"{name:<20} {number:>12,}")
