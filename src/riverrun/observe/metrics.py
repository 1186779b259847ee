"""What a server counts and measures, as one JSON object and in the text form of Prometheus (PROTOCOL.md §15).

Both are written from one `Metrics`, so they cannot say different things. It does not know where the numbers come from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
from msgspec import Struct

TEXT = "text/plain; version=0.0.4; charset=utf-8"


class ReaderFigures(Struct, frozen=True, kw_only=True):
    """Of the readers of one server.

    Attributes:
        open: Connections that are open.
        total: Connections since the start.
        lag: Events that the reader furthest behind has not been sent.
        stalled_seconds: How long the slowest write under way has been waiting.
        watched: Runs whose owner is told whether they are read.
    """

    open: int = 0
    total: int = 0
    lag: int = 0
    stalled_seconds: float = 0.0
    watched: int = 0


class Metrics(Struct, frozen=True, kw_only=True):
    """What one server counts and measures, at one moment.

    Attributes:
        server: Its id.
        since_ms: When it began to serve, in milliseconds since the Unix epoch.
        readers: Of its readers.
        runs: Of the runs of this process: `running` and `waiting` now, the others since the start.
        errors: Answers that were errors since the start, by code.
        process: What the process uses.
        store: `answer_seconds`: how long the store took for a small read just now.
    """

    server: str
    since_ms: int
    readers: ReaderFigures
    runs: dict[str, int] = {}
    errors: dict[str, int] = {}
    process: dict[str, float] = {}
    store: dict[str, float] = {}


def encode(metrics: Metrics) -> bytes:
    """Write metrics as JSON."""
    return msgspec.json.encode(metrics)


def exposition(metrics: Metrics) -> bytes:
    """Write metrics in the text form that Prometheus reads."""
    return "".join(_lines(metrics)).encode()


# What goes up only is a counter; everything else is a gauge.
_NOW = {"running", "waiting", "orphaned_calls"}
_PROCESS = {
    "cpu_seconds": ("process_cpu_seconds_total", "counter", "Processor time of the process."),
    "rss_bytes": ("process_resident_memory_bytes", "gauge", "Memory of the process."),
    "threads": ("process_threads", "gauge", "Threads of the process."),
    "descriptors": ("process_open_fds", "gauge", "Open file descriptors of the process."),
}


def _lines(metrics: Metrics) -> Iterator[str]:
    readers = metrics.readers
    yield from _one("riverrun_readers", "gauge", "Open connections of readers.", readers.open)
    yield from _one("riverrun_readers_total", "counter", "Connections of readers since the start.", readers.total)
    yield from _one("riverrun_reader_lag_events", "gauge", "Events that the slowest reader has not got.", readers.lag)
    stalled = "How long the slowest write has been waiting."
    yield from _one("riverrun_reader_stalled_seconds", "gauge", stalled, readers.stalled_seconds)
    yield from _one("riverrun_watched_runs", "gauge", "Runs that must be read to go on.", readers.watched)
    now = {name: count for name, count in metrics.runs.items() if name in _NOW}
    yield from _many("riverrun_runs", "gauge", "Runs of this process now.", "state", now)
    since = {name: count for name, count in metrics.runs.items() if name not in _NOW}
    yield from _many("riverrun_runs_total", "counter", "Runs of this process since the start.", "outcome", since)
    yield from _many("riverrun_errors_total", "counter", "Answers that were errors.", "code", metrics.errors)
    for name, (metric, kind, what) in _PROCESS.items():
        if name in metrics.process:
            yield from _one(metric, kind, what, metrics.process[name])
    for name, value in metrics.store.items():
        yield from _one(f"riverrun_store_{name}", "gauge", "Of the store, just now.", value)
    yield from _one("riverrun_start_time_seconds", "gauge", "When the server began.", metrics.since_ms / 1000)


def _one(name: str, kind: str, what: str, value: float) -> Iterator[str]:
    yield f"# HELP {name} {what}\n# TYPE {name} {kind}\n{name} {value!r}\n"


def _many(name: str, kind: str, what: str, label: str, values: Mapping[str, float]) -> Iterator[str]:
    yield f"# HELP {name} {what}\n# TYPE {name} {kind}\n"
    for each, value in sorted(values.items()):
        yield f'{name}{{{label}="{_escaped(each)}"}} {value!r}\n'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
