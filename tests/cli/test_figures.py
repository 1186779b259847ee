"""The table says what was counted, and success is only what it should be."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from riverrun.cli.figures import Outcome, as_json, complaints, drawn, rows
from riverrun.observe.audit import Audit

AUDIT = Audit(
    events=1590, chunks=1573, applied=1590, lost=0, repeated=0, reordered=0, foreign=0, voided=1237, takeovers=1
)
OUTCOME = Outcome(
    run="01" * 16,
    ending="completed",
    documents=5,
    size_bytes=27_775,
    report="out/report.md",
    same_report=True,
    cuts=1,
    kills=1,
    reconnects=2,
    first_chunk_seconds=0.028,
    seconds=16.7,
    pace=0.0132,
)


def printed(audit, outcome):
    buffer = io.StringIO()
    console = Console(file=buffer, width=80)
    console.print(drawn(audit, outcome))
    return buffer.getvalue()


def test_all_well():
    assert [] == complaints(AUDIT, OUTCOME)
    table = as_json(AUDIT, OUTCOME)
    assert table["ok"]
    assert {
        "events": 1590,
        "chunks": 1573,
        "voided_utf16": 1237,
        "first_chunk_ms": 28.0,
        "chunks_per_second": 94.2,
    } == {key: table[key] for key in ("events", "chunks", "voided_utf16", "first_chunk_ms", "chunks_per_second")}
    assert {"events": "1,590", "lost": "0", "reconnects": "2", "duration": "16.7 s"} == {
        name: value for name, value, _ in rows(AUDIT, OUTCOME) if name in {"events", "lost", "reconnects", "duration"}
    }
    said = printed(AUDIT, OUTCOME)
    assert "exactly once" in said
    assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize(
    ("counts", "facts", "words"),
    [
        ({"lost": 3}, {}, "3 events were lost"),
        ({"repeated": 1}, {}, "1 events were repeated"),
        ({"reordered": 2}, {}, "2 events were reordered"),
        ({"foreign": 1}, {}, "1 events were made up"),
        ({}, {"ending": "failed"}, "the run ended as failed"),
        ({}, {"ending": ""}, "its last event never came"),
        ({}, {"cuts": 0}, "the connection was not cut"),
        ({"takeovers": 0}, {"kills": 0}, "the server was not killed"),
        ({"takeovers": 0}, {}, "not taken over"),
        ({}, {"same_report": False}, "not the one in the state"),
    ],
)
def test_whatever_is_not_as_it_must_be_is_said(counts, facts, words):
    audit, outcome = AUDIT._replace(**counts), OUTCOME._replace(**facts)
    said = complaints(audit, outcome)
    assert 1 == len(said)
    assert words in said[0]
    assert not as_json(audit, outcome)["ok"]
    assert "not as it must be" in printed(audit, outcome)


def test_a_run_that_never_was_has_no_speed():
    assert 0.0 == as_json(AUDIT, OUTCOME._replace(seconds=0.0))["chunks_per_second"]
