"""Both forms of the metrics say the same, and Prometheus's own words are kept."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riverrun.observe.metrics import Metrics, ReaderFigures, encode, exposition

SAMPLE = re.compile(r'^([a-z_]+)(?:\{([a-z]+)="((?:[^"\\\n]|\\[\\"n])*)"\})? (\S+)$')
COUNT = st.integers(0, 2**40)
MADE = st.builds(
    Metrics,
    server=st.text(max_size=8),
    since_ms=COUNT,
    readers=st.builds(ReaderFigures, open=COUNT, total=COUNT, lag=COUNT, stalled_seconds=st.floats(0, 1e9)),
    runs=st.dictionaries(st.sampled_from(["running", "waiting", "started", "ended", "lost"]), COUNT),
    errors=st.dictionaries(st.text(max_size=8), COUNT),
    process=st.dictionaries(
        st.sampled_from(["cpu_seconds", "rss_bytes", "descriptors", "threads"]), st.floats(0, 1e12)
    ),
    store=st.dictionaries(st.sampled_from(["answer_seconds"]), st.floats(0, 10)),
)


def samples(text):
    found, kinds = {}, {}
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds, "each is introduced once"
            kinds[name] = kind
        elif not line.startswith("# HELP "):
            read = SAMPLE.fullmatch(line)
            assert read, line
            name, label, value, number = read.groups()
            assert name in kinds, "introduced before its samples"
            plain = None if value is None else re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], value)
            assert (name, label, plain) not in found
            found[name, label, plain] = float(number)
    return found, kinds


@given(MADE)
@pytest.mark.slow
def test_the_text_form_is_well_formed_and_says_what_the_json_says(metrics):
    told = json.loads(encode(metrics))
    text = exposition(metrics).decode()
    found, kinds = samples(text)
    assert told["readers"]["open"] == found["riverrun_readers", None, None]
    assert told["readers"]["lag"] == found["riverrun_reader_lag_events", None, None]
    for name, count in told["runs"].items():
        now = ("riverrun_runs", "state", name)
        assert count == found[now if now in found else ("riverrun_runs_total", "outcome", name)]
    assert sum(told["errors"].values()) == sum(
        v for (name, _, _), v in found.items() if name == "riverrun_errors_total"
    )
    assert told["process"].get("rss_bytes") == found.get(("process_resident_memory_bytes", None, None))
    assert all(kind == "counter" for name, kind in kinds.items() if name.endswith("_total"))


def test_a_label_cannot_break_a_line():
    metrics = Metrics(server="s", since_ms=1, readers=ReaderFigures(), errors={'a"} 1\nb\\': 2})
    found, _ = samples(exposition(metrics).decode())
    assert 2 == found["riverrun_errors_total", "code", 'a"} 1\nb\\']
