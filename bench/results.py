"""What is measured, as data: samples to a median with its extremes, two of those to a ratio, each one JSON line."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import Any, Literal

import msgspec
from msgspec import Struct

Role = Literal["product", "peer", "bare"]


class Result(Struct, frozen=True, kw_only=True, tag_field="line", tag="result"):
    """One metric of one subject.

    Attributes:
        bench: Name of the figure.
        subject: What was measured.
        role: `product`, `peer`, or `bare`: the same work without a runtime, which nobody can beat.
        metric: What of it.
        unit: Of the three numbers.
        n: How many samples there are.
        min: The least sample.
        median: The middle one.
        max: The greatest one.
        durable: Whether what was done survives a crash.
        remark: What a reader must know to compare it fairly.
        versions: Of the packages that matter.
        python: Version of Python.
        cpus: Processors of the machine.
    """

    bench: str
    subject: str
    role: Role
    metric: str
    unit: str
    n: int
    min: float
    median: float
    max: float
    durable: bool = False
    remark: str = ""
    versions: dict[str, str] = {}
    python: str = ""
    cpus: int = 0


class Ratio(Struct, frozen=True, kw_only=True, tag_field="line", tag="ratio"):
    """How many times better the product is than a peer: above 1 it is faster, below 1 slower.

    Attributes:
        bench: Name of the figure.
        metric: What of it.
        product: The one.
        peer: The other.
        ratio: Of the medians; peer ÷ product for a time, product ÷ peer for a rate.
        best: The same of the best samples, which noise touches least.
    """

    bench: str
    metric: str
    product: str
    peer: str
    ratio: float
    best: float


class LeftOut(Struct, frozen=True, kw_only=True, tag_field="line", tag="left_out"):
    """A subject that was not measured.

    Attributes:
        bench: Name of the figure.
        subject: Which one.
        role: Its part.
        reason: Why.
        failed: Whether that is a fault, rather than something that is not installed.
    """

    bench: str
    subject: str
    role: Role
    reason: str
    failed: bool = False


Line = Result | Ratio | LeftOut

_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)
_DIGITS = 4  # significant ones: more would pretend to know


def rounded(value: float) -> float:
    """Give a number with four significant digits."""
    return float(f"{value:.{_DIGITS}g}")


def middle(samples: Sequence[float]) -> tuple[float, float, float]:
    """Give the least, the median and the greatest of at least one sample."""
    return rounded(min(samples)), rounded(median(samples)), rounded(max(samples))


def percentile(samples: Iterable[float], percent: float) -> float:
    """Give the least sample that is not exceeded by `percent` of all (nearest rank).

    Args:
        samples: At least one, in any order.
        percent: Above 0, up to 100.

    Returns:
        One of the samples.
    """
    ordered = sorted(samples)
    rank = -(-len(ordered) * percent // 100)  # rounded up
    return ordered[max(int(rank), 1) - 1]


def compare(product: Result, peer: Result, *, higher_is_better: bool) -> Ratio:
    """Set the product beside a peer.

    Args:
        product: Its result.
        peer: The peer's, of the same metric.
        higher_is_better: Whether the metric is a rate.

    Returns:
        The ratio, above 1 where the product is better.
    """
    if higher_is_better:
        ratio, best = product.median / peer.median, product.max / peer.max
    else:
        ratio, best = peer.median / product.median, peer.min / product.min
    return Ratio(
        bench=product.bench,
        metric=product.metric,
        product=product.subject,
        peer=peer.subject,
        ratio=rounded(ratio),
        best=rounded(best),
    )


def encode(line: Line) -> str:
    """Write a line of JSON."""
    return msgspec.json.encode(line).decode()


def decode(text: str) -> Line:
    """Read a line of JSON.

    Raises:
        msgspec.DecodeError: It is not one of ours.
    """
    return _decoder.decode(text)


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Give the versions of those packages that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def here() -> dict[str, Any]:
    """Say what every result was measured on."""
    return {"python": platform.python_version(), "cpus": os.cpu_count() or 0}
