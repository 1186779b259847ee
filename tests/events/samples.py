"""One event of every kind with every field set, so that the golden files hold the whole of PROTOCOL.md §2."""

from __future__ import annotations

from typing import Any

from riverrun.events import kinds
from riverrun.events.kinds import Base, ErrorInfo, Event, Question, Send

RUN = "018b2f5e3c7d" + "0123456789abcdef0123"
_ENVELOPE: dict[str, Any] = {"seq": 7, "ts": 1_700_000_000_123, "run": RUN, "ns": ("outer", "inner")}
_NODE: dict[str, Any] = {**_ENVELOPE, "node": "summarise", "exec": "summarise:2", "attempt": 3, "agent": "Résumé ✍"}
_END: dict[str, Any] = {**_ENVELOPE, "steps": 12, "partial": ("summarise:2/summary",)}
_ERROR = ErrorInfo(code="E3001", message="no such key: 'ü'", where="agent.py:12", mend="Give the key.", kind="KeyError")
_QUESTION = Question(
    id="ask:1?1",
    node="ask",
    exec="ask:1",
    value={"really": "?"},
    kind="before",
    schema={"type": "boolean"},
    problem="Expected `bool`, got `str`",
)

SAMPLES: tuple[Event, ...] = (
    kinds.RunStarted(
        **_ENVELOPE,
        graph="review",
        input={"text": "line\nbreak \u2028 and \x00 and 👩‍👩‍👧", "n": [1, 2.5, None, True]},
        log="0a1b2c3d",
        limit=50,
        timeout=12.5,
        thread="conversation-1",
        grace=30.5,
        base=Base("018b2f5e3c7c" + "0123456789abcdef0123", 41),
        node="plan",
        goto=("write", Send("read", {"page": 3})),
        defaults={"notes": []},
        held=True,
        before=("publish",),
        after=("*",),
        context={"user": "u1"},
        config={"tags": ["t"]},
    ),
    kinds.NodeStarted(**_NODE, after=("split:1", "read:1")),
    kinds.NodeChunk(**_NODE, message="summarise:2/summary", value="wörd 👍\r\n", key="summary", start=9),
    kinds.NodeCompleted(
        **_NODE,
        writes=({"title": "T"}, {"n": 2}),
        folds={"summary": "text", "parts": "list"},
        goto=("editor", Send("check", {"n": 1}), "END"),
        leaves=True,
        cached=True,
    ),
    kinds.NodeRetrying(**_NODE, voids=("summarise:2/summary",), reason="failed", error=_ERROR, delay=1.5),
    kinds.NodeInterrupted(**_NODE, question=_QUESTION),
    kinds.NodeCancelled(**_NODE, voids=("summarise:2/summary",), reason="left"),
    kinds.NodeFailed(**_NODE, error=_ERROR, voids=("summarise:2/summary",), tolerated=True),
    kinds.Custom(**_NODE, name="progress", value={"done": 0.5}),
    kinds.RunInterrupted(**_ENVELOPE, questions=(_QUESTION,)),
    kinds.RunResumed(**_ENVELOPE, answers={"q1": ["yes"]}, control=3),
    kinds.RunTakenOver(**_ENVELOPE, epoch=2, worker="w-0123456789ab"),
    kinds.RunForked(**_ENVELOPE, source="018b2f5e3c7c" + "0123456789abcdef0123", at=40, limit=2000),
    kinds.RunCompleted(**_END),
    kinds.RunFailed(**_END, error=_ERROR),
    kinds.RunStopped(**_END, reason="enough"),
    kinds.RunTimedOut(**_END, limit=30.0),
    kinds.RunLost(**_END, reason="no worker serves the graph"),
)
