"""What several tests of runs begin with."""

from __future__ import annotations

import pytest

from riverrun.runs.service import RunService
from riverrun.runs.settings import RunSettings
from tests.runs.workers import QUICK


@pytest.fixture
async def workers():
    """Makes services, open, and closes them."""
    made = []

    async def make(store, graphs, **settings):
        clock = settings.pop("clock", None)
        service = RunService(store, graphs, clock=clock, settings=RunSettings(**{**QUICK, **settings}))
        made.append(service)
        await service.open()
        return service

    yield make
    for service in made:
        await service.close()
