"""Routes that tell what a server counts and measures (PROTOCOL.md §15): for a console, and for Prometheus.

The numbers are gathered when somebody asks; nothing is sampled in between.
"""

from __future__ import annotations

import time

from starlette.responses import Response

from riverrun.log.store import RunFilter
from riverrun.observe import metrics
from riverrun.observe.metrics import Metrics, ReaderFigures
from riverrun.observe.process import measure
from riverrun.server.answers import JsonAnswer
from riverrun.server.runtime import DEFAULT_TENANT, Runtime


class MeasuringRoutes:
    """Routes of one server for those that watch over it.

    Args:
        runtime: What it serves with.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def metrics(self) -> Response:
        """Tell what the server counts and measures, as JSON.

        Raises:
            StoreError: E4001 or E4002.
        """
        return JsonAnswer(metrics.encode(await self._measured()))

    async def exposition(self) -> Response:
        """Tell what the server counts and measures, in the text form of Prometheus.

        Raises:
            StoreError: E4001 or E4002.
        """
        return JsonAnswer(metrics.exposition(await self._measured()), headers={"content-type": metrics.TEXT})

    async def _measured(self) -> Metrics:
        runtime = self._runtime
        service = await runtime.service()
        begun = time.perf_counter()
        await service.list(DEFAULT_TENANT, RunFilter(limit=1))
        seconds = time.perf_counter() - begun
        counted = runtime.readers.statistics()
        return Metrics(
            server=runtime.presence.server,
            since_ms=runtime.since_ms,
            readers=ReaderFigures(
                open=counted["readers"],
                total=counted["readers_total"],
                lag=runtime.readers.lag(),
                stalled_seconds=runtime.readers.stalled_seconds(),
                watched=runtime.presence.statistics()["watched"],
            ),
            runs=service.statistics(),
            errors=dict(runtime.errors),
            process=measure(),
            store={"answer_seconds": seconds},
        )
