"""Events of a made-up run, for folds that need no engine."""

from __future__ import annotations

from typing import Any

from riverrun.events import kinds

RUN = "01" * 16


class Story:
    """Makes events in order."""

    def __init__(self) -> None:
        self.seq = 0

    def _next(self) -> dict[str, Any]:
        self.seq += 1
        return {"seq": self.seq, "ts": 0, "run": RUN}

    def begin(self) -> kinds.RunStarted:
        return kinds.RunStarted(**self._next(), graph="review", log="1f0c9a2e")

    def start(self, node: str) -> kinds.NodeStarted:
        return kinds.NodeStarted(**self._next(), node=node, exec=f"{node}:1")

    def chunk(self, node: str, value: object, start: int | None = None) -> kinds.NodeChunk:
        return kinds.NodeChunk(
            **self._next(), node=node, exec=f"{node}:1", message=f"{node}:1/said", value=value, key="said", start=start
        )

    def complete(self, node: str) -> kinds.NodeCompleted:
        return kinds.NodeCompleted(**self._next(), node=node, exec=f"{node}:1")

    def fail(self, node: str) -> kinds.NodeFailed:
        error = kinds.ErrorInfo(code="E3001", message="it burst")
        return kinds.NodeFailed(**self._next(), node=node, exec=f"{node}:1", error=error)

    def take_over(self) -> kinds.RunTakenOver:
        return kinds.RunTakenOver(**self._next(), epoch=2, worker="w-2")

    def retry(self, node: str, *, voids: bool = True) -> kinds.NodeRetrying:
        messages = (f"{node}:1/said",) if voids else ()
        return kinds.NodeRetrying(**self._next(), node=node, exec=f"{node}:1", attempt=2, voids=messages)

    def ask(self, node: str, value: object = "well?", **more: Any) -> kinds.NodeInterrupted:
        asked = kinds.Question(id=f"{node}:1?1", node=node, exec=f"{node}:1", value=value, **more)
        return kinds.NodeInterrupted(**self._next(), node=node, exec=f"{node}:1", question=asked)

    def park(self, *asked: kinds.NodeInterrupted) -> kinds.RunInterrupted:
        return kinds.RunInterrupted(**self._next(), questions=tuple(each.question for each in asked))

    def resume(self, **answers: Any) -> kinds.RunResumed:
        return kinds.RunResumed(**self._next(), answers=answers)

    def cancel(self, node: str, reason: str = "decided") -> kinds.NodeCancelled:
        return kinds.NodeCancelled(
            **self._next(), node=node, exec=f"{node}:1", voids=(f"{node}:1/said",), reason=reason
        )

    def fork(self) -> kinds.RunForked:
        return kinds.RunForked(**self._next(), source="02" * 16, at=3)

    def end(self) -> kinds.RunCompleted:
        return kinds.RunCompleted(**self._next(), steps=1)

    def stop(self) -> kinds.RunStopped:
        return kinds.RunStopped(**self._next(), reason="enough")
