"""What tests of the console start: a Chromium that has it built, tabs of a reader, and a server.

A file whose reader or server is another one says so itself, by a fixture of the same name.
"""

from __future__ import annotations

import pytest

from tests.web.consoles import PLAIN, Browser, built, chromium, context, hosting
from tests.web.node import found


@pytest.fixture(scope="module")
def browser():
    """A Chromium, and the console built."""
    node, program = found(), chromium()
    if node is None:
        pytest.skip("allowed: there is no Node here, neither from its Python wheel nor on the PATH")
    if program is None:
        pytest.skip("allowed: there is no Chromium here; install the package chromium")
    assert "" == built(node)
    one = Browser(node, program)
    yield one
    one.end()


@pytest.fixture
def tabs(browser):
    """Opens tabs of a reader that shows plain text."""
    with context(browser) as open_tab:

        async def opened(url, before=PLAIN):
            return await open_tab(url, before)

        yield opened


@pytest.fixture(scope="module")
def host():
    """A server."""
    with hosting("memory:", heartbeat_interval=1.0) as one:
        yield one
