"""Measure one figure: every subject once to warm up, then round after round, one sample of each subject per round.

The rounds are interleaved (product, peer, bare, product …), so that whatever else the machine does hits all alike.
A subject that is not installed is left out and says so; one that fails does not take the others with it.
"""

from __future__ import annotations

import gc
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from time import perf_counter

from bench.figures import PACKAGES, Figure, Side
from bench.results import LeftOut, Line, Result, compare, here, middle, versions
from bench.scale import Scale

Sample = Mapping[str, float]  # metric → value
Sampler = Callable[[], Awaitable[Sample]]
Samplers = AsyncIterator[Sampler]  # what the functions of figures give, before `asynccontextmanager`
Opener = Callable[[Scale], AbstractAsyncContextManager[Sampler]]

# Peers: without them the product is still measured.
_OPTIONAL = (
    "@durable-streams/server",
    "langgraph",
    "langgraph_api",
    "pydantic_graph",
    "reactivex",
    "sse_starlette",
    "workflows",
)
_ROUNDS = 2  # at least


class _Subject:
    """One side of a figure while it is measured."""

    def __init__(self, side: Side, sampler: Sampler) -> None:
        self.side = side
        self.sampler = sampler
        self.samples: list[Sample] = []


async def measure(figure: Figure, scale: Scale) -> list[Line]:
    """Measure a figure.

    Args:
        figure: Which one.
        scale: How much and how often.

    Returns:
        A result per subject and metric, the ratios of the product to its peers, and what was left out.
    """
    lines: list[Line] = []
    subjects: list[_Subject] = []
    async with AsyncExitStack() as stack:
        for side in figure.sides:
            try:
                sampler = await stack.enter_async_context(_opener(figure, side)(scale))
                await sampler()
                subjects.append(_Subject(side, sampler))
            except Exception as error:  # noqa: BLE001  # the others are measured all the same
                lines.append(_left_out(figure, side, error))
        # What the subjects have loaded is taken out of the collector's sight: nobody pays for the imports of another.
        gc.collect()
        gc.freeze()
        stack.callback(gc.unfreeze)
        began = perf_counter()
        for done in range(scale.repeats):
            if done >= _ROUNDS and perf_counter() - began > scale.seconds:
                break
            for subject in list(subjects):
                try:
                    gc.collect()
                    subject.samples.append(await subject.sampler())
                except Exception as error:  # noqa: BLE001  # as above
                    subjects.remove(subject)
                    lines.append(_left_out(figure, subject.side, error))
    return [*_results(figure, subjects), *lines]


def _opener(figure: Figure, side: Side) -> Opener:
    # By name, because a module of a peer that is not installed cannot be imported.
    opener: Opener = getattr(importlib.import_module(side.module), figure.name)
    return opener


def _left_out(figure: Figure, side: Side, error: Exception) -> LeftOut:
    missing = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
    if missing.partition(".")[0] in _OPTIONAL:
        return LeftOut(bench=figure.name, subject=side.subject, role=side.role, reason=f"{missing} is not installed")
    reason = f"{type(error).__name__}: {error}"
    return LeftOut(bench=figure.name, subject=side.subject, role=side.role, reason=reason, failed=True)


def _results(figure: Figure, subjects: list[_Subject]) -> list[Line]:
    lines: list[Line] = []
    for metric in figure.metrics:
        results = []
        for subject in subjects:
            if metric.name not in subject.samples[0]:
                continue  # a subject that has no such thing
            least, mid, greatest = middle([sample[metric.name] for sample in subject.samples])
            result = Result(
                bench=figure.name,
                subject=subject.side.subject,
                role=subject.side.role,
                metric=metric.name,
                unit=metric.unit,
                n=len(subject.samples),
                min=least,
                median=mid,
                max=greatest,
                durable=subject.side.durable,
                remark=subject.side.remark,
                versions=versions(PACKAGES),
                **here(),
            )
            results.append(result)
        lines.extend(results)
        for product in (result for result in results if result.role == "product"):
            peers = (result for result in results if result.role == "peer")
            lines.extend(compare(product, peer, higher_is_better=metric.higher_is_better) for peer in peers)
    return lines
