"""The states of a run and of a step, and the table of legal moves (diagrams: `docs/moves.md`, made from these tables).

Two rules for this file: everything about which signal is allowed when is here, and nothing here knows what a signal
does. An illegal move raises and changes nothing.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

from riverrun.base.errors import IllegalMove

AnyState = TypeVar("AnyState", bound=Enum)


class RunState(Enum):
    """Where a run is."""

    __hash__ = object.__hash__  # in C; that of Enum is a function, called for every look into a table

    NEW = "new"
    RUNNING = "running"
    PARKED = "parked"  # nothing runs; questions are open
    ENDING = "ending"  # how it ends is settled; what still runs is being cancelled
    ENDED = "ended"


class StepState(Enum):
    """Where one execution of a node is."""

    __hash__ = object.__hash__  # as above

    RUNNING = "running"
    PARKED = "parked"  # it waits for an answer
    ROUTING = "routing"  # the node gave back; its routers are asked
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


RUN_MOVES: dict[RunState, dict[str, RunState]] = {
    RunState.NEW: {"started": RunState.RUNNING},
    RunState.RUNNING: {
        "stopped": RunState.ENDING,
        "expired": RunState.ENDING,
        "broke": RunState.ENDING,
        "finished": RunState.ENDED,
        "resumed": RunState.RUNNING,
        "parked": RunState.PARKED,
    },
    RunState.PARKED: {
        "resumed": RunState.RUNNING,
        "unanswered": RunState.PARKED,
        "stopped": RunState.ENDING,
        "expired": RunState.ENDING,
        "broke": RunState.ENDING,
    },
    # The first cause stands: what comes after it changes nothing.
    RunState.ENDING: {
        "stopped": RunState.ENDING,
        "expired": RunState.ENDING,
        "broke": RunState.ENDING,
        "finished": RunState.ENDED,
    },
    RunState.ENDED: {},
}

STEP_MOVES: dict[StepState, dict[str, StepState]] = {
    StepState.RUNNING: {
        "yielded": StepState.RUNNING,
        "updated": StepState.RUNNING,
        "emitted": StepState.RUNNING,
        "returned": StepState.ROUTING,
        "failed": StepState.FAILED,
        "cancel": StepState.CANCELLING,
        "retried": StepState.RUNNING,
        "asked": StepState.PARKED,
    },
    StepState.PARKED: {
        "answered": StepState.RUNNING,
        "cancel": StepState.CANCELLED,
    },
    StepState.ROUTING: {
        "routed": StepState.COMPLETED,
        "failed": StepState.FAILED,
        "cancel": StepState.CANCELLING,
    },
    # A node that ends by itself while it is being cancelled keeps its work.
    StepState.CANCELLING: {
        "updated": StepState.CANCELLING,
        "returned": StepState.COMPLETED,
        "failed": StepState.CANCELLED,
        "cancelled": StepState.CANCELLED,
    },
    StepState.COMPLETED: {},
    StepState.FAILED: {},
    StepState.CANCELLED: {},
}


def move(table: dict[AnyState, dict[str, AnyState]], state: AnyState, signal: str, what: str) -> AnyState:
    """Give the state that a signal leads to.

    Args:
        table: `RUN_MOVES` or `STEP_MOVES`.
        state: Where it is.
        signal: What arrived.
        what: The run or the execution, for the message.

    Returns:
        The next state.

    Raises:
        IllegalMove: E3012, the table has no such move.
    """
    following = table[state].get(signal)
    if following is None:
        raise IllegalMove("E3012", f"{what} is {state.value}: it cannot take the signal {signal!r}")
    return following


def mermaid(table: dict[AnyState, dict[str, AnyState]]) -> str:
    """Draw a table of moves as a Mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    for state, moves in table.items():
        lines.extend(f"    {state.value} --> {after.value}: {signal}" for signal, after in moves.items())
        if not moves:
            lines.append(f"    {state.value} --> [*]")
    return "\n".join(lines)
